"""What a factor in PyTorch's chain has left to do after a cosine has come to 0 there and begun anew."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from rheostax import _check
from rheostax._duration import Steps
from rheostax._node import duration, node
from rheostax._rate import LearningRate, as_learning_rate
from rheostax._twofloat import TwoFloat, where

__all__ = ["Renewed"]


@node
class Renewed(LearningRate):
    """Divide a factor by what it was when a cosine of half a period `steps` last left 0.

    That is at counts steps + 1, 3 steps + 1, ...: there PyTorch adds to a rate that is 0, whatever the chain's other schedulers had
    made of it, so from then on they count from there. `late` is 1 for those that act after the cosine, and so at that count too.
    What is 0 in float32, below 1e-38, counts as 0.
    """

    rate: LearningRate
    steps: Steps = duration()
    late: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "rate", as_learning_rate(self.rate))
        _check.duration(self, "steps")
        _check.whole(self, "late", low=0)

    def children(self) -> tuple[LearningRate, ...]:
        return (self.rate,)

    def evaluate(self, state: Any, count: jax.Array) -> TwoFloat:
        steps, now = jnp.int32(self.steps), self.rate.evaluate(state[0], count)
        half_periods = jnp.maximum(count - steps - 1, 0) // steps
        left = steps + 1 + half_periods // 2 * 2 * steps
        then = self.rate.evaluate(state[0], jnp.maximum(left - jnp.int32(self.late), 0))
        # A factor that has come to 0 stays there in PyTorch, and multiplies with 1 from then on.
        since = where(then.high > 0, now / where(then.high > 0, then, 1.0), 1.0)
        return where(count > steps, since, now)
