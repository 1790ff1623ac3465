"""A replay decides what the rule decides in training, whatever the number of settings and the size of the chunks."""

import dataclasses
import json
import logging
from pathlib import Path

import jax
import numpy as np
import optax
import pytest

import rheostax as rx
from rheostax.errors import RunError
from rheostax.expressions import parse_grid
from rheostax.record import Csv, JsonLines, TensorBoard
from rheostax.record.read import RunLog, Series
from rheostax.replay import _drive
from rheostax.training import fit, load_task


def log(*, rates=None, config=None, journal=(), **series):
    made = {name: Series(np.array(list(one)), np.array(list(one.values()), float)) for name, one in series.items()}
    own = {} if rates is None else {"": Series(np.arange(len(rates)), np.array(rates, float))}
    return RunLog(Path("run"), "csv", made, own, list(journal), config or {})


def noisy(n, every=1, seed=0):
    rng = np.random.default_rng(seed)
    return {count: float(value) for count, value in zip(range(0, n, every), 1.0 + rng.normal(size=n) ** 2, strict=False)}


OWN = (
    rx.Warmup(5)
    * 0.02
    * rx.ReduceOnPlateau(monitor="val_loss", patience=1, rtol=0.1, cooldown=1, factor=0.5)
    * rx.ReduceOnPlateau(patience=2, accumulation_size=3, factor=0.7)
)


def test_a_runs_own_rule_gives_its_own_journal(tmp_path):
    """Real training, where validations and losses come at the same counts: every field of every decision, and every rate."""
    task = dataclasses.replace(load_task("diabetes"), learning_rate=lambda updates, epochs: OWN)
    fit(task, epochs=12, out=tmp_path / "run")
    run = rx.read_run(tmp_path / "run")
    assert len(run.journal) > 8
    assert {entry["metric"] for entry in run.journal} == {"value", "val_loss"}
    found = rx.replay(run)  # the rule as config.json tells it
    assert json.loads(json.dumps([decision.to_json() for decision in found.decisions])) == run.journal
    np.testing.assert_array_equal(found.counts, np.arange(run.updates))
    np.testing.assert_array_equal(found.rates, run.learning_rate[""].value[: run.updates].astype(np.float32))
    assert found.only.differs_at(run) is None


def test_a_recorded_loop_gives_its_own_journal_in_every_format(tmp_path):
    """What `rx.Recorder` writes of a loop of one's own, read back as a run directory, a CSV and an event file."""
    rule = 0.1 * rx.ReduceOnPlateau(patience=2, factor=0.5) * rx.ReduceOnPlateau(monitor="val_loss", patience=1, factor=0.5)
    tx, params = rx.control(optax.sgd, rule), jax.numpy.ones(2)
    state = tx.init(params)
    rng = np.random.default_rng(0)
    sinks = [JsonLines(tmp_path / "run"), Csv(tmp_path / "log.csv"), TensorBoard(tmp_path / "events")]
    with rx.Recorder(state, sinks) as recorder:
        for k in range(20):
            loss = jax.numpy.float32(1.0 + rng.normal() ** 2)
            _, state = tx.update(params, state, params, value=loss)
            recorder.updated(state, loss=loss)
            if k % 5 == 4:
                validation = float(rng.normal() ** 2)
                state = rx.observe(state, val_loss=validation)
                recorder.observed(state, val_loss=validation)
    expected = [decision.to_json() for decision in recorder.decisions]
    assert len(expected) > 5
    assert [decision.to_json() for decision in rx.replay(tmp_path / "run").decisions] == expected
    for name in ("log.csv", "events"):
        found = rx.replay(tmp_path / name, rule, total_steps=20)
        assert [(one.count, one.metric) for one in found.decisions] == [(one["count"], one["metric"]) for one in expected]
        assert found.only.differs_at(found.run) is None


SKIPPING = 0.1 * rx.SpikeGuard(window=3, skip=1, max_spikes=5, factor=0.5, recovery=5)


