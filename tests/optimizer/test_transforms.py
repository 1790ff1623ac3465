"""Optimizers under Flax's and JAX's transformations, copied, and saved."""

import copy

import jax
import jax.numpy as jnp
import numpy as np
import optax
import orbax.checkpoint as ocp
import pytest
from flax import nnx

import rheostax as rx
from tests.optimizer.training import CLASSES, PLATEAU, Model, X, Y, arrays, make, step, weights
from tests.support import assert_close, assert_identical, assert_within, counting

each_class = pytest.mark.parametrize("cls", CLASSES)
RATE = rx.Warmup(3) * rx.Cosine(0.25, 40) * PLATEAU * rx.ReduceOnPlateau(patience=2, factor=0.9)


def make_reactive(cls):
    return make(cls, rx.control(optax.adam, RATE))


def run(model, optimizer, updates, *, begin=0):
    """Train with everything that happens in a run: losses, validation now and then, a change by hand."""
    jitted, losses = nnx.jit(step), []
    for k in range(begin, begin + updates):
        losses.append(jitted(model, optimizer, X, Y))
        if k % 3 == 1:
            rx.observe(optimizer, val_loss=1.0)
        if k == 4:
            rx.scale_learning_rate(optimizer, 0.75)
    return jnp.stack(losses), rx.learning_rate(optimizer)


@each_class
def test_split_and_merge_go_on_exactly(cls):
    one, other = make_reactive(cls), make_reactive(cls)
    run(*one, 5)
    run(*other, 5)
    merged = nnx.merge(*nnx.split(other))
    assert_identical(run(*merged, 4, begin=5), run(*one, 4, begin=5))
    assert_identical(arrays(*merged), arrays(*one))


@each_class
@pytest.mark.parametrize("how", [copy.deepcopy, nnx.clone], ids=["deepcopy", "clone"])
def test_a_copy_goes_its_own_way(cls, how):
    model, optimizer = make_reactive(cls)
    run(model, optimizer, 3)
    before = arrays(model, optimizer)
    copied = how((model, optimizer))
    rx.set_learning_rate(copied[1], 0.7)
    run(*copied, 2, begin=5)
    assert_identical(arrays(model, optimizer), before)
    np.testing.assert_allclose(rx.learning_rate(copied[1]), 0.7, rtol=0.1)


@each_class
def test_jax_jit_on_split_state_with_donation(cls):
    model, optimizer = make_reactive(cls)
    want = run(*make_reactive(cls), 1)[0]
    graphdef, state = nnx.split((model, optimizer))

    def pure(state, x, y):
        model, optimizer = nnx.merge(graphdef, state)
        loss = step(model, optimizer, x, y)
        return loss, rx.learning_rate(optimizer), nnx.state((model, optimizer))

    counted = counting(pure)
    jitted, rates = jax.jit(counted, donate_argnums=0), []
    for k in range(4):
        loss, rate, state = jitted(state, X, Y)
        rates.append(rate)
        if k == 0:
            assert_within(loss, want[0], 4)
    assert counted.traces == 1
    nnx.update((model, optimizer), state)
    assert rates[-1] == rx.learning_rate(optimizer)
    assert int(optimizer.step) == 4


@each_class
def test_lax_scan_over_split_state(cls):
    """The fast way to train: many updates per dispatch, the rate decided inside."""
    model, optimizer = make_reactive(cls)
    graphdef, state = nnx.split((model, optimizer))

    def body(state, _):
        model, optimizer = nnx.merge(graphdef, state)
        step(model, optimizer, X, Y)
        return nnx.state((model, optimizer)), rx.learning_rate(optimizer)

    state, rates = jax.jit(lambda state: jax.lax.scan(body, state, None, 6))(state)
    reference, looped = make_reactive(cls), []
    for _ in range(6):
        step(*reference, X, Y)
        looped.append(rx.learning_rate(reference[1]))
    assert_within(rates, jnp.stack(looped), 4)
    nnx.update((model, optimizer), state)
    assert_close(weights(model)["head"], weights(reference[0])["head"], 1e-2)


