"""Numbers with 48 significant bits, made of two float32.

A rate is a float32, but one that is computed in float32 is off by several units in its last place, and by thousands where a
decay rate close to 1 meets a long horizon. Float64 isn't there unless x64 is switched on, and isn't fast on accelerators. So
schedules compute with unevaluated sums of two float32 and round once, at the end: with x64 on and off, eager and compiled, to
the same float32 as float64 would, but for rare ties.

The building blocks are the error-free transformations of Dekker (1971). XLA keeps the order of float operations, except on
constants, which are hidden from it; LLVM may fuse a product with a sum into one rounding, so every product whose rounding error
matters is made of exact ones.

Each building block is a jitted function: one call instead of twenty where nothing else is compiled, and traced once instead of
at every use. They are `inline`, so a program that uses them is compiled as if they were written out.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

__all__ = [
    "TwoFloat",
    "exp",
    "exp_and_expm1",
    "expm1",
    "half_cosine",
    "lift_numbers",
    "log",
    "log1p",
    "log_of_rest",
    "lower_numbers",
    "maximum",
    "minimum",
    "nearest",
    "power",
    "product_with_tiny",
    "ratio",
    "sqrt",
    "stack",
    "where",
]


Pair = tuple[jax.Array, jax.Array]
_block = functools.partial(jax.jit, inline=True)


@functools.partial(jax.tree_util.register_dataclass, data_fields=["high", "low"], meta_fields=[])
@dataclasses.dataclass(frozen=True, eq=False)
class TwoFloat:
    """The number `high + low`, where `high` is that sum rounded to float32. Both are `float32` of one shape.

    For `jnp` it is an array, `high`: who doesn't care for more than float32 can use one like any other number.
    """

    high: jax.Array
    low: jax.Array

    @classmethod
    def of(cls, value: Any) -> TwoFloat:
        """Make one of a Python number (to 48 bits), a float32 or integer array (exactly), or one of its own kind."""
        if isinstance(value, TwoFloat):
            return value
        if isinstance(value, float | int | np.floating):
            high = np.float32(value)
            return cls(*_hidden(high, np.float32(np.float64(value) - high)))
        array = value if isinstance(value, jax.core.Tracer) else _hidden(jnp.asarray(value))[0]
        if jnp.issubdtype(array.dtype, jnp.integer):
            return cls(*_sum(((array >> 15) << 15).astype(jnp.float32), (array & 0x7FFF).astype(jnp.float32)))
        return cls(array.astype(jnp.float32), jnp.zeros(array.shape, jnp.float32))

    def __jax_array__(self) -> jax.Array:
        return self.high

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self.high, dtype)

    def __float__(self) -> float:
        return float(self.high) + float(self.low)

    def broadcast_to(self, shape: tuple[int, ...]) -> TwoFloat:
        """Return the number once per element of a shape."""
        return TwoFloat(jnp.broadcast_to(self.high, shape), jnp.broadcast_to(self.low, shape))

    def __neg__(self) -> TwoFloat:
        return TwoFloat(-self.high, -self.low)

    def __add__(self, other: Any) -> TwoFloat:
        return _add(self, TwoFloat.of(other))

    def __sub__(self, other: Any) -> TwoFloat:
        return self + -TwoFloat.of(other)

    def __mul__(self, other: Any) -> TwoFloat:
        return _multiply(self, TwoFloat.of(other))

    def __truediv__(self, other: Any) -> TwoFloat:
        return _divide(self, TwoFloat.of(other))

    def __radd__(self, other: Any) -> TwoFloat:
        return self + other

    def __rmul__(self, other: Any) -> TwoFloat:
        return self * other

    def __rsub__(self, other: Any) -> TwoFloat:
        return TwoFloat.of(other) - self

    def __rtruediv__(self, other: Any) -> TwoFloat:
        return TwoFloat.of(other) / self

    def times_power_of_two(self, exponent: jax.Array) -> TwoFloat:
        """Multiply by 2 ** exponent (`int32`, |exponent| <= 250), exactly but for underflow."""
        return _scale(self, exponent)


def _hidden(*constants: Any) -> Any:
    """Keep constants from XLA's eyes, which would simplify (x + c) - c to x, and with it the error of a sum to nothing."""
    return jax.lax.optimization_barrier(tuple(jnp.asarray(constant) for constant in constants))


def _power_of_two(exponent: jax.Array) -> jax.Array:
    """Return 2 ** exponent by its bits: `jnp.ldexp` and `jnp.exp2` needn't be exact."""
    return jax.lax.bitcast_convert_type((exponent + 127) << 23, jnp.float32)


def _sum(a: jax.Array, b: jax.Array) -> Pair:
    """Return a + b exactly."""
    total = a + b
    shadow = total - a
    return total, (a - (total - shadow)) + (b - shadow)


def _ordered_sum(a: jax.Array, b: jax.Array) -> Pair:
    """Return a + b exactly, where |a| >= |b| or a = 0."""
    total = a + b
    return total, b - (total - a)


def _split(a: jax.Array) -> Pair:
    """Return two floats of 12 bits whose sum is a. By its bits: Dekker's way breaks where a compiler fuses multiply and add."""
    bits = jax.lax.bitcast_convert_type(jnp.asarray(a), jnp.int32)
    high = jax.lax.bitcast_convert_type(bits & jnp.int32(-4096), jnp.float32)
    return high, a - high


def _product(a: jax.Array, b: jax.Array) -> Pair:
    """Return a * b exactly, as a sum of four products that are exact, so that fusing them with a sum changes nothing."""
    (a_high, a_low), (b_high, b_low) = _split(a), _split(b)
    total, first = _ordered_sum(a_high * b_high, a_high * b_low)
    total, second = _ordered_sum(total, a_low * b_high)
    return _ordered_sum(total, first + second + a_low * b_low)


