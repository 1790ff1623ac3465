"""Let policies hear a median, so that one lucky outlier can't be the best for ever."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rheostax import _check
from rheostax._counter import increment
from rheostax._node import node, static
from rheostax._rate import LearningRate, Metrics, as_learning_rate, walk
from rheostax._twofloat import TwoFloat
from rheostax.errors import ArgumentError

__all__ = ["Median", "MedianState"]


class MedianState(NamedTuple):
    """State of `Median`: for each metric its last finite values, and the state of the expression."""

    values: dict[str, jax.Array]  # float32 [window - 1], the latest first
    known: dict[str, jax.Array]  # int32 []: how many of them there are
    child: Any


@node
class Median(LearningRate):
    """Let every policy in an expression hear the median of the last `window` values of its metric.

    With w = window, observation n of a metric is heard as `median(v[n - w + 1], ..., v[n])`, and the first w - 1 aren't heard
    at all. So up to (w - 1) / 2 outliers among w values, such as one glitch of 0.0, can neither become the best nor count as
    bad, at the price of hearing a change (w - 1) / 2 observations later. NaN and infinities are no values: they reach the
    policies as they are, which count them and leave them out.

    Args:
        rate: What hears it: an expression with one policy or several.
        window: Values, an odd number >= 3.

    Raises:
        ArgumentError: If the window is no odd number >= 3, or nothing in the expression hears a metric.

    >>> import rheostax as rx
    >>> glitch = {"value": [0.9, 0.8, 0.7, 0.0, 0.6, 0.5, 0.4, 0.3]}
    >>> plateau = rx.ReduceOnPlateau(patience=3, factor=0.5)
    >>> rx.simulate(1.0 * plateau, steps=8, observations=glitch)
    array([1. , 1. , 1. , 1. , 1. , 1. , 0.5, 0.5], dtype=float32)
    >>> rx.simulate(1.0 * rx.Median(plateau), steps=8, observations=glitch)
    array([1., 1., 1., 1., 1., 1., 1., 1.], dtype=float32)
    """

    rate: LearningRate
    window: int = static(default=3)

    def __post_init__(self) -> None:
        object.__setattr__(self, "rate", as_learning_rate(self.rate))
        _check.whole(self, "window", low=3, advice="One outlier among three values isn't their median.")
        if self.window % 2 == 0:
            raise ArgumentError(f"Median: window must be odd, got {self.window}; the median of an even number is none of the values.")
        if not self._metrics():
            raise ArgumentError(f"Median: rate must hear a metric, but nothing in {self.rate!r} does.")

    def _metrics(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(part.monitor for part, _ in walk(self.rate) if part.monitor is not None))

    def children(self) -> tuple[LearningRate, ...]:
        return (self.rate,)

    def child_states(self, state: MedianState) -> tuple[Any, ...]:
        return (state.child,)

    def init(self) -> MedianState:
        names = self._metrics()
        values = {name: jnp.zeros(self.window - 1, jnp.float32) for name in names}
        return MedianState(values, {name: jnp.int32(0) for name in names}, self.rate.init())

    def observe(self, state: MedianState, count: jax.Array, metrics: Metrics) -> MedianState:
        values, known, child = dict(state.values), dict(state.known), state.child
        for name in [name for name in values if name in metrics]:
            value = metrics[name]
            good = jnp.isfinite(value)
            several = jnp.concatenate([value[None], values[name]])
            full = known[name] == self.window - 1
            told = self.rate.observe(child, count, {name: jnp.where(good, jnp.median(several), value)})
            child = jax.tree.map(lambda new, old, heard=full | ~good: jnp.where(heard, new, old), told, child)
            values[name] = jnp.where(good, several[:-1], values[name])
            known[name] = increment(known[name], good & ~full)
        return MedianState(values, known, child)

    def evaluate(self, state: MedianState, count: jax.Array) -> TwoFloat:
        return self.rate.evaluate(state.child, count)

    @property
    def horizon(self) -> int | None:
        return self.rate.horizon
