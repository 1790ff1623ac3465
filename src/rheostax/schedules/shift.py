"""A learning rate that begins in its middle."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from rheostax import _check
from rheostax._node import duration, node
from rheostax._rate import LearningRate, Metrics, as_learning_rate
from rheostax._twofloat import TwoFloat

__all__ = ["Shift"]


@node
class Shift(LearningRate):
    """Begin in the middle: at count k, the value of another expression at count k + steps.

    It goes on with a run whose first part was made elsewhere.

    Args:
        rate: An expression.
        steps: Updates to leave out at the beginning, a whole number >= 0.

    Raises:
        ArgumentError: If steps is no whole number >= 0.

    >>> import rheostax as rx
    >>> rate = rx.Shift(rx.Linear(1.0, 0.0, 4), steps=3)
    >>> [float(rate(count)) for count in range(3)]
    [0.25, 0.0, 0.0]
    """

    rate: LearningRate
    steps: int = duration()

    def __post_init__(self) -> None:
        object.__setattr__(self, "rate", as_learning_rate(self.rate))
        _check.duration(self, "steps", low=0)

    def children(self) -> tuple[LearningRate, ...]:
        return (self.rate,)

    def _shifted(self, count: jax.Array) -> jax.Array:
        steps = jnp.int32(self.steps)
        return jnp.minimum(count, _check.INT32_MAX - steps) + steps

    def observe(self, state: Any, count: jax.Array, metrics: Metrics) -> Any:
        return (self.rate.observe(state[0], self._shifted(count), metrics),)

    def evaluate(self, state: Any, count: jax.Array) -> TwoFloat:
        return self.rate.evaluate(state[0], self._shifted(count))

    @property
    def horizon(self) -> int | None:
        end = self.rate.horizon
        return None if end is None else max(end - int(self.steps), 0)
