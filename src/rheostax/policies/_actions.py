"""What a policy does on a plateau, whichever way it is told that there is one: cut the rate, go on to the next rate, or ask to stop."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Iterable
from typing import Any

import jax
import jax.numpy as jnp

from rheostax import _check
from rheostax._counter import increment
from rheostax._duration import Steps
from rheostax._node import duration, node
from rheostax._rate import LearningRate, Metrics, as_learning_rate
from rheostax._twofloat import TwoFloat, maximum, minimum, where
from rheostax.errors import ArgumentError
from rheostax.policies._policy import Observed, Policy

__all__ = ["Advancing", "Reducing", "Stopping"]


@node
class Reducing(Policy):
    """Multiply the rate by `factor`, down to `min_scale`. The state has a `scale`."""

    _: dataclasses.KW_ONLY
    factor: float = 0.1
    min_scale: float = 0.0

    def check_action(self) -> None:
        _check.number(self, "factor", high=1.0, low_open=True, advice="The rate is multiplied by it at each cut.")
        _check.number(self, "min_scale", high=1.0, high_open=False)

    def act(self, own: Any, stalled: jax.Array) -> Any:
        lowered = minimum(maximum(own.scale * self.factor, self.min_scale), own.scale)
        return own._replace(scale=where(stalled, lowered, own.scale))


@node
class Advancing(Policy):
    """Go on to the next of several rates. The state has a `part`, the count at which it `began`, and the number of `advances`."""

    rates: tuple[LearningRate, ...]
    _: dataclasses.KW_ONLY
    latest: tuple[Steps, ...] | None = duration(default=None)

    def check_action(self) -> None:
        name = type(self).__name__
        if not isinstance(self.rates, Iterable) or isinstance(self.rates, str):
            raise ArgumentError(f"{name}: rates must be a sequence of learning rates, two or more, got {self.rates!r}.")
        object.__setattr__(self, "rates", tuple(as_learning_rate(rate) for rate in self.rates))
        if len(self.rates) < 2:
            raise ArgumentError(f"{name}: rates must be two or more, got {len(self.rates)}. The plateau leads from one to the next.")
        if self.latest is not None:
            _check.increasing(self, "latest")
            if len(self.latest) != len(self.rates) - 1:
                raise ArgumentError(f"{name}: latest must be one fewer than the rates, got {len(self.latest)} for {len(self.rates)} rates.")

    def children(self) -> tuple[LearningRate, ...]:
        return self.rates

    def act(self, own: Any, stalled: jax.Array) -> Any:
        onward = stalled & (own.part < len(self.rates) - 1)
        return own._replace(part=increment(own.part, onward), advances=increment(own.advances, onward))

    def _place(self, own: Any, count: jax.Array) -> tuple[jax.Array, jax.Array]:
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

    def signal(self, own: Any) -> jax.Array:
        return own.advances

    def status(self, own: Any) -> str:
        return f"part {int(own.part) + 1} of {len(self.rates)} since count {int(own.began):,}, {super().status(own)}"

    def explain(self, before: Any, after: Any, value: float) -> str:
        return f"{super().explain(before, after, value)}; part {int(after.part) + 1} of {len(self.rates)} began"


@node
class Stopping(Policy):
    """Ask for the training to stop. The state has a field `stopped`."""

    def act(self, own: Any, stalled: jax.Array) -> Any:
        return own._replace(stopped=jnp.where(stalled, 1, own.stopped))

    def evaluate(self, state: Observed, count: jax.Array) -> TwoFloat:
        return TwoFloat.of(1.0).broadcast_to(jnp.shape(count))

    def signal(self, own: Any) -> jax.Array:
        return own.stopped

    def status(self, own: Any) -> str:
        return ("asks to stop, " if int(own.stopped) else "") + super().status(own)

    def explain(self, before: Any, after: Any, value: float) -> str:
        return f"{super().explain(before, after, value)}; training should stop"

    @abc.abstractmethod
    def reason(self, own: Any) -> str:
        """Say why it asks to stop, from the state alone."""
