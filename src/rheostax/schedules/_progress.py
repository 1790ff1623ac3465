"""How far a schedule is, exactly.

A fraction of a schedule is made of integer differences, counted from both ends, and the value is a sum of two numbers of
one sign. So a horizon of 2e9 still tells its last updates apart, and nothing cancels near an end or between them. The end
value is chosen by comparing integers: it is exact, whatever the compiler does to a division.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from rheostax._twofloat import TwoFloat, exp, log, power, product_with_tiny, ratio, sqrt, where
from rheostax.schedules._weights import Weights

__all__ = ["between", "blend", "decayed", "falling", "parts"]


def parts(steps: Any, count: jax.Array) -> tuple[TwoFloat, TwoFloat]:
    """Return the part of `steps` that is done at `count` and the part that is left, each exact however small it is."""
    steps = jnp.int32(steps)
    done = jnp.minimum(count, steps)
    left = steps - done
    near = ratio(jnp.minimum(done, left), steps)
    far = 1.0 - near
    return where(done < left, near, far), where(done < left, far, near)


def blend(start: TwoFloat, end: TwoFloat, way_done: TwoFloat, way_left: TwoFloat) -> TwoFloat:
    """Return `start * way_left + end * way_done`, where both ways are >= 0 and their sum is 1, as the smaller value plus a part."""
    rising = start.high < end.high
    low, high, way = where(rising, start, end), where(rising, end, start), where(rising, way_done, way_left)
    return low + product_with_tiny(high - low, way)


def between(start: Any, end: Any, steps: Any, count: jax.Array, weights: Weights) -> TwoFloat:
    """Go from `start` at count 0 to `end` at count `steps`, and stay there.

    Args:
        start: Value at count 0, exactly.
        end: Value at and after count `steps`, exactly.
        steps: Length in updates, >= 1.
        count: `int32`, >= 0.
        weights: Takes the part done, count / steps, and the part left, 1 - count / steps, each exact however small it is;
            returns the fraction of the way done and the fraction of the way left, whose sum is 1.

    Returns:
        A number of count's shape.
    """
    start, end = TwoFloat.of(start), TwoFloat.of(end)
    value = blend(start, end, *weights(*parts(steps, count)))
    return where(count >= jnp.int32(steps), end, where(count == 0, start, value))


def falling(exponent: Any, timescale: Any, elapsed: jax.Array) -> TwoFloat:
    """Return `(1 + elapsed / timescale) ** -exponent`, exactly 1 where elapsed is 0; by a square root for an exponent of None."""
    timescale = TwoFloat.of(jnp.int32(timescale))
    base = timescale / (timescale + TwoFloat.of(elapsed))
    return where(elapsed == 0, 1.0, sqrt(base) if exponent is None else power(base, exponent))


def decayed(start: Any, factor: Any, times: Any) -> TwoFloat:
    """Return start * factor ** times, for a start >= 0 and a factor > 0; exactly `start` where `times` is 0."""
    start, times = TwoFloat.of(start), TwoFloat.of(times)
    # One exponential of a sum instead of a product: the smallest floats have no room for a product's error terms.
    value = exp(log(where(start.high > 0, start, 1.0)) + times * log(TwoFloat.of(factor)))
    return where((times.high == 0) | (start.high == 0), start, value)
