"""Go on to the next learning rate when a metric has stopped improving."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp

from rheostax import _check
from rheostax._counter import increment
from rheostax._duration import Steps
from rheostax._node import duration, node
from rheostax._rate import LearningRate, Metrics, as_learning_rate
from rheostax._twofloat import TwoFloat, where
from rheostax.errors import ArgumentError
from rheostax.policies._on_plateau import OnPlateau
from rheostax.policies._policy import Observed

__all__ = ["AdvanceOnPlateau", "AdvanceState"]


class AdvanceState(NamedTuple):
    """State of `AdvanceOnPlateau`."""

    part: jax.Array  # int32 []: the part in charge
    began: jax.Array  # int32 []: the count at which it began
    advances: jax.Array  # int32 []: how often the metric made it go on
    best_value: jax.Array
    plateau_count: jax.Array
    cooldown_count: jax.Array
    count: jax.Array  # type: ignore[assignment]
    avg_value: jax.Array


@node
class AdvanceOnPlateau(OnPlateau):
    """Use one learning rate after another, and go on whenever a metric hasn't improved for `patience` observations in a row.

    The value at count k is that of the part in charge at k - b, where b is the count at which it began: as in `rx.Join`,
    but the boundaries come from the metric. The usual use is a stable rate until the plateau, and a decay after it.
    What an improvement is, and how observations are counted, is as in `rx.ReduceOnPlateau`. The last part stays.

    Args:
        rates: The parts, in order, two or more: expressions, numbers or optax schedules. A policy in a part hears only what
            is observed while its part is in charge.
        latest: The counts at which part 1, 2, ... begins at the latest, plateau or not: increasing whole numbers >= 1 or
            durations, one fewer than the parts. None to wait for ever.
        monitor: The metric to watch.
        mode: "min" if lower is better, "max" if higher is.
        patience: Bad values in a row after which the next part begins, a whole number >= 1.
        rtol: Relative margin of an improvement, in [0, 1].
        atol: Absolute margin of an improvement, >= 0.
        cooldown: Values after going on that aren't counted, a whole number >= 0.
        accumulation_size: Observations that are averaged into one value, a whole number >= 1 or a duration.

    Raises:
        ArgumentError: If an argument breaks its rule.

    >>> import rheostax as rx
    >>> rate = rx.AdvanceOnPlateau([0.5, rx.Linear(0.5, 0.0, 4)], patience=2)
    >>> rx.simulate(rate, steps=8, observations={"value": [3.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0]})
    array([0.5  , 0.5  , 0.5  , 0.5  , 0.375, 0.25 , 0.125, 0.   ], dtype=float32)
    """

    rates: tuple[LearningRate, ...]
    _: dataclasses.KW_ONLY
    latest: tuple[Steps, ...] | None = duration(default=None)

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "rates", tuple(as_learning_rate(rate) for rate in self.rates))
        if len(self.rates) < 2:
            raise ArgumentError(
                f"AdvanceOnPlateau: rates must be two or more, got {len(self.rates)}. The plateau leads from one to the next."
            )
        if self.latest is not None:
            _check.increasing(self, "latest")
            if len(self.latest) != len(self.rates) - 1:
                raise ArgumentError(
                    f"AdvanceOnPlateau: latest must be one fewer than the rates, got {len(self.latest)} for {len(self.rates)} rates."
                )

    def children(self) -> tuple[LearningRate, ...]:
        return self.rates

    def start(self) -> AdvanceState:
        return AdvanceState(jnp.int32(0), jnp.int32(0), jnp.int32(0), **self.watching())

    def act(self, own: AdvanceState, stalled: jax.Array) -> AdvanceState:
        onward = stalled & (own.part < len(self.rates) - 1)
        return own._replace(part=increment(own.part, onward), advances=increment(own.advances, onward))

    def _place(self, own: AdvanceState, count: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Return the part in charge at a count, and where it began, `latest` included."""
        part, began = jnp.broadcast_to(own.part, jnp.shape(count)), jnp.broadcast_to(own.began, jnp.shape(count))
        for i, due in enumerate(self.latest or ()):
            late = (part == i) & (count >= due)
            part, began = jnp.where(late, i + 1, part), jnp.where(late, jnp.maximum(began, due), began)
        return part, began

    def observe(self, state: Observed, count: jax.Array, metrics: Metrics) -> Observed:
        part, began = self._place(state.own, count)
        seen = super().observe(state._replace(own=state.own._replace(part=part, began=began)), count, metrics)
        own = seen.own._replace(began=jnp.where(seen.own.part != part, count, began))
        children = (
            jax.tree.map(lambda new, old, i=i: jnp.where(part == i, new, old), rate.observe(old, count - began, metrics), old)
            for i, (rate, old) in enumerate(zip(self.rates, state.children, strict=True))
        )
        return seen._replace(own=own, children=tuple(children))

    def evaluate(self, state: Observed, count: jax.Array) -> TwoFloat:
        part, began = self._place(state.own, count)
        local = jnp.maximum(count - began, 0)
        values = [rate.evaluate(own, local) for rate, own in zip(self.rates, state.children, strict=True)]
        value = values[0]
        for i, following in enumerate(values[1:], start=1):
            value = where(part >= i, following, value)
        return value

    def signal(self, own: AdvanceState) -> jax.Array:
        return own.advances

    def status(self, own: AdvanceState) -> str:
        return f"part {int(own.part) + 1} of {len(self.rates)} since count {int(own.began):,}, {super().status(own)}"

    def explain(self, before: AdvanceState, after: AdvanceState, value: float) -> str:
        return f"{super().explain(before, after, value)}; part {int(after.part) + 1} of {len(self.rates)} began"
