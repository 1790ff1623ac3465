"""Noise on a learning rate, as a factor."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from rheostax import _check
from rheostax._duration import Steps
from rheostax._node import duration, node, static
from rheostax._rate import Schedule
from rheostax._twofloat import TwoFloat, where

__all__ = ["Noise"]


@node
class Noise(Schedule):
    """Shake a learning rate: multiply it with a factor around 1, another one for every update.

    `1 + x`, where x is drawn from a normal distribution of width `std` cut off at -amplitude and amplitude ("normal"), or from all numbers
    between them alike ("uniform"); exactly 1 outside of [begin, end). It is a function of seed and count alone: the same in
    every run, in every order, on every device.

    Args:
        seed: Which noise, a whole number >= 0.
        amplitude: Largest relative change, in (0, 1].
        std: Standard deviation of "normal" before it is cut off, > 0.
        distribution: "normal" or "uniform".
        begin: Count of the first noisy update, a whole number >= 0.
        end: Count of the first update without noise again, a whole number >= 1; None for never.

    Raises:
        ArgumentError: If an argument breaks its rule.

    >>> import rheostax as rx
    >>> rate = 0.1 * rx.Noise(seed=1, amplitude=0.5, distribution="uniform", end=3)
    >>> values = rx.simulate(rate, steps=5)
    >>> bool(((0.05 <= values) & (values <= 0.15)).all()), len(set(values.tolist()))
    (True, 4)

    Source: timm's `noise_range_t`, `noise_pct`, `noise_std` and `noise_seed`, with random numbers of its own.
    """

    seed: int
    amplitude: float = 0.67
    std: float = 1.0
    distribution: str = static(default="normal")
    begin: Steps = duration(default=0)
    end: Steps | None = duration(default=None)

    def __post_init__(self) -> None:
        _check.whole(self, "seed", low=0)
        _check.number(self, "amplitude", high=1.0, low_open=True, high_open=False, advice="A factor must not be negative.")
        _check.number(self, "std", low_open=True)
        _check.choice(self, "distribution", ("normal", "uniform"))
        _check.duration(self, "begin", low=0)
        if self.end is not None:
            _check.duration(self, "end")

    def at(self, count: jax.Array) -> TwoFloat:
        amplitude = TwoFloat.of(self.amplitude)
        position = self._position(count)
        if self.distribution == "normal":
            # The inverse of the normal distribution, on the part of it that is not cut off.
            width = jnp.float32(self.std) * jnp.float32(2**0.5)
            within = jax.lax.erf(amplitude.high / width)
            drawn = width * jax.lax.erf_inv(position.high * within)
            change = TwoFloat.of(jnp.clip(drawn, -amplitude.high, amplitude.high))
        else:
            change = amplitude * position
        quiet = count < jnp.int32(self.begin)
        if self.end is not None:
            quiet |= count >= jnp.int32(self.end)
        return where(quiet, 1.0, change + 1.0)

    def _position(self, count: jax.Array) -> TwoFloat:
        """Return a number in (-1, 1) for every count, all odd multiples of 2 ** -24 alike: 24 bits of a hash of seed and count."""
        key = jax.random.key(jnp.int32(self.seed), impl="threefry2x32")
        words = jax.vmap(lambda one: jax.random.key_data(jax.random.fold_in(key, one))[0])(jnp.ravel(count))
        bits = (words >> 8).astype(jnp.int32).reshape(jnp.shape(count))
        whole = (2 * bits + 1 - 2**24).astype(jnp.float32)
        return TwoFloat.of(whole * jnp.float32(2.0**-24))
