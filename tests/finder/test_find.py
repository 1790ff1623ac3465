"""A range test from outside: both kinds of steps, what is left as it was, and what is refused in words."""

import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

import rheostax as rx
from rheostax.errors import ArgumentError, DivergedError, StateError

BATCHES = np.random.default_rng(0).normal(size=(30, 16, 4)).astype(np.float32)
SHORT = {"steps": 40, "min_value": 1e-3, "repeats": 1}


def loss_of(w, x):
    return ((x @ (w - 1)) ** 2).mean()


def step(w, x, learning_rate):
    """Gradient descent."""
    value, gradient = jax.value_and_grad(loss_of)(w, x)
    return w - learning_rate * gradient, value


def expected_losses(rates, batches):
    """The same in NumPy, float64."""
    w, losses = np.zeros(4), []
    for rate, x in zip(rates.astype(np.float64), batches, strict=False):
        error = x.astype(np.float64) @ (w - 1)
        losses.append((error**2).mean())
        w = w - rate * 2 * x.T.astype(np.float64) @ error / len(x)
    return np.array(losses)


@functools.cache
def module():
    """A model with dropout and an optimizer whose moments are no longer zero; a range test leaves them as they are."""
    model = nnx.Sequential(nnx.Linear(4, 8, rngs=nnx.Rngs(0)), nnx.Dropout(0.1, rngs=nnx.Rngs(1)), nnx.Linear(8, 1, rngs=nnx.Rngs(2)))
    optimizer = rx.Optimizer(model, rx.control(optax.adam, rx.Cosine(1e-3, 100)), wrt=nnx.Param)
    nnx.jit(train_step)(model, optimizer, BATCHES[0])
    return model, optimizer


def train_step(model, optimizer, x):
    value, gradients = nnx.value_and_grad(lambda model: ((model(x)[:, 0] - x.sum(1)) ** 2).mean())(model)
    optimizer.update(model, gradients, value=value)
    return value


def as_bytes(tree):
    leaves = jax.tree.leaves(nnx.state(tree))
    return [np.asarray(jax.random.key_data(x) if jnp.issubdtype(x.dtype, jax.dtypes.prng_key) else x).tobytes() for x in leaves]


@pytest.fixture(scope="module")
def plain_finding():
    return rx.find_learning_rate(step, jnp.zeros(4), BATCHES, steps_per_dispatch=7, **SHORT)


@pytest.mark.parametrize("spacing", ["exponential", "linear"])
def test_each_update_uses_its_rate_and_its_batch(spacing):
    found = rx.find_learning_rate(step, jnp.zeros(4), BATCHES, spacing=spacing, steps=25, min_value=1e-3, max_value=0.3, repeats=1)
    rates = (np.geomspace if spacing == "exponential" else np.linspace)(1e-3, 0.3, 25)
    np.testing.assert_allclose(found.learning_rates, rates, rtol=1e-6)
    np.testing.assert_allclose(found.losses[0], expected_losses(rates, BATCHES), rtol=1e-4, atol=1e-5)
    assert found.batches_taken == 25


def test_it_stops_where_the_loss_runs_away(plain_finding):
    """The host looks every 7 updates, but the loss ends where it ran away."""
    (end,) = plain_finding.stopped_at
    assert 20 < end < 39
    losses = expected_losses(plain_finding.learning_rates, np.concatenate([BATCHES, BATCHES]))
    np.testing.assert_allclose(plain_finding.losses[0, :30], losses[:30], rtol=1e-3, atol=1e-5)
    assert np.isnan(plain_finding.losses[0, end + 1 :]).all()
    assert np.isfinite(plain_finding.losses[0, : end + 1]).all()
    assert plain_finding.batches_taken in (35, 40)


def test_the_suggestion_is_a_rate_that_trains(plain_finding):
    """Gradient descent on this parabola is best a little below 0.5 and runs away above 1."""
    assert 0.01 < plain_finding.suggestion.value < 0.5


