"""`Policy`: a learning rate's factor that observations move."""

from __future__ import annotations

import abc
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rheostax._counter import increment
from rheostax._rate import LearningRate, Metrics, walk
from rheostax._twofloat import TwoFloat

__all__ = ["Observed", "Policy", "policies"]


class Observed(NamedTuple):
    """What is kept for a policy: its own state, and what it has been told so far."""

    own: Any
    observations: jax.Array  # int32 []: values of the monitored metric that counted
    nonfinite: jax.Array  # int32 []: NaN and infinite values, which were left out
    last: jax.Array  # float32 []: the last finite value; NaN before the first
    children: tuple[Any, ...] = ()  # the states of the expressions that a policy chooses between or restarts


class Policy(LearningRate):
    """A state machine from observations of one metric to a factor, which starts at 1.

    A new policy is a `@node` in a file of its own with a field `monitor: str = static(default="value")`, and

    - `start()`: its state before any observation, a pytree of `float32`, `int32` and `bool` arrays with a field `scale`;
    - `react(own, value)`: its state after a finite `value` (`float32 []`); pure, same structure, shapes and dtypes;
    - `status(own)`: a few words on that state, and `explain(before, after, value)`: why it decided what it did.

    A policy that decides something else than a scale overrides `evaluate`, and `signal(own)`, the number that moves when it
    decides.

    NaN and infinite values never reach it: they are counted and left out here, for all policies alike.
    """

    monitor: str

    @abc.abstractmethod
    def start(self) -> Any:
        """Return the policy's own state before any observation; its `scale` is 1."""

    @abc.abstractmethod
    def react(self, own: Any, value: jax.Array) -> Any:
        """Return the policy's own state after a finite value of its metric."""

    def signal(self, own: Any) -> Any:
        """Return the number whose change is a decision."""
        return own.scale

    def status(self, own: Any) -> str:
        """Say in a few words where the policy is."""
        return ""

    def explain(self, before: Any, after: Any, value: float) -> str:
        """Say why `value` made the policy decide what it did between two of its states."""
        return f"{self.monitor} was {value:.6g}"

    def skips(self, before: Any, after: Any) -> jax.Array | None:
        """Tell whether the update whose metric made this change should be skipped; None for a policy that never asks."""
        return None

    def hears(self, value: jax.Array) -> jax.Array:
        """Tell whether a value counts as an observation: by default, if it is finite."""
        return jnp.isfinite(value)

    def init(self) -> Observed:
        nothing = jnp.int32(0)
        return Observed(self.start(), nothing, nothing, jnp.float32(jnp.nan), tuple(child.init() for child in self.children()))

    def child_states(self, state: Observed) -> tuple[Any, ...]:
        return state.children

    def observe(self, state: Observed, count: jax.Array, metrics: Metrics) -> Observed:
        if self.monitor not in metrics:
            return state
        value = metrics[self.monitor]
        good = self.hears(value)
        own = self.react(state.own, jnp.where(good, value, 0.0))
        return Observed(
            own=jax.tree.map(lambda new, old: jnp.where(good, new, old), own, state.own),
            observations=increment(state.observations, good),
            nonfinite=increment(state.nonfinite, ~good),
            last=jnp.where(jnp.isfinite(value), value, state.last),
            children=state.children,
        )

    def evaluate(self, state: Observed, count: jax.Array) -> TwoFloat:
        return TwoFloat.of(state.own.scale).broadcast_to(jnp.shape(count))


def policies(rate: LearningRate, state: Any) -> list[tuple[Policy, Observed]]:
    """Return the policies of an expression, each with its part of the expression's state, as they are written."""
    return [(part, own) for part, own in walk(rate, state) if isinstance(part, Policy)]
