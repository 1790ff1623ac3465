"""Polynomial decay."""

from __future__ import annotations

import jax

from rheostax import _check
from rheostax._node import duration, node
from rheostax._rate import Schedule
from rheostax._twofloat import TwoFloat, exp, expm1, log, log1p, where
from rheostax.schedules._progress import between

__all__ = ["Polynomial"]


@node
class Polynomial(Schedule):
    """Go from one value to another along a power of the part that is left, then stay.

    `end_value + (init_value - end_value) * (1 - count / transition_steps) ** power`; exactly `end_value` from count
    `transition_steps` on, for every power, jitted or not.

    Args:
        init_value: Value at count 0, >= 0.
        end_value: Value at and after the end, >= 0.
        power: Exponent, > 0; 1 is `rx.Linear`.
        transition_steps: Length in updates, a whole number >= 1.

    Raises:
        ArgumentError: If an argument breaks its rule.

    >>> import rheostax as rx
    >>> [float(rx.Polynomial(1.0, 0.0, 2.0, 4)(count)) for count in range(6)]
    [1.0, 0.5625, 0.25, 0.0625, 0.0, 0.0]

    Source: `optax.polynomial_schedule`, whose jitted form is NaN at the end for many lengths and powers.
    """

    init_value: float
    end_value: float
    power: float
    transition_steps: int = duration(ends=True)

    def __post_init__(self) -> None:
        _check.number(self, "init_value")
        _check.number(self, "end_value")
        _check.number(self, "power", low_open=True)
        _check.duration(self, "transition_steps")

    def at(self, count: jax.Array) -> TwoFloat:
        def weights(done: TwoFloat, left: TwoFloat) -> tuple[TwoFloat, TwoFloat]:
            # left**power and its complement, each from the part that is smaller and thus the more exact
            early, power = done.high < left.high, TwoFloat.of(self.power)
            exponent = power * where(early, log1p(-done), log(where(left.high > 0, left, 1.0)))
            return -expm1(exponent), exp(exponent)

        return between(self.init_value, self.end_value, self.transition_steps, count, weights)

    @property
    def horizon(self) -> int | None:
        return int(self.transition_steps)