@pytest.mark.parametrize(
    ("rule", "losses", "bad", "validations"),
    [
        (SKIPPING, [1, 1.1, 1, 1.05, 1, 9, 1, 1, 9, 9, 1, 1, 1], [], {}),
        (0.1 * rx.ReduceOnPlateau(patience=2, factor=0.5), [1, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9], [3, 4], {}),
        (0.1 * rx.ReduceOnPlateau(monitor="val_loss", patience=2, factor=0.5), [1] * 6, [], {1: [0.5, 0.5], 3: [0.5, 0.5], 5: [0.5]}),
    ],
    ids=["skipped spikes", "skipped gradients", "validated twice"],
)
def test_what_came_several_times_at_a_count_is_told_as_often(tmp_path, rule, losses, bad, validations):
    tx, params = rx.control(optax.sgd, rule, on_nonfinite="skip"), jax.numpy.ones(2)
    state = tx.init(params)
    with rx.Recorder(state, JsonLines(tmp_path / "run")) as recorder:
        for k, loss in enumerate(losses):
            _, state = tx.update(params * (np.nan if k in bad else 1), state, params, value=loss)
            recorder.updated(state, value=loss)
            for value in validations.get(k, ()):
                state = rx.observe(state, val_loss=value)
                recorder.observed(state, val_loss=value)
    assert len(recorder.decisions) >= 2
    assert rx.replay(tmp_path / "run").decisions == recorder.decisions


@pytest.mark.parametrize("wrap", [lambda tx: optax.chain(optax.clip(1.0), tx), lambda tx: rx.accumulate(tx, 1)])
def test_a_rate_deep_in_an_optimizer_is_told_as_one_that_is_not(tmp_path, wrap):
    """It is the only one, so it needs no name: neither in the configuration nor in the journal."""
    tx, params = wrap(rx.control(optax.sgd, 0.1 * rx.ReduceOnPlateau(patience=1, factor=0.5))), jax.numpy.ones(2)
    state = tx.init(params)
    with rx.Recorder(state, JsonLines(tmp_path / "run")) as recorder:
        for _ in range(4):
            _, state = tx.update(params, state, params, value=1.0)
            recorder.updated(state, value=1.0)
    assert [decision.new_learning_rate for decision in recorder.decisions] == pytest.approx([0.05, 0.025, 0.0125], rel=1e-6)
    assert rx.replay(tmp_path / "run").decisions == recorder.decisions


def test_a_grid_is_what_its_settings_are_alone(monkeypatch):
    """Against `simulate`, which scans update by update, in chunks of several sizes."""
    values = noisy(300)
    run = log(value=values)
    settings = parse_grid(
        "Cosine([0.1, 0.3], decay_steps=300) * ReduceOnPlateau(patience=[2, 5, 9], factor=0.5, cooldown=2, min_scale=1e-3)"
    )
    expected = [rx.simulate(rate, 300, {"value": list(values.values())}) for _, rate in settings]
    for length in (64, 1 << 14):
        monkeypatch.setattr(_drive, "LONGEST", length)
        found = rx.replay(run, settings)
        assert [one.chosen for one in found.settings] == [chosen for chosen, _ in settings]
        for one, rates in zip(found.settings, expected, strict=True):
            np.testing.assert_array_equal(one.rates, rates)
            assert one.final == pytest.approx(float(rates[-1]), rel=1e-6)
            assert one.total == pytest.approx(float(np.sum(rates, dtype=np.float64)), rel=1e-9)
            with np.errstate(divide="ignore", invalid="ignore"):
                schedule = rx.simulate(one.learning_rate.factors[0], 300)
                scale = np.round(rates / schedule, 5)
            np.testing.assert_array_equal(one.decided.count, 1 + np.flatnonzero(np.diff(scale)))
            assert one.decided.cuts == len(one.decided.count) == len(one.decisions)
            assert one.first_decisions(2) == one.decisions[:2]


def test_structures_that_differ_keep_their_order():
    run = log(value=noisy(60), accuracy=noisy(60, seed=1))
    rules = [
        0.1 * rx.ReduceOnPlateau(patience=2),
        0.1 * rx.ReduceOnPlateau(monitor="accuracy", mode="max", patience=2),
        0.1 * rx.ReduceOnPlateau(patience=4),
    ]
    found = rx.replay(run, rules)
    assert [one.learning_rate for one in found.settings] == rules
    for one, rule in zip(found.settings, rules, strict=True):
        name = rule.factors[1].monitor
        np.testing.assert_array_equal(one.rates, rx.simulate(rule, 60, {name: list(run.series[name].value)}))
    with pytest.raises(rx.ArgumentError, match="3 settings"):
        _ = found.decisions


def test_observations_are_few_and_the_run_goes_on():
    """Rates between and after the observations; those before the first; an observation after the last update."""
    run = log(val_loss={3: 1.0, 5: 1.0, 9: 1.0, 12: 1.0}, rates=[0.5] * 12)
    found = rx.replay(run, 0.5 * rx.ReduceOnPlateau(monitor="val_loss", patience=1, factor=0.5), total_steps=12)
    np.testing.assert_array_equal(found.rates, np.float32([0.5] * 5 + [0.25] * 4 + [0.125] * 3))
    assert [decision.count for decision in found.decisions] == [5, 9, 12]
    assert found.only.differs_at(run) == 5
    assert found.only.final == 0.125


