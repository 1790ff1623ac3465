"""The training loop: what it does equals what it tells."""

import dataclasses
import json

import jax.numpy as jnp
import numpy as np
import optax
import pytest

import rheostax as rx
from rheostax.errors import TaskError
from rheostax.record import RunDirectory
from rheostax.record.run_directory import CONFIG, JOURNAL, METRICS, SUMMARY
from rheostax.training import Plan, Watcher, fit, load_task
from rheostax.training.task import EMBEDDED

diabetes = load_task("diabetes")
UPDATES = 9  # per epoch of diabetes


def with_rate(rate, **changes):
    return dataclasses.replace(diabetes, learning_rate=lambda updates_per_epoch, epochs: rate, **changes)


def records(path):
    lines = RunDirectory(path).read_lines(METRICS)
    return [line for line in lines if "loss" in line], [line for line in lines if "val_loss" in line]


@pytest.fixture(scope="module")
def plateau_run(tmp_path_factory):
    """A run whose rate is cut by the validation metric, and at single updates by the training loss."""
    path = tmp_path_factory.mktemp("runs") / "plateau"
    rate = (
        0.01
        * rx.ReduceOnPlateau(monitor="val_r2", mode="max", patience=1, factor=0.5, rtol=0.1)
        * rx.ReduceOnPlateau(patience=4, factor=0.9, cooldown=3)
    )
    return rate, fit(with_rate(rate), epochs=6, out=path)


def test_records_are_one_per_update_and_one_per_epoch(plateau_run):
    _, result = plateau_run
    training, validation = records(result.path)
    assert [record["count"] for record in training] == list(range(6 * UPDATES))
    assert [record["count"] for record in validation] == [UPDATES * (epoch + 1) for epoch in range(6)]
    assert training[UPDATES]["epoch"] == 1.0
    assert [record["epoch"] for record in validation] == [1, 2, 3, 4, 5, 6]
    assert set(training[0]) == {"count", "epoch", "learning_rate", "loss", "r2", "time"}
    assert set(validation[0]) == {"count", "epoch", "learning_rate", "val_loss", "val_r2", "time"}


def test_recorded_rates_and_decisions_are_those_of_a_simulation_from_the_recorded_metrics(plateau_run):
    rate, result = plateau_run
    training, validation = records(result.path)
    steps = len(training)
    observed = {
        "value": [record["loss"] for record in training],
        "val_r2": {record["count"]: record["val_r2"] for record in validation if record["count"] < steps},
    }
    expected = rx.simulate(rate, steps, observed)
    recorded = np.array([record["learning_rate"] for record in training], np.float32)
    np.testing.assert_allclose(recorded, expected, rtol=3e-7)
    journal = RunDirectory(result.path).read_lines(JOURNAL)
    cuts = 1 + np.flatnonzero(np.diff(expected))
    assert len(cuts) >= 5
    # Two policies may decide at the same update; the last validation is observed after the last update.
    assert sorted({decision["count"] for decision in journal if decision["count"] < steps}) == cuts.tolist()
    assert {decision["metric"] for decision in journal} == {"value", "val_r2"}
    for decision in journal:
        ratio = decision["new_learning_rate"] / decision["old_learning_rate"]
        assert ratio == pytest.approx(0.5 if decision["metric"] == "val_r2" else 0.9, rel=1e-6)


def test_a_decision_says_why(plateau_run):
    _, result = plateau_run
    _, validation = records(result.path)
    first = next(decision for decision in result.decisions if decision.metric == "val_r2")
    seen = [record for record in validation if record["count"] <= first.count]
    assert first.value == pytest.approx(seen[-1]["val_r2"])
    assert first.best == pytest.approx(max(record["val_r2"] for record in seen[:-1]))
    assert f"at update {first.count}" in str(first)
    assert "val_r2 had not improved on" in str(first)


