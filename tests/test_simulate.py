"""`rx.simulate` says what training will do."""

import jax.numpy as jnp
import numpy as np
import optax
import pytest

import rheostax as rx
from tests.control.sgd import Run
from tests.support import ulps

STEPS = 40


@pytest.mark.parametrize(
    "rate",
    [
        rx.Warmup(5) * rx.Cosine(0.5, 30, end_value=0.01) * rx.ReduceOnPlateau(patience=2, factor=0.5, cooldown=1),
        rx.Join([rx.Linear(0.0, 0.5, 10), 0.5 * rx.ReduceOnPlateau(patience=1, factor=0.9)], [10]).clip(0.1, 0.4),
        rx.Constant(0.5) * rx.ReduceOnPlateau(patience=1) * rx.ReduceOnPlateau(monitor="accuracy", mode="max", accumulation_size=3),
        0.5 * rx.Groups({"w": rx.ReduceOnPlateau(patience=1, factor=0.5)}),
        optax.exponential_decay(0.5, 10, 0.5),
        0.25,
    ],
    ids=["plateau", "join", "two metrics", "groups", "optax", "number"],
)
def test_it_is_what_training_applies(rate):
    """Metrics at some updates, several at some, NaN and infinities among them."""
    random = np.random.default_rng(5)
    values = random.integers(0, 8, (2, STEPS)) / 8
    values[0, 7], values[1, 11] = 1e39, -np.inf
    values[:, random.random(STEPS) < 0.4] = np.nan  # no observation
    streams = dict(zip(("value", "accuracy"), values, strict=True))
    run, applied = Run(rate), []
    for k in range(STEPS):
        applied.append(run.update(**{name: stream[k] for name, stream in streams.items() if not np.isnan(stream[k])}))
    got = rx.simulate(rate, STEPS, streams)
    assert got.dtype == np.float32
    assert ulps(got.ravel(), applied).max() <= 4


def test_observations_by_count():
    rate = rx.Constant(1.0) * rx.ReduceOnPlateau(monitor="val_loss", patience=1, factor=0.5)
    dense = np.full(10, np.nan)
    dense[[3, 6, 9]] = 1.0
    want = [1, 1, 1, 1, 1, 1, 0.5, 0.5, 0.5, 0.25]
    np.testing.assert_array_equal(rx.simulate(rate, 10, {"val_loss": {3: 1.0, 6: 1.0, 9: 1.0}}), want)
    np.testing.assert_array_equal(rx.simulate(rate, 10, {"val_loss": {np.int64(9): 1.0, 6: 1, 3: np.float32(1)}}), want)
    np.testing.assert_array_equal(rx.simulate(rate, 10, {"val_loss": {0: 1e39, 3: 1.0, 6: 1.0, 9: 1.0}}), want)
    np.testing.assert_array_equal(rx.simulate(rate, 10, {"val_loss": dense}), want)
    np.testing.assert_array_equal(rx.simulate(rate, 10, {"val_loss": jnp.asarray(dense)}), want)


def test_an_observation_is_used_before_the_rate_of_its_update():
    rate = rx.Constant(1.0) * rx.ReduceOnPlateau(patience=1, factor=0.5)
    np.testing.assert_array_equal(rx.simulate(rate, 3, {"value": [1.0, 1.0, 1.0]}), [1, 0.5, 0.25])


def test_without_observations_policies_stay_at_one():
    rate = rx.Linear(1.0, 0.0, 4) * rx.ReduceOnPlateau(patience=1)
    np.testing.assert_array_equal(rx.simulate(rate, 5), [1, 0.75, 0.5, 0.25, 0])
    np.testing.assert_array_equal(rx.simulate(rate, 5, {"value": {}}), [1, 0.75, 0.5, 0.25, 0])


def test_groups_are_columns_and_frozen_ones_zero():
    got = rx.simulate(rx.Linear(1.0, 0.0, 4) * rx.Groups({"a": 1.0, "b": 0.5, "c": None}), 2)
    np.testing.assert_array_equal(got, [[1, 0.5, 0], [0.75, 0.375, 0]])


def test_metrics_beside_a_monitored_one_are_ignored():
    rate = rx.ReduceOnPlateau(patience=1, factor=0.5)
    np.testing.assert_array_equal(rx.simulate(rate, 2, {"value": [1.0, 1.0], "accuracy": "not looked at"}), [1, 0.5])
    np.testing.assert_array_equal(rx.simulate(0.5, 2, {"value": [1.0, 1.0]}), [0.5, 0.5])


def test_one_step():
    np.testing.assert_array_equal(rx.simulate(rx.Linear(1.0, 0.0, 4), np.int32(1)), [1.0])


@pytest.mark.parametrize("steps", [0, -1, 2.0, "3", True, None])
def test_wrong_steps_are_told(steps):
    with pytest.raises(rx.ArgumentError, match=rf"simulate: steps must be a whole number >= 1, got {steps!r}"):
        rx.simulate(0.5, steps)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.ones(4), r"observations\['value'\] must have one value per update, shape \(5,\), got \(4,\)"),
        (np.ones((5, 1)), r"shape \(5,\), got \(5, 1\)"),
        ({5: 1.0}, r"observations\['value'\] must have whole counts in \[0, 5\), got 5"),
        ({-1: 1.0}, r"whole counts in \[0, 5\), got -1"),
        ({1.5: 1.0}, r"whole counts in \[0, 5\), got 1\.5"),
        (["a"] * 5, r"^simulate: observations\['value'\] must be real numbers, got \['a', 'a', 'a', 'a', 'a'\]\.$"),
        ({2: "a"}, r"^simulate: observations\['value'\] must be real numbers, got \['a'\]\.$"),
        ({"first": 1.0}, r"whole counts in \[0, 5\), got 'first'"),
    ],
)
def test_wrong_observations_are_told(values, message):
    with pytest.raises(rx.ArgumentError, match=message):
        rx.simulate(rx.ReduceOnPlateau(), 5, {"value": values})


def test_an_unknown_metric_is_told():
    with pytest.raises(rx.UnknownMetricError, match=r"No policy monitors 'loss'; this learning rate monitors 'value'"):
        rx.simulate(rx.ReduceOnPlateau(), 2, {"loss": [1.0, 1.0]})
