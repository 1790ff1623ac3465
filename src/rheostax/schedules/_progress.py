"""How far a schedule is, exactly.

A fraction of a schedule is made of integer differences, counted from the nearer end. So a horizon of 2e9 still tells its
last updates apart, nothing cancels near the end, and the end value is chosen by comparing integers: it is exact, whatever
the compiler does to a division.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

__all__ = ["between"]

Weight = Callable[[jax.Array], jax.Array]


def between(start: Any, end: Any, steps: Any, count: jax.Array, *, rise: Weight, fall: Weight) -> jax.Array:
    """Go from `start` at count 0 to `end` at count `steps`, and stay there.

    Args:
        start: Value at count 0.
        end: Value at and after count `steps`, exactly.
        steps: Length in updates, >= 1.
        count: `int32`, >= 0.
        rise: Fraction of the way done, as a function of the elapsed part x = count / steps; used for x <= 1/2.
        fall: Fraction of the way left, as a function of the part left, 1 - x; used for x > 1/2.

    Returns:
        `float32` of count's shape.
    """
    start, end, steps = jnp.float32(start), jnp.float32(end), jnp.int32(steps)
    done = jnp.minimum(count, steps)
    left = steps - done
    early = done <= left
    part = jnp.where(early, done, left).astype(jnp.float32) / steps.astype(jnp.float32)
    value = jnp.where(early, start + (end - start) * rise(part), end + (start - end) * fall(part))
    return jnp.where(left == 0, end, jnp.where(done == 0, start, value))