@_block
def _add(a: TwoFloat, b: TwoFloat) -> TwoFloat:
    high, low = _sum(a.high, b.high)
    mid, tail = _sum(a.low, b.low)
    high, low = _ordered_sum(high, low + mid)
    return TwoFloat(*_ordered_sum(high, low + tail))


@_block
def _multiply(a: TwoFloat, b: TwoFloat) -> TwoFloat:
    high, low = _product(a.high, b.high)
    return TwoFloat(*_ordered_sum(high, low + (a.high * b.low + a.low * b.high)))


@_block
def _divide(a: TwoFloat, b: TwoFloat) -> TwoFloat:
    first = a.high / b.high
    rest = a - b * first
    return TwoFloat(*_ordered_sum(first, rest.high / b.high))


@_block
def _scale(x: TwoFloat, exponent: jax.Array) -> TwoFloat:
    half = exponent // 2
    first, second = _power_of_two(half), _power_of_two(exponent - half)
    return TwoFloat(x.high * first * second, x.low * first * second)


def where(condition: Any, a: Any, b: Any) -> TwoFloat:
    """Choose between two numbers."""
    a, b = TwoFloat.of(a), TwoFloat.of(b)
    return TwoFloat(jnp.where(condition, a.high, b.high), jnp.where(condition, a.low, b.low))


def maximum(a: Any, b: Any) -> TwoFloat:
    """Return the larger of two numbers."""
    a, b = TwoFloat.of(a), TwoFloat.of(b)
    return where((a - b).high < 0, b, a)


def minimum(a: Any, b: Any) -> TwoFloat:
    """Return the smaller of two numbers."""
    a, b = TwoFloat.of(a), TwoFloat.of(b)
    return where((a - b).high > 0, b, a)


@_block
def product_with_tiny(a: TwoFloat, b: TwoFloat) -> TwoFloat:
    """Return a * b where both may be so small that the error terms of the product would underflow."""
    (a, a_down), (b, b_down) = _lifted(a), _lifted(b)
    product = a * b
    return TwoFloat(product.high * a_down * b_down, product.low * a_down * b_down)


def _lifted(x: TwoFloat) -> tuple[TwoFloat, jax.Array]:
    """Return x, times 2 ** 60 if it is tiny, and what undoes that: a factor, as some XLA never gets done with two quotients."""
    tiny = jnp.abs(x.high) < 2.0**-30
    up, down = jnp.where(tiny, jnp.float32(2.0**60), 1.0), jnp.where(tiny, jnp.float32(2.0**-60), 1.0)
    return TwoFloat(x.high * up, x.low * up), down


@_block
def nearest(x: TwoFloat) -> jax.Array:
    """Return the nearest `int32` to x >= 0, halves up, and the largest one for all above.

    A 4096th is on top of the half, so that what is a half but for its 45th bit goes up as well, whatever a compiler does.
    """
    x = x + (0.5 + 2.0**-12)
    whole = jnp.floor(jnp.minimum(x.high, 2.0**31 - 128))  # the largest float32 that is an int32
    return whole.astype(jnp.int32) + jnp.floor(jnp.minimum((x.high - whole) + x.low, 127.0)).astype(jnp.int32)


def stack(values: list[TwoFloat]) -> TwoFloat:
    """Put numbers side by side, along a new last axis."""
    return TwoFloat(jnp.stack([value.high for value in values], axis=-1), jnp.stack([value.low for value in values], axis=-1))


def lift_numbers(tree: Any) -> Any:
    """Undo `lower_numbers`, for reading: numbers with as many digits as are certain."""

    def number(leaf: Any) -> Any:
        if isinstance(leaf, TwoFloat):
            return float(f"{float(leaf.high) + float(leaf.low):.14g}")
        return int(leaf) if jnp.issubdtype(leaf.dtype, jnp.integer) else float(str(np.float32(leaf)))

    return jax.tree.map(number, tree, is_leaf=lambda leaf: isinstance(leaf, TwoFloat))


def lower_numbers(tree: Any) -> Any:
    """Make the Python numbers of an expression arrays: floats of two float32, so that nothing of 0.1 is lost, and int32."""
    return jax.tree.map(lambda leaf: TwoFloat.of(leaf) if isinstance(leaf, float) else jnp.asarray(leaf), tree)


def ratio(part: Any, whole: Any) -> TwoFloat:
    """Return part / whole of two integers."""
    return TwoFloat.of(jnp.asarray(part)) / TwoFloat.of(jnp.asarray(whole))


@functools.partial(_block, static_argnames="coefficients")
def _tail(x: jax.Array, coefficients: tuple[float, ...]) -> TwoFloat:
    """Evaluate x times a polynomial, lowest coefficient first, in float32: for the terms that are small beside the exact ones.

    The last bit is cleared, since a compiler may fuse a bare product with the sum that is to take it for exact.
    """
    value = jnp.full(jnp.shape(x), coefficients[-1], jnp.float32)
    for coefficient in coefficients[-2::-1]:
        value = value * x + jnp.float32(coefficient)
    bits = jax.lax.bitcast_convert_type(value * x, jnp.int32)
    return TwoFloat.of(jax.lax.bitcast_convert_type(bits & jnp.int32(-2), jnp.float32))


@_block
def sqrt(x: TwoFloat) -> TwoFloat:
    """Return the square root of x >= 0."""
    first = jnp.sqrt(x.high)
    safe = jnp.where(x.high > 0, first, 1.0)
    rest = x - TwoFloat.of(first) * first
    return TwoFloat(*_ordered_sum(first, jnp.where(x.high > 0, rest.high / (2 * safe), 0.0)))


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