def test_what_comes_together_is_told_together():
    """At one count metrics by name come first, all at once; then the value, which the part that they brought in hears."""
    inner = rx.ReduceOnPlateau(patience=1, factor=0.5) * rx.ReduceOnPlateau(monitor="accuracy", mode="max", patience=1)
    rule = rx.AdvanceOnPlateau([0.1, 0.1 * inner], monitor="val_loss", patience=1)
    run = log(value=dict.fromkeys(range(4), 1.0), val_loss={0: 1.0, 1: 1.0}, accuracy=dict.fromkeys(range(4), 0.5))
    told = [(one.count, one.metric) for one in rx.replay(run, rule).decisions]
    assert told == [(1, "val_loss"), (2, "value"), (3, "accuracy"), (3, "value")]


def test_nan_and_infinite_observations_are_left_out():
    values = {0: 1.0, 1: np.nan, 2: 1.0, 3: np.inf, 4: 1.0, 5: 1e300}
    rule = 0.1 * rx.ReduceOnPlateau(patience=2)
    found = rx.replay(log(value=values), rule)
    assert [(one.count, one.value) for one in found.decisions] == [(4, 1.0)]


def test_groups_and_foreign_schedules():
    rule = optax.linear_schedule(0.1, 0.0, 40) * rx.Groups({"head/*": rx.ReduceOnPlateau(patience=2, factor=0.5)}, rest=1.0)
    values = noisy(40)
    found = rx.replay(log(value=values), rule)
    np.testing.assert_array_equal(found.rates, rx.simulate(rule, 40, {"value": list(values.values())}))
    assert list(found.only.final) == ["head/*", "rest"]
    assert set(found.decisions[0].new_learning_rate) == {"head/*", "rest"}
    broken = rx.replay(
        log(value=values),
        rx.Constant(0.1) * (lambda count: jax.numpy.where(count % 7 == 3, jax.numpy.nan, 1.0)) * rx.ReduceOnPlateau(patience=99),
    )
    np.testing.assert_array_equal(broken.rates, np.full(40, 0.1, np.float32))  # the rate before stays in effect


def test_long_runs_keep_some_rates(monkeypatch):
    monkeypatch.setattr(_drive, "KEPT", 100)
    monkeypatch.setattr(_drive, "POINTS", 11)
    values = noisy(200)
    rule = 0.1 * rx.ReduceOnPlateau(patience=20, factor=0.9)
    one = rx.replay(log(value=values), rule).only
    expected = rx.simulate(rule, 200, {"value": list(values.values())})
    assert (one.counts[0], one.counts[-1], len(one.counts)) == (0, 199, 11)
    np.testing.assert_array_equal(one.rates, expected[one.counts])
    assert one.total == pytest.approx(float(expected.sum(dtype=np.float64)), rel=1e-9)


def test_durations_take_the_runs_size():
    run = log(val_loss={10: 1.0, 20: 1.0}, config={"updates_per_epoch": 10, "epochs": 4})
    found = rx.replay(run, rx.Cosine(0.1, "1run") * rx.Warmup("1ep") * rx.ReduceOnPlateau(monitor="val_loss"))
    assert "decay_steps=40" in repr(found.only.learning_rate)
    assert "steps=10" in repr(found.only.learning_rate)
    with pytest.raises(rx.ArgumentError, match="steps_per_epoch"):
        rx.replay(log(value={0: 1.0}), rx.Warmup("1ep") * rx.ReduceOnPlateau())


@pytest.mark.parametrize(
    ("names", "monitored", "monitor", "expected"),
    [
        (["loss", "val_loss"], "value", None, "loss"),
        (["train/loss", "val/loss"], "value", None, "train/loss"),
        (["train/loss", "Val/Loss"], "val_loss", None, "Val/Loss"),
        (["loss", "eval.loss"], "val_loss", "eval.loss", "eval.loss"),
        (["loss", "eval.loss"], "val_loss", {"val_loss": "loss"}, "loss"),
    ],
)
def test_metrics_are_found_by_their_names(names, monitored, monitor, expected):
    run = log(**{name: {0: 1.0, 1: 2.0} for name in names})
    assert rx.replay(run, 0.1 * rx.ReduceOnPlateau(monitor=monitored, patience=1), monitor=monitor).observed == {monitored: expected}


TWO = 0.1 * rx.ReduceOnPlateau(monitor="a") * rx.ReduceOnPlateau(monitor="b")


