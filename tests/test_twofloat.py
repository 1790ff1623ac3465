"""Numbers of two float32, against extended precision."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rheostax import _twofloat
from rheostax._twofloat import TwoFloat

RANDOM = np.random.default_rng(0)
UNIT = RANDOM.random(20_000)
OTHER = RANDOM.random(20_000)


def two(values):
    high = values.astype(np.float32)
    return TwoFloat(jnp.asarray(high), jnp.asarray((values - high).astype(np.float32)))


def exact(number):
    return np.asarray(number.high, np.longdouble) + np.asarray(number.low, np.longdouble)


# Per operation: the function, its oracle, arguments, and how many bits of the result are certain.
OPERATIONS = {
    "add": (lambda a, b: a + b, np.add, (UNIT, OTHER), 46),
    "subtract": (lambda a, b: a - b, np.subtract, (UNIT + 1, OTHER / 2), 46),
    "multiply": (lambda a, b: a * b, np.multiply, (UNIT, OTHER), 45),
    "divide": (lambda a, b: a / b, np.divide, (UNIT + 1e-6, OTHER + 1e-3), 44),
    "sqrt": (_twofloat.sqrt, np.sqrt, (UNIT + 1e-9,), 45),
    "exp": (_twofloat.exp, np.exp, (20 * UNIT - 10,), 32),
    "exp of the small": (_twofloat.exp, np.exp, (1e-3 * (UNIT - 0.5),), 44),
    "exp to the smallest": (_twofloat.exp, np.exp, (-60 * UNIT,), 32),
    "expm1": (_twofloat.expm1, np.expm1, (4 * UNIT - 3,), 31),
    "expm1 of the small": (_twofloat.expm1, np.expm1, (1e-6 * (UNIT + 1e-3),), 44),
    "log": (_twofloat.log, np.log, (np.exp(40 * UNIT - 30),), 34),
    "log near 1": (_twofloat.log, np.log, (1 - 1e-3 * UNIT - 1e-7,), 40),
    "log1p": (_twofloat.log1p, np.log1p, (-0.999 * UNIT,), 34),
    "log1p of the small": (_twofloat.log1p, np.log1p, (1e-6 * (UNIT + 1e-3),), 44),
    "log of a rest": (lambda x: _twofloat.log_of_rest(x, 1.0 - x), lambda x: np.log1p(-x), (UNIT * 0.999 + 1e-9,), 34),
    "log of a rest that is nearly all": (lambda x: _twofloat.log_of_rest(x, 1.0 - x), lambda x: np.log1p(-x), (1e-6 * (UNIT + 1e-3),), 44),
    "power 0.9": (lambda x: _twofloat.power(x, 0.9), lambda x: x ** np.longdouble(0.9), (UNIT + 1e-9,), 28),
    "power 9.3": (lambda x: _twofloat.power(x, 9.3), lambda x: x ** np.longdouble(9.3), (UNIT + 1e-2,), 27),
    "half cosine": (_twofloat.half_cosine, lambda x: np.sin(np.pi * x / 2) ** 2, (UNIT / 2 + 1e-9,), 32),
}


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
@pytest.mark.parametrize("run", [lambda f: f, jax.jit, jax.vmap, lambda f: jax.jit(jax.vmap(f))], ids=["eager", "jit", "vmap", "both"])
def test_every_operation_keeps_its_bits(operation, run):
    function, oracle, arguments, bits = operation
    numbers = [two(values) for values in arguments]
    got, want = run(function)(*numbers), oracle(*map(exact, numbers))
    off = np.abs((exact(got) - want) / want)
    assert off.max() <= 2.0**-bits
    rounded = np.abs(np.asarray(got.high, np.longdouble) - want) / np.spacing(np.abs(want).astype(np.float32))
    assert rounded.max() <= 0.53  # correctly rounded but for near ties


def test_with_a_constant_that_the_compiler_sees():
    """LLVM may fuse a product with a sum; the products that matter must survive it."""
    third = TwoFloat.of(1 / 3)
    got = jax.jit(lambda x: x * third)(two(UNIT))
    assert np.abs((exact(got) - exact(two(UNIT)) * exact(third)) / (UNIT / 3)).max() <= 2.0**-45


@pytest.mark.parametrize("constant", [1 / 3, 1.0, 7, jnp.int32(100_000_007)])
def test_sums_with_a_constant_that_the_compiler_sees(constant):
    """XLA simplifies (x + c) - c to x, which is the error term of a sum gone."""
    c = TwoFloat.of(constant)
    for function in (lambda x, c: x + c, lambda x, c: c + x, lambda x, c: c - x, lambda x, c: c / x):
        want = function(exact(two(UNIT + 1)), exact(c))
        got = jax.jit(lambda x, function=function: function(x, TwoFloat.of(constant)))(two(UNIT + 1))
        assert np.abs(exact(got) - want).max() <= 2.0**-44 * np.abs(want).max()


def test_integers_are_exact_and_so_are_quotients_of_them():
    whole = RANDOM.integers(-(2**31), 2**31, 20_000)
    np.testing.assert_array_equal(exact(jax.jit(TwoFloat.of)(jnp.asarray(whole, jnp.int32))), whole)
    a, b = np.abs(whole) // 2 + 1, np.abs(whole[::-1]) // 2 + 1
    got = jax.jit(_twofloat.ratio)(jnp.asarray(a, jnp.int32), jnp.asarray(b, jnp.int32))
    assert np.abs(exact(got) * b / a - 1).max() <= 2.0**-44


def test_python_numbers_keep_48_bits():
    for value in (0.1, 1 / 3, 3e-4, 0.9999999, 123456.789):
        assert abs(exact(TwoFloat.of(value)) - np.longdouble(value)) <= value * 2.0**-48
        assert _twofloat.lift_numbers(TwoFloat.of(value)) == value or abs(_twofloat.lift_numbers(TwoFloat.of(value)) / value - 1) < 1e-13


def test_at_the_ends():
    zero, one = TwoFloat.of(0.0), TwoFloat.of(1.0)
    assert exact(_twofloat.exp(zero)) == 1
    assert exact(_twofloat.exp(TwoFloat.of(-200.0))) == 0
    assert exact(_twofloat.log(one)) == 0
    assert exact(_twofloat.sqrt(zero)) == 0
    assert exact(_twofloat.power(zero, 0.5)) == 0
    assert exact(_twofloat.power(one, 0.5)) == 1
    assert exact(_twofloat.half_cosine(zero)) == 0
