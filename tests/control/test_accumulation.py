"""Gradient accumulation: what micro-batches do to metrics, patience, counts and the log."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

import rheostax as rx
from tests.support import counting

HALVE = rx.ReduceOnPlateau(patience=1, factor=0.5)
LINE = rx.Linear(1.0, 0.0, 10)


def run(tx, values, grads=None, params=0.0, name="value"):
    """Give one micro-batch after the other to one compiled update; return what the weight moved by at each, and the states."""

    @counting
    def step(grad, state, metrics):
        return tx.update(grad, state, jnp.float32(params), **metrics)

    update, state, moved, states = jax.jit(step), tx.init(jnp.float32(params)), [], []
    for k, value in enumerate(values):
        updates, state = update(jnp.float32(1.0 if grads is None else grads[k]), state, {name: jnp.float32(value)})
        moved.append(-float(updates))
        states.append(state)
    assert step.traces == 1
    return moved, states


def best(state):
    return float(state.steps.inner_opt_state.body.observed[1].own.best_value)


def test_a_metric_is_averaged_over_the_micro_batches_of_an_update():
    tx = rx.accumulate(rx.control(optax.sgd, LINE * HALVE), 4)
    moved, states = run(tx, [9, 1, 2, 4, 5, 1, 1, 1, 3, 3, 3, 3])
    np.testing.assert_allclose(moved, [0, 0, 0, 1, 0, 0, 0, 0.9, 0, 0, 0, 0.4], rtol=1e-6)  # means 4, 2, 3: the third is no improvement
    description = rx.describe(states[-1])
    assert (description.count, description.parts[-1].observations) == (3, 3)
    assert [best(states[i]) for i in (3, 7, 11)] == [4, 2, 2]


def test_multi_steps_alone_hears_the_last_one():
    """The fault that this mends: the mean improves, and the last micro-batch doesn't."""
    values = [9, 1, 5, 1, 3, 1]
    for wrap, want in ((rx.accumulate, [1, 0.9, 0.8]), (optax.MultiSteps, [1, 0.45, 0.2])):
        moved, _ = run(wrap(rx.control(optax.sgd, LINE * HALVE), 2), values)
        np.testing.assert_allclose(moved[1::2], want, rtol=1e-6)


def test_patience_counts_updates_and_so_does_the_schedule():
    tx = rx.accumulate(rx.control(optax.sgd, rx.Constant(1.0) * rx.ReduceOnPlateau(patience=3, factor=0.5)), 5)
    moved, states = run(tx, [1.0] * 40)
    np.testing.assert_array_equal(moved[4::5], [1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25])
    assert rx.describe(states[-1]).count == 8


def test_outside_of_an_accumulation_everything_counts_micro_batches():
    """A control around MultiSteps: for those who want that. The rule is where the wrapper is."""

    def accumulated(learning_rate):
        return optax.MultiSteps(optax.sgd(learning_rate), 2).gradient_transformation()

    moved, states = run(rx.control(accumulated, LINE * HALVE), [1.0] * 4)
    np.testing.assert_allclose(moved, [0, 0.45, 0, 0.7 / 8], rtol=1e-6)
    assert rx.describe(states[-1]).count == 4


