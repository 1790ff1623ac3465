"""A run that was stopped and resumed leaves what the undisturbed run leaves, times aside."""

import dataclasses
import json
import os
import shutil
import signal

import jax
import numpy as np
import pytest
from flax import nnx

import rheostax as rx
from rheostax.errors import RunError, StateError, TaskError
from rheostax.record import RunDirectory
from rheostax.record.run_directory import CONFIG, JOURNAL, METRICS, SUMMARY
from rheostax.training import Watcher, fit, load_task

diabetes = load_task("diabetes")
EPOCHS = 4
RATE = (
    0.01
    * rx.ReduceOnPlateau(monitor="val_r2", mode="max", patience=1, factor=0.5, rtol=0.2)
    * rx.ReduceOnPlateau(patience=3, factor=0.9, cooldown=2)
)


def task_with(rate=RATE, **changes):
    """Return a task with three dispatches of three updates in an epoch."""
    return dataclasses.replace(diabetes, **{"learning_rate": lambda updates_per_epoch, epochs: rate, "updates_per_dispatch": 4} | changes)


class Stop(Watcher):
    """Ask to stop at a moment, as Ctrl-C and a cluster do."""

    def __init__(self, moment, number=signal.SIGTERM):
        self.moment, self.number, self.resumes = moment, number, []

    def updated(self, count, metrics, learning_rate):
        if count == self.moment:
            signal.raise_signal(self.number)

    def validated(self, epoch, metrics, learning_rate):
        if self.moment == f"epoch {epoch}":
            signal.raise_signal(self.number)

    def warned(self, text):
        """A run that is stopped early has policies that have heard nothing yet."""

    def resumed(self, restored):
        self.resumes.append(restored)


def timeless(record):
    return {name: value for name, value in record.items() if name not in ("time", "seconds", "path")}


def left_by(path):
    folder = RunDirectory(path)
    return [[timeless(record) for record in folder.read_lines(name)] for name in (METRICS, JOURNAL)], timeless(folder.read(SUMMARY))


def weights(result):
    return [np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(nnx.as_pure(nnx.state(result.model, nnx.Param)))]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return fit(task_with(), epochs=EPOCHS, out=tmp_path_factory.mktemp("runs") / "whole")


@pytest.mark.parametrize("moments", [[12, 21], ["epoch 2"], [9, 36]])
def test_stopped_and_resumed_is_undisturbed(whole, tmp_path, moments):
    """Within an epoch, between two, at the end of one before it is validated, and at the very end."""
    stopped = fit(task_with(), epochs=EPOCHS, out=tmp_path / "run", watcher=Stop(moments[0]))
    assert (stopped.reason, stopped.interrupted) == ("terminated", True)
    for moment in moments[1:]:
        again = fit(task_with(), resume=tmp_path / "run", watcher=Stop(moment))
        assert again.count == moment
    heard = Stop(None)
    result = fit(task_with(), resume=tmp_path / "run", watcher=heard)
    assert [restored.differences for restored in heard.resumes] == [()]
    assert weights(result) == weights(whole)
    assert left_by(tmp_path / "run") == left_by(whole.path)
    assert result.decisions == whole.decisions
    assert len(whole.decisions) > 3
    times = [record["time"] for record in RunDirectory(tmp_path / "run").read_lines(METRICS)]
    assert times == sorted(times)


def killed(path, checkpoints, more):
    """Make of a finished run one that was killed after its checkpoints were saved and more records written."""
    (path / SUMMARY).unlink()
    for name, text in more.items():
        with (path / name).open("a") as stream:
            stream.write(text)
    for folder in path.glob("checkpoints/[0-9]*"):
        if int(folder.name) not in checkpoints:
            shutil.rmtree(folder)


def test_what_was_written_after_the_checkpoint_is_forgotten(whole, tmp_path):
    """A killed run has records that no checkpoint knows, the last one cut, and a checkpoint half written."""
    fit(task_with(), epochs=2, out=tmp_path / "run", checkpoint_every=6)
    assert sorted(int(one.name) for one in (tmp_path / "run" / "checkpoints").iterdir()) == [6, 12, 18]
    killed(tmp_path / "run", {6, 12}, {METRICS: '{"count": 18, "lo', JOURNAL: '{"count": 18}\n'})
    (tmp_path / "run" / "checkpoints" / "18.orbax-checkpoint-tmp").mkdir()
    result = fit(task_with(), epochs=EPOCHS, resume=tmp_path / "run")
    assert weights(result) == weights(whole)
    assert left_by(tmp_path / "run") == left_by(whole.path)


def test_epochs_that_are_over_cannot_be_taken_back(run):
    with pytest.raises(TaskError, match=r"epochs must be at least 2, since the run that is resumed has come to its epoch 2; got 1"):
        fit(task_with(), epochs=1, resume=run)


