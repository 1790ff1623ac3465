"""The bank: seven families of curves, each with 64 kinds of noise, and what is true of them."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

WINDOW, BLOCK = 1024, 16  # updates
STEPS = 48 * WINDOW
RTOL = 0.01  # the least fall of a window that is progress
LEAST = -np.log1p(-RTOL) / WINDOW  # the same as a slope of the logarithm

SIZES, CORRELATIONS, TAILS = (0.01, 0.03, 0.1, 0.3), (0.0, 0.5, 0.8, 0.95), ("normal", "Laplace", "Student-t 3", "lognormal")
NOISES = tuple(itertools.product(SIZES, CORRELATIONS, TAILS))


@dataclasses.dataclass(frozen=True)
class Noise:
    """What is added to 1 and multiplied with the curve: AR(1) with variance size**2; one of each per run, float32 [runs]."""

    size: np.ndarray
    correlation: np.ndarray
    tail: np.ndarray  # int32: index into TAILS

    @classmethod
    def repeated(cls, seeds: int) -> Noise:
        """Return every kind of noise `seeds` times, the kinds next to each other."""
        size, correlation, tail = (np.tile(column, seeds) for column in zip(*NOISES, strict=True))
        return cls(size.astype(np.float32), correlation.astype(np.float32), np.array([TAILS.index(name) for name in tail], np.int32))


def innovations(key: jax.Array, tail: jax.Array, count: int) -> jax.Array:
    """Return independent numbers of mean 0 and variance 1 with the tails of each run, float32 [runs, count]."""
    keys, shape = jax.random.split(key, 3), (tail.shape[0], count)
    normal = jax.random.normal(keys[0], shape)
    several = [
        normal,
        jax.random.laplace(keys[1], shape) / np.sqrt(2.0),
        jax.random.t(keys[2], 3.0, shape) / np.sqrt(3.0),
        (jnp.exp(normal) - np.exp(0.5)) / np.sqrt((np.e - 1.0) * np.e),
    ]
    return jnp.choose(tail[:, None], several, mode="clip")


def autoregressive(before: jax.Array, correlation: jax.Array, fresh: jax.Array) -> jax.Array:
    """Return the noise of a block, [runs, BLOCK], from that of the update before it, [runs]."""
    lag = np.arange(BLOCK)[:, None] - np.arange(BLOCK)[None, :]
    powers = jnp.where(lag >= 0, correlation[:, None, None] ** np.maximum(lag, 0), 0.0)
    scaled = fresh * jnp.sqrt(1.0 - jnp.square(correlation))[:, None]
    return jnp.einsum("rij,rj->ri", powers, scaled) + correlation[:, None] ** np.arange(1, BLOCK + 1) * before[:, None]


Curves = Callable[[np.random.Generator, int], np.ndarray]


def _time() -> np.ndarray:
    return np.arange(STEPS, dtype=np.float64)[None, :]


def least(random: np.random.Generator, runs: int) -> np.ndarray:
    """Fall by exactly the least progress all the time: where a false cut is easiest."""
    return np.broadcast_to(-LEAST * _time(), (runs, STEPS))


def stairs(random: np.random.Generator, runs: int) -> np.ndarray:
    """Fall by the least progress, in one step per window: flat in between."""
    shift = random.integers(0, WINDOW, (runs, 1))
    return np.log1p(-RTOL) * np.floor((_time() + shift) / WINDOW)


def late_drop(random: np.random.Generator, runs: int) -> np.ndarray:
    """Fall by 1 to 1.5 times the least progress, drop by a third within a window late in the run, and fall on."""
    when, speed = random.uniform(0.5, 0.9, (runs, 1)) * STEPS, random.uniform(1.0, 1.5, (runs, 1))
    return -speed * LEAST * _time() - 0.4 * np.clip((_time() - when) / WINDOW, 0, 1)


def shift(random: np.random.Generator, runs: int) -> np.ndarray:
    """Fall by 1.2 to 3 times the least progress; the data change now and then: three jumps up by 10 to 50%."""
    curve = -random.uniform(1.2, 3.0, (runs, 1)) * LEAST * _time()
    for _ in range(3):
        curve = curve + np.log(random.uniform(1.1, 1.5, (runs, 1))) * (_time() >= random.uniform(0.05, 0.95, (runs, 1)) * STEPS)
    return curve


def power_law(random: np.random.Generator, runs: int) -> np.ndarray:
    """Fall as a power of the count, towards 0 to 0.6 of the first loss."""
    power, begin, floor = random.uniform(0.3, 1.0, (runs, 1)), random.uniform(200, 2000, (runs, 1)), random.uniform(0.0, 0.6, (runs, 1))
    return np.log(floor + (1 - floor) * (1 + _time() / begin) ** -power)


def exponential(random: np.random.Generator, runs: int) -> np.ndarray:
    """Fall exponentially to 0.3 to 0.7 of the first loss, within 1 to 5 windows."""
    floor, scale = random.uniform(0.3, 0.7, (runs, 1)), random.uniform(1, 5, (runs, 1)) * WINDOW
    return np.log(floor + (1 - floor) * np.exp(-_time() / scale))


def plateau(random: np.random.Generator, runs: int) -> np.ndarray:
    """Fall by 2 to 6 times the least progress for 4 to 14 windows, and not at all after it."""
    speed, end = random.uniform(2, 6, (runs, 1)), random.uniform(4, 14, (runs, 1)) * WINDOW
    return -speed * LEAST * np.minimum(_time(), end)


FAMILIES: dict[str, Curves] = {
    "least progress": least,
    "stairs": stairs,
    "late drop": late_drop,
    "shift": shift,
    "power law": power_law,
    "exponential": exponential,
    "plateau": plateau,
}


def progress_ends(curve: np.ndarray) -> np.ndarray:
    """Return the update from which the fall of the last window is less than the least progress; STEPS where there is none.

    The first window counts as progress. In the family of shifts a jump hides the fall, which goes on: there, progress never ends.
    """
    small = curve[:, :-WINDOW] - curve[:, WINDOW:] < -np.log1p(-RTOL) * (1 - 1e-9)
    return np.where(small.any(1), WINDOW + small.argmax(1), STEPS)