def test_an_update_is_that_of_the_whole_batch():
    """Mean gradient and mean loss of equal micro-batches are gradient and loss of the batch: weights, moments and decisions agree."""
    random = np.random.default_rng(0)
    x, y = random.normal(size=(12, 4, 8, 5)).astype(np.float32), random.normal(size=(12, 4, 8)).astype(np.float32)
    rate = rx.Cosine(0.1, 12) * rx.ReduceOnPlateau(patience=1, factor=0.5, rtol=0.02)

    def loss(w, x, y):
        return jnp.mean((x @ w - y) ** 2)

    def step(tx):
        def update(w, state, x, y):
            value, grad = jax.value_and_grad(loss)(w, x, y)
            updates, state = tx.update(grad, state, w, value=value)
            return optax.apply_updates(w, updates), state

        return jax.jit(update)

    whole, parts = rx.control(optax.adam, rate), rx.accumulate(rx.control(optax.adam, rate), 4)
    one, several = step(whole), step(parts)
    w, v = jnp.zeros(5), jnp.zeros(5)
    at_once, in_parts = whole.init(w), parts.init(v)
    for k in range(12):
        w, at_once = one(w, at_once, x[k].reshape(32, 5), y[k].reshape(32))
        for i in range(4):
            v, in_parts = several(v, in_parts, x[k, i], y[k, i])
        np.testing.assert_allclose(v, w, rtol=1e-4, atol=1e-6)
        assert rx.learning_rate(in_parts) == rx.learning_rate(at_once)
    assert float(rx.learning_rate(at_once)) < 0.5 * float(rx.Cosine(0.1, 12)(11))


def test_the_log_is_of_updates():
    """A recorder that is told every micro-batch has the count of the update that each was for, and that update's rate at the last."""
    tx = rx.accumulate(rx.control(optax.sgd, LINE * HALVE), 2)
    _, states = run(tx, [3, 1, 2, 1, 2, 2])
    with rx.Recorder(tx.init(jnp.float32(0))) as recorder:
        for state in states:
            recorder.updated(state)
        np.testing.assert_array_equal(recorder.history["count"], [0, 0, 1, 1, 2, 2])
        np.testing.assert_allclose(recorder.history["learning_rate"][1::2], [1, 0.9, 0.4], rtol=1e-6)
        assert [(one.count, one.value) for one in recorder.decisions] == [(2, 2.0)]


def test_what_is_no_number_is_left_out_of_the_mean():
    tx = rx.accumulate(rx.control(optax.sgd, LINE * HALVE), 3)
    _, states = run(tx, [4, np.nan, 2, np.inf, np.nan, 1, np.nan, np.nan, np.nan])
    assert [best(states[i]) for i in (2, 5, 8)] == [3, 1, 1]
    description = rx.describe(states[-1])
    assert (description.parts[-1].observations, description.parts[-1].nonfinite) == (2, 1)
    assert "accumulate left out 6 NaN or infinite values of single micro-batches" in description.warnings


def test_a_micro_batch_that_is_dropped_takes_its_metric_with_it():
    """Alone, optax.MultiSteps keeps the NaN in its sum, and every update after it is NaN."""
    tx = rx.accumulate(rx.control(optax.sgd, LINE * HALVE), 2)
    moved, states = run(tx, [4, 100, 2, 1, 1], grads=[1, np.nan, 3, 1, 1])
    np.testing.assert_allclose(moved, [0, 0, 2, 0, 0.9], rtol=1e-6)
    assert (best(states[2]), rx.describe(states[-1]).count) == (3, 2)
    assert "accumulate dropped 1 micro-batch, most likely for gradients that aren't finite" in rx.describe(states[-1]).warnings
    for wrap in (optax.MultiSteps, lambda tx, k: rx.accumulate(tx, k, should_skip_update_fn=None)):
        moved, states = run(wrap(rx.control(optax.sgd, LINE, on_nonfinite="skip"), 2), [1] * 6, grads=[1, np.nan, 1, 1, 1, 1])
        assert moved == [0] * 6
        assert "skipped 3 updates because of NaN or infinite gradients, the last 3 in a row" in rx.describe(states[-1]).warnings


def test_gradients_may_be_summed():
    moved, _ = run(rx.accumulate(rx.control(optax.sgd, LINE), 2, use_grad_mean=False), [1] * 4)
    np.testing.assert_allclose(moved, [0, 2, 0, 1.8], rtol=1e-6)


def test_a_chain_hands_the_metrics_on():
    """optax's own `gradient_transformation()` drops them."""
    tx = optax.chain(optax.clip(10.0), rx.accumulate(rx.control(optax.sgd, LINE * HALVE), 2))
    moved, _ = run(tx, [1, 1, 1, 1])
    np.testing.assert_allclose(moved, [0, 1, 0, 0.45], rtol=1e-6)


