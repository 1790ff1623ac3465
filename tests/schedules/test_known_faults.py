"""Faults that other libraries' schedules have, each reproduced where it is still there, and absent here."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import rheostax as rx
from tests.support import ulps

LENGTHS = jnp.arange(1, 2006)
AT_END = jnp.stack([LENGTHS - 1, LENGTHS, LENGTHS + 1], axis=1)


@pytest.mark.parametrize("power", [0.5, 0.9, 1.5])
def test_a_jitted_polynomial_is_a_number_at_its_end(power):
    """A compiler may turn / steps into * (1 / steps), and the part that is left into a negative number."""

    @jax.jit
    def values(steps, counts):
        return jax.vmap(lambda steps, counts: rx.Polynomial(1e-3, 0.0, power, steps)(counts))(steps, counts)

    ours = np.asarray(values(LENGTHS, AT_END))
    assert np.all(ours[:, 0] > 0)
    assert np.all(ours[:, 1:] == 0)
    for steps in (1000, 30_000, 90_000):
        assert jax.jit(rx.Polynomial(1e-3, 1e-5, power, steps))(jnp.int32(steps)) == jnp.float32(1e-5)
        assert jax.jit(rx.Polynomial(1e-3, 1e-5, power, steps))(jnp.int32(steps - 1)) > jnp.float32(1e-5)


def test_optax_still_has_that_fault():
    """If this is skipped, optax is mended, and the docstring of `rx.Polynomial` can lose a sentence."""
    lengths = (1000, 30_000, 90_000, 41, 47, 55, 61, 82, 83)
    theirs = [jax.jit(optax.polynomial_schedule(1e-3, 0.0, 0.5, steps))(jnp.int32(steps)) for steps in lengths]
    if not np.any(np.isnan(theirs)):
        pytest.skip("optax.polynomial_schedule is right on this grid now")
    assert np.isnan(theirs[0])


def test_a_jitted_line_to_zero_is_never_negative():
    @jax.jit
    def values(steps, counts):
        return jax.vmap(lambda steps, counts: rx.Linear(1e-3, 0.0, steps)(counts))(steps, counts)

    ours = np.asarray(values(LENGTHS, AT_END))
    assert np.all(ours[:, 0] > 0)
    assert np.all(ours[:, 1:] == 0)


def test_unsigned_counts_before_a_boundary():
    """Where counts are unsigned, as the step of `nnx.Optimizer` is, count - boundary is a huge number."""
    theirs = optax.linear_schedule(1e-3, 0.0, 100, transition_begin=50)(jnp.uint32(10))
    assert theirs < 1e-4  # instead of 1e-3
    joined = rx.Join([1e-3, rx.Linear(1e-3, 0.0, 100)], boundaries=[50])
    stable = rx.WarmupStableDecay(1e-3, warmup_steps=0, decay_steps=100, total_steps=150)
    for schedule in (joined, stable):
        assert schedule(jnp.uint32(10)) == jnp.float32(1e-3)
        assert ulps(schedule(jnp.uint32(100)), 0.5e-3) <= 2


@pytest.mark.parametrize("x64", [False, True])
@pytest.mark.parametrize("steps", [2**31, 3_000_000_000, np.int64(2**31), 1e10])
def test_a_horizon_beyond_int32_is_refused(steps, x64):
    with jax.enable_x64(x64):
        for make in (
            lambda: rx.Linear(1e-3, 0.0, steps),
            lambda: rx.Cosine(1e-3, steps),
            lambda: rx.Exponential(1e-3, steps, 0.5),
            lambda: rx.Polynomial(1e-3, 0.0, 2.0, steps),
            lambda: rx.Warmup(steps),
            lambda: rx.WarmupStableDecay(1e-3, 0, 10, steps),
        ):
            with pytest.raises(rx.ArgumentError, match=r"steps must be at most 2,147,483,647 \(counts are int32\), got \d+"):
                make()
        with pytest.raises(rx.ArgumentError, match="boundaries must be whole numbers >= 1"):
            rx.Join([1.0, 2.0], boundaries=[steps])


def test_the_longest_horizon_is_right():
    steps = 2**31 - 1
    schedule = rx.Linear(1.0, 0.0, steps)
    assert ulps(schedule(steps - 1), 1 / steps) <= 1
    assert schedule(steps) == 0
    assert ulps(schedule(2**30), (steps - 2**30) / steps) <= 1


def test_counts_beyond_int32_are_past_the_end():
    for count in (2**31, 2**40, np.int64(2**40), np.uint64(2**63), np.array([2**40])):
        assert rx.Cosine(1e-3, 100, end_value=1e-5)(count) == jnp.float32(1e-5)
    assert rx.Cosine(1e-3, 100, end_value=1e-5)(jnp.uint32(2**32 - 1)) == jnp.float32(1e-5)
    with jax.enable_x64(True):
        assert rx.Cosine(1e-3, 100, end_value=1e-5)(jnp.int64(2**40)) == np.float32(1e-5)
