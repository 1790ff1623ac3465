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

from rheostax._twofloat import TwoFloat, half_cosine, product_with_tiny, ratio, where

__all__ = ["Weights", "between", "cosine", "straight"]

Weights = Callable[[TwoFloat, TwoFloat], tuple[TwoFloat, TwoFloat]]


def between(start: Any, end: Any, steps: Any, count: jax.Array, weights: Weights) -> TwoFloat:
    """Go from `start` at count 0 to `end` at count `steps`, and stay there.

    Args:
        start: Value at count 0, exactly.
        end: Value at and after count `steps`, exactly.
        steps: Length in updates, >= 1.
        count: `int32`, >= 0.
        weights: Takes the elapsed part count / steps and the part left, 1 - count / steps, each exact however small it is;
            returns the fraction of the way done and the fraction of the way left, whose sum is 1.

    Returns:
        A number of count's shape.
    """
    start, end, steps = TwoFloat.of(start), TwoFloat.of(end), jnp.int32(steps)
    done = jnp.minimum(count, steps)
    left = steps - done
    near = ratio(jnp.minimum(done, left), steps)
    far = 1.0 - near
    way_done, way_left = weights(where(done < left, near, far), where(done < left, far, near))
    rising = start.high < end.high
    low, high, way = where(rising, start, end), where(rising, end, start), where(rising, way_done, way_left)
    value = low + product_with_tiny(high - low, way)
    return where(left == 0, end, where(done == 0, start, value))


def straight(done: TwoFloat, left: TwoFloat) -> tuple[TwoFloat, TwoFloat]:
    """Weigh a straight line."""
    return done, left


def cosine(done: TwoFloat, left: TwoFloat) -> tuple[TwoFloat, TwoFloat]:
    """Weigh half a cosine: (1 - cos(pi * done)) / 2 and (1 + cos(pi * done)) / 2, each without cancellation."""
    early = done.high < left.high
    near = half_cosine(where(early, done, left))
    return where(early, near, 1.0 - near), where(early, 1.0 - near, near)
