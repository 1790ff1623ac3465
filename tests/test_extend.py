"""Moving the end of a schedule while it runs."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

import rheostax as rx


def test_optax_jumps_where_this_does_not():
    """The naive extension of a cosine from 1,000 to 2,000 at update 900 multiplies the rate by more than 20."""
    short, long = (optax.cosine_decay_schedule(1.0, steps) for steps in (1_000, 2_000))
    assert float(long(900) / short(899)) > 20
    fastest = np.abs(np.diff(rx.simulate(rx.Cosine(1.0, 1_000), 1_000))).max()
    for how, more, limit in (("continuous", {}, fastest), ("rewarm", {"rewarm_steps": 100}, (0.58 - 0.02) / 100)):
        rate = rx.extend(rx.Cosine(1.0, 1_000), 2_000, at=900, how=how, **more)
        values = rx.simulate(rate, 2_001)
        np.testing.assert_array_equal(values[:901], rx.simulate(rx.Cosine(1.0, 1_000), 901))
        assert np.abs(np.diff(values)).max() <= 1.001 * limit
        assert values[2_000] == 0 < values[1_999]


def test_continuous_is_the_longer_schedule_times_a_constant():
    rate = rx.extend(rx.Cosine(1.0, 1_000, end_value=0.1), 2_000, at=900)
    after = np.arange(900, 2_100)
    longer = rx.Cosine(1.0, 2_000, end_value=0.1)
    ratio = np.asarray(rate(after), np.float64) / np.asarray(longer(after), np.float64)
    np.testing.assert_allclose(ratio, float(rx.Cosine(1.0, 1_000, end_value=0.1)(900)) / float(longer(900)), rtol=3e-7)


def test_rewarm_ends_on_the_longer_schedule():
    rate, longer = rx.extend(rx.Linear(1.0, 0.0, 100), 200, at=90, how="rewarm", rewarm_steps=10), rx.Linear(1.0, 0.0, 200)
    np.testing.assert_array_equal(rate(np.arange(100, 201)), longer(np.arange(100, 201)))
    start, goal = 0.1, np.asarray(longer(np.arange(90, 101)))
    np.testing.assert_allclose(rate(np.arange(90, 101)), start + (goal - start) * np.arange(11) / 10, rtol=1e-6)


@pytest.mark.parametrize(
    "rate",
    [
        rx.Linear(1.0, 0.1, 100),
        rx.Polynomial(1.0, 0.0, 2.0, 100),
        rx.WarmupStableDecay(1.0, 10, 50, 100),
        rx.Warmup(10) * rx.Cosine(1.0, 100),
        (rx.Cosine(1.0, 100) * 0.5).clip(1e-3),
        rx.Join([rx.Linear(0.0, 1.0, 10), rx.Cosine(1.0, 90)], [10]),
        rx.Cosine(1.0, 100) * rx.Groups({"a": 0.5}, rest=1.0),
    ],
)
def test_every_kind_of_expression_goes_on_without_a_jump(rate):
    longer = rx.extend(rate, 300, at=80)
    assert longer.horizon == 300
    values = rx.simulate(longer, 310)
    np.testing.assert_array_equal(values[:81], rx.simulate(rate, 81))
    steps = np.abs(np.diff(values, axis=0))
    assert steps[80:].max() <= steps[:80].max()
    assert np.all(values[305] == values[300])
    assert np.all(values[299] >= values[300])


def test_it_can_be_extended_again():
    rate = rx.extend(rx.extend(rx.Cosine(1.0, 100), 200, at=80), 400, at=150)
    values = rx.simulate(rate, 401)
    assert rate.horizon == 400
    np.testing.assert_array_equal(values[:151], rx.simulate(rx.extend(rx.Cosine(1.0, 100), 200, at=80), 151))
    assert np.abs(np.diff(values)).max() <= np.abs(np.diff(values[:80])).max() * 1.01
    assert values[400] == 0 < values[399]


def test_a_running_state_keeps_what_it_has():
    rate = rx.Cosine(1.0, 100) * rx.ReduceOnPlateau(patience=2, factor=0.5)
    tx, params = rx.control(optax.sgd, rate), jnp.ones(2)
    update = jax.jit(lambda state, value: tx.update(params, state, params, value=value)[1])
    state = tx.init(params)
    for _ in range(90):
        state = update(state, 1.0)
    state = rx.scale_learning_rate(state, 3.0)
    before, scale = float(rx.learning_rate(state)), rx.describe(state).parts[1].value
    assert scale < 1
    state = rx.extend(state, 200)
    assert float(rx.learning_rate(state)) == before
    seen = rx.describe(state)
    assert seen.count == 90
    assert [part.observations for part in seen.parts if part.monitor] == [90]
    rates = []
    for _ in range(120):
        state = update(state, 0.5)
        rates.append(float(rx.learning_rate(state)))
    assert rates[0] == pytest.approx(before, rel=1e-6)
    assert all(a >= b for a, b in itertools.pairwise(rates))
    assert rates[109] > 0 == rates[110]


def test_an_optimizer_is_extended_in_place():
    model = nnx.Linear(2, 1, rngs=nnx.Rngs(0))
    optimizer = rx.Optimizer(model, rx.control(optax.sgd, rx.Linear(0.1, 0.0, 4)), wrt=nnx.Param)
    gradients = nnx.state(model, nnx.Param)
    rates = []
    for count in range(8):
        if count == 2:
            assert rx.extend(optimizer, 8) is optimizer
        optimizer.update(model, gradients)
        rates.append(float(optimizer.learning_rate))
    np.testing.assert_allclose(rates, [0.1, 0.075, *(0.05 * left / 6 for left in (6, 5, 4, 3, 2, 1))], rtol=1e-6)


@pytest.mark.parametrize(("given", "says"), [
    ({"steps": 900}, "steps must be a whole number above the count now, 900; got 900"),
    ({"steps": 950.5}, "got 950.5"),
    ({"how": "jump"}, "how must be one of 'continuous', 'rewarm', got 'jump'"),
    ({"how": "rewarm"}, "rewarm_steps is needed for how='rewarm', got None"),
    ({"rewarm_steps": 10}, "rewarm_steps is for how='rewarm' only, got 10"),
    ({"how": "rewarm", "rewarm_steps": -1}, "rewarm_steps must be a whole number >= 0, got -1"),
    ({"at": None}, "at is needed for an expression"),
    ({"x": rx.Warmup(10) * 0.1}, "there must be a decay that ends, got Warmup"),
])  # fmt: skip
def test_wrong_extensions_are_refused(given, says):
    arguments = {"x": rx.Cosine(1.0, 1000), "steps": 2000, "at": 900} | given
    with pytest.raises(rx.ArgumentError, match=says):
        rx.extend(arguments.pop("x"), arguments.pop("steps"), **arguments)


def test_a_state_knows_its_count():
    state = rx.control(optax.sgd, rx.Cosine(1.0, 10)).init(jnp.ones(2))
    with pytest.raises(rx.ArgumentError, match="at is for an expression only, a state knows its count; got 3"):
        rx.extend(state, 20, at=3)
