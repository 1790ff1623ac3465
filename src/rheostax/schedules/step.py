"""A staircase with even steps."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from rheostax import _check
from rheostax._node import duration, node
from rheostax._rate import Schedule
from rheostax._twofloat import TwoFloat
from rheostax.schedules._progress import decayed

__all__ = ["Step"]


@node
class Step(Schedule):
    """Multiply the value by a factor every so many updates, and hold it in between.

    `init_value * factor ** (count // transition_steps)`: the first cut is that of count `transition_steps`.

    Args:
        init_value: Value at count 0, >= 0.
        transition_steps: Updates from one cut to the next, a whole number >= 1.
        factor: What to multiply with at a cut, in (0, 1].

    Raises:
        ArgumentError: If an argument breaks its rule.

    >>> import rheostax as rx
    >>> rate = rx.Step(0.8, transition_steps=3, factor=0.5)
    >>> [round(float(rate(count)), 3) for count in (0, 2, 3, 5, 6)]
    [0.8, 0.8, 0.4, 0.4, 0.2]

    Source: `optax.exponential_decay(..., staircase=True)`.
    """

    init_value: float
    transition_steps: int = duration()
    factor: float

    def __post_init__(self) -> None:
        _check.number(self, "init_value")
        _check.duration(self, "transition_steps")
        _check.number(self, "factor", high=1.0, low_open=True, high_open=False, advice="A factor above 1 would grow without bound.")

    def at(self, count: jax.Array) -> TwoFloat:
        return decayed(self.init_value, self.factor, count // jnp.int32(self.transition_steps))
