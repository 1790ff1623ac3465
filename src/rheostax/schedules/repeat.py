"""Cycles: one learning rate again and again, each time longer and lower."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rheostax import _check
from rheostax._duration import Steps
from rheostax._node import duration, node, static
from rheostax._rate import Foreign, LearningRate, Metrics, as_learning_rate, walk
from rheostax._twofloat import TwoFloat, exp, log, nearest, product_with_tiny
from rheostax.errors import ArgumentError

__all__ = ["Repeat"]


@node
class Repeat(LearningRate):
    """Begin a learning rate again every so many updates: warm restarts, re-warm-ups, cycles.

    Cycle i = 0, 1, ... begins at `b_i = period * (1 + length_factor + ... + length_factor ** (i - 1))`, rounded to the nearest
    count. At count k in it the value is that of `rate` at k - b_i, times `factor ** i`. Where cycles grow, every duration within
    `rate` is stretched with its cycle: times (b_(i + 1) - b_i) / period, to the nearest update. From the end of the last cycle
    on, the value stays where that cycle ends. A policy within `rate` keeps its state from cycle to cycle.

    `factor` multiplies the whole value, its end too; `.clip(min_value)` holds a floor. A cycle ends at count 2**31 - 1 at the latest.

    Args:
        rate: What to repeat: an expression, or, if the cycles are of one length, an optax schedule.
        period: Updates of the first cycle, a whole number >= 1.
        length_factor: Length of a cycle over that of the one before; 1, or a number from 1.01. It is part of the structure:
            another one means another trace.
        factor: Factor of the value per cycle, in (0, 1].
        limit: Number of cycles, a whole number >= 1; None for no end.

    Raises:
        ArgumentError: If an argument breaks its rule, or a foreign function is to be stretched.

    >>> import rheostax as rx
    >>> rate = rx.Repeat(rx.Linear(1.0, 0.0, 4), period=4, factor=0.5, limit=2)
    >>> [float(rate(count)) for count in range(9)]
    [1.0, 0.75, 0.5, 0.25, 0.5, 0.375, 0.25, 0.125, 0.0]

    Source: warm restarts are from SGDR (arXiv 1608.03983), whose T_mult is `length_factor`; timm's cycle_mul, cycle_decay and
    cycle_limit.
    """

    rate: LearningRate
    period: Steps = duration()
    length_factor: float = static(default=1.0)
    factor: float = 1.0
    limit: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "rate", as_learning_rate(self.rate))
        _check.duration(self, "period")
        if isinstance(self.length_factor, jax.Array | np.ndarray):
            raise ArgumentError("Repeat: length_factor must be one Python number, since it is part of the structure; got an array.")
        if self.length_factor != 1:
            _check.number(self, "length_factor", low=1.01, advice="1 is for cycles of one length.")
        _check.number(self, "factor", high=1.0, low_open=True, high_open=False)
        if self.limit is not None:
            _check.whole(self, "limit", advice="None is for no limit.")
        foreign = next((part for part, _ in walk(self.rate) if isinstance(part, Foreign)), None)
        if self.length_factor != 1 and foreign is not None:
            raise ArgumentError(
                f"Repeat: length_factor must be 1, got {self.length_factor!r}: {foreign!r} is a foreign function, which can't be stretched."
            )

    def children(self) -> tuple[LearningRate, ...]:
        return (self.rate,)

    def _begin(self, cycle: jax.Array, period: jax.Array) -> jax.Array:
        """Return the count at which a cycle begins, at most the largest int32."""
        if self.length_factor == 1:
            return nearest(TwoFloat.of(period) * TwoFloat.of(cycle))
        high, low = self._periods
        cycle = jnp.minimum(cycle, len(high) - 1)
        return nearest(TwoFloat(jnp.asarray(high)[cycle], jnp.asarray(low)[cycle]) * TwoFloat.of(period))

    @property
    def _periods(self) -> tuple[np.ndarray, np.ndarray]:
        """The begins of the cycles in periods, 1 + f + f**2 + ..., up to the first that no count reaches, as high and low part."""
        begins = [0.0]
        while begins[-1] <= _check.INT32_MAX:
            begins.append(begins[-1] * self.length_factor + 1)  # exact where the factor is whole
        exact = np.array(begins)
        high = exact.astype(np.float32)
        return high, (exact - high).astype(np.float32)

    def _cycle(self, count: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Return the number of the cycle that a count is in, the count within it, and its length."""
        period, last = jnp.int32(self.period), _check.INT32_MAX - 1 if self.limit is None else jnp.int32(self.limit) - 1
        if self.length_factor == 1:
            found = count // period
        else:
            begins = self._begin(jnp.arange(len(self._periods[0])), period[..., None])
            # The largest count counts as the one before it: begins that are too large for int32 have its value.
            reached = begins <= jnp.minimum(count, _check.INT32_MAX - 1)[..., None]
            found = jnp.sum(reached, axis=-1, dtype=jnp.int32) - 1
        cycle = jnp.minimum(found, last)
        begin, end = self._begin(cycle, period), self._begin(cycle + 1, period)
        return cycle, jnp.minimum(count, end) - begin, end - begin

    def _stretched(self, rate: LearningRate, length: jax.Array) -> LearningRate:
        """Return a rate with every duration stretched to a cycle's length."""
        if self.length_factor == 1:
            return rate
        period = TwoFloat.of(jnp.int32(self.period))

        def change(_: str, value: Any) -> jax.Array:
            steps = jnp.int32(value)
            return jnp.maximum(nearest(TwoFloat.of(steps) * TwoFloat.of(length) / period), jnp.minimum(steps, 1))

        return rate.rebuild(change, lambda child: self._stretched(child, length), check=False)

    def observe(self, state: Any, count: jax.Array, metrics: Metrics) -> Any:
        _, local, length = self._cycle(count)
        return (self._stretched(self.rate, length).observe(state[0], local, metrics),)

    def evaluate(self, state: Any, count: jax.Array) -> TwoFloat:
        cycle, local, length = self._cycle(count)
        value = self._stretched(self.rate, length).evaluate(state[0], local)
        return product_with_tiny(value, exp(TwoFloat.of(cycle) * log(TwoFloat.of(self.factor))))

    @property
    def horizon(self) -> int | None:
        if self.limit is None:
            return None
        end = int(self._begin(jnp.int32(self.limit), jnp.int32(self.period)))
        return end if end < _check.INT32_MAX else None
