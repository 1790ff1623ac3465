"""Another clock than the count of updates."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import jax
import jax.numpy as jnp

from rheostax import _check
from rheostax._node import node
from rheostax._rate import LearningRate, Metrics, as_learning_rate
from rheostax._twofloat import TwoFloat
from rheostax.errors import ArgumentError

__all__ = ["Clock"]


@node
class Clock(LearningRate):
    """Let an expression proceed by several ticks per update, by more or fewer from certain counts on.

    The value at count k is that of `rate` at the number of ticks up to k: `ticks[i]` for each update from `boundaries[i - 1]`
    to `boundaries[i]`. It has no jumps where the ticks change. `rx.resolve` makes these for durations in samples and tokens
    where the batch size changes.

    Args:
        rate: An expression whose durations are counted in ticks.
        boundaries: The counts at which ticks[1], ticks[2], ... begin; increasing whole numbers >= 1, one fewer than ticks.
        ticks: Ticks per update, whole numbers >= 1.

    Raises:
        ArgumentError: If the boundaries aren't increasing, their number doesn't fit, or ticks are no whole numbers >= 1.

    >>> import rheostax as rx
    >>> rate = rx.Clock(rx.Linear(1.0, 0.0, 8), boundaries=[2], ticks=[1, 3])
    >>> [float(rate(count)) for count in range(5)]
    [1.0, 0.875, 0.75, 0.375, 0.0]
    """

    rate: LearningRate
    boundaries: tuple[int, ...]
    ticks: tuple[int, ...]

    def __init__(self, rate: Any, boundaries: Iterable[int], ticks: Iterable[int]) -> None:
        object.__setattr__(self, "rate", as_learning_rate(rate))
        object.__setattr__(self, "boundaries", boundaries)
        object.__setattr__(self, "ticks", ticks)
        self.__post_init__()

    def __post_init__(self) -> None:
        _check.increasing(self, "boundaries")
        _check.each_whole(self, "ticks")
        if len(self.ticks) != len(self.boundaries) + 1:
            raise ArgumentError(f"Clock: boundaries must be one fewer than ticks, got {len(self.boundaries)} for {len(self.ticks)} ticks.")

    def children(self) -> tuple[LearningRate, ...]:
        return (self.rate,)

    def _ticks_at(self, count: jax.Array) -> jax.Array:
        """Return the ticks up to a count, stopping at the largest int32."""
        total = jnp.zeros_like(count)
        starts = (0, *self.boundaries)
        for i, (start, ticks) in enumerate(zip(starts, self.ticks, strict=True)):
            end = starts[i + 1] if i + 1 < len(starts) else _check.INT32_MAX
            updates = jnp.clip(count, start, end) - start
            room = (_check.INT32_MAX - total) // jnp.int32(ticks)
            total = jnp.where(updates > room, _check.INT32_MAX, total + updates * jnp.int32(ticks))
        return total

    def observe(self, state: Any, count: jax.Array, metrics: Metrics) -> Any:
        return (self.rate.observe(state[0], self._ticks_at(count), metrics),)

    def evaluate(self, state: Any, count: jax.Array) -> TwoFloat:
        return self.rate.evaluate(state[0], self._ticks_at(count))

    @property
    def horizon(self) -> int | None:
        left = self.rate.horizon
        if left is None:
            return None
        starts = (0, *map(int, self.boundaries))
        for i, (start, ticks) in enumerate(zip(starts, map(int, self.ticks), strict=True)):
            length = starts[i + 1] - start if i + 1 < len(starts) else None
            if length is None or left <= length * ticks:
                return start - (-left // ticks)
            left -= length * ticks
        return None