def test_same_seed_same_run_whatever_the_dispatches(tmp_path, plateau_run):
    rate, result = plateau_run
    again = fit(with_rate(rate, updates_per_dispatch=4), epochs=6, out=tmp_path / "again")
    for name in (METRICS, JOURNAL):
        old, new = (RunDirectory(path).read_lines(name) for path in (result.path, again.path))
        assert [record["count"] for record in old] == [record["count"] for record in new]
        for a, b in zip(old, new, strict=True):
            assert a["learning_rate" if name == METRICS else "new_learning_rate"] == pytest.approx(
                b["learning_rate" if name == METRICS else "new_learning_rate"], rel=1e-6
            )
    assert again.metrics["val_r2"] == pytest.approx(result.metrics["val_r2"], rel=1e-3)
    other = fit(with_rate(rate), epochs=1, seed=1)
    assert other.metrics["val_r2"] != result.metrics["val_r2"]


def test_same_seed_same_records(tmp_path):
    runs = [fit(diabetes, epochs=2, out=tmp_path / name) for name in ("a", "b")]
    first, second = ([{**record, "time": None} for record in RunDirectory(run.path).read_lines(METRICS)] for run in runs)
    assert first == second


def test_records_tell_the_time_since_the_start(plateau_run):
    _, result = plateau_run
    times = [record["time"] for record in RunDirectory(result.path).read_lines(METRICS)]
    assert times == sorted(times)
    assert times[0] > 0
    assert times[-1] < result.seconds
    assert len(set(times)) == len(times)


def test_training_learns(plateau_run):
    _, result = plateau_run
    assert result.best["val_r2"] > 0.4  # predicting the mean has 0; a linear model has 0.5 here
    assert result.best["val_r2"] == max(record["val_r2"] for record in records(result.path)[1])


def test_stops_at_the_floor_of_a_clip():
    rate = (1e-2 * rx.ReduceOnPlateau(monitor="val_loss", patience=1, factor=0.1, rtol=1.0)).clip(min_value=1e-4)
    result = fit(with_rate(rate), epochs=20)
    assert result.reason == "the learning rate reached its floor, 0.0001"
    assert [decision.new_learning_rate for decision in result.decisions] == pytest.approx([1e-3, 1e-4])
    assert result.epochs == 3  # the first observation sets best, the next two cut


def test_stops_at_a_policys_smallest_scale():
    rate = 1e-2 * rx.ReduceOnPlateau(monitor="val_loss", patience=1, factor=0.1, rtol=1.0, min_scale=0.01)
    result = fit(with_rate(rate), epochs=20)
    assert result.reason == "ReduceOnPlateau reached its smallest scale, 0.01"
    assert result.epochs == 3


def test_stops_when_the_learning_rate_asks_for_it():
    rate = rx.Constant(0.0) * rx.StopOnPlateau(monitor="val_loss", patience=2)  # nothing is learnt: the first value stays the best
    result = fit(with_rate(rate), epochs=9)
    assert (result.epochs, result.failed) == (3, False)
    assert result.reason.startswith("val_loss had not improved on ")
    assert [decision.count for decision in result.decisions] == [3 * UPDATES]
    assert "training should stop" in result.decisions[0].why


def test_without_a_floor_the_epochs_decide():
    rate = 1e-2 * rx.ReduceOnPlateau(monitor="val_loss", patience=1, factor=0.1, rtol=1.0)
    assert fit(with_rate(rate), epochs=5).reason == "all 5 epochs are over"


def test_a_clip_that_only_lifts_the_warm_up_is_no_floor():
    rate = (rx.Warmup(100) * 1e-2).clip(min_value=1e-3)
    assert fit(with_rate(rate), epochs=2).reason == "all 2 epochs are over"


class Warnings(Watcher):
    def __init__(self):
        self.texts = []

    def warned(self, text):
        self.texts.append(text)


def test_warns_once_of_a_horizon_shorter_than_the_run():
    heard = Warnings()
    result = fit(with_rate(rx.Cosine(1e-2, 3 * UPDATES)), epochs=5, watcher=heard)
    at_start = [text for text in heard.texts if "the schedule ends at update 27 but the run may have 45" in text]
    assert len(at_start) == 1
    assert tuple(heard.texts) == result.warnings
    quiet = Warnings()
    fit(with_rate(rx.Cosine(1e-2, 2 * UPDATES)), epochs=2, watcher=quiet)
    assert quiet.texts == []


