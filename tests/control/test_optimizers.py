"""Any optax optimizer under control trains as it does alone."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import rheostax as rx
from tests.control.optimizers import (
    FOUND,
    NEEDS,
    OPTIMIZERS,
    REFUSED,
    alone,
    controlled,
    ignore_deprecations,
    parameters,
    train,
    usual_rate,
)
from tests.support import assert_close, assert_within

# A Python rate is folded into another constant here: 1 - 1 / sqrt(1 + rate**2) in float64, ours in float32.
ULPS = {"fromage": 8}

# They refuse a schedule, or fail on one; under control they follow it.
WITHOUT_SCHEDULES = {"optimistic_adam", "sm3"}

pytestmark = ignore_deprecations
each_optimizer = pytest.mark.parametrize("name", OPTIMIZERS)


def moved(before, after):
    return max(float(jnp.abs(a - b).max()) for a, b in zip(jax.tree.leaves(before), jax.tree.leaves(after), strict=True))


@functools.cache
def at_a_constant_rate(name):
    """Return the parameters and states of a few updates at the usual rate, under control."""
    return train(name, controlled(name, usual_rate(name)), parameters(jnp.float32))


def test_the_search_finds_what_there_is():
    assert set(OPTIMIZERS) >= {"adafactor", "adam", "adamw", "lbfgs", "lion", "muon", "nadamw", "prodigy", "schedule_free_adamw", "sgd"}
    assert len(OPTIMIZERS) >= 48
    assert set(FOUND) >= REFUSED | set(NEEDS)


@each_optimizer
def test_a_constant_rate_trains_as_the_optimizer_alone(name):
    rate, params = usual_rate(name), parameters(jnp.float32)
    want, _ = train(name, alone(name, rate), params)
    got, states = at_a_constant_rate(name)
    assert_within(got, want, ULPS.get(name, 0))
    assert moved(params, got) > 0
    assert rx.learning_rate(states[-1]) == np.float32(rate)


@each_optimizer
def test_a_schedule_is_followed_as_by_the_optimizer_alone(name):
    rate, params = optax.linear_schedule(usual_rate(name), usual_rate(name) / 10, 4), parameters(jnp.float32)
    got, states = train(name, controlled(name, rate), params, jit=True)
    assert rx.learning_rate(states[-1]) == jax.jit(rate)(jnp.int32(2))
    if name not in WITHOUT_SCHEDULES:
        want, _ = train(name, alone(name, rate), params, jit=True)
        assert_close(got, want, 1e-5)
    other, _ = at_a_constant_rate(name)
    assert moved(got, other) > 0.01 * moved(params, other)


@pytest.mark.parametrize("name", sorted(WITHOUT_SCHEDULES))
def test_those_do_not_take_schedules_themselves(name):
    """If this fails, optax is mended, and the name can leave WITHOUT_SCHEDULES."""
    with pytest.raises((TypeError, ValueError), match=r"schedules|unary"):
        train(name, alone(name, optax.linear_schedule(1.0, 0.1, 4)), parameters(jnp.float32), 1)


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_an_optimizer_that_keeps_its_first_rate_is_refused(name):
    with pytest.raises(rx.ArgumentError, match=rf"{name} reads learning_rate once, at init, so nothing could change it later"):
        rx.control(FOUND[name], 1e-3)


def test_hyperparameters_stay_as_they_are_given():
    """Masks, functions and inner optimizers are no schedules."""
    seen = {}

    def optimizer(learning_rate, **hyperparameters):
        seen.update(hyperparameters)
        return optax.sgd(learning_rate)

    given = {"mask": lambda params: params, "b1": 0.9, "inner": optax.adam(1.0), "name": None, "flag": True}
    rx.control(optimizer, 0.1, **given).init(jnp.ones(2))
    assert seen == given
    assert seen["mask"] is given["mask"]


def test_a_weight_decay_mask_function_acts():
    """`optax.inject_hyperparams` takes it for a schedule, and decays nothing."""
    params, zero = {"kernel": jnp.ones(2), "bias": jnp.ones(2)}, {"kernel": jnp.zeros(2), "bias": jnp.zeros(2)}

    def mask(tree):
        return jax.tree.map_with_path(lambda path, _: path[-1].key == "kernel", tree)

    tx = rx.control(optax.adamw, rx.Linear(0.1, 0.0, 10), weight_decay=0.5, mask=mask)
    updates, _ = jax.jit(tx.update)(zero, tx.init(params), params)
    np.testing.assert_allclose(updates["kernel"], [-0.05, -0.05], rtol=1e-6)
    np.testing.assert_array_equal(updates["bias"], [0.0, 0.0])


def test_metrics_reach_an_optimizer_that_takes_them():
    """momo needs `value`, and a policy listens to it as well."""
    rate = 0.5 * rx.ReduceOnPlateau(patience=1, factor=0.5)
    tx, params = rx.control(optax.contrib.momo, rate), parameters(jnp.float32)
    state = tx.init(params)
    for _ in range(2):
        updates, state = tx.update(params, state, params, value=jnp.float32(1.0))
    assert rx.learning_rate(state) == 0.25
    assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(updates))


def test_lbfgs_with_its_line_search():
    params = {"w": jnp.asarray([1.0, -2.0])}
    ours, theirs = rx.control(optax.lbfgs, 0.5), optax.lbfgs(0.5)

    def loss(params):
        return jnp.sum(params["w"] ** 2)

    value, gradients = jax.value_and_grad(loss)(params)
    extra = {"value": value, "grad": gradients, "value_fn": loss}
    got, _ = ours.update(gradients, ours.init(params), params, **extra)
    want, _ = theirs.update(gradients, theirs.init(params), params, **extra)
    assert_within(got, want, 4)


def test_updates_of_another_structure_than_the_gradients():
    """Lookahead takes the gradients of its fast parameters, and updates the slow ones, too."""
    ones = {"w": jnp.ones(2), "half": jnp.ones(2, jnp.bfloat16)}
    params = optax.LookaheadParams.init_synced(ones)

    def trained(tx):
        state = tx.init(params)
        applied = [tx.update(ones, state, params)]
        applied.append(tx.update(ones, applied[0][1], optax.apply_updates(params, applied[0][0])))
        return [updates for updates, _ in applied]

    theirs = trained(optax.lookahead(optax.sgd(0.1), 2, 0.5))
    ours = trained(rx.control(lambda learning_rate: optax.lookahead(optax.sgd(learning_rate), 2, 0.5), 0.1))
    assert jax.tree.structure(ours) == jax.tree.structure(theirs)
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        assert a.dtype == b.dtype
        if a.dtype == jnp.float32:
            np.testing.assert_allclose(a, b, rtol=1e-6)
    assert jnp.any(ours[1].slow["w"] != 0)
