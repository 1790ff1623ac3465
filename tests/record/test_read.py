"""Runs of any tool: what is whole is read, and what isn't is said."""

import json
import os
import struct
from pathlib import Path

import numpy as np
import pytest

import rheostax as rx
from rheostax.errors import RunError
from rheostax.record import RunDirectory

CURVES = os.environ.get("RHEOSTAX_LOSS_CURVES", "")  # a folder of real loss curves: llama_25m/*.csv and others


def write(folder, text, name="log.csv"):
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


def run_directory(folder, records, **files):
    run = RunDirectory.create(folder)
    run.append("metrics.jsonl", records)
    run.append("journal.jsonl", files.pop("journal", []))
    for name, content in {"config": {"task": "mine"}, "summary": {"count": 3, "reason": "over"}, **files}.items():
        run.write(f"{name}.json", content)
    run.close()
    return folder


RECORDS = [
    {"count": 0, "epoch": 0.0, "learning_rate": 0.1, "loss": 3.0, "time": 0.5},
    {"count": 1, "epoch": 0.5, "learning_rate": 0.1, "loss": None, "time": 0.75},
    {"count": 2, "epoch": 1, "learning_rate": 0.1, "val_loss": 2.5, "time": 1.0},
    {"count": 2, "epoch": 1.0, "learning_rate": 0.05, "loss": 2.0, "time": 1.25},
]


def test_a_run_directory_is_read_whole(tmp_path):
    run = rx.read_run(run_directory(tmp_path / "run", RECORDS, journal=[{"count": 2, "metric": "val_loss"}]))
    assert (run.kind, run.config, run.notes) == ("run directory", {"task": "mine"}, [])
    assert run.summary["reason"] == "over"
    assert run.journal == [{"count": 2, "metric": "val_loss"}]
    assert list(run.series) == ["loss", "val_loss"]
    np.testing.assert_array_equal(run.series["loss"].count, [0, 1, 2])
    np.testing.assert_array_equal(run.series["loss"].value, [3.0, np.nan, 2.0])  # null was NaN or infinite: an observation, not a gap
    np.testing.assert_array_equal(run.series["val_loss"].time, [1.0])
    np.testing.assert_array_equal(run.learning_rate[""].value, [0.1, 0.1, 0.05])  # the update's, not the validation's
    assert run.updates == 3


def test_numbers_without_end_and_decisions_that_are_none_are_left_out(tmp_path):
    rates = {"old_learning_rate": 0.1, "new_learning_rate": {"head": 0.05, "body": None}}
    bad = [
        {"count": "2"},
        {"count": 1, "old_learning_rate": "high"},
        {"count": 1, "new_learning_rate": {"head": [1]}},
        {"count": 1, "metric": []},
    ]
    folder = run_directory(tmp_path / "run", [*RECORDS, {"count": 10**30, "loss": 1.0}], journal=[{"count": 2} | rates, *bad])
    with (folder / "metrics.jsonl").open("a") as stream:
        stream.write('{"count": 3, "loss": -1' + "0" * 400 + "}\n")
    run = rx.read_run(folder)
    np.testing.assert_array_equal(run.series["loss"].value, [3.0, np.nan, 2.0, -np.inf])
    assert run.journal == [{"count": 2} | rates]
    assert run.notes == ["journal.jsonl: 4 records that are no decision left out", "metrics.jsonl: 1 record without a count left out"]
    assert rx.read_run(write(tmp_path, "step,loss\n1e30,1\n-1,2\n7,3\n")).series["loss"].count.tolist() == [7]


@pytest.mark.parametrize(("told", "updates"), [(45, 45.0), (0, None), ("many", None), (True, None), (float("nan"), None), (10**400, None)])
def test_the_updates_of_an_epoch_are_a_number_or_not_known(tmp_path, told, updates):
    run = rx.RunLog(tmp_path, "run directory", {}, {}, config={"updates_per_epoch": told})
    assert run.updates_per_epoch == updates


