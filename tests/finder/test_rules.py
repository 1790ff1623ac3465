"""The rules, point for point as their sources have them, and the averages that they are given."""

import numpy as np
import pytest

from rheostax.finder import fitted, minimum, slide, smoothed, steepest, valley
from rheostax.finder.rules import RULES
from rheostax.finder.smoothing import descent, fit_weights, noise_of
from tests.oracles import finder as oracle

RATES = np.geomspace(1e-6, 10.0, 80)


def curves():
    """Falling, flat, noisy, rising, and all of that: what sweeps look like, and some that they don't."""
    x = np.linspace(-4, 4, 80)
    for seed in range(60):
        random = np.random.default_rng(seed)
        fall = 2.3 - random.uniform(0, 2) / (1 + np.exp(-random.uniform(1, 4) * (x - random.uniform(-3, 3))))
        rise = np.exp(random.uniform(1, 3) * (x - random.uniform(2, 4))) * random.integers(0, 2)
        yield fall + rise + random.normal(0, 10 ** random.uniform(-4, -0.5), 80)
    yield -x
    yield x
    yield np.round(np.sin(3 * x), 1)


@pytest.mark.parametrize("name", RULES)
def test_a_rule_finds_the_very_rate_of_its_source(name):
    for losses in curves():
        for length in (80, 21):
            rates, part = RATES[:length], losses[:length]
            assert RULES[name](rates, part) == getattr(oracle, name)(rates.tolist(), part.tolist())


def test_rules_by_hand():
    """Losses whose answers can be counted on the fingers."""
    rates = 10.0 ** np.arange(-9, 1)
    losses = np.array([5.0, 6.0, 4.0, 3.0, 3.5, 2.0, 1.0, 1.5, 9.0, 9.0])
    assert valley(rates, losses) == rates[1 + 1 + 0]  # 5 4 3 2 1 (or 6 4 3 2 1) ends at 6, is 5 long: begins at 1; 5/3 and 5/6 down
    assert steepest(rates, losses) == rates[1]  # from 6 to 4
    assert minimum(rates, losses) == pytest.approx(1e-4)  # a tenth of 1e-3
    assert valley(rates, np.arange(10.0)) == rates[0]
    assert slide(np.arange(1.0, 31.0), np.r_[np.zeros(20), np.arange(10.0) ** 2]) == 6.0  # the slope is 0 up to 19: right end 20


def test_slopes_that_are_known_take_the_place_of_differences():
    slopes = np.full(80, -0.1)
    slopes[33] = -0.2
    assert steepest(RATES, np.zeros(80), slopes) == RATES[33]
    uneven = np.linspace(1.0, 80.0, 80)  # a step in ln(rate) is 1/rate long, so a slope at 34 counts 34-fold: less than that at 80
    assert steepest(uneven, np.zeros(80), slopes) == 80.0


def test_the_average_that_looks_back_is_the_weighted_mean_of_the_past():
    values = np.random.default_rng(0).normal(size=(2, 30))
    for smoothing in (0.0, 0.5, 0.98):
        for row, found in zip(values, smoothed(values, smoothing), strict=True):
            np.testing.assert_allclose(found, oracle.moving_average(row.tolist(), smoothing), rtol=1e-12)


def test_the_average_that_looks_both_ways_is_a_line_fitted_at_each_place():
    values = np.random.default_rng(1).normal(size=30)
    for smoothing in (0.5, 0.9, 0.98):
        expected = np.array(oracle.line_at_each(values.tolist(), smoothing))
        np.testing.assert_allclose(fitted(values, smoothing), expected[:, 0], rtol=1e-10)
        np.testing.assert_allclose(fit_weights(30, smoothing)[1] @ values, expected[:, 1], rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(fitted(values, 0.0), values)


def test_noise_is_measured_whatever_the_trend():
    random = np.random.default_rng(0)
    trend = np.linspace(10, 0, 400) ** 2
    assert noise_of(trend + random.normal(0, 2.0, 400)) == pytest.approx(2.0, rel=0.15)
    assert noise_of(np.full(10, 3.0)) == 0


def test_a_curve_tells_something_until_it_is_back_where_it_began():
    losses = np.r_[np.full(20, 2.0), np.linspace(2, 1, 20), [1.5, 1.9, 2.5, 50.0, 1.0]]
    assert descent(losses, 0.5) == 42
    assert descent(losses[:42], 0.5) == 42


# The curve of https://github.com/Lightning-AI/pytorch-lightning/issues/21141: a parabola over the logarithm of the rate, which falls
# ever faster up to its end, with uniform noise. There the suggestion for it became 7.7e-8.
LIGHTNING_RATES = 1e-8 * (1.0 / 1e-8) ** (np.arange(1, 101) / 100)
LIGHTNING = (-(np.linspace(-50, 50, 100) ** 2) - 30 * np.linspace(-50, 50, 100) + 4000) / 1000


def lightning_noise(seed):
    return np.random.RandomState(seed).uniform(-0.1, 0.1, 100)
