"""What an improvement is, against exact fractions where float32 can't tell."""

from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rheostax.policies._improvement import improves, margin_of
from tests.oracles.plateau import F32

INF, NAN = np.inf, np.nan


def near_the_margin(rtol, atol, sign, strict):
    """Random bests and, for each, the five float32 around the largest value that is no improvement."""
    random = np.random.default_rng(3)
    best = (random.choice([-1.0, 1.0], 400) * np.exp(random.uniform(-12, 12, 400))).astype(F32)
    wide = best.astype(np.float64)
    edge = (wide - sign * (rtol * (wide if strict else np.abs(wide)) + atol)).astype(F32)
    steps = np.arange(-2, 3).astype(F32) * np.spacing(np.abs(edge))[:, None]
    return np.broadcast_to(best[:, None], (400, 5)).ravel(), (edge[:, None] + steps).astype(F32).ravel()


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize(("rtol", "atol"), [(1e-4, 0.0), (0.0, 1e-4), (0.03, 1e-3), (0.0, 0.0)])
def test_the_margin_is_exact(mode, strict, rtol, atol):
    """A float32 margin misjudges one in ten of these."""
    sign = 1 if mode == "min" else -1
    best, value = near_the_margin(rtol, atol, sign, strict)
    got = jax.jit(lambda value, best: improves(value, best, mode=mode, rtol=rtol, atol=atol, strict=strict))(value, best)
    want = []
    for v, b in zip(map(Fraction, value.tolist()), map(Fraction, best.tolist()), strict=True):
        want.append(sign * (b - v) > Fraction(rtol) * (b if strict else abs(b)) + Fraction(atol))
    np.testing.assert_array_equal(got, want)
    assert 0.2 < np.mean(want) < 0.8


def judged(values, bests, **options):
    value, best = (np.ravel(grid) for grid in np.meshgrid(F32(values), F32(bests), indexing="ij"))
    return np.asarray(improves(jnp.asarray(value), jnp.asarray(best), rtol=0.5, atol=0.0, **options)).reshape(len(values), -1).tolist()


def test_anything_is_better_than_nothing():
    assert judged([3.0, -3.0], [INF, -INF], mode="min") == [[True, True], [True, True]]
    assert judged([3.0, -3.0], [INF, -INF], mode="max") == [[True, True], [True, True]]


def test_strictly_infinities_are_compared_and_nan_is_never_better():
    assert judged([-INF, 3.0, INF, NAN], [INF, 1.0, -INF, NAN], mode="min", strict=True) == [
        [True, True, False, False],
        [True, False, False, False],
        [False, False, False, False],
        [False, False, False, False],
    ]
    assert judged([INF, 1.5], [INF, 1.0, -INF], mode="max", strict=True) == [[False, True, True], [False, False, True]]


def test_a_strict_margin_has_the_sign_of_the_best():
    assert judged([-1.0, -0.75, -0.5], [-1.0], mode="min", strict=True) == [[True], [True], [False]]
    assert judged([-1.0, -1.5, -1.51], [-1.0], mode="min") == [[False], [False], [True]]
    assert float(margin_of(F32(-2.0), 0.25, 0.125, strict=True)) == -0.375
    assert float(margin_of(F32(-2.0), 0.25, 0.125)) == 0.625