def test_what_is_left_of_a_killed_run_is_read(tmp_path):
    folder = run_directory(tmp_path / "run", RECORDS)
    (folder / "summary.json").unlink()
    (folder / "journal.jsonl").unlink()
    (folder / "config.json").write_text('{"task": ')
    with (folder / "metrics.jsonl").open("a") as stream:
        stream.write('not json\n{"loss": 1.0}\n{"count": 3, "lo')
    run = rx.read_run(folder)
    assert len(run.series["loss"]) == 3
    assert (run.summary, run.journal, run.config) == (None, [], {})
    assert run.updates == 3  # two in the first epoch, one after it
    told = "; ".join(run.notes)
    for words in (
        "config.json is damaged",
        "summary.json is missing",
        "journal.jsonl is missing",
        "cut in its last line",
        "(5)",
        "1 record without",
    ):
        assert words in told
    (folder / "metrics.jsonl").unlink()
    assert "metrics.jsonl is missing" in "; ".join(rx.read_run(folder).notes)


def mlflow_run(folder, **metrics):
    (folder / "params").mkdir(parents=True)
    (folder / "meta.yaml").write_text("run_name: polite-swan\n")
    for name, lines in metrics.items():
        file = folder / "metrics" / name.replace("__", "/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(lines)
    return folder


def test_runs_of_mlflow(tmp_path):
    first = mlflow_run(
        tmp_path / "mlruns" / "0" / "a1", loss="1000 2.5 0\n2000 nan 1\n3000 2", lr="1000 0.1 0\n2500 0.05 1\n", val__loss="bad\n"
    )
    (first / "params" / "seed").write_text("3")
    (first / "params" / "optimizer").write_text("adamw")
    (tmp_path / "mlruns" / "0" / "meta.yaml").write_text("name: Default\n")  # of the experiment
    run = rx.read_run(tmp_path / "mlruns")
    assert (run.kind, run.path, run.config) == ("mlflow", first, {"optimizer": "adamw", "seed": 3})
    np.testing.assert_array_equal(
        (run.series["loss"].count, run.series["loss"].value, run.series["loss"].time), [[0, 1], [2.5, np.nan], [0, 1]]
    )
    np.testing.assert_array_equal((run.learning_rate[""].value, run.learning_rate[""].time), [[0.1, 0.05], [0, 1.5]])
    assert run.damage == run.notes == ["metrics/loss: 1 damaged line left out", "metrics/val/loss: 1 damaged line left out"]
    assert run.journal_lacks == "a log of this kind holds no journal of decisions"
    mlflow_run(tmp_path / "mlruns" / "0" / "b2", loss="1000 2.5 0\n")
    with pytest.raises(RunError, match=r"there are runs in 0/a1, 0/b2: name one of them"):
        rx.read_run(tmp_path / "mlruns")
    empty = mlflow_run(tmp_path / "empty", loss="what\n")
    with pytest.raises(RunError, match=r"is a run of MLflow without metrics\. metrics/loss: 1 damaged line left out"):
        rx.read_run(empty)


def test_what_cannot_be_read_is_named_and_what_to_give_instead(tmp_path):
    offline = tmp_path / "wandb" / "offline-run-20260101_000000-abc"
    offline.mkdir(parents=True)
    (offline / "run-abc.wandb").write_bytes(b":W&B\0\0\0")
    for path in (tmp_path / "wandb", offline, offline / "run-abc.wandb"):
        with pytest.raises(RunError, match=r"is an offline run of Weights & Biases.*'wandb sync .*abc'.*CSV.*JsonLines"):
            rx.read_run(path)
    (tmp_path / "mlflow.db").write_bytes(b"SQLite format 3\0" + bytes(100))
    with pytest.raises(RunError, match=r"is a database, which isn't read here.*mlruns.*CSV.*JsonLines"):
        rx.read_run(tmp_path / "mlflow.db")


def test_rates_of_groups_and_loose_json_lines(tmp_path):
    lines = [{"count": i, "learning_rate": {"body": 0.1, "head": 0.2 + i}, "loss": 1.0} for i in range(2)]
    run = rx.read_run(write(tmp_path, "".join(json.dumps(line) + "\n" for line in lines), "mine.jsonl"))
    assert run.kind == "json lines"
    assert {name: list(one.value) for name, one in run.learning_rate.items()} == {"body": [0.1, 0.1], "head": [0.2, 1.2]}
    with pytest.raises(RunError, match=r"no records with a count.*1 record without"):
        rx.read_run(write(tmp_path, '{"loss": 1}\n', "other.jsonl"))


def test_a_table_with_gaps_disorder_and_repeats(tmp_path):
    run = rx.read_run(
        write(
            tmp_path, "\ufeffStep;LR;Loss;note;wall_time\n0;.1;3;a;100\n20;.1;1;;104\n10;.1;;b;102\n20;.05;0.5;b;105\n;1;1;;106\n30;.1;nan"
        )
    )
    assert run.kind == "csv"
    loss = run.series["Loss"]
    np.testing.assert_array_equal((loss.count, loss.value, loss.time), [[0, 20], [3.0, 0.5], [0.0, 5.0]])
    np.testing.assert_array_equal(run.learning_rate[""].count, [0, 10, 20])
    np.testing.assert_array_equal(run.learning_rate[""].value, [0.1, 0.1, 0.05])
    assert loss.count.dtype == np.int64
    told = "; ".join(run.notes)
    for words in (
        "cut in its last line",
        "no numbers: note",
        "1 row without a count",
        "LR: the counts weren't in order",
        "Loss: 1 count came more",
    ):
        assert words in told


@pytest.mark.parametrize(
    ("header", "counter", "rates", "metrics"),
    [
        ("epoch,step,train_loss,val_loss", "step", [], ["train_loss", "val_loss"]),
        ("epoch,loss", "epoch", [], ["loss"]),
        ("_step,trainer/global_step,loss,optim/lr", "trainer/global_step", [""], ["loss"]),
        ("step,count,lr-Adam,lr-SGD/pg2,loss", "count", ["Adam", "SGD/pg2"], ["loss"]),
        ("iteration,learning_rate/head,learning_rate/body,loss", "iteration", ["head", "body"], ["loss"]),
        ("global_step,lr,other/lr,loss,lrx", "global_step", ["lr", "other/lr"], ["loss", "lrx"]),
    ],
)
def test_columns_are_found_by_their_names(tmp_path, header, counter, rates, metrics):
    names = header.split(",")
    rows = [",".join(str(7 + row if name == counter else 90 + row) for name in names) for row in range(2)]
    run = rx.read_run(write(tmp_path, "\n".join([header, *rows]) + "\n"))
    assert list(run.learning_rate) == rates
    assert list(run.series) == metrics
    assert list(run.series["train_loss" if "train_loss" in metrics else "loss"].count) == [7, 8]
    assert any("epochs" in note for note in run.notes) == (counter == "epoch")


def test_columns_named_by_hand(tmp_path):
    file = write(tmp_path, "tick,power,loss\n1,0.5,2\n2,0.4,3\n")
    with pytest.raises(RunError, match=r"no column that counts.*Its columns are tick, power, loss"):
        rx.read_run(file)
    with pytest.raises(RunError, match=r"no column 'tik'.*Did you mean 'tick'"):
        rx.read_run(file, count="tik")
    with pytest.raises(RunError, match="no column 'lr'"):
        rx.read_run(file, count="tick", learning_rate="lr")
    run = rx.read_run(file, count="tick", learning_rate="power")
    assert list(run.learning_rate[""].value) == [0.5, 0.4]
    assert list(run.series) == ["loss"]


def test_lightning_and_weights_and_biases(tmp_path):
    (tmp_path / "version_0").mkdir()
    write(tmp_path / "version_0", "epoch,step,train_loss,val_loss\n0,49,0.5,\n0,99,0.4,\n0,99,,0.6\n", "metrics.csv")
    run = rx.read_run(tmp_path)
    assert run.kind == "lightning"
    assert list(run.series["val_loss"].count) == [99]
    chart = '"Step","a - b - val/loss","a - b - val/loss__MIN","a - b - val/loss__MAX","c - val/loss"\n'
    file = write(tmp_path, chart + '"0","2.5","2.5","2.5",""\n"5","1.5","1.5","1.5","7"\n', "wandb.csv")
    with pytest.raises(RunError, match=r"holds 2 runs: a - b, c\. Choose one"):
        rx.read_run(file)
    with pytest.raises(RunError, match="no run 'd'"):
        rx.read_run(file, run="d")
    run = rx.read_run(file, run="a - b")
    assert run.kind == "wandb"
    assert {name: list(one.value) for name, one in run.series.items()} == {"val/loss": [2.5, 1.5]}
    assert list(rx.read_run(file, run="c").series["val/loss"].count) == [5]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "doesn't begin with the names"),
        ("1,2\n3,4\n", "doesn't begin with the names"),
        ("step,loss\n", "no rows below its header"),
        ("step,word\n1,a\n", "no numbers beside its counts"),
        ("step,loss\n0.5,1\n", "whole numbers, got 0.5"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path, text, words):
    with pytest.raises(RunError, match=words):
        rx.read_run(write(tmp_path, text))


