"""Cycles whose lengths needn't be whole numbers of updates, as those of Keras and timm."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rheostax import _check
from rheostax._check import INT32_MAX
from rheostax._duration import Steps
from rheostax._node import duration, node, static
from rheostax._rate import Schedule
from rheostax._twofloat import TwoFloat, exp, log, product_with_tiny, where
from rheostax.compat._arguments import number
from rheostax.errors import ArgumentError
from rheostax.schedules._progress import blend, parts
from rheostax.schedules._weights import Weights, cosine, delayed, sigmoid, to_power

__all__ = ["Cycles", "length_factor"]


def length_factor(where: str, argument: str, value: Any) -> float:
    """Return how much longer each cycle is than the one before, checked under the peer's name for it."""
    if isinstance(value, jax.Array | np.ndarray):
        raise ArgumentError(f"{where}: {argument} must be one Python number, since it is part of the structure; got an array.")
    if value == 1:
        return 1.0
    return float(number(where, argument, value, low=1.01, advice="1 is for cycles of one length."))


@node
class Cycles(Schedule):
    """Decay again and again; the functions that return it check their arguments under the peers' names.

    Cycle i = 0, 1, ... begins at `period * (1 + length_factor + ... + length_factor ** (i - 1))` and is `length_factor ** i`
    periods long, both real numbers. With d, the part of its cycle that is done, the value is
    `end_value + (init_value * peak_factor ** i - end_value) * amplitude_factor ** i * w(d)`, where w is (1 + cos(pi d ** k_decay)) / 2
    ("cosine"), (1 - d ** k_decay) ** power ("polynomial") or (1 - tanh(lower * (1 - d) + upper * d)) / 2 ("tanh"). It is
    `end_value` after `limit` cycles.
    """

    init_value: float
    period: Steps = duration()
    end_value: float = 0.0
    length_factor: float = static(default=1.0)
    peak_factor: float = 1.0
    amplitude_factor: float = 1.0
    limit: int | None = None
    shape: str = static(default="cosine")
    k_decay: float | None = None
    power: float = 1.0
    lower: float = -7.0
    upper: float = 3.0

    def __post_init__(self) -> None:
        for name in ("init_value", "end_value"):
            _check.number(self, name)
        _check.duration(self, "period")
        object.__setattr__(self, "length_factor", length_factor("Cycles", "length_factor", self.length_factor))
        for name in ("peak_factor", "amplitude_factor"):
            _check.number(self, name, high=1.0, low_open=True, high_open=False)
        if self.limit is not None:
            _check.whole(self, "limit")
        _check.choice(self, "shape", ("cosine", "polynomial", "tanh"))
        if self.k_decay is not None:
            _check.number(self, "k_decay", low_open=True)
        _check.number(self, "power", low_open=True)
        for name in ("lower", "upper"):
            _check.number(self, name, low=-math.inf)

    @property
    def _weights(self) -> Weights:
        if self.shape == "tanh":
            return sigmoid(self.lower, self.upper)
        return delayed(self.k_decay, cosine if self.shape == "cosine" else to_power(self.power))

    def _place(self, count: jax.Array) -> tuple[jax.Array, TwoFloat, TwoFloat]:
        """Return the number of the cycle that a count is in, and the parts of it that are done and left."""
        period = jnp.int32(self.period)
        if self.length_factor == 1:
            return count // period, *parts(period, count % period)
        begins = _begins(self.length_factor)
        high = begins.astype(np.float32)
        edges = TwoFloat(jnp.asarray(high), jnp.asarray((begins - high).astype(np.float32))) * TwoFloat.of(period)
        here = TwoFloat.of(count)
        ahead = TwoFloat(edges.high, edges.low) - TwoFloat(here.high[..., None], here.low[..., None])
        # A beginning that is a whole number but for its rounding is that number.
        cycle = jnp.sum(ahead.high <= here.high[..., None] * 2.0**-40, axis=-1, dtype=jnp.int32) - 1
        begin, end = (TwoFloat(edges.high[at], edges.low[at]) for at in (cycle, cycle + 1))
        done = where((here - begin).high < 0, 0.0, (here - begin) / (end - begin))
        return cycle, done, 1.0 - done

    def at(self, count: jax.Array) -> TwoFloat:
        cycle, done, left = self._place(count)
        end, cycles = TwoFloat.of(self.end_value), TwoFloat.of(cycle)
        lower, flatter = (exp(cycles * log(TwoFloat.of(factor))) for factor in (self.peak_factor, self.amplitude_factor))
        peak = product_with_tiny(TwoFloat.of(self.init_value), lower)
        start = where(flatter.high == 1, peak, end + product_with_tiny(peak - end, flatter))
        value = blend(start, end, *self._weights(done, left))
        return value if self.limit is None else where(cycle >= jnp.int32(self.limit), end, value)

    @property
    def horizon(self) -> int | None:
        if self.limit is None:
            return None
        factor, cycles = self.length_factor, int(self.limit)
        ends = cycles if factor == 1 else _begins(factor)[min(cycles, len(_begins(factor)) - 1)]
        end = int(np.ceil(int(self.period) * ends))
        return end if end <= INT32_MAX else None


def _begins(length_factor: float) -> np.ndarray:
    """Return where cycles begin, in periods, up to the second that no count reaches."""
    begins = [0.0, 1.0]
    while begins[-2] <= INT32_MAX:
        begins.append(begins[-1] * length_factor + 1)  # exact where the factor is whole
    return np.array(begins)
