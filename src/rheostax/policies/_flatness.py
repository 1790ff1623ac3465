"""Evidence that a metric has stopped falling: a sign test by betting, at doubling distances.

The derivation is in docs/statistical-plateau.md; the names here are those there.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rheostax._counter import increment

__all__ = ["BETS", "LEVELS", "LONG", "Flatness", "add_block", "begin", "evidence", "inflation"]

LEVELS = 8  # distances of 1, 2, 4, ..., 128 windows
BETS = (0.5, 0.9)  # shares of the evidence that are staked on a sign
LONG = 4  # blocks so far apart that what is left of their correlation doesn't matter
NO_NOISE = 0.01  # of what counts as a fall: a second difference this small is not one of noise


class Flatness(NamedTuple):
    """What the test remembers. L levels, P pairings, m blocks per window; a paired metric has one level and one pairing."""

    mean: jax.Array  # float32 []: of the block that isn't full yet
    size: jax.Array  # int32 []: its values
    blocks: jax.Array  # int32 []: full blocks of the lowest level
    past: jax.Array  # float32 [L, m]: the last m blocks of each level, block i at place i % m
    near: jax.Array  # float32 [L]: mean size of the second difference of neighbours
    far: jax.Array  # float32 [L]: the same of blocks that are LONG apart
    wealth: jax.Array  # float32 [L, P, 3, B]: log of what the bets on no fall, on no rise and on a rise have come to, for each stake


def begin(parts: int, paired: bool) -> Flatness:
    """Return the state before any value, for windows of `parts` blocks."""
    levels, pairings = (1, 1) if paired else (LEVELS, 2)
    nothing = jnp.zeros(levels, jnp.float32)
    return Flatness(
        mean=jnp.float32(0.0),
        size=jnp.int32(0),
        blocks=jnp.int32(0),
        past=jnp.zeros((levels, parts), jnp.float32),
        near=nothing,
        far=nothing,
        wealth=jnp.full((levels, pairings, 3, len(BETS)), -jnp.inf, jnp.float32),
    )


def add_block(test: Flatness, margins: Any) -> Flatness:
    """Return the state after the block whose mean is `test.mean`: every level that it completes bets on its newest difference.

    `margins(before)` is what counts as a fall from there over each level's distance, float32 [L].
    """
    (levels, parts), pairings = test.past.shape, test.wealth.shape[1]
    level = jnp.arange(levels)
    blocks = increment(test.blocks)
    number = blocks >> level  # blocks of each level so far, this one included
    done = (number << level) == blocks

    def back(steps: Any) -> jax.Array:
        return test.past[level, (number - 1 - steps) % parts]

    new = _means(test.mean, back(1), levels)
    near, far = _differences(test, new, back, done & (number > 2 * LONG), number)
    before = back(parts)
    if pairings == 1:  # the values are differences already
        window, rise, bet = jnp.zeros_like(number), new, number > 2 * LONG
        turn, earlier = bet[:, None], number - 1
    else:
        window, rise = (number - 1) // parts, new - before
        turn = (done & (window >= 1))[:, None] & (window[:, None] % 2 == jnp.arange(2))  # whose difference it is
        earlier = (window - 1) // 2 * parts + (number - 1) % parts  # differences that this pairing had before
    margin = margins(before)
    signs = jnp.sign(jnp.stack([margin + rise, margin - rise, rise], axis=-1))[:, None, :, None]
    slack = NO_NOISE * margin
    growth = jnp.log1p(jnp.asarray(BETS, jnp.float32) * signs) / inflation(near + slack, far + slack)[:, None, None, None]
    stake = _stake(jnp.maximum(earlier, 0), parts)[:, None, None, None]
    return Flatness(
        mean=jnp.zeros_like(test.mean),
        size=jnp.zeros_like(test.size),
        blocks=blocks,
        past=test.past.at[level, (number - 1) % parts].set(jnp.where(done, new, before)),
        near=near,
        far=far,
        wealth=jnp.where(turn[..., None, None], jnp.logaddexp(test.wealth, stake) + growth, test.wealth),
    )


def _means(mean: jax.Array, previous: jax.Array, levels: int) -> jax.Array:
    """Return the newest block of each level, the mean of the newest two of the level below; of use where a level is done."""
    means = [mean]
    for level in range(levels - 1):
        means.append(0.5 * (previous[level] + means[-1]))
    return jnp.stack(means)


def _differences(test: Flatness, new: jax.Array, back: Any, known: jax.Array, number: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return the running means of the sizes of second differences, in which a steady fall cancels; over two windows at most."""
    count = jnp.clip(number - 2 * LONG, 1, 2 * test.past.shape[1]).astype(jnp.float32)
    near = test.near + (jnp.abs(new - 2 * back(1) + back(2)) - test.near) / count
    far = test.far + (jnp.abs(new - 2 * back(LONG) + back(2 * LONG)) - test.far) / count
    return jnp.where(known, near, test.near), jnp.where(known, far, test.far)


def _stake(earlier: jax.Array, parts: int) -> jax.Array:
    """Return the log of the share of the evidence that begins to bet after `earlier` differences: m / ((n + m) (n + m + 1))."""
    place = earlier.astype(jnp.float32) + parts
    return np.float32(np.log(parts)) - jnp.log(place) - jnp.log1p(place)


def inflation(near: jax.Array, far: jax.Array) -> jax.Array:
    """Return by how much the correlation of neighbours makes the variance of a sum of signs larger, >= 1; float32 [L].

    Where blocks k apart are correlated by r**k, the squared ratio of the second differences is
    q = (6 - 8 r + 2 r**2) / (6 - 8 r**4 + 2 r**8). With x = 2 - sqrt(1 + 3 q), which is r where r**4 doesn't matter,
    x + 1.7 x**5 is r to within 0.03. The signs of normal numbers that are correlated by r are by (2 / pi) asin(r).
    """
    q = jnp.where(far > 0, jnp.minimum(jnp.square(near / jnp.where(far > 0, far, 1.0)), 1.0), 1.0)
    x = jnp.maximum(2.0 - jnp.sqrt(1.0 + 3.0 * q), 0.0)
    r = jnp.minimum(x + 1.7 * x**5, 0.99)
    halved = jnp.concatenate([r[:1], 0.5 * r[:-1]])  # blocks twice as long are correlated about half as much, hardly less
    signs = (2.0 / np.pi) * jnp.arcsin(jnp.maximum(r, halved))
    return (1.0 + signs) / (1.0 - signs)


def evidence(test: Flatness) -> tuple[jax.Array, jax.Array]:
    """Return the log evidence for a plateau, neither a fall nor a rise by the margin, and for a rise; float32 [L] each."""
    levels, pairings = test.wealth.shape[:2]
    level = np.arange(levels)
    share = -np.log(pairings * (level + 1) * (level + 2) * levels / (levels + 1), dtype=np.float32)
    each = jax.nn.logsumexp(test.wealth, axis=-1) - np.float32(np.log(len(BETS)))
    return each[..., :2].min(-1).max(-1) + share, each[..., 2].max(-1) + share
