"""Cosine decay with warm restarts."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from rheostax import _check
from rheostax._node import duration, node
from rheostax._rate import Schedule
from rheostax._twofloat import TwoFloat, exp, log, product_with_tiny, where
from rheostax.schedules._progress import between, blend
from rheostax.schedules._weights import cosine

__all__ = ["CosineRestarts"]

MOST_CYCLES = 32  # where each is at least twice as long as the one before, there are fewer that begin within int32
BEYOND = np.uint32(2**31)  # where uint32 numbers stop here: above every count


def _plus(a: jax.Array, b: jax.Array) -> jax.Array:
    return jnp.where(a > BEYOND - b, BEYOND, a + b)


def _times(a: jax.Array, b: jax.Array) -> jax.Array:
    return jnp.where(a > BEYOND // b, BEYOND, a * b)


def _powers(base: jax.Array) -> jax.Array:
    """Return base ** 0, 1, ..., MOST_CYCLES - 1."""
    exponents = jnp.arange(MOST_CYCLES)
    powers = jnp.ones(MOST_CYCLES, jnp.uint32)
    for bit in range(MOST_CYCLES.bit_length() - 1):
        powers = jnp.where(exponents >> bit & 1, _times(powers, base), powers)
        base = _times(base, base)
    return powers


@node
class CosineRestarts(Schedule):
    """Decay along half a cosine, jump back up, and so on, in cycles that may grow longer and lower.

    Cycle i (0, 1, ...) takes n = decay_steps * length_factor ** i updates. At update j of it the value is
    `end_value + (init_value * peak_factor ** i - end_value) * amplitude_factor ** i * (1 + cos(pi j / n)) / 2`. After
    `limit` cycles, if given, it stays exactly at `end_value`. Where a cycle begins is computed in integers.

    Args:
        init_value: Value at count 0, >= 0.
        decay_steps: Length of the first cycle in updates, a whole number >= 1.
        end_value: Value that every cycle decays towards, >= 0.
        length_factor: How much longer each cycle is than the one before, a whole number >= 1.
        amplitude_factor: What the height above end_value is multiplied with at each restart, in (0, 1].
        peak_factor: What init_value is multiplied with at each restart, in (0, 1].
        limit: Number of cycles, a whole number >= 1; None for no end.

    Raises:
        ArgumentError: If an argument breaks its rule.

    >>> import rheostax as rx
    >>> rate = rx.CosineRestarts(1.0, decay_steps=2, length_factor=2, amplitude_factor=0.5, limit=2)
    >>> [round(float(rate(count)), 3) for count in range(8)]
    [1.0, 0.5, 0.5, 0.427, 0.25, 0.073, 0.0, 0.0]

    Source: SGDR (arXiv 1608.03983).
    """

    init_value: float
    decay_steps: int = duration()
    end_value: float = 0.0
    length_factor: int = 1
    amplitude_factor: float = 1.0
    peak_factor: float = 1.0
    limit: int | None = None

    def __post_init__(self) -> None:
        _check.number(self, "init_value")
        _check.duration(self, "decay_steps")
        _check.number(self, "end_value")
        _check.whole(self, "length_factor")
        _check.number(self, "amplitude_factor", high=1.0, low_open=True, high_open=False)
        _check.number(self, "peak_factor", high=1.0, low_open=True, high_open=False)
        if self.limit is not None:
            _check.whole(self, "limit")

    def _place(self, count: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array, TwoFloat]:
        """Return the number of the cycle, the updates since it began, its length, whether int32 can't hold that, and its true length."""
        first, factor = jnp.uint32(self.decay_steps), jnp.uint32(self.length_factor)
        lengths = _times(first, _powers(factor))
        # Once, and not again for every count: hence the barrier.
        lengths, ends = jax.lax.optimization_barrier((lengths, jax.lax.associative_scan(_plus, lengths)))
        grown = jnp.sum(count[..., None].astype(jnp.uint32) >= ends, axis=-1, dtype=jnp.int32)
        even = factor == 1
        cycle = jnp.where(even, count // first.astype(jnp.int32), grown)
        place = jnp.where(even, 0, grown)
        begin = jnp.where(even, cycle.astype(jnp.uint32) * first, jnp.where(place > 0, ends[place - 1], 0))
        length = jnp.minimum(lengths[place], jnp.uint32(_check.INT32_MAX)).astype(jnp.int32)
        before = lengths[jnp.maximum(place - 1, 0)].astype(jnp.int32)
        long = TwoFloat.of(before) * TwoFloat.of(jnp.int32(self.length_factor))
        return cycle, count - begin.astype(jnp.int32), length, lengths[place] == BEYOND, long

    def at(self, count: jax.Array) -> TwoFloat:
        cycle, done, length, beyond, long = self._place(count)
        end = TwoFloat.of(self.end_value)
        lower, flatter = (exp(TwoFloat.of(cycle) * log(TwoFloat.of(factor))) for factor in (self.peak_factor, self.amplitude_factor))
        peak = product_with_tiny(TwoFloat.of(self.init_value), lower)
        start = where(flatter.high == 1, peak, end + product_with_tiny(peak - end, flatter))
        part = TwoFloat.of(done) / where(beyond, long, 1.0)  # the last cycle that begins can be longer than int32 counts
        value = where(beyond & (done > 0), blend(start, end, *cosine(part, 1.0 - part)), between(start, end, length, done, cosine))
        return value if self.limit is None else where(cycle >= jnp.int32(self.limit), end, value)

    @property
    def horizon(self) -> int | None:
        if self.limit is None:
            return None
        length, factor, cycles = int(self.decay_steps), int(self.length_factor), int(self.limit)
        end = length * (cycles if factor == 1 else (factor**cycles - 1) // (factor - 1))
        return end if end <= _check.INT32_MAX else None