def test_what_is_no_run_is_refused(tmp_path):
    with pytest.raises(RunError, match="no such file"):
        rx.read_run(tmp_path / "nothing")
    with pytest.raises(RunError, match="holds no run"):
        rx.read_run(tmp_path)
    for name in ("a", "b"):
        run_directory(tmp_path / name, RECORDS)
    with pytest.raises(RunError, match="there are runs in a, b: name one"):
        rx.read_run(tmp_path)


def events(folder, count=50):
    from tensorboardX import SummaryWriter

    with SummaryWriter(str(folder)) as writer:
        for i in range(count):
            writer.add_scalar("train/loss", 1.0 / (i + 1), i, walltime=1e9 + i)
            writer.add_scalar("lr", 0.5, i, walltime=1e9 + i)
    return next(folder.glob("*tfevents*"))


def test_event_files(tmp_path):
    run = rx.read_run(events(tmp_path))
    assert run.kind == "tensorboard"
    loss = run.series["train/loss"]
    np.testing.assert_array_equal(loss.value, (1.0 / np.arange(1, 51)).astype(np.float32))
    np.testing.assert_array_equal(loss.time, np.arange(50))
    assert list(run.learning_rate) == [""]
    assert run.notes == []
    assert len(rx.read_run(tmp_path).series["train/loss"]) == 50