@pytest.mark.parametrize("plateau", [rx.reduce_on_plateau, optax.contrib.reduce_on_plateau])
def test_a_plateau_transformation_hears_the_mean_too(plateau):
    tx = rx.accumulate(optax.chain(optax.sgd(1.0), plateau(patience=1, factor=0.5)), 2)
    moved, _ = run(tx, [9, 1, 5, 1, 4, 4])
    np.testing.assert_array_equal(moved, [0, 1, 0, 1, 0, 0.5])


def test_metrics_by_other_names_and_none_at_all():
    rate = 1.0 * rx.ReduceOnPlateau(monitor="accuracy", mode="max", patience=1, factor=0.5)
    moved, states = run(rx.accumulate(rx.control(optax.sgd, rate), 2), [0.1, 0.5, 0.1, 0.5], name="accuracy")
    np.testing.assert_array_equal(moved, [0, 1, 0, 0.5])
    state = rx.observe(states[-1], accuracy=0.9)  # between updates, as ever
    assert rx.describe(state).parts[-1].observations == 3
    moved, _ = run(rx.accumulate(rx.control(optax.sgd, LINE), 2), [1, 1, 1, 1])
    np.testing.assert_allclose(moved, [0, 1, 0, 0.9], rtol=1e-6)


def test_the_number_of_micro_batches_may_change():
    tx = rx.accumulate(rx.control(optax.sgd, LINE * HALVE), lambda step: jnp.where(step < 2, 1, 3))
    moved, states = run(tx, [3, 2, 4, 1, 1, 9, 0, 0])
    np.testing.assert_allclose(moved, [1, 0.9, 0, 0, 0.4, 0, 0, 0.35 * 0.5], rtol=1e-6)
    assert rx.describe(states[-1]).count == 4


def test_an_nnx_optimizer_accumulates():
    """`step` counts calls; the count of the rate is that of updates."""
    model = nnx.Linear(2, 1, rngs=nnx.Rngs(0))
    optimizer = rx.Optimizer(model, rx.accumulate(rx.control(optax.sgd, LINE * HALVE), 2), wrt=nnx.Param)

    @nnx.jit
    def step(model, optimizer, loss):
        grads = nnx.grad(lambda model: model(jnp.ones((1, 2))).sum())(model)
        optimizer.update(model, grads, value=loss)

    for loss in (9.0, 1.0, 5.0, 1.0, 8.0, 4.0):
        step(model, optimizer, loss)
    np.testing.assert_allclose(optimizer.learning_rate, 0.4, rtol=1e-6)
    assert (int(optimizer.step), rx.describe(optimizer).count) == (6, 3)


def test_a_metric_must_be_a_scalar():
    tx = rx.accumulate(rx.control(optax.sgd, LINE * HALVE), 2)
    with pytest.raises(rx.ArgumentError, match=r"The metric 'value' must be a scalar, got shape \(3,\)"):
        tx.update(jnp.ones(2), tx.init(jnp.ones(2)), jnp.ones(2), value=jnp.ones(3))


def test_a_mean_that_no_update_heard_waits_for_one_that_does():
    """Its metric came with the first of two micro-batches alone; later with the last as well."""
    tx = rx.accumulate(rx.control(optax.sgd, rx.Constant(1.0) * HALVE), 2)
    state, zero = tx.init(jnp.float32(0.0)), jnp.float32(0.0)
    for metrics in ({"value": 3.0}, {}, {"value": 5.0}, {}):
        _, state = tx.update(zero, state, zero, **metrics)
    assert any("holds a mean of 'value' that no update heard" in warning for warning in rx.describe(state).warnings)
    for metrics in ({}, {"value": 1.0}):
        _, state = tx.update(zero, state, zero, **metrics)
    np.testing.assert_allclose(best(state), 3.0, rtol=1e-6)
    assert not any("accumulate holds" in warning for warning in rx.describe(state).warnings)
