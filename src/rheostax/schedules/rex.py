"""Reflected exponential decay."""

from __future__ import annotations

import jax

from rheostax import _check
from rheostax._duration import Steps
from rheostax._node import duration, node
from rheostax._rate import Schedule
from rheostax._twofloat import TwoFloat
from rheostax.schedules._progress import between
from rheostax.schedules._weights import rex

__all__ = ["Rex"]


@node
class Rex(Schedule):
    """Decay slowly first and fast at the end, along a hyperbola, then stay.

    `end_value + (init_value - end_value) * (1 - z) / (1/2 + (1 - z) / 2)` with `z = count / decay_steps`; exactly `end_value`
    from count `decay_steps` on.

    Args:
        init_value: Value at count 0, >= 0.
        decay_steps: Length in updates, a whole number >= 1.
        end_value: Value at and after the end, >= 0.

    Raises:
        ArgumentError: If an argument breaks its rule.

    >>> import rheostax as rx
    >>> [round(float(rx.Rex(1.0, 4)(count)), 3) for count in range(6)]
    [1.0, 0.857, 0.667, 0.4, 0.0, 0.0]

    Source: REX, "reflected exponential" (arXiv 2107.04197).
    """

    init_value: float
    decay_steps: Steps = duration(ends=True)
    end_value: float = 0.0

    def __post_init__(self) -> None:
        _check.number(self, "init_value")
        _check.duration(self, "decay_steps")
        _check.number(self, "end_value")

    def at(self, count: jax.Array) -> TwoFloat:
        return between(self.init_value, self.end_value, self.decay_steps, count, rex)

    @property
    def horizon(self) -> int | None:
        return int(self.decay_steps)