@pytest.mark.parametrize(
    ("rule", "options", "error", "words"),
    [
        (rx.Cosine(0.1, 10), {}, rx.ArgumentError, "reacts to no metric.*Multiply it by a policy"),
        (0.1, {}, rx.ArgumentError, "reacts to no metric"),
        ([], {}, rx.ArgumentError, "at least one"),
        (rx.ReduceOnPlateau(patience=np.array([1, 2])), {}, rx.ArgumentError, "arrays for numbers"),
        (rx.ReduceOnPlateau(monitor="val_los"), {}, rx.UnknownMetricError, "metrics are loss, val_loss. Did you mean 'val_loss'"),
        (rx.ReduceOnPlateau(), {"monitor": "accuracy"}, rx.UnknownMetricError, "monitors 'accuracy', which isn't in this run"),
        (rx.ReduceOnPlateau(), {"monitor": {"loss": "loss"}}, rx.UnknownMetricError, "No policy monitors 'loss'"),
        (TWO, {"monitor": "loss"}, rx.ArgumentError, "monitors a, b; say for each"),
        (rx.ReduceOnPlateau(), {"total_steps": 0}, rx.ArgumentError, "total_steps must be a whole number from 1 to 2,147,483,647, got 0"),
        (rx.ReduceOnPlateau(), {"total_steps": 2**31}, rx.ArgumentError, "total_steps must be a whole number from 1 to 2,147,483,647"),
        (None, {}, RunError, "doesn't tell the rule"),
        ("ReduceOnPlateu()", {}, rx.ExpressionError, "ReduceOnPlateau"),
    ],
)
def test_mistakes_are_explained(rule, options, error, words):
    with pytest.raises(error, match=words):
        rx.replay(log(loss={0: 1.0}, val_loss={0: 1.0}), rule, **options)


def test_runs_that_tell_too_little():
    with pytest.raises(RunError, match="counts up to 4,000,000,001; counts of updates are at most 2,147,483,647"):
        rx.replay(log(loss={0: 1.0, 4_000_000_000: 1.0}), 0.1 * rx.ReduceOnPlateau())
    with pytest.raises(RunError, match="holds no observations"):
        rx.replay(log(), 0.1 * rx.ReduceOnPlateau())
    with pytest.raises(RunError, match="can't be read back"):
        rx.replay(log(loss={0: 1.0}, config={"learning_rate": "Foreign(function=<function f at 0x7f>)"}))
    crashed = log(loss={0: 1.0, 1: 1.0}, config={"learning_rate": "0.1 * ReduceOnPlateau(monitor='val_loss')"})
    found = rx.replay(crashed)  # it ended before its first validation
    assert "'val_loss' is monitored but never came" in found.notes
    assert (found.decisions, found.only.final) == ([], 0.1)
    assert "factors of one" in " ".join(rx.replay(log(loss={0: 1.0}), rx.ReduceOnPlateau()).notes)


def test_a_text_is_completed_by_the_runs_own_rule_and_an_expression_is_not():
    own = "(Warmup(steps=2) * 0.1 * ReduceOnPlateau(monitor='acc', mode='max', patience=2)).clip(min_value=0.001)"
    run = log(loss={0: 1.0, 1: 1.0}, acc={1: 0.5, 2: 0.6}, config={"learning_rate": own})
    found = rx.replay(run, "ReduceOnPlateau(patience=5, factor=0.5)")
    says = "(Warmup(steps=2) * 0.1 * ReduceOnPlateau(monitor='acc', mode='max', patience=5, factor=0.5)).clip(min_value=0.001)"
    assert (repr(found.only.learning_rate), found.factors, found.observed) == (says, False, {"acc": "acc"})
    found = rx.replay(run, "3.0 * ReduceOnPlateau(mode='min')")
    assert repr(found.only.learning_rate) == "3.0 * ReduceOnPlateau(monitor='acc')"
    found = rx.replay(run, rx.ReduceOnPlateau())
    assert (found.factors, found.observed) == (True, {"value": "loss"})
    several = log(loss={0: 1.0}, acc={0: 0.5}, config={"learning_rate": own + " * ReduceOnPlateau(monitor='loss')"})
    found = rx.replay(several, "ReduceOnPlateau()")  # whose place, and which metric, nobody knows
    assert (found.factors, found.observed) == (True, {"value": "loss"})


def test_a_family_is_compiled_once(caplog):
    run = log(value=noisy(100))
    rules = [[0.1 * rx.ReduceOnPlateau(patience=p) for p in range(a, a + 4)] for a in (2, 20)]
    rx.replay(run, rules[0])
    with jax.log_compiles(), caplog.at_level(logging.WARNING, "jax"):
        rx.replay(run, rules[1])
    assert [
        r.message for r in caplog.records if "Finished XLA compilation" in r.message and ("advance" in r.message or "rates_at" in r.message)
    ] == []