def test_cut_and_damaged_event_files(tmp_path):
    file = events(tmp_path)
    data = file.read_bytes()
    file.write_bytes(data[:-5])
    run = rx.read_run(tmp_path)
    assert "was cut" in run.notes[0]
    assert (len(run.series["train/loss"]), len(run.learning_rate[""])) == (50, 49)
    at, lengths = 0, []
    while at < len(data):
        lengths.append(at)
        at += 16 + struct.unpack_from("<Q", data, at)[0]
    flipped = bytearray(data)
    flipped[lengths[11] + 14] ^= 1  # in the content of a record
    file.write_bytes(flipped)
    run = rx.read_run(tmp_path)
    assert "1 record with a wrong checksum" in run.notes[0]
    assert len(run.series["train/loss"]) + len(run.learning_rate[""]) == 99
    flipped[lengths[21]] ^= 1  # in a length: nothing can be found behind it
    file.write_bytes(flipped)
    run = rx.read_run(tmp_path)
    assert f"damaged from byte {lengths[21]:,}" in run.notes[0]
    assert len(run.series["train/loss"]) + len(run.learning_rate[""]) in (18, 19, 20)


def test_scalars_that_are_tensors(tmp_path):
    """As TensorFlow and clu write them."""
    from tensorboardX.event_file_writer import EventFileWriter
    from tensorboardX.proto import event_pb2, summary_pb2, tensor_pb2

    writer = EventFileWriter(str(tmp_path))
    half = np.float32(0.5).tobytes()
    several = tensor_pb2.TensorProto(dtype=1, float_val=[1.0, 2.0])
    for i, tensor in enumerate(
        [tensor_pb2.TensorProto(dtype=1, float_val=[0.25]), tensor_pb2.TensorProto(dtype=1, tensor_content=half), several]
    ):
        summary = summary_pb2.Summary(value=[summary_pb2.Summary.Value(tag="loss", tensor=tensor)])
        writer.add_event(event_pb2.Event(summary=summary, step=i))
    writer.close()
    np.testing.assert_array_equal(rx.read_run(tmp_path).series["loss"].value, [0.25, 0.5])


def test_an_event_file_without_tensorboardx(tmp_path, monkeypatch):
    file = events(tmp_path, 1)

    def absent(name):
        raise ModuleNotFoundError(name=name)

    monkeypatch.setattr("rheostax._extras.importlib.import_module", absent)
    with pytest.raises(ImportError, match=r"rheostax\[tensorboard\]"):
        rx.read_run(file)


@pytest.mark.skipif(not CURVES, reason="RHEOSTAX_LOSS_CURVES names no folder of loss curves (llama_25m/*.csv and others)")
def test_real_loss_curves():
    files = [file for file in Path(CURVES).rglob("*.csv") if file.name != "runs.csv"]
    assert files
    for file in files:
        run = rx.read_run(file)
        assert len(run.learning_rate[""]) > 50
        assert min(len(one) for one in run.series.values()) >= 25
        assert run.notes == []
