"""Polynomial decay."""

from __future__ import annotations

import jax

from rheostax import _check
from rheostax._duration import Steps
from rheostax._node import duration, node
from rheostax._rate import Schedule
from rheostax._twofloat import TwoFloat
from rheostax.schedules._progress import between
from rheostax.schedules._weights import delayed, to_power

__all__ = ["Polynomial"]


@node
class Polynomial(Schedule):
    """Go from one value to another along a power of the part that is left, then stay.

    `end_value + (init_value - end_value) * (1 - d) ** power` with `d = (count / transition_steps) ** k_decay`; exactly
    `end_value` from count `transition_steps` on, for every power, jitted or not.

    Args:
        init_value: Value at count 0, >= 0.
        end_value: Value at and after the end, >= 0.
        power: Exponent, > 0; 1 is `rx.Linear`.
        transition_steps: Length in updates, a whole number >= 1.
        k_decay: Exponent of the time that has passed, > 0; above 1 the decay comes later. None is 1.

    Raises:
        ArgumentError: If an argument breaks its rule.

    >>> import rheostax as rx
    >>> [float(rx.Polynomial(1.0, 0.0, 2.0, 4)(count)) for count in range(6)]
    [1.0, 0.5625, 0.25, 0.0625, 0.0, 0.0]

    Source: `optax.polynomial_schedule`, whose jitted form is NaN at the end for many lengths and powers. k-decay:
    arXiv 2004.05909, as in timm.
    """

    init_value: float
    end_value: float
    power: float
    transition_steps: Steps = duration(ends=True)
    k_decay: float | None = None

    def __post_init__(self) -> None:
        _check.number(self, "init_value")
        _check.number(self, "end_value")
        _check.number(self, "power", low_open=True)
        _check.duration(self, "transition_steps")
        if self.k_decay is not None:
            _check.number(self, "k_decay", low_open=True)

    def at(self, count: jax.Array) -> TwoFloat:
        weights = delayed(self.k_decay, to_power(self.power))
        return between(self.init_value, self.end_value, self.transition_steps, count, weights)

    @property
    def horizon(self) -> int | None:
        return int(self.transition_steps)
