"""Several waves of a cosine, or falls along half of one, in lengths that needn't be whole numbers of updates."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from rheostax import _check
from rheostax._duration import Steps
from rheostax._node import duration, node
from rheostax._rate import Schedule
from rheostax._twofloat import TwoFloat, half_cosine, nearest, ratio, where
from rheostax.errors import ArgumentError

__all__ = ["CosineFalls", "CosineWave"]


@node
class CosineWave(Schedule):
    """Follow `end_value + (1 - end_value) * (1 + cos(2 pi cycles count / steps)) / 2`, past `steps` too.

    Args:
        cycles: Waves within `steps`, > 0; any number.
        steps: Updates, a whole number >= 1.
        end_value: The lowest value, in [0, 1].

    Raises:
        ArgumentError: If an argument breaks its rule.
    """

    cycles: float
    steps: Steps = duration()
    end_value: float = 0.0

    def __post_init__(self) -> None:
        _check.number(self, "cycles", low_open=True)
        _check.duration(self, "steps")
        _check.number(self, "end_value", high=1.0, high_open=False)

    def at(self, count: jax.Array) -> TwoFloat:
        waves = TwoFloat.of(self.cycles) * ratio(count, jnp.int32(self.steps))
        rest = waves - TwoFloat.of(nearest(waves))  # in [-1/2, 1/2]
        low = TwoFloat.of(self.end_value)
        return low + (1.0 - low) * _fallen(where(rest.high < 0, -rest, rest) * 2.0)


@node
class CosineFalls(Schedule):
    """Fall from 1 to 0 along half a cosine, `cycles` times within `steps` updates, each time from the top; 0 from there on.

    Args:
        cycles: How often, a whole number >= 1.
        steps: Updates, a whole number >= 1; their product is at most 2**31 - 1.

    Raises:
        ArgumentError: If an argument breaks its rule.
    """

    cycles: int
    steps: Steps = duration(ends=True)

    def __post_init__(self) -> None:
        _check.whole(self, "cycles")
        _check.duration(self, "steps")
        if isinstance(self.cycles, int) and isinstance(self.steps, int) and self.cycles * self.steps > _check.INT32_MAX:
            raise ArgumentError(f"CosineFalls: cycles * steps must be at most {_check.INT32_MAX:,}, got {self.cycles} * {self.steps}.")

    def at(self, count: jax.Array) -> TwoFloat:
        steps = jnp.int32(self.steps)
        done = (jnp.minimum(count, steps) * jnp.int32(self.cycles)) % steps  # in parts of a fall, exactly
        near = ratio(jnp.minimum(done, steps - done), steps)
        fallen = half_cosine(near)
        return where(count >= steps, 0.0, where(done < steps - done, 1.0 - fallen, fallen))

    @property
    def horizon(self) -> int | None:
        return int(self.steps)


def _fallen(away: TwoFloat) -> TwoFloat:
    """Return (1 + cos(pi away)) / 2 for away in [0, 1]."""
    early = away.high < 0.5
    near = half_cosine(where(early, away, 1.0 - away))
    return where(early, 1.0 - near, near)
