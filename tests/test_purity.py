"""Steps that aren't pure are refused in the same words by whoever repeats them: the range test and the race."""

import functools
import logging
import random
import sys
import time
import types
import unittest.mock

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

import rheostax as rx
from rheostax._outside import Outside
from rheostax.errors import ArgumentError, RheostaxWarning

BATCHES = np.random.default_rng(0).normal(size=(20, 4, 3)).astype(np.float32)
TX = rx.control(optax.sgd, 0.01)
HELD = []
TALLY = types.SimpleNamespace(losses={"train": []}, calls=0)


def step(state, batch):
    weights, opt_state = state
    loss, gradient = jax.value_and_grad(lambda w: jnp.mean((w - batch) ** 2))(weights)
    updates, opt_state = TX.update(gradient, opt_state, weights, value=loss)
    return (weights + updates, opt_state), loss


def find(function, subject, batches=BATCHES):
    return rx.find_learning_rate(function, subject, list(batches), steps=20, repeats=1, min_value=1e-3, max_value=1e-2)


def race(function, subject, batches=BATCHES):
    return rx.race(subject, function, list(batches), [1e-3, 1e-2], steps=4, execution="sequential")


both = pytest.mark.parametrize("start", [find, race])


def refused(start, function, message, subject=None):
    weights = jnp.zeros(3)
    with pytest.raises(ArgumentError, match=message):
        start(function, (weights, TX.init(weights)) if subject is None else subject)


def kept(loss):
    HELD.append(loss)
    return loss


def by_helper(state, batch):
    state, loss = step(state, batch)
    return state, kept(loss)


def by_inner_function(state, batch):
    def write(loss):
        HELD.append((0, loss))

    state, loss = step(state, batch)
    write(loss)
    return state, loss


def in_an_object(state, batch):
    state, loss = step(state, batch)
    TALLY.losses["train"].append(loss)
    return state, loss


class Trainer:
    def __init__(self):
        self.last = None

    def __call__(self, state, batch):
        state, self.last = step(state, batch)
        return state, self.last

    @functools.partial(jax.jit, static_argnums=0)
    def jitted(self, state, batch):
        return self(state, batch)


def used_later(state, batch):
    state, loss = step(state, batch)
    loss = loss + 0 * HELD[-1] if HELD else loss
    HELD.append(loss)
    return state, loss


@both
@pytest.mark.parametrize(
    ("function", "name"),
    [
        (by_helper, "HELD"), (jax.jit(by_helper), "HELD"), (functools.partial(by_helper), "HELD"), (by_inner_function, "HELD"),
        (in_an_object, "TALLY"), (Trainer(), "self"), (Trainer().jitted, "self"), (used_later, "HELD"),
    ],
    ids=["helper", "jit", "partial", "inner function", "object", "callable", "jitted method", "used later"],
)  # fmt: skip
def test_values_kept_outside(start, function, name):
    HELD.clear()
    refused(start, function, rf"step must be pure, but it keeps values of its own in {name}, outside of it; .* as \(loss, metrics\)")


