"""A race is the same training as alone, told apart by nothing but the rate; the better ones go on."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

import rheostax as rx
from rheostax.errors import ArgumentError, DivergedError
from tests.support import assert_close, assert_identical

TARGETS = np.random.default_rng(0).normal(size=(24, 3)).astype(np.float32) * np.float32([1, 4, 16])
TX = rx.control(optax.sgd, 0.1)
BEGIN = jnp.float32([3.0, 1.0, -2.0])
RATES = [0.003, 0.01, 0.03, 0.1, 0.3, 0.6, 0.9, 1e3]


def step(state, batch):
    weights, opt_state = state
    loss, gradient = jax.value_and_grad(lambda w: jnp.mean((w - batch) ** 2))(weights)
    updates, opt_state = TX.update(gradient, opt_state, weights, value=loss)
    return (weights + updates, opt_state), loss


def run(candidates=RATES, **changes):
    options = {"steps": 96, "chunk": 4, "execution": "sequential"} | changes
    return rx.race((BEGIN, TX.init(BEGIN)), step, list(TARGETS), candidates, **options)


def alone(rate, steps):
    """The losses of stochastic gradient descent, in float64."""
    w, losses = np.float64(BEGIN), []
    for k in range(steps):
        distance = w - TARGETS[k % len(TARGETS)]
        losses.append(np.mean(distance**2))
        w = w - rate * 2 * distance / 3
    return np.array(losses)


@pytest.fixture(scope="module")
def result():
    return run()


def test_every_candidate_trains_as_it_would_alone(result):
    for one in result.standings:
        if not one.diverged:
            np.testing.assert_allclose(one.losses, alone(one.learning_rate.value, one.updates), rtol=1e-4)


def test_the_better_half_goes_on(result):
    assert [rung.end for rung in result.rungs] == [24, 48, 96]
    scores = {rate: {end: alone(rate, end)[-max(1, end // 10) :].mean() for end in (24, 48, 96)} for rate in RATES[:-1]}
    entrants = RATES[:-1]
    for end, most in ((24, 4), (48, 2), (96, 2)):
        for rate in entrants:
            found = next(dict(one.scores)[end] for one in result.standings if one.learning_rate.value == rate)
            assert found == pytest.approx(scores[rate][end], rel=1e-4)
        entrants = sorted(entrants, key=lambda rate: scores[rate][end])[:most]
    assert [one.learning_rate.value for one in result.standings[:2]] == entrants
    assert result.winner == rx.Constant(entrants[0])
    assert [one.updates for one in result.standings] == [96, 96, 48, 48, 24, 24, 24, 8]  # the last one diverged
    assert [one.rank for one in result.standings] == list(range(1, 9))


def test_all_updates_are_charged(result):
    assert result.updates_charged == sum(one.updates for one in result.standings) == 24 * 7 + 8 + 24 * 4 + 48 * 2
    assert result.cost == result.updates_charged / 96
    assert result.validations == 0


def test_who_diverges_is_out_and_says_so():
    result = run([0.1, 1e3], steps=100)
    loser = result.standings[1]
    assert loser.diverged
    assert np.isnan(loser.score)
    assert not np.isfinite(loser.losses[-1])
    assert loser.updates < 100
    assert result.updates_charged == 100 + loser.updates
    assert "diverged" in str(result)
    assert result.to_json()["standings"][1]["score"] is None


@pytest.mark.parametrize("execution", ["vmap", "sharded"])
def test_executions_agree(result, execution):
    other = run(execution=execution)  # eight devices, and at the end two candidates on them
    assert other.execution == execution
    assert [one.label for one in other.standings] == [one.label for one in result.standings]
    assert other.updates_charged == result.updates_charged
    for ours, theirs in zip(other.standings, result.standings, strict=True):
        if not ours.diverged:
            assert_close(ours.losses, theirs.losses)
    assert_close(other.state[0], result.state[0])


def test_on_one_cpu_candidates_take_turns(monkeypatch):
    monkeypatch.setattr(jax, "local_device_count", lambda: 1)
    assert run([0.1], steps=4, execution="auto").execution == "sequential"
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert run([0.1], steps=4, execution="auto").execution == "vmap"
    monkeypatch.setattr(jax, "local_device_count", lambda: 8)
    assert run([0.1], steps=4, execution="auto").execution == "sharded"


def test_structures_may_differ_and_policies_react():
    plateau = 0.6 * rx.ReduceOnPlateau(patience=1, factor=0.5)
    result = run({"cosine": rx.Cosine(0.5, 96), "plateau": plateau, "constant": 0.6}, steps=24, halving=4)
    by_label = {one.label: one for one in result.standings}
    flat = alone(0.6, 24)
    cut = np.flatnonzero(np.abs(by_label["plateau"].losses - flat) > 1e-3 * flat)
    np.testing.assert_allclose(by_label["constant"].losses, flat, rtol=1e-4)
    assert cut.size, "the plateau should have been cut, and then be another run than the constant one"
    np.testing.assert_allclose(by_label["plateau"].losses[: cut[0]], flat[: cut[0]], rtol=1e-4)


def test_a_validation_decides_and_is_charged():
    def validate(state):
        return {"distance": jnp.abs(state[0]).max(), "negative": -jnp.abs(state[0]).max()}

    first = run(validate=validate, validation_cost=2.0)
    assert first.metric == "distance"
    assert first.validations == 7 + 4 + 2  # one diverged before it could be measured
    assert first.cost == (first.updates_charged + 2.0 * first.validations) / 96
    assert first.standings[0].score == pytest.approx(float(jnp.abs(first.state[0]).max()))
    other = run(validate=validate, metric="negative", mode="max")
    assert [one.label for one in other.standings] == [one.label for one in first.standings]


def test_a_policy_hears_validations_between_rungs():
    rate = 0.1 * rx.ReduceOnPlateau(monitor="val", patience=1, factor=0.5)
    result = run([rate], steps=20, chunk=16, validate=lambda state: {"val": 1.0}, validate_every=5)
    body = rx.describe(result.state[1])
    assert body.count == 20
    assert body.learning_rate == pytest.approx(0.1 * 0.5**2)  # heard after 5, 10 and 15; that of 20 is for the next update
    assert body.parts[-1].observations == 4


class Line(nnx.Module):
    def __init__(self):
        self.w = nnx.Param(jnp.ones(3))
        self.seen = nnx.BatchStat(jnp.zeros((), jnp.int32))


def line_step(model, optimizer, batch):
    def loss(model):
        model.seen[...] += 1
        return jnp.mean((model.w - batch) ** 2)

    value, gradients = nnx.value_and_grad(loss)(model)
    optimizer.update(model, gradients, value=value)
    return value


def test_nnx_objects_stay_as_they_are_and_can_take_the_winner():
    model = Line()
    optimizer = rx.Optimizer(model, rx.control(optax.adam, 1e-2), wrt=nnx.Param)
    before = jax.tree.map(np.array, nnx.to_pure_dict(nnx.state((model, optimizer))))
    result = rx.race((model, optimizer), line_step, list(TARGETS), [0.01, 0.1, 1.0], steps=12, chunk=3, validate=lambda m: jnp.sum(m.w**2))
    assert_identical(jax.tree.map(np.array, nnx.to_pure_dict(nnx.state((model, optimizer)))), before)
    nnx.update((model, optimizer), result.state)
    assert model.seen[...] == 12
    assert optimizer.learning_rate == np.float32(result.winner.value)
    assert result.standings[0].score == pytest.approx(float(jnp.sum(model.w[...] ** 2)))
    assert result.metric == "validation"


def test_batches_come_from_a_list_a_function_or_an_iterator():
    lists = run([0.1], steps=50)
    function = rx.race((BEGIN, TX.init(BEGIN)), step, lambda: iter(TARGETS), [0.1], steps=50, chunk=4)
    iterator = rx.race((BEGIN, TX.init(BEGIN)), step, iter(np.concatenate([TARGETS] * 3)), [0.1], steps=50, chunk=4)
    for other in (function, iterator):
        assert_identical(other.standings[0].losses, lists.standings[0].losses)


def test_progress_is_told():
    told = []
    run(progress=lambda done, total: told.append((done, total)))
    assert told == sorted(told)
    assert told[-1] == (24 * 7 + 8 + 24 * 4 + 48 * 2, 24 * 8 + 24 * 4 + 48 * 2)  # one left early


def no_loss(state, batch):
    return state


def vector_loss(state, batch):
    return state, batch


def widening(state, batch):
    return (jnp.stack([state[0]] * 2), state[1]), jnp.float32(0)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"candidates": []}, "candidates must be at least one learning rate, got none"),
        ({"candidates": [0.1, 0.1]}, "candidates must differ, got Constant\\(value=0.1\\) twice"),
        ({"mode": "best"}, 'mode must be "min" or "max", got \'best\''),
        ({"metric": "val_loss"}, "metric and validate_every need validate"),
        ({"validate": lambda _: 1.0, "validate_every": 0}, "validate_every must be a whole number >= 1, got 0"),
        (
            {"validate": lambda _: {"val_los": 1.0}, "metric": "val_loss"},
            "must return the metric 'val_loss', got val_los. Did you mean 'val_los'",
        ),
        ({"execution": "parallel"}, "execution must be one of 'auto', 'sequential', 'vmap', 'sharded', got 'parallel'"),
        ({"batches": iter(TARGETS[:5])}, "batches must last for steps=8 updates and ended before"),
        ({"batches": lambda: iter([])}, "batches\\(\\) gave no batch"),
        ({"step": no_loss, "subject": (BEGIN, TX.init(BEGIN), 0)}, "step must return \\(state, loss\\)"),
        ({"step": vector_loss}, "step must return the loss, a scalar of floating type, .* got float32\\[3\\]"),
        ({"step": widening}, "state\\[0\\] is float32\\[3\\] before an update and float32\\[2, 3\\] after it"),
        (
            {"step": lambda state: state},
            "race: step must be a function that JAX can trace; trying it gave TypeError: .* positional argument",
        ),
        ({"validate": lambda _: {"name": "good"}}, "validate must return a number, or a dict of numbers by name, got str for 'name'"),
        ({"candidates": [rx.Groups({".*": 0.1})]}, "has the groups"),
        ({"candidates": [1e30, 1e25]}, "every candidate diverged"),
        ({"chunk": 0}, "chunk must be a whole number >= 1, got 0"),
        ({"validation_cost": -1.0}, "validation_cost must be a finite number >= 0, got -1.0"),
        ({"batches": [jnp.ones((4, 3)), jnp.ones((2, 3))]}, "batches must all have the same structure and shapes, .* Leave out a last one"),
    ],
)
def test_wrong_input_is_named(changes, said):
    arguments = {"subject": (BEGIN, TX.init(BEGIN)), "step": step, "batches": list(TARGETS), "candidates": [0.1], "steps": 8} | changes
    with pytest.raises(ArgumentError, match=said):
        rx.race(**arguments)


def test_a_score_that_is_not_finite_is_out_like_a_loss():
    def validate(state):
        return jnp.where(state[0][0] > 0.5, jnp.nan, state[0][0])  # of the high rate, which is there first

    begin = (BEGIN * 0, TX.init(BEGIN * 0))
    result = rx.race(begin, step, [jnp.ones(3)], [0.001, 0.4], steps=16, validate=validate, mode="max")
    assert [one.diverged for one in result.standings] == [False, True]
    assert result.winner.value == pytest.approx(0.001)
    assert result.to_json()["standings"][1]["score"] is None
    with pytest.raises(DivergedError, match="every candidate diverged"):
        rx.race(begin, step, [jnp.ones(3)], [0.3, 0.4], steps=16, validate=validate)


def test_a_state_without_a_control_is_refused():
    with pytest.raises(rx.StateError, match="no rheostax learning rate"):
        rx.race((BEGIN, optax.sgd(0.1).init(BEGIN)), step, list(TARGETS), [0.1], steps=8)


def test_results_are_values(result):
    data = result.to_json()
    assert data["winner"] == repr(result.winner)
    assert [one["rank"] for one in data["standings"]] == list(range(1, 9))
    assert dataclasses.replace(result, warnings=("careful",)).to_json()["warnings"] == ["careful"]
    assert "warning: careful" in str(dataclasses.replace(result, warnings=("careful",)))


def test_a_loss_may_have_metrics_beside_it(result):
    def telling(state, batch):
        state, loss = step(state, batch)
        return state, (loss, {"twice": 2 * loss})

    other = rx.race((BEGIN, TX.init(BEGIN)), telling, list(TARGETS), RATES, steps=96, chunk=4, execution="sequential")
    assert_identical(other.standings[0].losses, result.standings[0].losses)


@pytest.mark.parametrize("bad", [jnp.nan, jnp.inf])
def test_a_loss_that_is_no_number_from_the_start_stops_the_race_at_once(bad):
    """No rate is at fault, so there is no advice to lower it; and one compiled call was enough to tell."""
    told = []

    def hopeless(state, batch):
        state, loss = step(state, batch)
        return state, loss + bad

    with pytest.raises(DivergedError, match=f"The loss is {bad} at the first update, before a rate could do anything: look at the model"):
        rx.race((BEGIN, TX.init(BEGIN)), hopeless, list(TARGETS), RATES, steps=96, progress=told.append)
    assert not told