def test_a_run_that_was_killed_before_its_first_checkpoint_begins_anew(whole, tmp_path):
    fit(task_with(), epochs=1, out=tmp_path / "run")
    assert not (tmp_path / "run" / "checkpoints").exists()  # shorter than a minute
    with pytest.raises(RunError, match="is over, and has no checkpoint to go on from"):
        fit(task_with(), epochs=EPOCHS, resume=tmp_path / "run")
    killed(tmp_path / "run", {}, {})
    result = fit(task_with(), epochs=EPOCHS, resume=tmp_path / "run")
    assert weights(result) == weights(whole)
    assert left_by(tmp_path / "run") == left_by(whole.path)


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    path = tmp_path_factory.mktemp("runs") / "stopped"
    fit(task_with(), epochs=EPOCHS, out=path, watcher=Stop(12, signal.SIGINT))
    return path


@pytest.fixture
def run(stopped, tmp_path):
    return shutil.copytree(stopped, tmp_path / "run")


def test_ctrl_c_leaves_a_checkpoint_too(run):
    summary = RunDirectory(run).read(SUMMARY)
    assert (summary["reason"], summary["interrupted"], summary["count"]) == ("interrupted", True, 12)
    assert os.listdir(run / "checkpoints") == ["12"]


def test_another_rate_goes_on_only_if_it_is_said_which(whole, run):
    other = task_with(rx.Linear(0.02, 0.0, 36))
    before = {file: file.read_bytes() for file in run.glob("*.json*")}
    with pytest.raises(StateError, match="learning_rate: 'Product' in the checkpoint, 'Linear' in the code"):
        fit(other, resume=run)
    assert {file: file.read_bytes() for file in run.glob("*.json*")} == before
    kept = fit(other, resume=shutil.copytree(run, run.parent / "kept"), keep="checkpoint")
    assert weights(kept) == weights(whole)  # the saved rate hears its metrics still
    assert kept.decisions == whole.decisions
    changed = fit(other, resume=run, keep="code")
    rates = [record["learning_rate"] for record in RunDirectory(run).read_lines(METRICS) if "loss" in record]
    assert rates[12:] == [float(str(rx.Linear(0.02, 0.0, 36)(k))) for k in range(12, 36)]
    assert changed.count == 36
    assert RunDirectory(run).read(CONFIG)["learning_rate"].startswith("Linear")


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ({"seed": 7}, TaskError, "seed must be that of the run that is resumed, 0, got 7"),
        ({"out": "elsewhere"}, TaskError, "leave out and overwrite away"),
        ({"checkpoint_every": 0}, TaskError, "checkpoint_every must be a whole number of updates >= 1, got 0"),
    ],
)
def test_wrong_arguments_are_named(run, arguments, error, says):
    with pytest.raises(error, match=says):
        fit(task_with(), resume=run, **arguments)


def test_a_wrong_argument_leaves_no_folder(tmp_path):
    with pytest.raises(TaskError, match="checkpoint_every must be a whole number of updates >= 1, got 0"):
        fit(task_with(), out=tmp_path / "run", checkpoint_every=0)
    assert not (tmp_path / "run").exists()


def test_another_task_doesnt_go_on_in_the_folder(run):
    with pytest.raises(RunError, match="is a run with task 'diabetes', this one has 'other'"):
        fit(task_with(name="other"), resume=run)
    with pytest.raises(RunError, match=r"is a run with goal \['val_r2', 'max'\], this one has \['val_loss', 'min'\]"):
        fit(task_with(goal=("val_loss", "min")), resume=run)
    with pytest.raises(RunError, match=r"config\.json can't be read"):
        fit(task_with(), resume=run.parent)
    assert (run / SUMMARY).exists()


def test_records_that_were_changed_are_told(run):
    (run / METRICS).write_text("")
    with pytest.raises(RunError, match=r"metrics\.jsonl has 0 bytes, but had [\d]+ when the checkpoint was saved"):
        fit(task_with(), resume=run)


NOWHERE = "doesn't tell where the run was"


@pytest.mark.parametrize(("change", "said"), [
    ({"streams": {"../../etc/passwd": 0, JOURNAL: 0}}, NOWHERE),
    ({"done": "2"}, NOWHERE),
    ({"done": 10**6}, "tells of 1,000,000 updates of an epoch that has"),
    ({"best": None}, NOWHERE),
])  # fmt: skip
def test_a_hostile_position_is_refused(run, change, said):
    file = run / "checkpoints" / "12" / "rheostax" / "metadata"
    header = json.loads(file.read_text())
    header["data"]["json"] |= change
    file.write_text(json.dumps(header))
    with pytest.raises(StateError, match=said):
        fit(task_with(), resume=run)


def test_sigterm_is_as_before_after_a_run(whole):
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
