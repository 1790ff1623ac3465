"""Whatever a file holds: it is read, or refused by one of rheostax's own errors. What is read makes no rate that isn't a number."""

import csv
import io
import json
import math
import tempfile
import time
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import rheostax as rx
from rheostax import forecast
from rheostax._words import say
from rheostax.checkpoint._carry import KEEP, Carried, carry
from rheostax.checkpoint._header import Header, put_position
from rheostax.checkpoint._saved_rate import FORMAT, read_rate, write_rate
from rheostax.cli.preview import look
from rheostax.errors import RheostaxError
from rheostax.record import RunDirectory
from rheostax.record._saved import arrays_of, chunk_of, decisions_from
from rheostax.report import report
from rheostax.training.resume import checked

FUZZ = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck), database=None, derandomize=True)
WORDS = [
    "count", "step", "epoch", "time", "lr", "learning_rate", "loss", "val_loss", "updates_per_epoch", "goal", "seconds", "reason", "groups",
    "old_learning_rate", "new_learning_rate", "value", "best", "metric", "policy", "why", "batch_size", "Constant",
    "format", "json", "bytes", "nan", "-inf", "0x7fc00001",
]  # fmt: skip
NUMBERS = st.integers() | st.floats() | st.sampled_from([0, -1, -0.5, 2**31, 2**63, 10**400, -(10**400), 1e308, True])
LEAVES = st.none() | st.booleans() | NUMBERS | st.text(max_size=6) | st.sampled_from(WORDS)
DATA = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4) | st.sampled_from(WORDS), inner, max_size=5),
    max_leaves=10,
)


@st.composite
def mutated(draw, valid):
    """A valid document, in which one to three places hold something else, or nothing."""
    document = json.loads(json.dumps(valid))
    for _ in range(draw(st.integers(1, 3))):
        place, parent = document, None
        while isinstance(place, dict | list) and place and draw(st.integers(0, 3)):
            key = draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
            parent, place = (place, key), place[key]
        if parent is None:
            continue
        holder, key = parent
        if isinstance(holder, dict) and draw(st.booleans()) and draw(st.booleans()):
            del holder[key]
        else:
            holder[key] = draw(DATA | st.just(place).map(lambda one: [one]))
    return document


@st.composite
def damaged(draw, text):
    """A valid text with bytes changed, cut out or doubled."""
    data = bytearray(text)
    for _ in range(draw(st.integers(0, 4))):
        at, length = draw(st.integers(0, max(len(data) - 1, 0))), draw(st.integers(0, 12))
        data[at : at + length] = draw(
            st.sampled_from([b"", b"\0", b"\xff", b"\n", b'"', b",", b"-", b"9" * 400, b"nan", b"{", b"\xe2\x80\xa8"])
        )
    return bytes(data)


def refused(read, *arguments):
    """Return what is read, or None where it is refused."""
    try:
        return read(*arguments)
    except RheostaxError:
        return None


RATE = rx.Warmup(3) * rx.Cosine(0.1, 50) * rx.ReduceOnPlateau(monitor="loss", patience=2, factor=0.5)
PARAMS = {"w": jnp.ones(1)}
TX = rx.control(optax.sgd, RATE)
STATE = TX.update(PARAMS, rx.observe(TX.init(PARAMS), loss=1.0), PARAMS)[1]
SAVED = write_rate(STATE)
LIKES = {
    "same": TX.init(PARAMS),
    "other numbers": rx.control(optax.sgd, rx.Warmup(3) * rx.Cosine(0.2, 50) * rx.ReduceOnPlateau(monitor="loss")).init(PARAMS),
    "other": rx.control(optax.sgd, rx.Linear(0.1, 0.0, 9)).init(PARAMS),
}


@settings(FUZZ, max_examples=100)
@given(mutated(SAVED) | DATA, st.sampled_from(list(LIKES)), st.sampled_from(KEEP))
def test_a_saved_rate(saved, like, keep):
    state = refused(lambda: carry(read_rate(saved, FORMAT), LIKES[like], keep, Carried()))
    if state is not None:
        rate = float(rx.learning_rate(state))
        assert math.isfinite(rate)
        assert rate >= 0
        assert int(state.body.count) >= 0
        write_rate(state)