def test_a_state_with_a_control_needs_no_argument():
    """The rate is pinned for each update, whatever schedule and policies say."""
    tx = rx.control(optax.sgd, rx.Warmup(100) * 1e-9 * rx.ReduceOnPlateau(patience=1))

    def controlled(state, x):
        w, opt = state
        value, gradient = jax.value_and_grad(loss_of)(w, x)
        updates, opt = tx.update(gradient, opt, w, value=value)
        return (w + updates, opt), (value, {"some": value})

    state = (jnp.zeros(4), tx.init(jnp.zeros(4)))
    before = [np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(state)]
    found = rx.find_learning_rate(jax.jit(controlled), state, BATCHES, steps=25, min_value=1e-3, max_value=0.3, repeats=1)
    np.testing.assert_allclose(found.losses[0], expected_losses(np.geomspace(1e-3, 0.3, 25), BATCHES), rtol=1e-4, atol=1e-5)
    assert [np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(state)] == before


@pytest.mark.parametrize("kind", ["rx", "nnx"])
def test_model_and_optimizer_are_what_they_were_to_the_last_bit(kind):
    model, optimizer = module()
    if kind == "nnx":
        optimizer = nnx.Optimizer(model, rx.control(optax.sgd, rx.Cosine(1e-3, 100)), wrt=nnx.Param)
    before, rate = as_bytes((model, optimizer)), float(rx.learning_rate(optimizer))
    found = rx.find_learning_rate(nnx.jit(train_step), (model, optimizer), list(BATCHES), **SHORT)
    assert as_bytes((model, optimizer)) == before
    assert float(rx.learning_rate(optimizer)) == rate
    assert np.nanmin(found.losses) < found.losses[0, 0]


