"""A schedule that proceeds once in so many updates."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import jax
import jax.numpy as jnp

from rheostax import _check
from rheostax._duration import Steps
from rheostax._node import duration, node
from rheostax._rate import LearningRate, Metrics, as_learning_rate
from rheostax._twofloat import TwoFloat

__all__ = ["Staircase"]


@node
class Staircase(LearningRate):
    """Let an expression proceed by one every so many updates: at count k, its value at k // steps.

    With `steps="1ep"` the inner expression counts epochs, as in a script that steps its schedule once per epoch. Its lengths
    are numbers of epochs then; `rx.stretch` changes `steps` alone.

    Args:
        rate: An expression whose counts are stairs.
        steps: Updates per stair, a whole number >= 1.

    Raises:
        ArgumentError: If steps is no whole number >= 1.

    >>> import rheostax as rx
    >>> rate = rx.Staircase(rx.Linear(1.0, 0.0, 2), steps=3)
    >>> [float(rate(count)) for count in (0, 2, 3, 5, 6)]
    [1.0, 1.0, 0.5, 0.5, 0.0]
    """

    rate: LearningRate
    steps: Steps = duration()

    def __post_init__(self) -> None:
        object.__setattr__(self, "rate", as_learning_rate(self.rate))
        _check.duration(self, "steps")

    def children(self) -> tuple[LearningRate, ...]:
        return (self.rate,)

    def rebuild(self, change: Callable[[str, Any], Any], child: Callable[[LearningRate], LearningRate], check: bool = True) -> Self:
        return super().rebuild(change, lambda inner: inner, check)  # what is inside isn't counted in updates

    def observe(self, state: Any, count: jax.Array, metrics: Metrics) -> Any:
        return (self.rate.observe(state[0], count // jnp.int32(self.steps), metrics),)

    def evaluate(self, state: Any, count: jax.Array) -> TwoFloat:
        return self.rate.evaluate(state[0], count // jnp.int32(self.steps))

    @property
    def horizon(self) -> int | None:
        stairs = self.rate.horizon
        end = None if stairs is None else stairs * int(self.steps)
        return end if end is not None and end <= _check.INT32_MAX else None
