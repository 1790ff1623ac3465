"""Expressions around others, written from the definitions around their oracles; noise from its hash."""

import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats

from tests.oracles.cycles import LAST, begins
from tests.oracles.schedules import cosine, linear


def product(count, steps):
    """A cosine with a warm-up in front, both from count 0."""
    return np.minimum(np.asarray(count, np.float64) / (steps // 10 + 1), 1) * cosine(count, 0.3, steps, 0.01)


def join(count, steps):
    """A line up to steps // 4 + 1, then a cosine."""
    first, rest = steps // 4 + 1, np.asarray(count) - (steps // 4 + 1)
    return np.where(rest < 0, linear(count, 0.0, 0.3, first), cosine(np.maximum(rest, 0), 0.3, steps - steps // 4, 0.02))


def shift(count, steps):
    """A cosine from steps // 4 on."""
    return cosine(np.asarray(count) + steps // 4, 0.3, steps, 0.01)


def staircase(count, steps):
    """A cosine that proceeds every third count."""
    return cosine(np.asarray(count) // 3, 0.3, steps // 3 + 1, 0.01)


def clock(count, steps):
    """A line that is three times as fast from steps // 4 + 1 on."""
    change = steps // 4 + 1
    ticks = np.minimum(count, change) + 3 * np.maximum(np.asarray(count, np.int64) - change, 0)
    return linear(ticks, 1.0, 0.0, steps)


def extended(count, steps, rewarm):
    """A cosine whose end is moved at steps // 3: continued in proportion, or warmed up again."""
    count, at, length = np.asarray(count), steps // 3, steps // 4 + 1
    before, after = cosine(count, 0.3, steps // 2 + 1, 0.01), cosine(count, 0.3, steps, 0.01)
    start, goal = cosine(at, 0.3, steps // 2 + 1, 0.01), cosine(at, 0.3, steps, 0.01)
    risen = np.clip((count - at) / length, 0, 1)
    return np.where(count < at, before, start * (1 - risen) + after * risen if rewarm else after * (start / goal))


def repeat(count, steps):
    """A cosine in up to five cycles, each half as long again as the one before, at 9/10 of its height. For one length.

    A cycle that int32 can't hold ends at its largest count.
    """
    edges = np.array(begins(steps // 5 + 1, 1.5, 5))
    cycle = np.clip(np.searchsorted(edges, np.minimum(count, LAST - 1), side="right") - 1, 0, 4)
    within, length = np.minimum(count, edges[cycle + 1]) - edges[cycle], np.maximum(edges[cycle + 1] - edges[cycle], 1)
    return cosine(within, 0.3, length, 0.01) * 0.9**cycle


def repeat_evenly(count, steps):
    """A line in cycles of one length, without end."""
    return linear(np.asarray(count) % steps, 1.0, 0.0, steps) * 0.99 ** (np.asarray(count) // steps)


def positions(seed, count):
    """Numbers in (-1, 1), by public functions alone: 24 bits of the first word of the key that the count is folded into."""
    key = jax.random.key(seed, impl="threefry2x32")
    words = jax.jit(jax.vmap(lambda one: jax.random.key_data(jax.random.fold_in(key, one))[0]))(jnp.asarray(count, jnp.int32))
    return ((np.asarray(words, np.int64) >> 8) * 2 + 1 - 2**24) / 2.0**24


def noise(count, seed, amplitude, end=LAST, std=1.0, distribution="normal"):
    drawn, edge = positions(seed, np.ravel(count)).reshape(np.shape(count)), amplitude / std
    if distribution == "normal":
        drawn = stats.truncnorm(-edge, edge, scale=std).ppf((1 + drawn) / 2) / amplitude
    return np.where(np.asarray(count) >= end, 1.0, 1 + amplitude * drawn)
