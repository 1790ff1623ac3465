"""Roots, powers, exponentials, logarithms and the cosine: a first guess or a series, and what is missing to 48 bits."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rheostax._twofloat._arithmetic import TwoFloat, block, ordered_sum, product_with_tiny, where

__all__ = ["exp", "exp_and_expm1", "expm1", "half_cosine", "log", "log1p", "log_of_rest", "power", "sqrt"]


@functools.partial(block, static_argnames="coefficients")
def _tail(x: jax.Array, coefficients: tuple[float, ...]) -> TwoFloat:
    """Evaluate x times a polynomial, lowest coefficient first, in float32: for the terms that are small beside the exact ones.

    The last bit is cleared, since a compiler may fuse a bare product with the sum that is to take it for exact.
    """
    value = jnp.full(jnp.shape(x), coefficients[-1], jnp.float32)
    for coefficient in coefficients[-2::-1]:
        value = value * x + jnp.float32(coefficient)
    bits = jax.lax.bitcast_convert_type(value * x, jnp.int32)
    return TwoFloat.of(jax.lax.bitcast_convert_type(bits & jnp.int32(-2), jnp.float32))


@block
def sqrt(x: TwoFloat) -> TwoFloat:
    """Return the square root of x >= 0."""
    first = jnp.sqrt(x.high)
    safe = jnp.where(x.high > 0, first, 1.0)
    rest = x - TwoFloat.of(first) * first
    return TwoFloat(*ordered_sum(first, jnp.where(x.high > 0, rest.high / (2 * safe), 0.0)))


_LN2 = TwoFloat(np.float32(np.log(2)), np.float32(np.log(2) - np.float64(np.float32(np.log(2)))))  # type: ignore[arg-type]  # no device at import


def exp(x: TwoFloat) -> TwoFloat:
    """Return e ** x for x < 88; 0 far below 0."""
    return exp_and_expm1(x)[0]


def expm1(x: TwoFloat) -> TwoFloat:
    """Return e ** x - 1 for |x| < 88, without cancellation where x is small."""
    return exp_and_expm1(x)[1]


def exp_and_expm1(x: TwoFloat) -> tuple[TwoFloat, TwoFloat]:
    """Return e ** x and e ** x - 1 by one series."""
    exponent = jnp.round(jnp.clip(x.high, -150.0, 128.0) * jnp.float32(1 / np.log(2)))
    small = _expm1_small(x - _LN2 * TwoFloat.of(exponent))  # of x itself where |x| < 0.3: its exponent is 0
    value = where(x.high < -103.0, 0.0, (small + 1.0).times_power_of_two(exponent.astype(jnp.int32)))
    return value, where(jnp.abs(x.high) < 0.3, small, value - 1.0)


def _expm1_small(x: TwoFloat) -> TwoFloat:
    """Return e ** x - 1 for |x| <= 0.35."""
    tail = _tail(x.high, (1 / 24, 1 / 120, 1 / 720, 1 / 5040, 1 / 40320, 1 / 362880, 1 / 3628800))
    return x * x * (x * (TwoFloat.of(1 / 6) + tail) + 0.5) + x


def log1p(x: TwoFloat) -> TwoFloat:
    """Return the natural logarithm of 1 + x for x > -1, without cancellation where x is small."""
    return _log(x + 1.0, jnp.abs(x.high) < 0.25, x)


def log_of_rest(part: TwoFloat, rest: TwoFloat) -> TwoFloat:
    """Return the natural logarithm of rest = 1 - part, by the smaller of the two and thus the more exact; 0 where rest is 0."""
    smaller = part.high < rest.high
    rest = where(smaller, 1.0 - part, where(rest.high > 0, rest, 1.0))
    return _log(rest, smaller & (part.high < 0.25), -part)


def log(x: TwoFloat) -> TwoFloat:
    """Return the natural logarithm of x > 0."""
    scaled, exponent = _mantissa(x)
    return _log_of_quotient((scaled - 1.0) / (scaled + 1.0)) + _LN2 * TwoFloat.of(exponent)


def _log(x: TwoFloat, near_one: jax.Array, less_one: TwoFloat) -> TwoFloat:
    """Return the natural logarithm of x > 0, by less_one = x - 1 where near_one; by one series."""
    scaled, exponent = _mantissa(where(near_one, 1.0, x))
    above, below = where(near_one, less_one, scaled - 1.0), where(near_one, less_one + 2.0, scaled + 1.0)
    return _log_of_quotient(above / below) + _LN2 * TwoFloat.of(exponent)


def _mantissa(x: TwoFloat) -> tuple[TwoFloat, jax.Array]:
    """Return a number in [0.707, 1.414) and the exponent of the power of two by which it is x > 0."""
    mantissa, exponent = jnp.frexp(x.high)  # in [1/2, 1)
    exponent = jnp.where(mantissa < np.sqrt(0.5), exponent - 1, exponent).astype(jnp.int32)
    return x.times_power_of_two(-exponent), exponent


def _log_of_quotient(s: TwoFloat) -> TwoFloat:
    """Return log((1 + s) / (1 - s)) for |s| <= 0.172."""
    square = s * s
    tail = _tail(square.high, (1 / 5, 1 / 7, 1 / 9, 1 / 11, 1 / 13, 1 / 15))
    return 2.0 * (s * (square * (TwoFloat.of(1 / 3) + tail) + 1.0))


def power(x: TwoFloat, exponent: Any) -> TwoFloat:
    """Return x ** exponent for x >= 0 and exponent > 0."""
    positive = x.high > 0
    return where(positive, exp(TwoFloat.of(exponent) * log(where(positive, x, 1.0))), 0.0)


def half_cosine(x: TwoFloat) -> TwoFloat:
    """Return (1 - cos(pi x)) / 2 = sin(pi x / 2) ** 2 without cancellation, for x in [0, 1/2]."""
    z = x * (np.pi / 2)
    w = product_with_tiny(z, z)  # sin(z)**2 as a series in w = z**2
    tail = _tail(w.high, (-1 / 315, 2 / 14175, -2 / 467775, 4 / 42567525, -1 / 638512875))
    return product_with_tiny(w * (w * (TwoFloat.of(2 / 45) + tail) - 1 / 3) + 1.0, w)