@both
def test_values_kept_in_another_module(start, tmp_path, monkeypatch):
    (tmp_path / "a_helper.py").write_text("seen = {}\ndef note(loss):\n    seen['loss'] = loss\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "a_helper", raising=False)
    import a_helper

    def noting(state, batch):
        state, loss = step(state, batch)
        a_helper.note(loss)
        return state, loss

    refused(start, noting, "step must be pure, but it keeps values of its own in seen, outside of it")


def test_looking_at_large_data_takes_no_time():
    """A data set that a step refers to isn't gone through, however it is nested."""
    rows = [[[0.0] * 3 for _ in range(300)] for _ in range(300)]
    before = time.process_time()
    outside = Outside(lambda state, batch: rows[0])
    assert not outside.changed()
    assert time.process_time() - before < 1.0
    rows.append([])
    assert list(outside.changed()) == ["rows"]


@both
def test_a_value_of_an_earlier_call(start):
    """It is there already when the step is looked at: a tracer, which can be computed with no more."""
    HELD.clear()
    jax.eval_shape(lambda loss: kept(2 * loss), jnp.float32(0))  # a function that JAX has not traced before
    refused(
        start,
        lambda state, batch: (state, step(state, batch)[1] + HELD[0]),
        "step must be pure, but a value of one call is used in another",
    )


@both
@pytest.mark.parametrize("draw", [random.random, np.random.default_rng(0).normal], ids=["Python", "NumPy"])
def test_random_numbers_from_outside(start, draw):
    def randomly(state, batch):
        state, loss = step(state, batch)
        return state, loss + draw()

    refused(start, randomly, "step must be pure, but traced twice it gives two different computations: .* random numbers")


@both
@pytest.mark.parametrize(
    "ask", [float, lambda x: x.item(), np.asarray, lambda x: x if x > 0 else -x, lambda x: x[None][x[None] > 0].sum()],
    ids=["float", "item", "numpy", "if", "mask"],
)  # fmt: skip
def test_a_number_that_is_asked_for(start, ask):
    def asking(state, batch):
        state, loss = step(state, batch)
        return state, loss + ask(loss)

    refused(start, asking, "step must be compilable, but it needs the number itself somewhere: float")


@both
def test_an_nnx_object_from_outside(start):
    model = nnx.Linear(3, 1, rngs=nnx.Rngs(0))
    optimizer = rx.Optimizer(model, rx.control(optax.sgd, 0.01), wrt=nnx.Param)
    before = np.asarray(model.kernel[...]).tobytes()

    def own(_, __, batch):
        value, gradients = nnx.value_and_grad(lambda model: jnp.mean(model(batch) ** 2))(model)
        optimizer.update(model, gradients, value=value)
        return value

    refused(start, own, "step must be pure, but it changes an NNX object from outside of it", (model, optimizer))
    assert np.asarray(model.kernel[...]).tobytes() == before


@both
def test_a_counter_outside_is_warned_of(start):
    def counting(state, batch):
        TALLY.calls += 1
        return step(state, batch)

    weights = jnp.zeros(3)
    with pytest.warns(
        RheostaxWarning, match="step changes TALLY, outside of it: that happens when it is compiled, not at each update"
    ) as caught:
        start(counting, (weights, TX.init(weights)))
    assert caught[0].filename == __file__


@both
def test_what_remembers_for_itself_is_no_matter(start):
    """A logger, a memo, a proxy with any attribute: a warning would be an error here."""
    logger, memo, proxy = logging.getLogger("a step"), {}, unittest.mock.Mock()

    def remembering(state, batch):
        logger.info("traced")
        proxy.told(len(batch))
        scale = memo.setdefault(len(batch), np.float32(2.0))
        state, loss = step(state, batch)
        return state, loss * scale

    weights = jnp.zeros(3)
    start(remembering, (weights, TX.init(weights)))


@both
def test_what_a_step_only_reads_is_no_matter(start):
    table, model = {"scale": [jnp.float32(2.0)], "names": {"a", "b"}}, nnx.Linear(3, 3, rngs=nnx.Rngs(0))

    def reading(state, batch):
        state, loss = step(state, model(batch))
        return state, loss * table["scale"][0] * len(table["names"])

    weights = jnp.zeros(3)
    start(reading, (weights, TX.init(weights)))


class Plain:
    scale = 2.0

    def __call__(self, state, batch):
        return step(state, self.scale * batch)

    def method(self, state, batch):
        return self(state, batch)


@both
@pytest.mark.parametrize("function", [Plain(), Plain().method, functools.partial(Plain().method)], ids=["object", "method", "partial"])
def test_a_step_that_is_no_function(start, function):
    weights = jnp.zeros(3)
    start(function, (weights, TX.init(weights)))


@pytest.mark.parametrize("mistake", ["keeps", "asks", "changes"])
def test_a_validation_that_compiles_is_watched(mistake):
    held, model = [], nnx.Linear(3, 1, rngs=nnx.Rngs(0))

    @jax.jit
    def measure(state):
        value = jnp.sum(state[0])
        if mistake == "keeps":
            held.append(value)
        elif mistake == "asks":
            float(value)
        else:
            model.bias[...] += 1
        return value

    said = {
        "keeps": "race: validate must be pure, but it keeps values of its own in held",
        "asks": "race: validate must be compilable, but it needs the number itself",
        "changes": "race: validate must be pure, but it changes an NNX object from outside",
    }[mistake]
    weights = jnp.zeros(3)
    with pytest.raises(ArgumentError, match=said):
        rx.race((weights, TX.init(weights)), step, list(BATCHES), [0.1], steps=4, validate=measure)


def test_a_validation_may_keep_numbers():
    held, weights = [], jnp.zeros(3)

    def measure(state):
        held.append(jnp.sum(state[0]))
        return float(held[-1])

    rx.race((weights, TX.init(weights)), step, list(BATCHES), [0.1], steps=4, validate=measure)
    assert len(held) == 1