HEADER = {
    "format": FORMAT, "rheostax": "1", "count": 1, "parts": ["params"],
    "arrays": {"params/w": ["float32", [1]]}, "rates": {"opt_state": SAVED},
    "data": {"moves": False, "json": {"epoch": 1, "index": 2}}, "recorder": None,
}  # fmt: skip


@FUZZ
@given(mutated(HEADER) | DATA)
def test_a_header(found):
    header = refused(Header.read, found)
    if header is not None:
        assert header.count >= 0
        refused(put_position, header.data, None)


DECISION = {
    "count": 3, "policy": "ReduceOnPlateau()", "metric": "loss", "value": 1.0, "best": 0.5, "old_learning_rate": 0.1,
    "new_learning_rate": {"head": 0.05, "rest": 0.01}, "why": "it was time",
}  # fmt: skip


@FUZZ
@given(mutated([DECISION, DECISION]) | DATA)
def test_the_decisions_of_a_recorder(records):
    for decision in refused(decisions_from, records) or []:
        assert str(decision)


@FUZZ
@given(st.dictionaries(
    st.sampled_from(["count", "time", "learning_rate/%3D/where", "learning_rate/%3D/values", "metric/%3Dloss/float32/where",
                     "metric/%3Dloss/float32/values", "where", "/where", "/values"]),
    st.lists(st.integers(-9, 9), max_size=4).map(np.array) | st.lists(st.floats(), max_size=4).map(np.array) | st.just(np.zeros(())),
    min_size=3,
))  # fmt: skip
def test_the_records_of_a_recorder(arrays):
    chunk = refused(chunk_of, arrays)
    if chunk is not None:
        arrays_of([chunk])


CONFIG = {"task": "mine", "learning_rate": "Constant(0.1)", "updates_per_epoch": 2, "goal": ["loss", "min"], "batch_size": 8, "seed": 1}
SUMMARY = {"count": 3, "reason": "over", "seconds": 1.5}
RECORD = {"count": 1, "epoch": 0.5, "learning_rate": 0.1, "loss": 1.0, "time": 0.75}
GROUPED = {"count": 2, "learning_rate": {"head": 0.1, "rest": 0.2}, "loss": None, "val_loss": 2.0, "time": 0.8}


def lines(documents):
    return "".join(json.dumps(one) + "\n" for one in documents).encode()


def told(path):
    """Read a run, and everything that is told of it."""
    log = refused(rx.read_run, path)
    if log is not None:
        for series in (*log.series.values(), *log.learning_rate.values()):
            assert np.all(np.diff(series.count) > 0)
            assert np.all(series.count >= 0)
        json.dumps(refused(lambda: report([log]).to_json()), allow_nan=False)
        refused(forecast.read_curve, path)


@FUZZ
@given(
    mutated(CONFIG) | DATA,
    mutated(SUMMARY) | DATA,
    st.lists(mutated(RECORD) | mutated(GROUPED) | DATA, max_size=12),
    st.lists(mutated(DECISION) | DATA, max_size=3),
)
def test_a_run_directory(config, summary, records, journal):
    with tempfile.TemporaryDirectory() as folder:
        for name, content in {
            "config.json": json.dumps(config).encode(),
            "summary.json": json.dumps(summary).encode(),
            "metrics.jsonl": lines(records),
            "journal.jsonl": lines(journal),
        }.items():
            Path(folder, name).write_bytes(content)
        told(folder)


WHOLE = {
    "config.json": json.dumps(CONFIG).encode(),
    "summary.json": json.dumps(SUMMARY).encode(),
    "metrics.jsonl": lines([RECORD | {"count": i} for i in range(9)] + [GROUPED | {"count": 9}]),
    "journal.jsonl": lines([DECISION]),
}


@FUZZ
@given(st.data())
def test_a_damaged_run_directory(data):
    with tempfile.TemporaryDirectory() as folder:
        for name, content in WHOLE.items():
            Path(folder, name).write_bytes(data.draw(damaged(content)))
        told(folder)


def table(rows):
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    return out.getvalue().encode()


