"""One run, told to every sink at once, and read back with what belongs to each; then sinks that fail."""

import contextlib
import csv
import importlib.util
import io
import json
import resource
import struct
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import rheostax as rx
from rheostax.errors import MissingExtraError, RunError
from rheostax.record import Clu, Csv, JsonLines, MLflow, RunDirectory, Sink, TensorBoard, Terminal, WandB, read_run

RATE = rx.Linear(0.1, 0.01, 10) * rx.ReduceOnPlateau(patience=2, factor=0.5)
TX = rx.control(optax.sgd, RATE)
PARAMS = jnp.ones(2)
LOSSES = [3.0, 2.0, 2.0, 2.0, float("nan"), 0.1]
STATES = []


def train(recorder):
    """Six updates, and a validation whose metric comes late."""
    if not STATES:
        step = jax.jit(lambda state, loss: TX.update(PARAMS, state, PARAMS, value=loss)[1])
        STATES.append(TX.init(PARAMS))
        for loss in LOSSES:
            STATES.append(step(STATES[-1], loss))
    for state, loss in zip(STATES[1:], LOSSES, strict=True):
        recorder.updated(state, loss=jnp.float32(loss))
    recorder.observed(STATES[-1], **{"val loss%": 0.5})


def start():
    return TX.init(PARAMS)


