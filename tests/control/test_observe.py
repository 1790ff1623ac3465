"""`rx.observe` and the metrics of `update`: what is heard, by whom, and what is refused."""

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import optax
import pytest
from flax import nnx

import rheostax as rx
from tests.control.sgd import Run
from tests.support import assert_identical

TWO = (
    rx.Constant(1.0)
    * rx.ReduceOnPlateau(patience=1, factor=0.5)
    * rx.ReduceOnPlateau(monitor="accuracy", mode="max", patience=1, factor=0.1)
)


def heard(state):
    return {part.monitor: part.observations for part in rx.describe(state).parts if part.monitor}


def test_each_metric_goes_to_its_policy():
    run = Run(TWO)
    run.observe(value=1.0, accuracy=0.5)
    run.observe(accuracy=0.5)
    assert heard(run.state) == {"value": 1, "accuracy": 2}
    np.testing.assert_allclose(run.update(), 0.1, rtol=1e-6)
    run.update(value=1.0)
    assert heard(run.state) == {"value": 2, "accuracy": 2}


def test_two_policies_may_watch_one_metric():
    rate = rx.Constant(1.0) * rx.ReduceOnPlateau(patience=1, factor=0.5) * rx.ReduceOnPlateau(patience=3, factor=0.1)
    run = Run(rate)
    np.testing.assert_allclose([run.update(value=1.0) for _ in range(4)], [1, 0.5, 0.25, 0.0125], rtol=1e-6)


@pytest.mark.parametrize(
    "value",
    [
        2,
        2.0,
        np.float64(2),
        np.float32(2),
        np.int64(2),
        np.array(2.0),
        ml_dtypes.bfloat16(2),
        jnp.int32(2),
        jnp.float16(2),
        nnx.Param(jnp.float32(2)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_metric_may_be_any_real_scalar(value):
    run = Run(TWO)
    run.observe(value=value)
    seen = run.state.body.observed[1]
    assert (float(seen.last), seen.last.dtype) == (2.0, jnp.float32)


@pytest.mark.parametrize("value", [3_000_000_000, np.int64(3_000_000_000), np.array(3_000_000_000), 3e9])
def test_large_whole_numbers_do_not_wrap(value):
    run = Run(TWO)
    run.observe(value=value)
    assert float(run.state.body.observed[1].last) == 3e9


def test_a_number_beyond_float32_counts_as_infinite():
    run = Run(TWO)
    run.observe(value=1e39)
    assert rx.describe(run.state).parts[1].nonfinite == 1


def test_none_is_no_observation():
    run = Run(TWO)
    run.observe(value=None, accuracy=1.0)
    assert heard(run.state) == {"value": 0, "accuracy": 1}


def test_what_nobody_monitors_is_ignored_beside_what_somebody_does():
    run = Run(TWO)
    run.observe(value=1.0, throughput="fast")
    assert heard(run.state) == {"value": 1, "accuracy": 0}


def test_a_rate_without_policies_ignores_all_metrics():
    run = Run(0.5)
    run.observe(anything=1.0)
    assert run.update(value=1.0) == 0.5


@pytest.mark.parametrize(
    ("name", "hint"),
    [("vaule", r"monitors 'vaule'; this learning rate monitors 'value', 'accuracy'\. Did you mean 'value'\?"), ("zzz", r"'accuracy'\.$")],
)
def test_an_unknown_metric_is_told(name, hint):
    with pytest.raises(rx.UnknownMetricError, match=hint):
        Run(TWO).observe(**{name: 1.0})


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([1.0], r"metric 'value' must be a scalar, got shape \(1,\)\. Reduce it first, for example with \.mean\(\)"),
        (np.ones((2, 3)), r"metric 'value' must be a scalar, got shape \(2, 3\)"),
        (jnp.ones(4), r"metric 'value' must be a scalar, got shape \(4,\)"),
        ([[1.0], [1.0, 2.0]], r"metric 'value' must be a scalar, got \[\[1.0\], \[1.0, 2.0\]\]\. Reduce it first"),
        ("low", r"metric 'value' must be a real number, got 'low'"),
        (1j, r"metric 'value' must be a real number, got 1j"),
        (True, r"metric 'value' must be a real number, got True"),
    ],
)
def test_a_metric_that_is_no_real_scalar_is_told(value, message):
    run = Run(TWO)
    with pytest.raises(rx.ArgumentError, match=message):
        run.observe(value=value)
    with pytest.raises(rx.ArgumentError, match=message):
        run.tx.update(run.ones, run.state, run.params, value=value)


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_bad_metrics_cannot_move_the_rate(bad, jit):
    """At any position the trajectory is the one without the bad value."""
    losses = [1.0, 0.5, 0.5, 0.25, 0.25, 0.25]
    rate = rx.Constant(1.0) * rx.ReduceOnPlateau(patience=2, factor=0.5)

    def observe_value(state, value):
        return rx.observe(state, value=value)

    def trajectory(values):
        tx = rx.control(optax.sgd, rate)
        observe = (
            jax.jit(lambda state, value: rx.observe(state, value=value)) if jit else (lambda state, value: rx.observe(state, value=value))
        )
        state = tx.init(jnp.ones(()))
        for value in values:
            state = observe(state, value)
        return state.body.observed[1].own

    want = trajectory(losses)
    for position in range(len(losses) + 1):
        got = trajectory([*losses[:position], bad, *losses[position:]])
        assert_identical(got, want)
    assert float(want.scale) == 0.5


def test_observing_inside_scan_and_jit_is_observing_outside():
    losses = jnp.asarray(np.random.default_rng(0).uniform(size=30), jnp.float32)
    run = Run(TWO)
    scanned, _ = jax.lax.scan(lambda state, loss: (rx.observe(state, value=loss), None), run.state, losses)
    for loss in losses:
        run.observe(value=loss)
    assert_identical(scanned, run.state)
    assert float(scanned.body.observed[1].own.scale) < 1


def test_a_state_without_control_is_told():
    state = optax.adam(1e-3).init(jnp.ones(2))
    for function in (rx.learning_rate, rx.observe, rx.describe, rx.reset_learning_rate, lambda x: rx.set_learning_rate(x, 0.1)):
        with pytest.raises(rx.StateError, match=r"no rheostax learning rate in this state \(tuple\)\. Make the optimizer with rx\.control"):
            function(state)


def test_a_batch_of_states_is_changed_under_vmap_only():
    tx = rx.control(optax.sgd, TWO)
    states = jax.vmap(tx.init)(jnp.ones((3, 2)))
    with pytest.raises(rx.StateError, match=r"batch of states, as jax\.vmap makes it; change it under jax\.vmap too"):
        rx.observe(states, value=1.0)
    with pytest.raises(rx.StateError, match=r"batch of states.*look at one of them"):
        rx.describe(states)
    changed = jax.vmap(lambda state, value: rx.observe(state, value=value))(states, jnp.arange(3.0))
    np.testing.assert_array_equal(jax.vmap(lambda state: state.body.observed[1].last)(changed), np.arange(3.0))
