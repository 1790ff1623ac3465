"""Linear interpolation between two values."""

from __future__ import annotations

import jax

from rheostax import _check
from rheostax._duration import Steps
from rheostax._node import duration, node
from rheostax._rate import Schedule
from rheostax._twofloat import TwoFloat
from rheostax.schedules._progress import between
from rheostax.schedules._weights import straight

__all__ = ["Linear"]


@node
class Linear(Schedule):
    """Go from one value to another in a straight line, then stay.

    `init_value + (end_value - init_value) * min(count / transition_steps, 1)`; exactly `end_value` from count
    `transition_steps` on.

    Args:
        init_value: Value at count 0, >= 0.
        end_value: Value at and after the end, >= 0.
        transition_steps: Length in updates, a whole number >= 1.

    Raises:
        ArgumentError: If an argument breaks its rule.

    >>> import rheostax as rx
    >>> [round(float(rx.Linear(1.0, 0.0, 4)(count)), 2) for count in range(6)]
    [1.0, 0.75, 0.5, 0.25, 0.0, 0.0]

    Source: `optax.linear_schedule` (the same values; its jitted form can end slightly below zero).
    """

    init_value: float
    end_value: float
    transition_steps: Steps = duration(ends=True)

    def __post_init__(self) -> None:
        _check.number(self, "init_value")
        _check.number(self, "end_value")
        _check.duration(self, "transition_steps")

    def at(self, count: jax.Array) -> TwoFloat:
        return between(self.init_value, self.end_value, self.transition_steps, count, straight)

    @property
    def horizon(self) -> int | None:
        return int(self.transition_steps)
