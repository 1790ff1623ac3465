"""A power of half a cosine, which optax has and no schedule here."""

from __future__ import annotations

import jax

from rheostax import _check
from rheostax._duration import Steps
from rheostax._node import duration, node
from rheostax._rate import Schedule
from rheostax._twofloat import TwoFloat
from rheostax.schedules._progress import between
from rheostax.schedules._weights import cosine, to_power

__all__ = ["CosinePower"]


@node
class CosinePower(Schedule):
    """Fall from `init_value` to `end_value` as a power of half a cosine: `((1 + cos(pi count / decay_steps)) / 2) ** exponent`.

    Args:
        init_value: Value at count 0, >= 0.
        decay_steps: Length in updates, a whole number >= 1.
        end_value: Value at and after the end, >= 0.
        exponent: > 0.

    Raises:
        ArgumentError: If an argument breaks its rule.
    """

    init_value: float
    decay_steps: Steps = duration(ends=True)
    end_value: float = 0.0
    exponent: float = 1.0

    def __post_init__(self) -> None:
        _check.number(self, "init_value")
        _check.duration(self, "decay_steps")
        _check.number(self, "end_value")
        _check.number(self, "exponent", low_open=True)

    def at(self, count: jax.Array) -> TwoFloat:
        weigh = to_power(self.exponent)
        return between(self.init_value, self.end_value, self.decay_steps, count, lambda done, left: weigh(*cosine(done, left)))

    @property
    def horizon(self) -> int | None:
        return int(self.decay_steps)
