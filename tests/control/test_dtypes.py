"""Parameters of any float type: no NaN, no change of types, the same learning rate."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import rheostax as rx
from tests.control.optimizers import OPTIMIZERS, alone, controlled, ignore_deprecations, parameters, train, usual_rate
from tests.support import assert_identical

TYPES = {"bf16 and f32": (jnp.bfloat16, jnp.float32), "f16": (jnp.float16,)}

# Where optax alone fails, with NaN (squares of sums underflow) or an error (a Hessian's dtypes must agree).
BEYOND_OPTAX = {("dadapt_adamw", "f16"), ("prodigy", "f16"), ("sophia", "bf16 and f32")}

pytestmark = ignore_deprecations


def dtypes(tree):
    return [leaf.dtype for leaf in jax.tree.leaves(tree)]


def finite(tree):
    return all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves(tree))


@pytest.mark.parametrize(("name", "kind"), [pair for pair in itertools.product(OPTIMIZERS, TYPES) if pair not in BEYOND_OPTAX])
def test_low_precision_parameters(name, kind):
    params, rate = parameters(*TYPES[kind]), rx.Constant(usual_rate(name)) * rx.Exponential(1.0, 1, 0.9)
    after, states = train(name, controlled(name, rate), params)
    for state in states[1:]:
        assert dtypes(state) == dtypes(states[0])
        assert jax.tree.structure(state) == jax.tree.structure(states[0])
    rates = [rx.learning_rate(state) for state in states[1:]]
    np.testing.assert_allclose(rates, usual_rate(name) * 0.9 ** np.arange(3), rtol=3e-7)
    assert finite(after)


@pytest.mark.parametrize(("name", "kind"), sorted(BEYOND_OPTAX))
def test_what_optax_alone_cannot_do(name, kind):
    """If this fails, optax is mended, and the pair can leave BEYOND_OPTAX."""
    try:
        after, _ = train(name, alone(name, usual_rate(name)), parameters(*TYPES[kind]))
    except TypeError:
        return
    assert not finite(after)


BROKEN_BY_INJECTION = (
    "adam",
    "adamw",
    "amsgrad",
    "lamb",
    "nadamw",
    "optimistic_adam",
    "ademamix",
    "momo_adam",
    "muon",
    "schedule_free_adamw",
)


@pytest.mark.parametrize("name", BROKEN_BY_INJECTION)
def test_where_inject_hyperparams_gives_nan(name):
    """It casts b2 = 0.999 to the parameters' bfloat16, where it is 1."""
    params = parameters(jnp.bfloat16)
    if finite(train(name, optax.inject_hyperparams(OPTIMIZERS[name])(learning_rate=0.03), params, 1)[0]):
        pytest.skip("optax.inject_hyperparams is right here now")
    ours, _ = train(name, controlled(name, 0.03), params, 1)
    want, _ = train(name, alone(name, 0.03), params, 1)
    for a, b, start in zip(*map(jax.tree.leaves, (ours, want, params)), strict=True):
        # Between the two lies the rounding to bfloat16 of the rate and of the update; parameters lie within 2 of 0.
        np.testing.assert_allclose(np.float32(a), np.float32(b), rtol=0, atol=2**-7)
        assert np.any(np.asarray(a) != np.asarray(start))


def test_the_trajectory_of_the_rate_is_the_same_for_all_dtypes():
    rate = rx.Warmup(5) * rx.Cosine(0.1, 40) * rx.ReduceOnPlateau(patience=2, factor=0.999, rtol=1e-6)
    losses = jnp.asarray(2.3 * 0.9995 ** np.arange(40) + np.random.default_rng(0).normal(0, 1e-3, 40), jnp.float32)

    def rates(*dtypes):
        params = parameters(*dtypes)
        tx = rx.control(optax.adam, rate)

        def step(carry, value):
            params, state = carry
            updates, state = tx.update(params, state, params, value=value)
            return (optax.apply_updates(params, updates), state), rx.learning_rate(state)

        return jax.lax.scan(step, (params, tx.init(params)), losses)[1]

    want = rates(jnp.float32)
    assert len(np.unique(np.asarray(want))) > 35
    for kind in ((jnp.bfloat16,), (jnp.float16,), (jnp.bfloat16, jnp.float32)):
        assert_identical(rates(*kind), want)
    with jax.enable_x64(True):
        assert_identical(rates(jnp.float64), want)


def test_the_update_is_rounded_once():
    """rate * gradient in float32, then to bfloat16: 0.003 * 1 is not what a bfloat16 rate would make of it."""
    params = jnp.ones(3, jnp.bfloat16)
    gradients = jnp.asarray([1.0, 3.0, 100.0], jnp.bfloat16)
    tx = rx.control(optax.sgd, 0.003)
    updates, _ = jax.jit(tx.update)(gradients, tx.init(params), params)
    assert_identical(updates, (gradients.astype(jnp.float32) * np.float32(-0.003)).astype(jnp.bfloat16))


def test_updates_keep_the_wider_of_gradient_and_parameter():
    params = {"a": jnp.ones(2), "b": jnp.ones(2, jnp.bfloat16)}
    gradients = {"a": jnp.ones(2, jnp.bfloat16), "b": jnp.ones(2)}
    tx = rx.control(optax.sgd, 0.1)
    updates, _ = tx.update(gradients, tx.init(params), params)
    assert dtypes(updates) == [jnp.float32, jnp.float32]
    updates, _ = tx.update(gradients, tx.init(params))
    assert dtypes(updates) == [jnp.bfloat16, jnp.float32]


def test_x64_parameters_get_float64_updates_of_a_float32_rate():
    with jax.enable_x64(True):
        params = jnp.ones(2, jnp.float64)
        tx = rx.control(optax.adam, 0.1)
        updates, state = tx.update(params, tx.init(params), params)
        assert updates.dtype == jnp.float64
        assert rx.learning_rate(state).dtype == jnp.float32
        assert {leaf.dtype for leaf in (state.floats, state.ints)} == {jnp.dtype("float32"), jnp.dtype("int32")}