@each_class
def test_nnx_scan(cls):
    model, optimizer = make_reactive(cls)

    @nnx.scan(in_axes=(nnx.Carry, 0), out_axes=(nnx.Carry, 0))
    def several(nodes, x):
        loss = step(*nodes, x, Y)
        return nodes, (loss, rx.learning_rate(nodes[1]))

    _, (_, rates) = several((model, optimizer), jnp.stack([X] * 5))
    np.testing.assert_allclose(rates, rx.simulate(rx.Warmup(3) * rx.Cosine(0.25, 40), 5), rtol=1e-6)
    assert rx.learning_rate(optimizer) == rates[-1]


@each_class
def test_nnx_cached_partial(cls):
    one, other = make_reactive(cls), make_reactive(cls)
    counted = counting(step)
    cached = nnx.cached_partial(nnx.jit(counted), *one)
    jitted = nnx.jit(step)
    for k in range(4):
        assert_identical(cached(X, Y), jitted(*other, X, Y))
        for _, optimizer in (one, other):
            rx.observe(optimizer, val_loss=1.0)
            if k == 2:
                rx.set_learning_rate(optimizer, 0.2)
    assert counted.traces == 1
    assert_identical(arrays(*one), arrays(*other))


@each_class
def test_a_population_under_nnx_vmap(cls):
    """Models from keys, each with a rate of its own, trained and validated together."""
    tx = optax.with_extra_args_support(rx.control(optax.adam, rx.Constant(1.0) * PLATEAU))

    @nnx.vmap
    def create(key, rate):
        model = Model(nnx.Rngs(key))
        optimizer = cls(model, tx, wrt=nnx.Param)
        rx.set_learning_rate(optimizer, rate)
        return model, optimizer

    @nnx.jit
    @nnx.vmap(in_axes=(0, 0, None, None, 0))
    def together(model, optimizer, x, y, val_loss):
        loss = step(model, optimizer, x, y)
        rx.observe(optimizer, val_loss=val_loss)
        return loss

    keys, rates = jax.random.split(jax.random.key(0), 3), jnp.array([0.1, 0.2, 0.4])
    models, optimizers = create(keys, rates)
    np.testing.assert_allclose(rx.learning_rate(optimizers), rates)
    for val_loss in (1.0, 0.5, 0.25):
        together(models, optimizers, X, Y, jnp.array([val_loss, 1.0, jnp.nan]))
    np.testing.assert_allclose(rx.learning_rate(optimizers), [0.1, 0.1, 0.4], rtol=1e-6)
    alone = Model(nnx.Rngs(keys[1]))
    optimizer = cls(alone, tx, wrt=nnx.Param)
    rx.set_learning_rate(optimizer, 0.2)
    for _ in range(3):
        step(alone, optimizer, X, Y)
        rx.observe(optimizer, val_loss=1.0)
    assert_close(models.head.kernel[1], alone.head.kernel[...], 1e-2)


@each_class
def test_a_run_saved_with_orbax_goes_on_bit_for_bit(cls, tmp_path):
    """As Flax users save: the state of model and optimizer, restored onto freshly made ones."""
    one = make_reactive(cls)
    run(*one, 5)
    saved = nnx.state(one, nnx.Not(nnx.RngState))
    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save(tmp_path / "state", saved)
        checkpointer.wait_until_finished()
        fresh = make_reactive(cls)
        abstract = jax.tree.map(ocp.utils.to_shape_dtype_struct, nnx.state(fresh, nnx.Not(nnx.RngState)))
        restored = checkpointer.restore(tmp_path / "state", abstract)
    nnx.update(fresh, restored)
    nnx.update(fresh, nnx.state(one, nnx.RngState))  # typed keys are saved apart
    assert_identical(arrays(*fresh), arrays(*one))
    assert_identical(run(*fresh, 4, begin=5), run(*one, 4, begin=5))
    assert_identical(arrays(*fresh), arrays(*one))


def test_the_whole_state_is_one_variable():
    """The NNX protocol costs host time per Variable."""
    _, optimizer = make_reactive(rx.Optimizer)
    assert len(nnx.to_flat_state(nnx.state(optimizer))) == 1
    _, theirs = make_reactive(nnx.Optimizer)
    assert len(nnx.to_flat_state(nnx.state(theirs))) > 10
