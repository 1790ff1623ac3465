"""Training on several devices: the run of one device, up to rounding, and decisions that a single device replays."""

import dataclasses
import json
import subprocess
import sys

import jax
import numpy as np
import pytest
from flax import nnx
from jax.sharding import PartitionSpec as P

import rheostax as rx
from rheostax.errors import TaskError
from rheostax.record import RunDirectory
from rheostax.record.run_directory import JOURNAL, METRICS
from rheostax.training import fit, load_task
from tests.parallel.launch import environment, free_port

EPOCHS = 6
VALIDATED = rx.ReduceOnPlateau(monitor="val_r2", mode="max", patience=1, factor=0.5, rtol=0.1)
RATE = 0.01 * VALIDATED * rx.ReduceOnPlateau(patience=4, factor=0.9)
diabetes = load_task("diabetes")


def data():
    whole = diabetes.data()  # 32 patients divide evenly among eight devices; the 100 of the validation don't
    return dataclasses.replace(whole, batch_size=32)


task = dataclasses.replace(diabetes, data=data, learning_rate=lambda updates_per_epoch, epochs: RATE)


@pytest.fixture(scope="module", params=[False, True], ids=["replicated", "fully sharded"])
def runs(request, tmp_path_factory):
    """The same run on one device and on eight."""
    folder = tmp_path_factory.mktemp("runs")
    one = fit(task, epochs=EPOCHS, out=folder / "one")
    eight = fit(task, epochs=EPOCHS, out=folder / "eight", mesh=rx.parallel.data_mesh(), fully_sharded=request.param)
    return request.param, one, eight


def records(result):
    return RunDirectory(result.path).read_lines(METRICS)


def test_it_is_the_same_run_up_to_rounding(runs):
    _, one, eight = runs
    for a, b in zip(records(one), records(eight), strict=True):
        assert {name: a[name] for name in a if name != "time"} == pytest.approx({name: b[name] for name in a if name != "time"}, rel=1e-3)
    losses = [[record["loss"] for record in records(run) if "loss" in record] for run in (one, eight)]
    assert losses[0] != losses[1]  # it was summed in parts, in another order


def test_parameters_lie_where_they_should(runs):
    fully, _, eight = runs
    specs = {leaf.shape: leaf.sharding.spec for leaf in jax.tree.leaves(nnx.state(eight.model, nnx.Param))}
    wanted = {(10, 32): P(None, "data"), (32,): P("data"), (32, 1): P("data"), (1,): P()}
    assert specs == (wanted if fully else dict.fromkeys(wanted, P()))


def test_the_configuration_tells_the_devices(runs):
    _, _, eight = runs
    config = RunDirectory(eight.path).read("config.json")
    assert (config["devices"], config["processes"]) == (8, 1)


def test_the_decisions_of_eight_devices_are_replayed_on_one(runs):
    """In a process with a single device: the journal and what was observed are enough."""
    _, _, eight = runs
    script = "import sys, json, jax, rheostax as rx; found = rx.replay(sys.argv[1]).decisions; "
    script += "print(json.dumps([jax.device_count(), *(one.to_json() for one in found)]))"
    command = [sys.executable, "-c", script, str(eight.path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment(devices=1))
    devices, *replayed = json.loads(done.stdout.splitlines()[-1])
    journal = RunDirectory(eight.path).read_lines(JOURNAL)
    assert devices == 1
    assert len(journal) >= 4
    assert {one["metric"] for one in journal} == {"value", "val_r2"}
    for ours, theirs in zip(replayed, journal, strict=True):
        exact = ("count", "policy", "metric", "why")
        assert {name: ours[name] for name in exact} == {name: theirs[name] for name in exact}
        numbers = ("value", "best", "old_learning_rate", "new_learning_rate")
        assert [ours[name] for name in numbers] == pytest.approx([theirs[name] for name in numbers], rel=3e-7)


def test_batches_that_do_not_divide_are_refused(tmp_path):
    with pytest.raises(TaskError, match=r"training batches of this task don't fit: .* evenly among the 8 devices, got 38 examples"):
        fit(diabetes, epochs=1, mesh=rx.parallel.data_mesh())


def test_full_sharding_needs_a_mesh():
    with pytest.raises(TaskError, match="fully_sharded needs a mesh"):
        fit(task, epochs=1, fully_sharded=True)
    with pytest.raises(TaskError, match="mesh must have an axis named 'data'"):
        fit(task, epochs=1, mesh=jax.make_mesh((8,), ("x",)))


def distributed(folder, count, *arguments):
    """Run `rheostax train --distributed` as so many processes; return what each left: exit code, standard output and error."""
    command = [sys.executable, "-c", "from rheostax.cli import main; main()", "train", "diabetes", *arguments, "--distributed"]
    where = ["--coordinator", f"127.0.0.1:{free_port()}", "--processes", str(count), "--out", "run"]
    own = [[*command, *where, "--process", str(i)] for i in range(count)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "env": environment()}
    started = [subprocess.Popen(one, cwd=folder, **pipes) for one in own]
    return [(process.returncode, *outputs) for process in started for outputs in [process.communicate(timeout=180)]]


def test_the_command_line_with_two_processes(tmp_path):
    (code, out, err), (code_of_1, out_of_1, err_of_1) = distributed(tmp_path, 2, "--epochs", "3", "--checkpoint-every", "5", "--json")
    assert (code, code_of_1) == (0, 0), err + err_of_1
    summary = json.loads(out)
    assert summary == json.loads((tmp_path / "run" / "summary.json").read_text())
    assert (summary["count"], out_of_1) == (27, "")
    assert "epoch" not in err_of_1
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert (config["devices"], config["processes"]) == (2, 2)
    alone = fit(diabetes, epochs=3)
    assert summary["metrics"]["val_r2"] == pytest.approx(alone.metrics["val_r2"], rel=1e-3)
    lines = RunDirectory(tmp_path / "run").read_lines(METRICS)
    assert np.isfinite([line["learning_rate"] for line in lines]).all()
    assert len(lines) == 27 + 3
    # One process goes on where the two have stopped, and has the rates of a run that one made alone.
    fit(diabetes, epochs=5, resume=tmp_path / "run")
    fit(diabetes, epochs=5, out=tmp_path / "alone")
    rates = [[line["learning_rate"] for line in RunDirectory(tmp_path / name).read_lines(METRICS)] for name in ("run", "alone")]
    assert rates[0] == rates[1]
    assert len(set(rates[0])) > 1


def test_a_cluster_without_distributed_is_a_mistake(tmp_path):
    command = [sys.executable, "-c", "from rheostax.cli import main; main()", "train", "--processes", "2"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, env=environment())
    assert (done.returncode, done.stderr) == (
        2,
        "error: --coordinator, --processes, --process and --fully-sharded are for --distributed; give it too.\n",
    )