class FakeClu:
    """The methods of clu's MetricWriter that are used; clu itself needs TensorFlow."""

    def __init__(self):
        self.calls = []

    def write_scalars(self, step, scalars):
        self.calls.append(("scalars", step, scalars))

    def write_texts(self, step, texts):
        self.calls.append(("texts", step, texts))

    def write_hparams(self, hparams):
        self.calls.append(("hparams", hparams))

    def flush(self):
        self.calls.append(("flush",))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a run that went to every sink which is installed, and the recorder."""
    folder = tmp_path_factory.mktemp("sinks")
    sinks = [JsonLines(folder / "run"), Csv(folder / "run.csv"), Clu(clu := FakeClu())]
    sinks.append(Terminal(seconds=0, file=(printed := io.StringIO())))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
        for package, sink in (
            ("tensorboardX", lambda: TensorBoard(folder / "board")),
            ("wandb", lambda: WandB(mode="offline", dir=str(folder), project="p", settings=quiet_wandb())),
            ("mlflow", lambda: MLflow(f"file:{folder / 'mlflow'}", name="first")),
        ):
            if importlib.util.find_spec(package):
                sinks.append(sink())
        with rx.Recorder(start(), sinks, every=2, config={"seed": 3, "tags": {"a": 1}}) as recorder:
            train(recorder)
    assert recorder.failed == {}
    return folder, recorder, clu, printed.getvalue()


def quiet_wandb():
    import wandb

    return wandb.Settings(
        silent=True, console="off", x_disable_stats=True, x_disable_machine_info=True, disable_git=True, disable_code=True, save_code=False
    )


def expected(recorder):
    return [{name: value for name, value in record.items() if name != "time"} for record in recorder]


def same(a, b):
    return json.dumps(a, sort_keys=True) == json.dumps(b, sort_keys=True)  # where NaN is equal to itself


def test_json_lines(run):
    folder, recorder, *_ = run
    run = RunDirectory(folder / "run")
    lines = (folder / "run" / "metrics.jsonl").read_text().splitlines()
    records = [json.loads(line, parse_constant=pytest.fail) for line in lines]
    assert [record["loss"] for record in records[:6]] == [3.0, 2.0, 2.0, 2.0, None, 0.1]
    assert [record["count"] for record in records] == [0, 1, 2, 3, 4, 5, 6]
    assert list(records[0]) == ["count", "learning_rate", "loss", "time"]
    assert records[6] == {"count": 6, "learning_rate": records[5]["learning_rate"], "val loss%": 0.5, "time": records[6]["time"]}
    assert [record["learning_rate"] for record in records] == [record["learning_rate"] for record in recorder]
    assert [decision["count"] for decision in run.read_lines("journal.jsonl")] == [3]
    assert run.read("config.json")["learning_rate"] == repr(RATE)
    assert run.read("config.json")["seed"] == 3
    summary = run.read("summary.json")
    assert summary["nonfinite"] == {"loss": 1}
    assert summary["decisions"] == run.read_lines("journal.jsonl")
    log = read_run(folder / "run")
    assert log.notes == []
    assert log.updates == 6
    np.testing.assert_array_equal(log.series["loss"].value, np.float64(LOSSES))


def test_csv(run):
    folder, recorder, *_ = run
    with (folder / "run.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["count", "learning_rate", "loss", "time", "val loss%"]
    kept = [{name: float(value) for name, value in row.items() if value and name != "time"} for row in rows]
    assert same(kept, [{name: float(value) for name, value in record.items()} for record in expected(recorder)])
    assert rows[4]["loss"] == "nan"
    assert read_run(folder / "run.csv").series["val loss%"].value == [0.5]
    assert [path.name for path in folder.glob(".*")] == []


def test_terminal(run):
    _, recorder, _, printed = run
    assert printed.splitlines()[0] == f"recording {RATE!r}"
    assert str(recorder.decisions[0]) in printed.splitlines()
    assert "val loss% 0.5" in printed
    assert printed.splitlines()[-1].startswith("the recorder was closed: 6 updates")


def test_clu(run):
    _, recorder, clu, _ = run
    assert clu.calls[0][1]["seed"] == 3
    scalars = [(step, scalars) for kind, step, scalars in (call for call in clu.calls if call[0] == "scalars")]
    assert same(scalars, [(record["count"], {k: v for k, v in record.items() if k != "count"}) for record in expected(recorder)])
    assert ("texts", 3, {"decision": str(recorder.decisions[0])}) in clu.calls
    assert clu.calls[-1] == ("flush",)


def test_tensorboard(run):
    folder, recorder, *_ = run
    event_pb2 = pytest.importorskip("tensorboardX.proto.event_pb2", reason="tensorboardX isn't installed")
    (file,) = (folder / "board").iterdir()
    data, events = file.read_bytes(), []
    while data:
        (length,) = struct.unpack("<Q", data[:8])
        events.append(event_pb2.Event.FromString(data[12 : 12 + length]))
        data = data[16 + length :]
    assert events[0].file_version == "brain.Event:2"
    scalars = [(e.step, {v.tag: v.simple_value for v in e.summary.value}) for e in events if e.summary.value and not is_text(e)]
    single = [{k: float(np.float32(v)) for k, v in record.items() if k != "count"} for record in expected(recorder)]
    assert same(scalars, list(zip(range(7), single, strict=True)))
    texts = {v.tag: v.tensor.string_val[0].decode() for e in events if is_text(e) for v in e.summary.value}
    assert texts["decision"] == str(recorder.decisions[0])
    assert json.loads(texts["config"])["seed"] == 3
    assert json.loads(texts["summary"])["count"] == 6
    log = read_run(folder / "board")
    assert log.notes == []
    np.testing.assert_array_equal(log.series["loss"].value[:4], LOSSES[:4])


def is_text(event):
    return any(value.metadata.plugin_data.plugin_name == "text" for value in event.summary.value)


def test_weights_and_biases(run):
    folder, recorder, *_ = run
    wandb_pb2 = pytest.importorskip("wandb.proto.wandb_internal_pb2", reason="wandb isn't installed")
    (file,) = folder.glob("wandb/offline-run-*/run-*.wandb")
    records = [wandb_pb2.Record.FromString(data) for data in leveldb_log(file.read_bytes()[7:])]
    rows = [{key(item): json.loads(item.value_json) for item in r.history.item} for r in records if r.HasField("history")]
    rows = [{name: value for name, value in row.items() if not name.startswith("_")} for row in rows]
    assert [row["decision"] for row in rows if "decision" in row] == [str(recorder.decisions[0])]
    kept = [{name: value for name, value in row.items() if name != "time"} for row in rows if "decision" not in row]
    assert same([{k: float(v) for k, v in row.items()} for row in kept], [{k: float(v) for k, v in r.items()} for r in expected(recorder)])
    config = {key(item): json.loads(item.value_json) for r in records for item in (*r.run.config.update, *r.config.update)}
    assert config["seed"] == 3
    assert config["learning_rate"] == repr(RATE)
    assert any(r.HasField("exit") and r.exit.exit_code == 0 for r in records)


def key(item):
    return item.key or "/".join(item.nested_key)


def leveldb_log(data, block=32768, header=7):
    """Yield the records of a LevelDB log: chunks of a checksum, a length, a kind (1 whole, 2 first, 3 middle, 4 last), and data."""
    at, parts = header, []  # the file's own header takes the first bytes of the first block
    while at - header + header <= len(data) + header:
        left = block - at % block
        if left < 7:
            at += left
            continue
        chunk = data[at - header :]
        if len(chunk) < 7:
            return
        _, length, kind = struct.unpack("<IHB", chunk[:7])
        parts.append(chunk[7 : 7 + length])
        if kind in (1, 4):
            yield b"".join(parts)
            parts = []
        at += 7 + length


def test_mlflow(run, monkeypatch):
    folder, recorder, *_ = run
    tracking = pytest.importorskip("mlflow.tracking", reason="mlflow isn't installed")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    client = tracking.MlflowClient(f"file:{folder / 'mlflow'}")
    (found,) = client.search_runs([client.get_experiment_by_name("rheostax").experiment_id])
    assert (found.info.run_name, found.info.status) == ("first", "FINISHED")
    assert found.data.params["learning_rate"] == repr(RATE)
    assert found.data.params["tags.a"] == "1"
    assert found.data.tags["reason"] == "the recorder was closed"
    losses = client.get_metric_history(found.info.run_id, "loss")
    assert str([(metric.step, metric.value) for metric in losses]) == str([(r["count"], r["loss"]) for r in recorder if "loss" in r])
    rates = client.get_metric_history(found.info.run_id, "learning_rate")
    assert [metric.value for metric in rates] == [record["learning_rate"] for record in recorder]
    assert [metric.value for metric in client.get_metric_history(found.info.run_id, "val loss_")] == [0.5]
    artifacts = Path(found.info.artifact_uri.removeprefix("file://"))
    assert json.loads((artifacts / "journal.jsonl").read_text())["count"] == 3
    assert json.loads((artifacts / "summary.json").read_text())["count"] == 6
    log = read_run(folder / "mlflow")  # the only run below it
    assert (log.kind, log.config["learning_rate"], log.config["tags.a"], log.notes) == ("mlflow", repr(RATE), 1, [])
    assert ([one["count"] for one in log.journal], log.journal_lacks, log.updates) == ([3], None, 6)
    assert str(log.series["loss"].value.tolist()) == str([record["loss"] for record in recorder if "loss" in record])
    assert log.learning_rate[""].value.tolist() == [record["learning_rate"] for record in recorder]


class Fails(Sink):
    """Raise in the k-th call of one method."""

    def __init__(self, method, k=1, error=None):
        self.dropped = 0
        self.calls = []

        def wrapped(what):
            self.calls.append(what)
            if len(self.calls) == k:
                raise error or OSError("no space left")

        setattr(self, method, wrapped)

    def __repr__(self):
        return "Fails()"

    def drop(self):
        self.dropped += 1
        raise RuntimeError("and this fails too")


@pytest.mark.parametrize(("method", "k", "until"), [("write", 1, 0), ("write", 2, 2), ("decide", 1, 2), ("close", 1, 6)])
@pytest.mark.parametrize("first", [True, False])
def test_a_sink_that_fails_is_reported_once_and_harms_nobody(tmp_path, method, k, until, first):
    bad, good = Fails(method, k), JsonLines(tmp_path / "run")
    sinks = [bad, good] if first else [good, bad]
    with pytest.warns(rx.RheostaxWarning) as caught, rx.Recorder(start(), sinks, every=2) as recorder:
        train(recorder)
    (warning,) = caught
    says = f"Fails() failed in {method}() and gets nothing more; OSError: no space left. It has the records before update {until:,};"
    assert str(warning.message).startswith(says)
    assert (len(bad.calls), bad.dropped) == (k, 1)
    assert recorder.failed == {"Fails()": "OSError: no space left"}
    log = read_run(tmp_path / "run")
    assert log.notes == []
    assert len(log.series["loss"]) == 6
    assert len(log.journal) == 1
    if method != "close":
        assert log.summary["warnings"][-1] == "Fails() failed: OSError: no space left"


def test_where_warnings_are_errors_the_other_sinks_have_had_their_turn(tmp_path):
    recorder = rx.Recorder(start(), [Fails("write"), JsonLines(tmp_path / "run")], every=2)
    with pytest.raises(rx.RheostaxWarning, match="no space left"):
        train(recorder)
    assert len(RunDirectory(tmp_path / "run").read_lines("metrics.jsonl")) == 2
    recorder.close()
    assert recorder.failed == {"Fails()": "OSError: no space left"}


def test_an_interruption_is_no_failure_of_a_sink():
    recorder = rx.Recorder(start(), Fails("write", error=KeyboardInterrupt()), every=2)
    with pytest.raises(KeyboardInterrupt):
        train(recorder)


@contextlib.contextmanager
def limited(size):
    """Let no file grow beyond a size, as a full disk does."""
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, old[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)


def fill(recorder, n=60):
    recorder.flush()
    with limited(2500):
        for k in range(n):
            recorder.noted(STATES[1], k, {"loss": float(k), "a_metric_with_a_long_name": 1.0})
        recorder.close()


def test_a_disk_that_is_full_costs_what_did_not_fit(tmp_path):
    """A run directory breaks off; it is readable up to there, and the shorter CSV beside it is whole."""
    train(rx.Recorder(start()))
    recorder = rx.Recorder(start(), [JsonLines(tmp_path / "run"), Csv(tmp_path / "run.csv")], every=2)
    with pytest.warns(rx.RheostaxWarning, match=r"JsonLines.* failed in write\(\) .*OSError: \[Errno 27\] File too large") as caught:
        fill(recorder)
    assert len(caught) == 1
    whole, cut = read_run(tmp_path / "run.csv"), read_run(tmp_path / "run")
    np.testing.assert_array_equal(whole.series["loss"].value, np.arange(60))
    n = len(cut.series["loss"])
    assert 10 < n < 60
    np.testing.assert_array_equal(cut.series["loss"].value, np.arange(n))
    assert any("cut in its last line" in note for note in cut.notes)
    assert any("summary.json is missing" in note for note in cut.notes)


def test_a_csv_on_a_full_disk_keeps_its_whole_rows(tmp_path):
    train(rx.Recorder(start()))
    recorder = rx.Recorder(start(), [Csv(tmp_path / "run.csv"), Clu(clu := FakeClu())], every=2)
    with pytest.warns(rx.RheostaxWarning, match=r"Csv.* failed in write\(\) .*File too large"):
        fill(recorder, 200)
    assert sum(call[0] == "scalars" for call in clu.calls) == 200
    rows = (tmp_path / "run.csv").read_text().split("\n")[:-1]
    assert [float(row.split(",")[0]) for row in rows[1:]] == list(range(len(rows) - 1))
    assert len(rows) > 30


def test_a_csv_that_has_no_room_for_a_column_stays_as_it_was(tmp_path):
    train(rx.Recorder(start()))
    sink = Csv(tmp_path / "run.csv")
    recorder = rx.Recorder(start(), sink, every=2)
    for k in range(20):
        recorder.noted(STATES[1], k, {"loss": float(k)})
    recorder.noted(STATES[1], 20, {"late": 1.0})
    before = (tmp_path / "run.csv").read_text()
    with limited(len(before)), pytest.warns(rx.RheostaxWarning, match="File too large"):
        recorder.flush()
    assert (tmp_path / "run.csv").read_text() == before
    assert [path.name for path in tmp_path.iterdir()] == ["run.csv"]


def test_a_file_that_was_closed_is_a_failure_too(tmp_path):
    sink = JsonLines(tmp_path / "run")
    recorder = rx.Recorder(start(), sink, every=2)
    sink.folder._streams["metrics.jsonl"].close()
    with pytest.warns(rx.RheostaxWarning, match=r"JsonLines\(.*ValueError: I/O operation on closed file"):
        train(recorder)
    recorder.close()
    assert len(recorder) == 7


def test_before_the_training_a_mistake_is_an_error_and_leaves_nothing_open(tmp_path):
    (tmp_path / "there.csv").write_text("mine")
    (tmp_path / "file").write_text("mine")
    for sink, says in (
        (JsonLines(tmp_path), "exists already"),
        (Csv(tmp_path / "there.csv"), "exists already.*overwrite=True"),
        (Csv(tmp_path / "file" / "x.csv"), "can't be made"),
    ):
        with pytest.raises(RunError, match=says):
            rx.Recorder(start(), [Csv(tmp_path / "other.csv", overwrite=True), sink])
    assert (tmp_path / "there.csv").read_text() == "mine"
    rx.Recorder(start(), Csv(tmp_path / "there.csv", overwrite=True)).close()
    assert (tmp_path / "there.csv").read_text() == ""


def test_groups_have_a_column_each(tmp_path):
    params = {"a": jnp.ones(1), "b": jnp.ones(1)}
    state = rx.control(optax.sgd, 0.1 * rx.Groups({"a": 1.0, "b": 0.5})).init(params)
    with rx.Recorder(state, [Csv(tmp_path / "run.csv"), JsonLines(tmp_path / "run")], every=1) as recorder:
        recorder.updated(state, loss=1.0)
    with (tmp_path / "run.csv").open(newline="") as file:
        assert next(csv.reader(file)) == ["count", "learning_rate/a", "learning_rate/b", "loss", "time"]
    assert RunDirectory(tmp_path / "run").read_lines("metrics.jsonl")[0]["learning_rate"] == {"a": 0.1, "b": 0.05}
    for path in ("run.csv", "run"):
        assert set(read_run(tmp_path / path).learning_rate) == {"a", "b"}


@pytest.mark.parametrize(("sink", "extra"), [(TensorBoard, "tensorboard"), (WandB, "wandb"), (MLflow, "mlflow"), (Terminal, "train")])
def test_a_missing_package_names_its_extra(monkeypatch, sink, extra):
    import importlib

    real = importlib.import_module

    def absent(name):
        if name.partition(".")[0] in ("tensorboardX", "wandb", "mlflow", "rich"):
            raise ModuleNotFoundError(name=name)
        return real(name)

    monkeypatch.setattr("importlib.import_module", absent)
    with pytest.raises(MissingExtraError, match=rf"rheostax\[{extra}\]"):
        sink(*(["x"] if sink is TensorBoard else []))