def test_a_policy_that_would_never_hear_its_metric_is_refused_before_training(tmp_path):
    rate = 1e-2 * rx.ReduceOnPlateau(monitor="val_lost", patience=2)
    with pytest.raises(
        rx.UnknownMetricError, match=r"monitors 'val_lost', but this task reports value, val_loss, val_r2. Did you mean 'val_loss'"
    ):
        fit(with_rate(rate), epochs=1, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_an_unknown_goal_is_refused_before_training():
    with pytest.raises(TaskError, match="goal must be one of the validation metrics val_loss, val_r2, got 'val_accuracy'"):
        fit(dataclasses.replace(diabetes, goal=("val_accuracy", "max")), epochs=1)


def test_warnings_are_python_warnings_by_default():
    with pytest.warns(rx.RheostaxWarning, match="the schedule ends at update 5"):
        fit(with_rate(rx.Linear(1e-2, 1e-3, 5)), epochs=1)


def test_a_loss_that_is_nan_for_an_epoch_ends_the_run():
    def loss(model, batch):
        value, metrics = diabetes.loss(model, batch)
        return value + jnp.nan, metrics

    heard = Warnings()
    rate = 1e-2 * rx.ReduceOnPlateau(patience=2)
    result = fit(with_rate(rate, loss=loss), epochs=5, watcher=heard)
    assert result.reason == "the training loss was NaN or infinite for a whole epoch"
    assert result.epochs == 1
    assert result.failed
    assert [text for text in heard.texts if "left out 9 NaN or infinite values of 'value'" in text]


def test_dropout_is_off_in_validation_and_in_the_returned_model():
    data = diabetes.data()
    result = fit(diabetes, epochs=1)
    batch = next(data.validation())
    first, second = (diabetes.loss(result.model, batch)[0] for _ in range(2))
    assert float(first) == float(second) == pytest.approx(result.metrics["val_loss"], rel=1e-5)


def test_groups_are_recorded_by_name(tmp_path):
    rate = 1e-2 * rx.Groups({"head/*": 1.0, "hidden/*": 0.1})
    result = fit(with_rate(rate, optimizer=optax.sgd, hyperparameters={}), epochs=1, out=tmp_path / "run")
    training, _ = records(result.path)
    assert training[0]["learning_rate"] == pytest.approx({"head/*": 1e-2, "hidden/*": 1e-3})


def test_summary_is_the_result(plateau_run):
    _, result = plateau_run
    summary = RunDirectory(result.path).read(SUMMARY)
    assert summary == json.loads(json.dumps(result.to_json()))
    assert summary["count"] == 54
    assert summary["interrupted"] is False


@pytest.mark.parametrize("rate", [0.01, optax.linear_schedule(0.01, 0.0, 20)])
def test_a_task_may_give_a_number_or_an_optax_schedule(rate, tmp_path):
    result = fit(with_rate(rate), epochs=1, out=tmp_path / "run")
    training, _ = records(result.path)
    expected = [float(rate(count)) if callable(rate) else rate for count in range(UPDATES)]
    assert [record["learning_rate"] for record in training] == pytest.approx(expected, rel=1e-6)


def test_data_and_loss_of_another_kind_are_explained():
    with pytest.raises(TaskError, match=r"data\(\) must return .*Arrays\(training, held_out, batch_size\); got <class 'dict'>"):
        fit(dataclasses.replace(diabetes, data=dict), epochs=1)
    with pytest.raises(TaskError, match=r"loss\(model, batch\) must return a scalar and a dict"):
        fit(dataclasses.replace(diabetes, loss=lambda model, batch: diabetes.loss(model, batch)[0]), epochs=1)


@pytest.mark.parametrize(("argument", "value"), [("seed", -1), ("epochs", 0), ("epochs", 1.5)])
def test_wrong_arguments_are_named(argument, value):
    with pytest.raises(TaskError, match=f"{argument} must be a whole number >= .*, got {value}"):
        fit(diabetes, **{argument: value})


def result_of(change):
    return lambda model, batch: change(*diabetes.loss(model, batch))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda loss, metrics: (loss[None], metrics), r"the loss must be a scalar of floating type, got float32\[1\]\. Reduce it first"),
        (lambda loss, metrics: (jnp.int32(loss), metrics), r"the loss must be a scalar of floating type, got int32\[\]"),
        (lambda loss, metrics: ((loss, loss), metrics), r"the loss must be a scalar of floating type, got tuple"),
        (lambda loss, metrics: (loss, {"r3": jnp.ones((2, 3))}), r"the metric 'r3' must be a real scalar, got float32\[2, 3\]"),
        (lambda loss, metrics: (loss, {"r3": loss * 1j}), r"the metric 'r3' must be a real scalar, got complex64\[\]"),
        (lambda loss, metrics: (loss, {"loss": loss}), r"a metric named 'loss', which is the name of the loss itself"),
    ],
)
def test_a_loss_or_metric_that_is_no_real_scalar_is_named(change, says, tmp_path):
    with pytest.raises(TaskError, match=says):
        fit(dataclasses.replace(diabetes, loss=result_of(change)), epochs=1, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


class Batches:
    """The batches of diabetes, or other ones."""

    def __init__(self, **other):
        data = diabetes.data()
        self.batches_per_epoch, self.train, self.validation = UPDATES, data.train, data.validation
        vars(self).update(other)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"data": lambda: Batches(batches_per_epoch=0)}, r"batches_per_epoch must be a whole number >= 1, got 0\."),
        ({"data": lambda: Batches(train=lambda epoch, seed: iter(()))}, r"data\.train\(0, 0\) yields no batch; it must yield at least one"),
        ({"data": lambda: Batches(validation=lambda: iter(()))}, r"data\.validation\(\) yields no batch"),
        ({"model": lambda rngs: 3}, r"model\(rngs\) must return a flax\.nnx\.Module, got 3\."),
    ],
)
def test_a_task_without_batches_or_model_is_refused_before_training(change, says, tmp_path):
    with pytest.raises(TaskError, match=says):
        fit(dataclasses.replace(diabetes, **change), epochs=1, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_batches_that_end_with_the_first_epoch_are_told():
    def data():
        batches = diabetes.data().train
        return Batches(train=lambda epoch, seed: batches(epoch, seed) if epoch == 0 else iter(()))

    with pytest.raises(TaskError, match=r"data\.train\(1, 0\) yields no batch; it must return a new iterator each time"):
        fit(dataclasses.replace(diabetes, data=data), epochs=2)


def test_a_validation_that_is_nan_is_never_the_best():
    factors = iter((1.0, np.nan, 1.0, np.nan))  # the first look is at the shapes alone

    def validation():
        factor = np.float32(next(factors))
        return ({**batch, "progression": factor * batch["progression"]} for batch in diabetes.data().validation())

    result = fit(dataclasses.replace(diabetes, data=lambda: Batches(validation=validation)), epochs=3, watcher=Warnings())
    assert result.best["epoch"] == 2
    assert np.isfinite(result.best["val_r2"])


def test_one_epoch_is_told_as_one():
    assert fit(diabetes, epochs=1).reason == "the only epoch is over"


@pytest.mark.parametrize("name", EMBEDDED)
def test_the_configuration_has_the_learning_rate_that_can_be_read_again(name):
    task = load_task(name)
    size = {"total_steps": 440, "steps_per_epoch": 22, "batch_size": 64}
    rate = rx.resolve(task.learning_rate(22, 20), **size)
    config = json.loads(json.dumps(Plan(task, rate, 0, 20, 22, None).to_json()))
    assert rx.parse(config["learning_rate"]) == rate


def test_the_configuration_of_a_run_has_its_own_rule(plateau_run):
    rate, result = plateau_run
    assert rx.parse(RunDirectory(result.path).read(CONFIG)["learning_rate"]) == rate
