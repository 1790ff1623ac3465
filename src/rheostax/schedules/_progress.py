"""How far a schedule is, exactly.

A fraction of a schedule is made of integer differences, counted from both ends, and the value is a sum of two numbers of
one sign. So a horizon of 2e9 still tells its last updates apart, and nothing cancels near an end or between them. The end
value is chosen by comparing integers: it is exact, whatever the compiler does to a division.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

__all__ = ["Weights", "between", "straight"]

Weights = Callable[[jax.Array, jax.Array], tuple[jax.Array, jax.Array]]


def between(start: Any, end: Any, steps: Any, count: jax.Array, weights: Weights) -> jax.Array:
    """Go from `start` at count 0 to `end` at count `steps`, and stay there.

    Args:
        start: Value at count 0, exactly.
        end: Value at and after count `steps`, exactly.
        steps: Length in updates, >= 1.
        count: `int32`, >= 0.
        weights: Takes the elapsed part count / steps and the part left, 1 - count / steps, each exact to float32 however
            small it is; returns the fraction of the way done and the fraction of the way left, whose sum is 1.

    Returns:
        `float32` of count's shape.
    """
    start, end, steps = jnp.float32(start), jnp.float32(end), jnp.int32(steps)
    done = jnp.minimum(count, steps)
    left = steps - done
    way_done, way_left = weights(*(part.astype(jnp.float32) / steps.astype(jnp.float32) for part in (done, left)))
    value = jnp.where(start < end, start + (end - start) * way_done, end + (start - end) * way_left)
    return jnp.where(left == 0, end, jnp.where(done == 0, start, value))


def straight(done: jax.Array, left: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Weigh a straight line."""
    return done, left
