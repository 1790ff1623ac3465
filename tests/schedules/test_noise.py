"""Noise: what it is a function of, how it is distributed, and where it is quiet."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import rheostax as rx
from tests.oracles.composed import positions
from tests.support import ulps

COUNTS = np.arange(20_000)


def drawn(**options):
    return np.asarray(jax.jit(rx.Noise(**{"seed": 5, **options}))(COUNTS), np.float64) - 1


@pytest.mark.parametrize("amplitude", [0.1, 0.5, 1.0])
def test_uniform_noise(amplitude):
    factors = np.asarray(jax.jit(rx.Noise(5, amplitude, distribution="uniform"))(COUNTS))
    assert ulps(factors, 1 + amplitude * positions(5, COUNTS)).max() <= 1
    assert stats.kstest(factors - 1.0, stats.uniform(-amplitude, 2 * amplitude).cdf).pvalue > 0.01
    assert factors.min() >= 0


@pytest.mark.parametrize(("amplitude", "std"), [(0.67, 1.0), (0.2, 0.1), (1.0, 0.02), (0.01, 3.0)])
def test_normal_noise_is_cut_off(amplitude, std):
    noise, edge = drawn(amplitude=amplitude, std=std), amplitude / std
    assert np.abs(noise).max() <= amplitude + 1e-7
    assert stats.kstest(noise, stats.truncnorm(-edge, edge, scale=std).cdf).pvalue > 0.01
    want = stats.truncnorm(-edge, edge, scale=std).ppf((1 + positions(5, COUNTS)) / 2)
    np.testing.assert_allclose(noise, want, rtol=0, atol=3e-6 * amplitude + 1.2e-7)  # erf_inv is a float32 function


def test_it_depends_on_seed_and_count_alone():
    noise = drawn()
    assert len(np.unique(noise)) > 19_900
    assert abs(np.corrcoef(noise[1:], noise[:-1])[0, 1]) < 0.03
    assert abs(np.corrcoef(noise, drawn(seed=6))[0, 1]) < 0.03
    shuffled = np.random.default_rng(0).permutation(COUNTS)
    np.testing.assert_array_equal(jax.jit(rx.Noise(5))(shuffled), (noise[shuffled] + 1).astype(np.float32))
    with jax.default_prng_impl("rbg"), jax.threefry_partitionable(False):
        np.testing.assert_array_equal(drawn(), noise)


def test_seeds_can_be_vmapped():
    many = jax.jit(jax.vmap(lambda seed: rx.Noise(seed, distribution="uniform")(jnp.asarray(COUNTS[:9]))))(jnp.arange(3))
    for seed in range(3):
        np.testing.assert_array_equal(many[seed], jax.jit(rx.Noise(seed, distribution="uniform"))(COUNTS[:9]))


def test_quiet_before_and_after():
    noise = drawn(begin=100, end=200)
    assert np.all(noise[:100] == 0)
    assert np.all(noise[200:] == 0)
    assert np.all(noise[100:200] != 0)
    np.testing.assert_array_equal(noise[100:200], drawn()[100:200])


def test_units():
    assert rx.resolve(rx.Noise(1, begin="1ep", end="0.5run"), steps_per_epoch=10, total_steps=100) == rx.Noise(1, begin=10, end=50)
    assert rx.stretch(rx.Noise(1, begin=3), 2) == rx.Noise(1, begin=6)
