"""Sequencing: one learning rate after another."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import jax
import jax.numpy as jnp

from rheostax import _check
from rheostax._duration import Duration, Steps
from rheostax._node import duration, node
from rheostax._rate import LearningRate, Metrics, as_learning_rate
from rheostax._twofloat import TwoFloat, where
from rheostax.errors import ArgumentError

__all__ = ["Join"]


@node
class Join(LearningRate):
    """Use one learning rate after another.

    The value at count k is that of part i at k - boundaries[i - 1], where i is the number of boundaries <= k. A policy in a
    part hears only what is observed while its part is in charge.

    Args:
        rates: The parts, in order: expressions, numbers or optax schedules.
        boundaries: The counts at which part 1, 2, ... begins; increasing whole numbers >= 1, one fewer than the parts.

    Raises:
        ArgumentError: If the boundaries aren't increasing, or their number doesn't fit.

    >>> import rheostax as rx
    >>> rate = rx.Join([rx.Linear(0.0, 1.0, 2), rx.Cosine(1.0, 4)], boundaries=[2])
    >>> [round(float(rate(count)), 2) for count in (0, 1, 2, 4, 6)]
    [0.0, 0.5, 1.0, 0.5, 0.0]

    Source: `optax.join_schedules`.
    """

    rates: tuple[LearningRate, ...]
    boundaries: tuple[Steps, ...] = duration()

    def __init__(self, rates: Iterable[Any], boundaries: Iterable[Steps]) -> None:
        if not isinstance(rates, Iterable):
            raise ArgumentError(f"Join: rates must be a sequence of learning rates, got {rates!r}.")
        object.__setattr__(self, "rates", tuple(as_learning_rate(rate) for rate in rates))
        object.__setattr__(self, "boundaries", boundaries)
        self.__post_init__()

    def __post_init__(self) -> None:
        _check.increasing(self, "boundaries")
        if len(self.rates) != len(self.boundaries) + 1:
            raise ArgumentError(
                f"Join: boundaries must be one fewer than the rates, got {len(self.boundaries)} for {len(self.rates)} rates. "
                "Each boundary is the count at which the next rate begins."
            )

    def children(self) -> tuple[LearningRate, ...]:
        return self.rates

    def _part(self, count: jax.Array) -> jax.Array:
        return sum(((count >= boundary).astype(jnp.int32) for boundary in self.boundaries), jnp.zeros_like(count))

    def _local_counts(self, count: jax.Array) -> list[jax.Array]:
        return [count, *(jnp.maximum(count - boundary, 0) for boundary in self.boundaries)]

    def observe(self, state: Any, count: jax.Array, metrics: Metrics) -> Any:
        part, parts = self._part(count), []
        for i, (rate, old, local) in enumerate(zip(self.rates, state, self._local_counts(count), strict=True)):
            new = rate.observe(old, local, metrics)
            parts.append(jax.tree.map(lambda n, o, i=i: jnp.where(part == i, n, o), new, old))
        return tuple(parts)

    def evaluate(self, state: Any, count: jax.Array) -> TwoFloat:
        counts = self._local_counts(count)
        value = self.rates[0].evaluate(state[0], counts[0])
        for boundary, rate, part, local in zip(self.boundaries, self.rates[1:], state[1:], counts[1:], strict=True):
            value = where(count >= boundary, rate.evaluate(part, local), value)
        return value

    @property
    def horizon(self) -> int | None:
        last = self.rates[-1].horizon
        return None if last is None else int(self.boundaries[-1]) + last

    def __repr__(self) -> str:
        boundaries = [b if isinstance(b, Duration) else int(b) for b in self.boundaries]
        return f"Join([{', '.join(map(repr, self.rates))}], boundaries={boundaries})"
