"""Begin a schedule anew when a metric has stopped improving."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp

from rheostax import _check
from rheostax._counter import increment
from rheostax._node import node
from rheostax._rate import LearningRate, Metrics, as_learning_rate
from rheostax._twofloat import TwoFloat, where
from rheostax.policies._on_plateau import OnPlateau
from rheostax.policies._policy import Observed

__all__ = ["RestartOnPlateau", "RestartState"]


class RestartState(NamedTuple):
    """State of `RestartOnPlateau`."""

    scale: TwoFloat  # []: the factor of the run that is on
    began: jax.Array  # int32 []: the count at which it began
    restarts: jax.Array  # int32 []
    best_value: jax.Array
    plateau_count: jax.Array
    cooldown_count: jax.Array
    count: jax.Array  # type: ignore[assignment]
    avg_value: jax.Array


@node
class RestartOnPlateau(OnPlateau):
    """Begin an expression anew whenever a metric hasn't improved for `patience` observations in a row.

    The value at count k is `factor ** restarts * rate(k - b)`, where b is the count of the last restart. Policies in the
    expression begin anew with it. What an improvement is, and how observations are counted, is as in `rx.ReduceOnPlateau`.

    Args:
        rate: What is begun anew: an expression, a number or an optax schedule.
        factor: What to multiply with at each restart, in (0, 1].
        max_restarts: How often it may begin anew, a whole number >= 1; None for no limit.
        monitor: The metric to watch.
        mode: "min" if lower is better, "max" if higher is.
        patience: Bad values in a row that make a restart, a whole number >= 1.
        rtol: Relative margin of an improvement, in [0, 1].
        atol: Absolute margin of an improvement, >= 0.
        cooldown: Values after a restart that aren't counted, a whole number >= 0.
        accumulation_size: Observations that are averaged into one value, a whole number >= 1 or a duration.

    Raises:
        ArgumentError: If an argument breaks its rule.

    >>> import rheostax as rx
    >>> rate = rx.RestartOnPlateau(rx.Linear(1.0, 0.0, 4), factor=0.5, patience=2)
    >>> rx.simulate(rate, steps=7, observations={"value": [3.0, 2.0, 2.0, 2.0, 1.0, 1.0, 1.0]})
    array([1.   , 0.75 , 0.5  , 0.5  , 0.375, 0.25 , 0.25 ], dtype=float32)
    """

    rate: LearningRate
    _: dataclasses.KW_ONLY
    factor: float = 1.0
    max_restarts: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "rate", as_learning_rate(self.rate))
        _check.number(self, "factor", high=1.0, low_open=True, high_open=False)
        if self.max_restarts is not None:
            _check.whole(self, "max_restarts")

    def children(self) -> tuple[LearningRate, ...]:
        return (self.rate,)

    def start(self) -> RestartState:
        return RestartState(TwoFloat.of(1.0), jnp.int32(0), jnp.int32(0), **self.watching())

    def act(self, own: RestartState, stalled: jax.Array) -> RestartState:
        again = stalled if self.max_restarts is None else stalled & (own.restarts < jnp.int32(self.max_restarts))
        return own._replace(scale=where(again, own.scale * self.factor, own.scale), restarts=increment(own.restarts, again))

    def observe(self, state: Observed, count: jax.Array, metrics: Metrics) -> Observed:
        seen = super().observe(state, count, metrics)
        again = seen.own.restarts != state.own.restarts
        going_on = self.rate.observe(state.children[0], count - state.own.began, metrics)
        child = jax.tree.map(lambda new, old: jnp.where(again, new, old), self.rate.init(), going_on)
        return seen._replace(own=seen.own._replace(began=jnp.where(again, count, state.own.began)), children=(child,))

    def evaluate(self, state: Observed, count: jax.Array) -> TwoFloat:
        return state.own.scale * self.rate.evaluate(state.children[0], jnp.maximum(count - state.own.began, 0))

    def signal(self, own: RestartState) -> jax.Array:
        return own.restarts

    def status(self, own: RestartState) -> str:
        return f"restart {int(own.restarts)} at count {int(own.began):,}, {super().status(own)}"

    def explain(self, before: RestartState, after: RestartState, value: float) -> str:
        return f"{super().explain(before, after, value)}; restart {int(after.restarts)}"