CELLS = (
    st.floats().map(str) | st.integers().map(str) | st.text(max_size=4) | st.sampled_from(["", "1", "2", "1e400", "nan", " 3 ", "1_000"])
)
TABLE = table([["step", "lr", "loss", "time"], *[[i, 0.1, 1.0 / (i + 1), i] for i in range(9)]])


@FUZZ
@given(
    damaged(TABLE)
    | st.lists(st.lists(CELLS, min_size=3, max_size=3), max_size=9).map(lambda rows: table([["step", "lr", "loss"], *rows]))
    | st.lists(st.lists(CELLS | st.sampled_from(WORDS), max_size=4), max_size=5).map(table)
    | st.binary(max_size=60),
    st.sampled_from(["log.csv", "metrics.csv", "log.jsonl", "events.out.tfevents.1"]),
)
def test_a_file(content, name):
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, name).write_bytes(content)
        told(Path(folder, name))


@pytest.fixture(scope="module")
def events(tmp_path_factory):
    from tensorboardX import SummaryWriter

    folder = tmp_path_factory.mktemp("events")
    with SummaryWriter(str(folder)) as writer:
        for i in range(4):
            writer.add_scalar("loss", 1.0 / (i + 1), i, walltime=1e9 + i)
    return next(folder.iterdir()).read_bytes()


@FUZZ
@given(st.data())
def test_an_event_file(events, data):
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "events.out.tfevents.1").write_bytes(data.draw(damaged(events)))
        told(Path(folder))


PREVIEW = {
    "learning_rate": {"Constant": {"value": 0.1}},
    "total_steps": 10,
    "steps_per_epoch": 2,
    "batch_size": 4,
    "dataset_size": 8,
    "epochs": 3,
}
SIZES = dict.fromkeys(
    ["total_steps", "steps_per_epoch", "batch_size", "dataset_size", "tokens_per_sample", "updates_per_epoch", "epochs"], DATA
)


@FUZZ
@given(
    mutated(PREVIEW).map(json.dumps)
    | st.fixed_dictionaries({"learning_rate": st.just("Warmup('1ep') * Constant(1.0)") | DATA}, optional=SIZES).map(json.dumps)
    | DATA.map(json.dumps)
    | st.text(max_size=40),
    st.sampled_from(["rate.json", "rate.yaml"]),
)
def test_a_configuration(text, name):
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, name).write_text(text, "utf-8")
        refused(look, str(Path(folder, name)))


@FUZZ
@given(mutated({"moves": True, "json": {"epoch": 0, "index": 0}}) | DATA)
def test_a_position(saved):
    refused(put_position, saved, None)


POSITION = {
    "epochs": 2, "done": 3, "diverged": False, "learning_rate": {"head": 0.1, "rest": 0.2}, "metrics": {"val_loss": 1.0},
    "best": {"val_loss": 0.5, "epoch": 1}, "warnings": ["the loss is large"], "seconds": 1.5,
    "streams": {"metrics.jsonl": 0, "journal.jsonl": 0},
}  # fmt: skip


@FUZZ
@given(st.data())
def test_where_a_training_was(data):
    """With one field changed: what a resumed training does with it goes through, or it is refused."""
    name = data.draw(st.sampled_from(sorted(POSITION)))
    near = mutated([POSITION[name]]).map(lambda one: one[0] if isinstance(one, list) and one else one)
    found = refused(checked, POSITION | {name: data.draw(near | NUMBERS | DATA)}, "val_loss")
    if found is None:
        return
    assert math.isfinite(time.perf_counter() - found["seconds"])
    assert say(found["learning_rate"])
    min([0.5, *found["best"].values(), *found["metrics"].values()])  # as a validation compares them
    "".join(found["warnings"])
    with tempfile.TemporaryDirectory() as folder:
        refused(RunDirectory.create(Path(folder, "run")).cut, found["streams"])


def test_an_undamaged_position_is_read():
    assert checked(POSITION, "val_loss") == POSITION
    assert checked(POSITION | {"best": {}, "learning_rate": 0.1, "metrics": {}}, "val_loss")["best"] == {}
    for name, wrong in {
        "best": {"epoch": 1},
        "metrics": {"val_loss": "low"},
        "warnings": [3],
        "done": -1,
        "epochs": True,
        "seconds": 10**400,
    }.items():
        assert refused(checked, POSITION | {name: wrong}, "val_loss") is None
