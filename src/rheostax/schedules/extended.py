"""A schedule whose end was moved while it ran."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from rheostax import _check
from rheostax._duration import Steps
from rheostax._node import duration, node
from rheostax._rate import LearningRate, as_learning_rate
from rheostax._twofloat import TwoFloat, ratio, where

__all__ = ["Extended"]


@node
class Extended(LearningRate):
    """Follow one schedule up to a count and another one from there on, without a jump between them. See `rx.extend`.

    For count < at the value is that of `before`. From there on, with b = before(at): `after(count) * b / after(at)` if
    rewarm_steps is 0, else `b + (after(count) - b) * min((count - at) / rewarm_steps, 1)`. Both see the same count.

    Args:
        before: A schedule.
        after: The same schedule with another end.
        at: The count of the change, a whole number >= 0.
        rewarm_steps: Updates in which the rate rises to `after`, a whole number >= 0; 0 for a proportional continuation.

    Raises:
        ArgumentError: If an argument breaks its rule.

    >>> import rheostax as rx
    >>> rate = rx.Extended(rx.Linear(1.0, 0.0, 4), rx.Linear(1.0, 0.0, 8), at=3)
    >>> [round(float(rate(count)), 3) for count in (2, 3, 4, 8)]
    [0.5, 0.25, 0.2, 0.0]
    """

    before: LearningRate
    after: LearningRate
    at: Steps = duration()
    rewarm_steps: Steps = duration(default=0)

    def __post_init__(self) -> None:
        object.__setattr__(self, "before", as_learning_rate(self.before))
        object.__setattr__(self, "after", as_learning_rate(self.after))
        _check.duration(self, "at", low=0)
        _check.duration(self, "rewarm_steps", low=0)

    def children(self) -> tuple[LearningRate, ...]:
        return (self.before, self.after)

    def evaluate(self, state: Any, count: jax.Array) -> TwoFloat:
        at, rewarm_steps = jnp.int32(self.at), jnp.int32(self.rewarm_steps)
        before, after = (child.evaluate(part, count) for child, part in zip(self.children(), state, strict=True))
        start, goal = (child.evaluate(part, at) for child, part in zip(self.children(), state, strict=True))
        proportional = after * (start / where(goal.high > 0, goal, 1.0))
        risen = ratio(jnp.clip(count - at, 0, rewarm_steps), jnp.maximum(rewarm_steps, 1))
        rewarmed = where(count - at >= rewarm_steps, after, start * (1.0 - risen) + after * risen)
        return where(count < at, before, where(rewarm_steps == 0, where(count == at, start, proportional), rewarmed))

    @property
    def horizon(self) -> int | None:
        return self.after.horizon
