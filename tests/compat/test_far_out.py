"""The classes that only peers have, at long horizons, against their definitions: those in tests/parity are short."""

import math
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rheostax._check import INT32_MAX
from rheostax.compat._cycles import Cycles
from rheostax.compat.keras._decays import CyclePolynomial, InverseTime
from rheostax.compat.optax._cosine_power import CosinePower
from rheostax.compat.timm._steps import BrokenStep
from rheostax.compat.transformers._wave import CosineFalls, CosineWave
from tests.support import ulps

HORIZONS = (100_000, 2**24 + 1, 10**8, 2 * 10**9)
LIMIT = 4.0  # float32 ulp, as in the sweep over rheostax's own schedules


def counts_of(steps):
    """Return counts about the beginning, the middle, the end, and after it."""
    near = np.arange(-15, 16)
    places = [0, steps // 3, steps // 2, steps - 1000, steps, 2 * steps, 3 * steps]
    counts = np.unique(np.concatenate([place + near for place in places]))
    counts = counts[(counts >= 0) & (counts <= INT32_MAX)]
    return np.pad(counts, (0, 7 * len(near) - len(counts)), "edge")  # one shape is compiled for all horizons


def cosine_wave(cycles, low):
    def value(k, n):
        waves = (Fraction(cycles) * k / n) % 1
        away = min(waves, 1 - waves) * 2  # exact, so that its cosine is as good as that of a small number
        fallen = math.cos(math.pi * away / 2) ** 2 if away < Fraction(1, 2) else math.sin(math.pi * (1 - away) / 2) ** 2
        return low + (1 - low) * fallen

    return value


def cosine_falls(cycles):
    def value(k, n):
        left = 1 - Fraction(k * cycles % n, n)
        return 0.0 if k >= n else math.sin(math.pi * left / 2) ** 2

    return value


def cycle_polynomial(power):
    def value(k, n):
        length = max(1, -(-k // n)) * n
        return 0.125 + 0.375 * Fraction(length - k, length) ** power

    return value


def cycles(k, n):
    cycle, place = divmod(k, n)
    return 0.0625 + (0.5 * 0.75**cycle - 0.0625) * math.sin(math.pi * (1 - Fraction(place, n)) / 2) ** 2


def longer_cycles(k, n):
    begin, length = Fraction(0), Fraction(n)
    while begin + length <= k:
        begin, length = begin + length, length * Fraction(3, 2)
    return 0.0625 + 0.4375 * math.sin(math.pi * (1 - (k - begin) / length) / 2) ** 2


CASES = {
    "InverseTime": (lambda n: InverseTime(0.5, n, 3.0), lambda k, n: 0.5 / (1 + Fraction(3 * k, n))),
    "InverseTime, staircase": (lambda n: InverseTime(0.5, n, 3.0, staircase=True), lambda k, n: 0.5 / (1 + 3 * (k // n))),
    "CyclePolynomial": (lambda n: CyclePolynomial(0.5, 0.125, 2.0, n), cycle_polynomial(2)),
    "CyclePolynomial, a root": (lambda n: CyclePolynomial(0.5, 0.125, 0.5, n), cycle_polynomial(0.5)),
    "CosineWave": (lambda n: CosineWave(0.5, n), cosine_wave(Fraction(1, 2), 0.0)),
    "CosineWave, several": (lambda n: CosineWave(2.75, n, 0.25), cosine_wave(Fraction(11, 4), 0.25)),
    "CosineFalls": (lambda n: CosineFalls(1, n), cosine_falls(1)),
    "CosinePower": (
        lambda n: CosinePower(0.5, n, 0.0, 3.0),
        lambda k, n: 0.5 * math.sin(math.pi * max(Fraction(0), 1 - Fraction(k, n)) / 2) ** 6,
    ),
    "Cycles": (lambda n: Cycles(0.5, n, 0.0625, peak_factor=0.75), cycles),
    "Cycles, longer": (lambda n: Cycles(0.5, n, 0.0625, length_factor=1.5), longer_cycles),
}


@jax.jit
def evaluate(rate, counts):
    return rate.evaluate(rate.init(), counts).high


@pytest.mark.parametrize("name", CASES)
def test_it_is_its_definition_at_long_horizons(name):
    make, definition = CASES[name]
    for steps in HORIZONS:
        counts = counts_of(steps)
        want = np.array([float(definition(int(k), steps)) for k in counts])
        got = np.asarray(evaluate(make(steps), jnp.asarray(counts, jnp.int32)))
        assert np.all(got >= 0)
        assert np.all(np.isfinite(got))
        off = ulps(got, want)
        worst = int(off.argmax())
        # Past its end a wave comes back to 0 where the place within it has 48 bits, of which few are left that near.
        assert off[worst] <= (LIMIT if want[worst] > 1e-13 else 4 * LIMIT), (
            f"{steps}: {off[worst]:.1f} ulp at count {counts[worst]}: {got[worst]!r}, not {want[worst]!r}"
        )


@pytest.mark.parametrize("late", [0, 1])
def test_a_cut_that_is_no_whole_number_falls_on_its_count(late):
    """Cut i is at count 12 / 5 * i, rounded up; one later where that is a whole number and `late`."""
    rate = BrokenStep(0.999, 12, 5, late)
    counts = np.concatenate([np.arange(200), 10**5 + np.arange(-60, 60), 10**8 + np.arange(-60, 60), INT32_MAX - np.arange(60)])
    cuts = 5 * counts // 12 - (late * (counts % 12 == 0) * (counts > 0))
    want = 0.999 ** cuts.astype(np.float64)
    got = np.asarray(rate(counts), np.float64)
    kept = want > 1e-30
    assert kept.sum() > 200
    np.testing.assert_allclose(got[kept], want[kept], rtol=3e-7)
    np.testing.assert_array_equal(got[~kept] < 1e-29, True)