def test_model_and_optimizer_are_what_they_were_when_something_raises():
    model, optimizer = module()
    before = as_bytes((model, optimizer))

    def interrupted(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rx.find_learning_rate(train_step, (model, optimizer), list(BATCHES), progress=interrupted, **SHORT)
    assert as_bytes((model, optimizer)) == before

    def failing(model, optimizer, x):
        train_step(model, optimizer, x)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        rx.find_learning_rate(failing, (model, optimizer), list(BATCHES), **SHORT)
    assert as_bytes((model, optimizer)) == before
    nnx.jit(train_step)(model, optimizer, BATCHES[0])  # and they are still of use
    assert as_bytes((model, optimizer)) != before


def test_repeats_side_by_side_are_those_one_after_the_other():
    """Each has its own batches and its own state; repeats that run away stop at their own places."""
    arguments = (step, lambda i: jnp.zeros(4) + 0.1 * i, lambda i: list(BATCHES[i:]))
    options = {"steps": 40, "min_value": 1e-3, "repeats": 3}
    one, other = (rx.find_learning_rate(*arguments, vectorize=side, **options) for side in (False, True))
    np.testing.assert_allclose(one.losses, other.losses, rtol=1e-3, atol=1e-4)
    assert one.stopped_at == other.stopped_at
    assert one.losses.shape == (3, 40)
    assert len({row[0] for row in one.losses}) == 3
    assert one.losses[1, 0] == pytest.approx(((BATCHES[1] @ np.full(4, 0.9)) ** 2).mean(), rel=1e-5)


def test_repeats_of_a_module_side_by_side():
    """Random streams, moments and the control's own numbers are stacked too."""
    models, options = module(), {"steps": 20, "min_value": 1e-3, "max_value": 0.3, "repeats": 2}
    before = as_bytes(models)
    one, other = (rx.find_learning_rate(train_step, models, list(BATCHES), vectorize=side, **options) for side in (False, True))
    np.testing.assert_allclose(one.losses, other.losses, rtol=1e-3)
    assert as_bytes(models) == before


def test_progress_is_told_per_dispatch():
    heard = []
    rx.find_learning_rate(step, jnp.zeros(4), BATCHES, progress=lambda *both: heard.append(both), max_value=0.1, **SHORT | {"repeats": 2})
    assert heard == [(20, 80), (40, 80), (60, 80), (80, 80)]


def test_the_rate_of_one_group():
    """The other follows its expression, and is frozen here."""
    rate = rx.Groups({"head": 1e-3, "body": None})
    tx = rx.control(optax.sgd, rate)

    def grouped(state, x):
        params, opt = state
        value, gradient = jax.value_and_grad(lambda p: ((x @ (p["head"] + p["body"] - 1)) ** 2).mean())(params)
        updates, opt = tx.update(gradient, opt, params)
        return (optax.apply_updates(params, updates), opt), value

    params = {"head": jnp.zeros(4), "body": jnp.zeros(4)}
    state = (params, tx.init(params))
    found = rx.find_learning_rate(grouped, state, BATCHES, group="head", steps=25, min_value=1e-3, max_value=0.3, repeats=1)
    np.testing.assert_allclose(found.losses[0], expected_losses(np.geomspace(1e-3, 0.3, 25), BATCHES), rtol=1e-4, atol=1e-5)
    with pytest.raises(ArgumentError, match="group must say which"):
        rx.find_learning_rate(grouped, state, BATCHES, **SHORT)
    with pytest.raises(ArgumentError, match="group must be left out"):
        rx.find_learning_rate(step, jnp.zeros(4), BATCHES, group="head", **SHORT)


def refused(message, function=step, state=None, batches=BATCHES, error=ArgumentError, **changes):
    with pytest.raises(error, match=message):
        rx.find_learning_rate(function, jnp.zeros(4) if state is None else state, batches, **(SHORT | changes))


def test_arguments_that_break_a_rule():
    refused(r"find_learning_rate: min_value must be a finite number in \(0, inf\), got 0\.0", min_value=0.0)
    refused(r"find_learning_rate: max_value must be a finite number in \(0\.001, inf\), got 0\.0001", max_value=1e-4)
    refused("find_learning_rate: steps must be a whole number >= 20, got 19", steps=19)
    refused("find_learning_rate: spacing must be one of 'exponential', 'linear', got 'log'", spacing="log")
    refused("find_learning_rate: repeats must be a whole number >= 1, got 0", repeats=0)
    refused("find_learning_rate: total_steps must be a whole number >= 1, got 0", total_steps=0)
    refused("find_learning_rate: total_steps must be a whole number >= 1, got 1.5", total_steps=1.5)
    refused("find_learning_rate: diverge must be", diverge=1.0)
    refused(r"find_learning_rate: total_steps must be one number, got \[400\]", total_steps=np.array([400]))
    refused(r"find_learning_rate: repeats must be one number, got \[1\]", repeats=[1])
    refused("step must be a function", function=jnp.zeros(4), state=step)
    refused("state must be the model together with its optimizer", state=module()[0])


def test_a_step_of_another_form():
    refused(r"it takes \(model, optimizer, batch, extra\)", function=lambda model, optimizer, batch, extra: None)
    refused(r"step must return \(state, loss\), got ", function=lambda w, x, learning_rate: w)
    refused(r"the loss, a scalar of floating type, .* got float32\[4\]", function=lambda w, x, learning_rate: (w, w))
    refused(r"a structure|of the structure that it got", function=lambda w, x, learning_rate: ((w, w), w.sum()))
    refused(
        r"float32\[4\] before an update and float32\[8\] after", function=lambda w, x, learning_rate: (jnp.concatenate([w, w]), w.sum())
    )
    refused("There is no rheostax learning rate in this state", function=lambda w, x: (w, w.sum()), error=StateError)


def test_a_loss_that_is_nan_from_the_start():
    refused("The loss is nan at the first update", function=lambda w, x, learning_rate: (w, w.sum() * jnp.nan), error=DivergedError)


def test_a_plain_optimizer_hides_its_rate():
    model, _ = module()
    refused(
        re.escape("rx.control(optax.adam, learning_rate)"),
        function=train_step,
        state=(model, nnx.Optimizer(model, optax.adam(1e-3), wrt=nnx.Param)),
        error=StateError,
    )
