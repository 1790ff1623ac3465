"""The number, and its sums, products and quotients."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

__all__ = [
    "TwoFloat",
    "block",
    "lift_numbers",
    "lower_numbers",
    "maximum",
    "minimum",
    "nearest",
    "ordered_sum",
    "product_with_tiny",
    "ratio",
    "stack",
    "where",
]

Pair = tuple[jax.Array, jax.Array]
block = functools.partial(jax.jit, inline=True)


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


def ordered_sum(a: jax.Array, b: jax.Array) -> Pair:
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
    total, first = ordered_sum(a_high * b_high, a_high * b_low)
    total, second = ordered_sum(total, a_low * b_high)
    return ordered_sum(total, first + second + a_low * b_low)


@block
def _add(a: TwoFloat, b: TwoFloat) -> TwoFloat:
    high, low = _sum(a.high, b.high)
    mid, tail = _sum(a.low, b.low)
    high, low = ordered_sum(high, low + mid)
    return TwoFloat(*ordered_sum(high, low + tail))


@block
def _multiply(a: TwoFloat, b: TwoFloat) -> TwoFloat:
    high, low = _product(a.high, b.high)
    return TwoFloat(*ordered_sum(high, low + (a.high * b.low + a.low * b.high)))


@block
def _divide(a: TwoFloat, b: TwoFloat) -> TwoFloat:
    first = a.high / b.high
    rest = a - b * first
    return TwoFloat(*ordered_sum(first, rest.high / b.high))


@block
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


@block
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


@block
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
