"""`rx.Optimizer` trains as `nnx.Optimizer` does, and its learning rate can be seen, fed and changed."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx, serialization

import rheostax as rx
from tests.optimizer.training import CLASSES, PLATEAU, Model, X, Y, loss_fn, make, step, weights
from tests.support import assert_identical, assert_within, counting

FACTORIES = {
    "sgd": functools.partial(optax.sgd, momentum=0.9),
    "adam": optax.adam,
    "adamw": functools.partial(optax.adamw, weight_decay=0.1, mask=lambda params: jax.tree.map(lambda leaf: leaf.ndim > 1, params)),
    "lamb": optax.lamb,
    "momo": optax.contrib.momo,
    "schedule_free_sgd": optax.contrib.schedule_free_sgd,
}


def train(cls, tx, updates=4, wrt=nnx.Param):
    model, optimizer = make(cls, tx, wrt)
    for _ in range(updates):
        loss, grads = nnx.value_and_grad(loss_fn, argnums=nnx.DiffState(0, wrt))(model, X, Y)
        optimizer.update(model, grads, value=loss)
    return weights(model)


@pytest.mark.parametrize("name", FACTORIES)
def test_the_same_weights_as_nnx_optimizer(name):
    factory = FACTORIES[name]
    want = train(nnx.Optimizer, factory(learning_rate=0.05))
    for cls in CLASSES:
        assert_within(train(cls, rx.control(factory, 0.05)), want, 0)
    assert_within(train(rx.Optimizer, factory(learning_rate=0.05)), want, 0)
    before = weights(Model(nnx.Rngs(0)))
    assert any(np.any(a != b) for a, b in zip(jax.tree.leaves(want), jax.tree.leaves(before), strict=True))


@pytest.mark.parametrize("wrt", [nnx.PathContains("head"), nnx.All(nnx.Param, nnx.Not(nnx.PathContains("norm")))], ids=["head", "not norm"])
def test_any_filter_says_what_is_trained(wrt):
    want = train(nnx.Optimizer, optax.adam(0.05), wrt=wrt)
    assert_within(train(rx.Optimizer, rx.control(optax.adam, 0.05), wrt=wrt), want, 0)
    assert_identical(want["norm"], weights(Model(nnx.Rngs(0)))["norm"])


def test_the_updates_are_returned_as_by_nnx_optimizer():
    results = []
    for cls in CLASSES:
        model, optimizer = make(cls, rx.control(optax.adam, 0.05))
        results.append(optimizer.update(model, nnx.grad(loss_fn)(model, X, Y)))
    assert_identical(results[0], results[1])


def test_it_is_an_nnx_optimizer():
    model, optimizer = make()
    assert isinstance(optimizer, nnx.Optimizer)
    for k in range(3):
        assert int(optimizer.step) == k
        step(model, optimizer, X, Y)
    assert optimizer.step.dtype == jnp.uint32
    assert optimizer.wrt is nnx.Param
    assert int(optimizer.opt_state.inner[0].count) == 3


@pytest.mark.parametrize("cls", CLASSES)
@pytest.mark.parametrize("where", ["inside", "outside"])
def test_observations_inside_and_outside_jit(cls, where):
    """Two metrics, one rate; the same whether observed in the step or after it."""
    rate = rx.Constant(0.5) * PLATEAU * rx.ReduceOnPlateau(monitor="accuracy", mode="max", patience=2, factor=0.1)
    model, optimizer = make(cls, rx.control(optax.sgd, rate))

    @nnx.jit
    @counting
    def jitted(model, optimizer, metrics):
        loss = step(model, optimizer, X, Y)
        if where == "inside":
            rx.observe(optimizer, **metrics)
        return loss

    rates = []
    for _ in range(5):
        metrics = {"val_loss": jnp.float32(1.0), "accuracy": jnp.float32(0.5)}
        jitted(model, optimizer, metrics)
        rates.append(float(rx.learning_rate(optimizer)))
        if where == "outside":
            rx.observe(optimizer, **metrics)
    np.testing.assert_allclose(rates, [0.5, 0.5, 0.25, 0.0125, 0.00625], rtol=1e-6)


def test_its_methods_are_the_functions():
    model, optimizer = make(rx.Optimizer, rx.control(optax.sgd, rx.Linear(1.0, 0.0, 10) * PLATEAU))
    optimizer.observe(val_loss=1.0)
    optimizer.observe(val_loss=1.0)
    step(model, optimizer, X, Y)
    assert optimizer.learning_rate == rx.learning_rate(optimizer) == 0.5
    optimizer.set_learning_rate(0.25)
    assert optimizer.learning_rate == 0.25
    optimizer.set_learning_rate(0.125, pin=True)
    optimizer.scale_learning_rate(0.5)
    step(model, optimizer, X, Y)
    assert optimizer.learning_rate == 0.0625
    optimizer.reset_learning_rate()
    assert optimizer.learning_rate == np.float32(0.4)


def test_methods_take_a_group():
    model, optimizer = make(rx.Optimizer, rx.control(optax.sgd, 0.5 * rx.Groups({"head/*": 1.0, "norm/*": None}, rest=0.5)))
    optimizer.set_learning_rate(0.125, group="rest")
    optimizer.scale_learning_rate(0.5, group="head/*")
    assert optimizer.learning_rate == {"head/*": 0.25, "norm/*": 0.0, "rest": 0.125}
    before = weights(model)
    step(model, optimizer, X, Y)
    assert_identical(weights(model)["norm"], before["norm"])
    optimizer.set_learning_rate(0.5, group="head/*", pin=True)
    optimizer.reset_learning_rate(group="rest")
    assert optimizer.learning_rate == {"head/*": 0.5, "norm/*": 0.0, "rest": 0.25}


@pytest.mark.parametrize("cls", CLASSES)
def test_the_functions_change_an_optimizer_in_place(cls):
    model, optimizer = make(cls)
    for change in (
        lambda x: rx.observe(x, val_loss=1.0),
        lambda x: rx.set_learning_rate(x, 0.5),
        lambda x: rx.scale_learning_rate(x, 0.5),
        rx.reset_learning_rate,
    ):
        assert change(optimizer) is optimizer
    rx.scale_learning_rate(optimizer, 0.5)
    before = weights(model)
    step(model, optimizer, X, Y)
    assert rx.learning_rate(optimizer) == 0.0625
    assert rx.describe(optimizer).count == 1
    moved = np.abs(np.asarray(weights(model)["head"]["kernel"]) - np.asarray(before["head"]["kernel"]))
    np.testing.assert_allclose(moved, 0.0625, rtol=1e-3)  # adam's first step is the rate


@pytest.mark.parametrize("cls", CLASSES)
def test_one_trace_while_everything_changes(cls):
    rate = rx.Warmup(10) * rx.Cosine(0.5, 1000) * PLATEAU
    model, optimizer = make(cls, rx.control(optax.adam, rate))
    inner = counting(step)
    jitted = nnx.jit(inner)
    rates = set()
    for k in range(30):
        jitted(model, optimizer, X, Y)
        rates.add(float(rx.learning_rate(optimizer)))
        if k % 5 == 1:
            rx.observe(optimizer, val_loss=1.0)
        if k % 5 == 2:
            rx.set_learning_rate(optimizer, 0.1 + k / 100)
        if k % 5 == 3:
            rx.scale_learning_rate(optimizer, 0.5)
        if k == 20:
            rx.reset_learning_rate(optimizer)
    assert inner.traces == 1
    assert len(rates) == 30


def test_variables_are_taken_as_metrics():
    """As nnx.metrics or a model may keep them."""
    model, optimizer = make()
    optimizer.observe(val_loss=nnx.Variable(jnp.float32(2.0)))
    step(model, optimizer, X, Y, val_loss=nnx.Variable(jnp.float32(2.0)))
    assert optimizer.learning_rate == 0.0625


@pytest.mark.parametrize("cls", CLASSES)
def test_an_unknown_metric_is_told(cls):
    _, optimizer = make(cls)
    with pytest.raises(rx.UnknownMetricError, match=r"No policy monitors 'value'; this learning rate monitors 'val_loss'"):
        rx.observe(optimizer, value=1.0)


@pytest.mark.parametrize("cls", CLASSES)
def test_an_optimizer_without_control_is_told(cls):
    _, optimizer = make(cls, optax.adam(1e-3))
    for function in (rx.learning_rate, rx.observe, rx.describe, lambda x: rx.set_learning_rate(x, 0.1)):
        with pytest.raises(rx.StateError, match=r"no rheostax learning rate in this state.*Make the optimizer with rx\.control"):
            function(optimizer)
    if cls is rx.Optimizer:
        with pytest.raises(rx.StateError, match="no rheostax learning rate"):
            _ = optimizer.learning_rate


def test_wrong_parameters_are_told():
    with pytest.raises(rx.GroupError, match=r"match no group; add a pattern, or rest=: body/bias, body/kernel, norm/bias, norm/scale"):
        make(rx.Optimizer, rx.control(optax.sgd, rx.Groups({"head/*": 1.0})))


@pytest.mark.parametrize("cls", CLASSES)
def test_model_and_gradients_may_be_named(cls):
    model = nnx.Linear(1, 1, use_bias=False, rngs=nnx.Rngs(0))
    before = float(model.kernel[0, 0])
    optimizer = cls(model, rx.control(optax.sgd, rx.Constant(0.5) * rx.ReduceOnPlateau(monitor="self", patience=1)), wrt=nnx.Param)
    gradients = jax.tree.map(jnp.ones_like, nnx.state(model, nnx.Param))
    optimizer.update(model, grads=gradients)
    optimizer.update(model=model, grads=gradients)
    assert float(model.kernel[0, 0]) == pytest.approx(before - 1.0, rel=1e-6)


def test_flax_serialization_keeps_a_state():
    tx = rx.control(optax.adam, rx.Linear(0.5, 0.25, 4) * rx.ReduceOnPlateau(patience=1, factor=0.5))
    params = {"w": jnp.ones(2)}
    state = tx.init(params)
    for _ in range(3):
        _, state = tx.update(params, state, params, value=1.0)
    restored = serialization.from_bytes(tx.init(params), serialization.to_bytes(state))
    assert str(rx.describe(restored)) == str(rx.describe(state))
    assert_identical(tx.update(params, restored, params, value=1.0), tx.update(params, state, params, value=1.0))
