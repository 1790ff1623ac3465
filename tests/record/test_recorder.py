"""What is recorded is what happened, however the loop is written, and nothing is waited for at every update."""

import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

import rheostax as rx
from rheostax.record import MetricWriter, Sink, Snapshots, decisions, snapshot

UPDATES = 12
LOSSES = np.float32([3.0, 2.0, 2.0, 2.0, 2.0, 1.5, 1.5, np.nan, 1.5, 1.5, 1.0, 0.1])
RATE = rx.Warmup(3) * rx.Linear(0.1, 0.01, 10) * rx.ReduceOnPlateau(patience=2, factor=0.5)
TX = rx.control(optax.sgd, RATE)
PARAMS = jnp.ones(2)
RATES = rx.simulate(RATE, UPDATES, {"value": LOSSES})
CUTS = [3, 8]  # at the second value in a row that isn't better; NaN is left out


def update(state, loss):
    return TX.update(PARAMS, state, PARAMS, value=loss)[1], loss


step = jax.jit(update)
donating = jax.jit(update, donate_argnums=0)
telling = jax.jit(lambda state, loss: ((new := update(state, loss)[0]), snapshot(new), loss), donate_argnums=0)


telling_all = jax.jit(lambda state, loss: ((new := update(state, loss)[0]), snapshot(new, loss=loss)), donate_argnums=0)


class Kept(Sink):
    """Keep what comes, batch by batch."""

    def __init__(self):
        self.batches, self.decisions, self.config, self.summary, self.dropped = [], [], None, None, False

    def open(self, config):
        self.config = config

    def write(self, records):
        self.batches.append(list(records))

    def decide(self, found):
        self.decisions.append(list(found))

    def close(self, summary):
        self.summary = summary

    def drop(self):
        self.dropped = True

    @property
    def records(self):
        return [record for batch in self.batches for record in batch]


def per_update(function):
    def loop(recorder, state):
        for loss in LOSSES:
            state, value = function(state, loss)
            recorder.updated(state, loss=value)

    return loop


def with_snapshots(recorder, state):
    for loss in LOSSES:
        state, seen, value = telling(state, loss)
        recorder.updated(seen, loss=value)


def with_metrics_in_snapshots(recorder, state):
    for loss in LOSSES:
        state, seen = telling_all(state, loss)
        recorder.updated(seen)


def scanned(recorder, state):
    def body(state, loss):
        state, loss = update(state, loss)
        return state, (snapshot(state), loss)

    for half in jnp.split(LOSSES, 2):
        state, (seen, losses) = jax.jit(functools.partial(jax.lax.scan, body))(state, half)
        recorder.scanned(seen, loss=losses)


@functools.partial(jax.jit, donate_argnums=(0, 1))
def collecting(state, snapshots, loss):
    state, loss = update(state, loss)
    return state, snapshots.add(snapshot(state, loss=loss))


def collected(recorder, state):
    snapshots = Snapshots.empty(snapshot(state, loss=0.0), 5)
    for i, loss in enumerate(LOSSES, start=1):
        state, snapshots = collecting(state, snapshots, loss)
        if i % 5 == 0:
            recorder.scanned(snapshots)
            snapshots = snapshots.cleared()
    recorder.scanned(snapshots)


def scanned_with_metrics(recorder, state):
    for half in jnp.split(LOSSES, 2):
        state, seen = jax.jit(functools.partial(jax.lax.scan, telling_all))(state, half)
        recorder.scanned(seen)


LOOPS = {
    "jit": per_update(step),
    "donating": per_update(donating),
    "snapshots": with_snapshots,
    "metrics in snapshots": with_metrics_in_snapshots,
    "scan": scanned,
    "collected": collected,
    "metrics in a scan's snapshots": scanned_with_metrics,
}


@pytest.mark.parametrize("loop", LOOPS.values(), ids=LOOPS)
def test_what_is_recorded_is_what_happened(loop):
    state, sink = TX.init(PARAMS), Kept()
    with rx.Recorder(state, sink, every=4) as recorder:
        loop(recorder, state)
    history = recorder.history
    assert list(history) == ["count", "learning_rate", "loss", "time"]
    np.testing.assert_array_equal(history["count"], np.arange(UPDATES))
    np.testing.assert_allclose(history["learning_rate"], RATES, rtol=3e-7)
    np.testing.assert_array_equal(history["loss"], LOSSES)
    assert np.all(np.diff(history["time"]) >= 0)
    assert [decision.count for decision in recorder.decisions] == CUTS
    assert [decision for batch in sink.decisions for decision in batch] == recorder.decisions
    assert recorder.nonfinite == {"loss": 1}
    assert len(recorder) == UPDATES
    records = [{name: value for name, value in record.items() if name != "time"} for record in sink.records]
    assert records[1] == {"count": 1, "learning_rate": float(str(RATES[1])), "loss": 2.0}
    assert str(list(recorder)) == str(sink.records)  # NaN isn't equal to itself
    assert sink.summary["count"] == UPDATES
    assert sink.summary["metrics"] == {"loss": 0.1}  # with the fewest digits, not 0.10000000149
    assert sink.summary["warnings"] == ["ReduceOnPlateau left out 1 NaN or infinite value of 'value'"]
    assert sink.config["learning_rate"] == repr(RATE)


@pytest.mark.parametrize("kind", [rx.Optimizer, nnx.Optimizer])
def test_nnx_optimizers_and_observations_between_updates(kind):
    model = nnx.Linear(2, 1, rngs=nnx.Rngs(0))
    rate = 0.1 * rx.ReduceOnPlateau(monitor="val_loss", patience=1, factor=0.5) * rx.ReduceOnPlateau(patience=2, factor=0.9)
    optimizer = kind(model, rx.control(optax.adam, rate), wrt=nnx.Param)

    @nnx.jit
    def train(model, optimizer):
        loss, grads = nnx.value_and_grad(lambda model: (model(jnp.ones((4, 2))) ** 2).mean())(model)
        optimizer.update(model, grads, value=1.0)
        return loss

    recorder, expected, losses, rates = rx.Recorder(optimizer), [], [], []

    def remember(before):
        expected.extend(decisions(before, control(optimizer)))

    for _ in range(3):
        for _ in range(2):
            before = jax.device_get(control(optimizer))
            losses.append(train(model, optimizer))
            recorder.updated(optimizer, loss=losses[-1])
            remember(before)
            rates.append(rx.learning_rate(optimizer))
        before = control(optimizer)
        rx.observe(optimizer, val_loss=0.5)
        recorder.observed(optimizer, val_loss=0.5, examples=7, unknown=None)
        remember(before)
    history = recorder.history
    np.testing.assert_array_equal(history["count"], [0, 1, 2, 2, 3, 4, 4, 5, 6])
    np.testing.assert_array_equal(history["val_loss"][[2, 5, 8]], [0.5] * 3)
    updates = np.isnan(history["val_loss"])
    np.testing.assert_array_equal(np.isnan(history["loss"]), ~updates)
    np.testing.assert_array_equal(history["loss"][updates], np.float32(losses))
    np.testing.assert_array_equal(history["learning_rate"][updates], np.float32(rates))
    assert history["examples"][2] == 7
    assert recorder.decisions == expected
    assert {decision.metric for decision in expected} == {"val_loss", "value"}


def control(optimizer):
    state = rx.state.controls(rx.state.opt_state(optimizer))[""]
    return state._replace(inner=())


def test_a_batch_is_sent_when_it_is_full_and_the_newest_wait():
    state, sink = TX.init(PARAMS), Kept()
    with rx.Recorder(state, sink, every=4) as recorder:
        for _ in range(11):
            state, _ = step(state, 1.0)
            recorder.updated(state)
        assert [len(batch) for batch in sink.batches] == [4, 4]
        recorder.flush()
        assert [len(batch) for batch in sink.batches] == [4, 4, 3]
    for x in state, snapshot(state):
        every, now = Kept(), Kept()
        old, often = rx.Recorder(state, every, seconds=0.0), rx.Recorder(state, now, every=1)
        for _ in range(3):
            old.updated(x)
            often.updated(x)
        assert [len(batch) for batch in now.batches] == [1, 1, 1]
        assert sum(map(len, every.batches)) == 2  # the newest is not older than 0 seconds
        often.close()
        with pytest.raises(rx.ArgumentError, match="it was closed"):
            often.updated(x)
        assert len(often) == 3


@pytest.mark.parametrize("every", [1, 4, 1000])
def test_each_way_to_hand_over_may_follow_each_other(every):
    """Many in a row of one kind, and a change of the kind at every place."""
    ways = {
        "one metric": (lambda recorder, state, k: recorder.updated(snapshot(state, a=float(k))), {"a"}),
        "two metrics": (lambda recorder, state, k: recorder.updated(snapshot(state, a=float(k), b=float(k))), {"a", "b"}),
        "no metric": (lambda recorder, state, k: recorder.updated(snapshot(state)), set()),
        "one beside": (lambda recorder, state, k: recorder.updated(snapshot(state), b=jnp.float32(k)), {"b"}),
        "the state": (lambda recorder, state, k: recorder.updated(state, b=float(k)), {"b"}),
        "observed": (lambda recorder, state, k: recorder.observed(snapshot(state, a=float(k))), {"a"}),
        "noted": (lambda recorder, state, k: recorder.noted(snapshot(state), 900 + k, {"a": float(k)}), {"a"}),
        "scanned": (lambda recorder, state, k: recorder.scanned(snapshot(state, a=float(k))[None]), {"a"}),
    }
    state, applied = TX.init(PARAMS), 0
    recorder = rx.Recorder(state, every=every)
    want = {"count": [], "a": [], "b": []}
    for k, name in enumerate(np.repeat(np.random.default_rng(0).choice(list(ways), 60), 2)):
        hand_over, metrics = ways[name]
        if name not in ("observed", "noted"):
            state, applied = step(state, 1.0)[0], applied + 1
        hand_over(recorder, state, k)
        want["count"].append({"observed": applied, "noted": 900 + k}.get(name, applied - 1))
        for metric in "ab":
            want[metric].append(k if metric in metrics else np.nan)
    for name, column in want.items():
        np.testing.assert_array_equal(recorder.history[name], column, err_msg=name)


def test_recording_goes_on_where_a_run_is_resumed():
    state = TX.init(PARAMS)
    for loss in LOSSES[:5]:
        state, _ = step(state, loss)
    recorder = rx.Recorder(state)
    for loss in LOSSES[5:]:
        state, _ = step(state, loss)
        recorder.updated(state)
    np.testing.assert_array_equal(recorder.history["count"], np.arange(5, UPDATES))
    assert [decision.count for decision in recorder.decisions] == CUTS[1:]


def test_a_loop_that_begins_to_donate_loses_one_record_and_says_so():
    state, sink = TX.init(PARAMS), Kept()
    recorder = rx.Recorder(state, sink)
    for k in range(6):
        state, _ = (step if k < 3 else donating)(state, 1.0)
        recorder.updated(state)
    with pytest.warns(rx.RheostaxWarning, match="'learning_rate' was deleted before it was fetched.*left out"):
        recorder.close()
    assert [record["count"] for record in sink.records] == [0, 1, 3, 4, 5]
    assert any("1 update went by without being recorded" in warning for warning in sink.summary["warnings"])


def test_a_metric_that_a_loop_deletes_is_nan_and_named():
    state, loss = TX.init(PARAMS), jnp.float32(1.0)
    recorder = rx.Recorder(state)
    add = jax.jit(lambda total: total + 1, donate_argnums=0)
    for _ in range(4):
        state, _ = step(state, 1.0)
        recorder.updated(state, total=loss, other=jnp.float32(2.0))
        loss = add(loss)
    with pytest.warns(rx.RheostaxWarning, match=r"'total' was deleted .*jnp.copy\(total\)"):
        history = recorder.history
    np.testing.assert_array_equal(history["count"], range(4))
    np.testing.assert_array_equal(history["other"], [2.0] * 4)
    np.testing.assert_array_equal(history["total"], [1.0, 2.0, np.nan, np.nan])  # copied until it is known that the state isn't donated


@pytest.mark.parametrize("gone", [[2], [0], [4], [0, 1, 2, 3], [3, 4, 7]], ids=str)
def test_a_snapshot_that_a_loop_deletes_takes_no_other_with_it(gone):
    """Four with one metric and four with two, on the way that is made for speed and on the other."""
    state, sink = TX.init(PARAMS), Kept()
    recorder = rx.Recorder(state, sink)
    for k in range(8):
        state, _ = step(state, 1.0)
        seen = snapshot(state, a=float(k), **({"b": float(k)} if k > 3 else {}))
        recorder.updated(seen)
        if k in gone:
            seen.delete()
    with pytest.warns(rx.RheostaxWarning, match="'learning_rate' was deleted before it was fetched"):
        recorder.flush()
    left = [k for k in range(8) if k not in gone]
    np.testing.assert_array_equal(recorder.history["a"], left)
    np.testing.assert_array_equal(recorder.history["b"], [k if k > 3 else np.nan for k in left])


def test_an_interruption_leaves_what_is_waiting(monkeypatch):
    state = TX.init(PARAMS)
    recorder = rx.Recorder(state)
    for k in range(3):
        state, _ = step(state, 1.0)
        recorder.updated(state, loss=jnp.float32(k))

    def interrupted(entries):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(recorder._intake, "fetch", interrupted)
        with pytest.raises(KeyboardInterrupt):
            recorder.flush()
    np.testing.assert_array_equal(recorder.history["loss"], range(3))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"unrecorded": float("inf")}, "unrecorded is inf"),
        ({"unrecorded": -3}, "unrecorded is -3"),
        ({"nonfinite": {"a": "x"}}, "nonfinite is {'a': 'x'}"),
        ({"seconds": None}, "seconds is None"),
        ({"seconds": float("nan")}, "seconds is nan"),
        ({"sinks": [3]}, r"sinks is \[3\]"),
        ({"decisions": None}, "decisions is None"),
        ({"more": 1}, "it must have unrecorded, nonfinite, decisions, seconds, sinks"),
    ],
)
def test_a_damaged_recorder_is_told_in_one_sentence_and_changes_nothing(changes, says):
    recorder = rx.Recorder(TX.init(PARAMS))
    state, _ = step(TX.init(PARAMS), 1.0)
    recorder.updated(state, loss=1.0)
    told, arrays = recorder.saved()
    with pytest.raises(rx.StateError, match=f"^The checkpoint's recorder is damaged: {says}\\.$"):
        recorder.resume(state, told | changes, arrays)
    for broken, why in ({"count": None}, "KeyError"), ({"metric/%3Dloss/float64/values": np.array(["x"])}, "has no numbers"):
        with pytest.raises(rx.StateError, match=f"^The checkpoint's recorder is damaged: [^:]*{why}"):
            recorder.resume(state, told, {name: array for name, array in (arrays | broken).items() if array is not None})
    np.testing.assert_array_equal(recorder.history["loss"], [1.0])


def test_a_numpy_metric_may_be_changed_afterwards():
    state, total = TX.init(PARAMS), np.zeros(())
    recorder = rx.Recorder(state)
    for _ in range(3):
        state, _ = step(state, 1.0)
        total += 1
        recorder.updated(state, total=total, half=jnp.bfloat16(0.1), whole=jnp.int32(2**24 + 1))
    np.testing.assert_array_equal(recorder.history["total"], [1, 2, 3])
    np.testing.assert_array_equal(recorder.history["whole"], [2**24 + 1] * 3)
    np.testing.assert_array_equal(recorder.history["half"], [float(jnp.bfloat16(0.1))] * 3)


def test_metrics_may_live_on_other_devices_than_the_state():
    state = jax.device_put(TX.init(PARAMS), jax.devices()[1])
    recorder = rx.Recorder(state)
    for k in range(3):
        recorder.updated(state, loss=jax.device_put(jnp.float32(k), jax.devices()[2]))
    np.testing.assert_array_equal(recorder.history["loss"], range(3))


def test_groups_and_several_controls_are_told_apart():
    rate = 0.1 * rx.Groups({"a": 1.0, "b": 0.1})
    grouped = rx.control(optax.sgd, rate)
    params = {"a": jnp.ones(1), "b": jnp.ones(1)}
    recorder = rx.Recorder(grouped.init(params))
    recorder.updated(grouped.update(params, grouped.init(params), params)[1])
    assert next(iter(recorder))["learning_rate"] == {"a": 0.1, "b": pytest.approx(0.01)}
    assert set(recorder.history) == {"count", "learning_rate/a", "learning_rate/b", "time"}

    cut = 0.5 * rx.ReduceOnPlateau(patience=1, factor=0.5)
    parted = optax.partition({"x": rx.control(optax.sgd, cut), "y": rx.control(optax.sgd, 0.2)}, {"a": "x", "b": "y"})
    state = parted.init(params)
    recorder = rx.Recorder(state)
    for _ in range(2):
        state = parted.update(params, state, params, value=1.0)[1]
        recorder.updated(state)
    assert [record["learning_rate"] for record in recorder] == [{"x": 0.5, "y": 0.2}, {"x": 0.25, "y": 0.2}]
    (decision,) = recorder.decisions
    assert (decision.old_learning_rate, decision.new_learning_rate) == ({"x": 0.5}, {"x": 0.25})


def test_micro_batches_have_the_count_of_the_update_that_they_belong_to():
    tx = optax.MultiSteps(rx.control(optax.sgd, rx.Linear(1.0, 0.0, 10)), every_k_schedule=2)
    state = tx.init(PARAMS)
    recorder = rx.Recorder(state)
    for k in range(5):
        _, state = tx.update(PARAMS, state, PARAMS)
        recorder.updated(state, loss=float(k))
    np.testing.assert_array_equal(recorder.history["count"], [0, 0, 1, 1, 2])


def test_updates_that_are_not_recorded_are_counted():
    state, sink = TX.init(PARAMS), Kept()
    with rx.Recorder(state, sink) as recorder:
        for k in range(6):
            state, _ = step(state, 1.0 / (k + 1))
            if k % 3 == 2:
                recorder.updated(state)
    np.testing.assert_array_equal(recorder.history["count"], [2, 5])
    assert sink.summary["warnings"] == ["4 updates went by without being recorded; decisions are exact only where every update is"]


def test_how_a_run_ended():
    state = TX.init(PARAMS)
    told = {}
    for error in (None, KeyboardInterrupt(), ValueError("no data")):
        sink = Kept()
        try:
            with rx.Recorder(state, sink, config={"seed": 3}) as recorder:
                recorder.updated(step(state, 1.0)[0])
                if error:
                    raise error
        except (KeyboardInterrupt, ValueError):
            pass
        assert len(sink.records) == 1
        assert sink.config["seed"] == 3
        told[type(error)] = [sink.summary[name] for name in ("reason", "failed", "interrupted")]
    assert list(told.values()) == [
        ["the recorder was closed", False, False],
        ["interrupted", False, True],
        ["ValueError: no data", True, False],
    ]
    sink = Kept()
    recorder = rx.Recorder(state, sink)
    recorder.close("the data are over", count=-1)
    recorder.close()
    assert (sink.summary["reason"], sink.summary["count"]) == ("the data are over", -1)
    with pytest.raises(rx.ArgumentError, match="closed"):
        recorder.updated(state)


def test_a_loop_with_clus_interface():
    state = TX.init(PARAMS)
    recorder = rx.Recorder(state)
    writer = MetricWriter(recorder, lambda: state)
    state, _ = step(state, 1.0)
    writer.write_scalars(1, {"train/loss": jnp.float32(0.5), "learning_rate": 0.7})
    writer.write_images(1, {"x": np.zeros((1, 2, 2, 1))})
    writer.write_scalars(1, {"eval/loss": 0.25})
    writer.close()
    assert [(r["count"], r["learning_rate"], r.get("train/loss"), r.get("eval/loss")) for r in recorder] == [
        (1, 0.0, 0.5, None),
        (1, 0.0, None, 0.25),
    ]
    model = nnx.Linear(2, 1, rngs=nnx.Rngs(0))
    optimizer = rx.Optimizer(model, TX, wrt=nnx.Param)
    recorder = rx.Recorder(optimizer)
    MetricWriter(recorder, optimizer).write_scalars(4, {"a/b": 1})
    assert recorder.history["a/b"] == 1
    with pytest.raises(AttributeError):
        _ = writer.nothing


@pytest.mark.parametrize(
    ("metrics", "says"),
    [
        ({"loss": jnp.ones(2)}, r"'loss' must be a real scalar, got float32 \[2\]"),
        ({"loss": np.ones((1, 1))}, r"'loss' must be a real scalar, got float64 \[1, 1\]"),
        ({"loss": 1j}, "must be a real scalar, got complex128"),
        ({"loss": "high"}, "must be a real scalar"),
        ({"good": True}, "must be a real scalar, got bool"),
        ({"count": 1.0}, "'count' is a field of every record"),
        ({"learning_rate": jnp.float32(1)}, "'learning_rate' is a field of every record"),
    ],
)
def test_wrong_metrics_are_named_at_once(metrics, says):
    recorder = rx.Recorder(TX.init(PARAMS))
    with pytest.raises(rx.ArgumentError, match=says):
        recorder.updated(TX.init(PARAMS), **metrics)
    assert len(recorder) == 0


def test_a_metric_that_becomes_an_array_is_named_too():
    state = TX.init(PARAMS)
    recorder = rx.Recorder(state)
    for _ in range(3):
        recorder.updated(state, loss=jnp.float32(1))
    with pytest.raises(rx.ArgumentError, match="'loss' must be a real scalar"):
        recorder.updated(state, loss=jnp.ones(3))


def test_a_metric_that_becomes_another_kind_of_number_is_kept_exactly():
    state = TX.init(PARAMS)
    recorder = rx.Recorder(state)
    kinds = [jnp.float32(0.1), jnp.float32(0.2), jnp.bfloat16(0.1), jnp.int32(2**24 + 1), jnp.float16(0.1), 0.1, jnp.float32(0.3)]
    for value in kinds:
        recorder.updated(state, loss=value)
    np.testing.assert_array_equal(recorder.history["loss"], [float(value) for value in kinds])


def test_snapshots_say_what_their_metrics_are_called():
    """Others at each update, of names that are as long, beside others that are handed over."""
    state = TX.init(PARAMS)
    recorder = rx.Recorder(state)
    told = [{"aé": 1.0}, {"bé": 2.0}, {"aé": 3.0, "bé": jnp.bfloat16(0.1)}, {}, {"bé": 4.0, "aé": jnp.float16(0.1)}, {"x": None, "bé": 5.0}]
    for k, metrics in enumerate(told):
        recorder.updated(snapshot(state, **metrics), lr2=jnp.float32(k), **({"host": 0.1} if k == 2 else {}))
    nan = np.nan
    want = {
        "aé": [1, nan, 3, nan, float(jnp.float16(0.1)), nan],
        "bé": [nan, 2, float(jnp.bfloat16(0.1)), nan, 4, 5],
        "lr2": range(6),
        "host": [nan, nan, 0.1, nan, nan, nan],
    }
    history = recorder.history
    assert set(history) == {"count", "learning_rate", "time", *want}
    for name, column in want.items():
        np.testing.assert_array_equal(history[name], column)


@pytest.mark.parametrize(
    ("metrics", "says"),
    [
        ({"loss": jnp.ones(2)}, r"the metric 'loss' must be a float32, bfloat16 or float16 scalar; .*got float32 \[2\]"),
        ({"loss": jnp.int32(1)}, r"hand others to Recorder.updated; got int32 \[\]"),
        ({"loss": 1}, "got int"),
        ({"loss": jnp.complex64(1j)}, r"got complex64 \[\]"),
        ({"time": 1.0}, "'time' is a field of every record"),
    ],
)
def test_what_a_snapshot_cannot_carry_is_refused(metrics, says):
    with pytest.raises(rx.ArgumentError, match=says):
        snapshot(TX.init(PARAMS), **metrics)


def test_what_is_given_twice_or_has_no_label_is_refused():
    state = TX.init(PARAMS)
    seen = snapshot(state, loss=1.0)
    recorder = rx.Recorder(state)
    with pytest.raises(rx.ArgumentError, match="the snapshot carries 'loss' already"):
        recorder.updated(seen, loss=2.0)
    with pytest.raises(rx.ArgumentError, match=r"Recorder.scanned: the snapshot carries 'loss' already"):
        recorder.scanned(seen[None], loss=[2.0])
    recorder.updated(seen)
    recorder.updated(snapshot(state, size=2.0), loss=3.0)  # as long a name
    recorder.updated(seen, loss=4.0)
    recorder.updated(seen, loss=5)
    np.testing.assert_array_equal(recorder.history["loss"], [1.0, 3.0, 4.0, 5.0])
    np.testing.assert_array_equal(recorder.history["size"], [np.nan, 2.0, np.nan, np.nan])
    for wrong in (seen[:-1], seen[None], snapshot(state, metric=1.0).at[-1].set(0), snapshot(state, ab=1.0, c=2.0).at[-1].set(9)):
        with pytest.raises(rx.ArgumentError, match=r"what rheostax\.record\.snapshot returned"):
            recorder.updated(wrong)
    with pytest.raises(rx.ArgumentError, match=r"what rheostax\.record\.snapshot returned, stacked by scan"):
        recorder.scanned(seen.at[-1].set(-1)[None])
    assert len(recorder) == 4


def test_a_collection_keeps_the_newest_in_order():
    state = TX.init(PARAMS)
    snapshots = Snapshots.empty(snapshot(state, loss=0.0), 5)
    assert snapshots.in_order().shape == (0, len(snapshot(state, loss=0.0)))
    with rx.Recorder(state) as recorder:
        for loss in LOSSES:
            state, snapshots = collecting(state, snapshots, loss)
        recorder.scanned(snapshots)
        recorder.scanned(snapshots.cleared())  # nothing
        np.testing.assert_array_equal(recorder.history["count"], range(7, 12))
        np.testing.assert_array_equal(recorder.history["loss"], LOSSES[7:])
        assert "7 updates went by without being recorded" in recorder._ledger.warnings()[-1]
    for count in (4, 5, 6):
        kept = Snapshots.empty(jnp.zeros(2, jnp.int32), 5)
        for i in range(count):
            kept = kept.add(jnp.full(2, i, jnp.int32))
        np.testing.assert_array_equal(kept.in_order()[:, 1], range(max(count - 5, 0), count))
    for wrong, says in [
        (lambda: Snapshots.empty(snapshot(state), 0), r"Snapshots.empty: n must be a whole number >= 1, got 0"),
        (lambda: Snapshots.empty(state, 5), r"Snapshots.empty: snapshot must be what rheostax.record.snapshot returns"),
        (lambda: snapshots.add(snapshot(state)), r"Snapshots.add: snapshot must be like the one that the collection was made for, int32"),
    ]:
        with pytest.raises(rx.ArgumentError, match=says):
            wrong()


def test_what_a_loop_hands_over_waits_for_the_next():
    kept = Kept()
    state = TX.init(PARAMS)
    recorder = rx.Recorder(state, kept)

    @functools.partial(jax.jit, donate_argnums=(0, 1))
    def two(state, snapshots, losses):
        snapshots = snapshots.cleared()  # it gets the array of what waits, unless that was copied
        for loss in losses:
            state, _ = update(state, loss)
            snapshots = snapshots.add(snapshot(state, loss=loss))
        return state, snapshots

    def told():
        return [record["loss"] for record in kept.records]

    state, snapshots = two(state, Snapshots.empty(snapshot(state, loss=0.0), 2), LOSSES[:2])
    recorder.scanned(snapshots)
    np.testing.assert_array_equal(told(), LOSSES[:2])  # the first is looked at
    state, snapshots = two(state, snapshots, LOSSES[2:4])
    recorder.scanned(snapshots)
    state, snapshots = two(state, snapshots, LOSSES[4:6])
    np.testing.assert_array_equal(told(), LOSSES[:2])
    recorder.scanned(snapshots)
    np.testing.assert_array_equal(told(), LOSSES[:4])
    state, loss = update(state, LOSSES[6])
    recorder.updated(state, loss=loss)
    assert len(told()) == 4
    assert len(recorder) == 7
    np.testing.assert_array_equal(told(), LOSSES[:7])
    recorder.seconds = 0.0  # all is too old
    recorder.scanned(snapshots)
    recorder.updated(state, loss=loss)
    assert len(told()) == 10
    at_once = rx.Recorder(state, every=1)
    for _ in range(2):
        at_once.scanned(snapshots)
        assert not at_once._handed


def test_a_wrong_collection_takes_nothing_with_it():
    kept = Kept()
    state = TX.init(PARAMS)
    seen = jnp.stack([snapshot(state, loss=0.5)] * 2)
    wrong = seen.at[:, -1].set(0)

    def failing():
        with rx.Recorder(state, kept) as recorder:
            recorder.scanned(seen)
            recorder.scanned(wrong)
            with pytest.raises(rx.ArgumentError, match="stacked by scan"):
                recorder.scanned(seen)
            recorder.scanned(seen)
            assert len(recorder) == 6
            raise ZeroDivisionError

    def wrong_at_the_end():
        with rx.Recorder(state, kept) as recorder:
            recorder.scanned(seen)
            recorder.scanned(wrong)

    with pytest.raises(ZeroDivisionError):
        failing()
    assert kept.summary["reason"].startswith("ZeroDivisionError")
    kept = Kept()
    with pytest.raises(rx.ArgumentError, match="stacked by scan"):
        wrong_at_the_end()
    assert len(kept.records) == 2
    assert kept.summary["reason"] == "the recorder was closed"
    recorder = rx.Recorder(state)
    recorder.close()
    with pytest.raises(rx.ArgumentError, match="it was closed; make another one to go on"):
        recorder.scanned(seen)


def test_an_interruption_loses_nothing_that_was_handed_over(monkeypatch):
    state = TX.init(PARAMS)
    seen = jnp.stack([snapshot(state, loss=0.5)] * 2)

    def interrupted(handed):
        raise KeyboardInterrupt

    def run(recorder, call):
        with recorder, monkeypatch.context() as patch:
            recorder.scanned(seen)
            recorder.scanned(seen)
            patch.setattr(recorder._intake, "fetch_handed", interrupted)
            call(recorder)

    for call in (rx.Recorder.flush, lambda recorder: recorder.scanned(seen[:1])):  # what is given to the call itself isn't taken
        recorder = rx.Recorder(state)
        with pytest.raises(KeyboardInterrupt):
            run(recorder, call)
        assert len(recorder) == 4


def test_a_collection_that_is_donated_is_written_in_place():
    snapshots = Snapshots.empty(snapshot(TX.init(PARAMS), loss=0.0), 500)
    told = collecting.lower(TX.init(PARAMS), snapshots, LOSSES[0]).compile().as_text()
    rows, width = snapshots.table.shape
    assert f"s32[{rows},{width}]" in told
    assert not re.search(rf"s32\[{rows},{width}\]\S* copy\(", told)


def test_tracers_and_batches_are_not_handed_over():
    state = TX.init(PARAMS)
    seen = jnp.stack([snapshot(state)] * 2)
    recorder = rx.Recorder(state)
    recorder.scanned(seen, extra=jnp.ones(2))
    for traced in (
        recorder.scanned,
        lambda x: recorder.scanned(seen),
        lambda x: recorder.scanned(seen, extra=x[:, 0]),
        lambda x: recorder.scanned(x, extra=np.ones(2)),
    ):
        with pytest.raises(rx.ArgumentError, match=r"it was given tracers; call the recorder outside of jax\.jit"):
            jax.jit(traced)(seen)
    batch = jax.tree.map(lambda leaf: jnp.stack([leaf] * 2), Snapshots.empty(snapshot(state), 3))
    with pytest.raises(rx.ArgumentError, match="a batch of them"):
        recorder.scanned(batch)
    with pytest.raises(rx.ArgumentError, match="a batch of them"):
        batch.add(snapshot(state))
    kept = jax.device_get(Snapshots.empty(snapshot(state), 3).add(snapshot(state)))
    assert kept.in_order().shape == (1, len(snapshot(state)))
    assert kept.cleared().in_order().shape == (0, len(snapshot(state)))


def test_what_is_no_learning_rate_of_this_recorder_is_refused():
    state = TX.init(PARAMS)
    with pytest.raises(rx.StateError, match="no rheostax learning rate"):
        rx.Recorder(optax.adam(1e-3).init(PARAMS))
    with pytest.raises(rx.StateError, match="batch of states"):
        rx.Recorder(jax.tree.map(lambda leaf: jnp.stack([leaf, leaf]), state))
    with pytest.raises(rx.ArgumentError, match="every must be a whole number >= 1, got 0"):
        rx.Recorder(state, every=0)
    with pytest.raises(rx.ArgumentError, match=r"Recorder: seconds must be one number, got "):
        rx.Recorder(state, seconds=np.ones(2))
    with pytest.raises(rx.ArgumentError, match=r"Snapshots\.empty: n must be one number, got "):
        Snapshots.empty(snapshot(state), [3])
    recorder = rx.Recorder(state)
    recorder.updated(snapshot(state, loss=1.0))
    recorder.updated(jnp.zeros_like(snapshot(state, loss=1.0)))
    with pytest.raises(rx.ArgumentError, match="handed over as a snapshot is none"):
        recorder.flush()
    for sinks, got in (("x", "'x'"), (["x"], r"\['x'\]"), (3, "3"), (Kept, "<class")):
        with pytest.raises(rx.ArgumentError, match=f"Recorder: sinks must be a sink or several of them, such as .*, got {got}"):
            rx.Recorder(state, sinks)
    for config in (3, ["x"], "seed=0"):
        with pytest.raises(
            rx.ArgumentError, match=f"Recorder: config must be a dict of settings by name, or None, got {re.escape(repr(config))}"
        ):
            rx.Recorder(state, config=config)
    recorder = rx.Recorder(state)
    other = rx.control(optax.sgd, 0.1).init(PARAMS)
    with pytest.raises(rx.StateError, match="this is another"):
        recorder.updated(other)
    recorder.updated(state)
    with pytest.raises(rx.StateError, match="this is another"):
        recorder.updated(other)
    with pytest.raises(rx.ArgumentError, match=r"snapshot returned: int32 \[\d+\] without metrics; got float32 \[2\]"):
        recorder.updated(jnp.ones(2))
    with pytest.raises(rx.ArgumentError, match=r"stacked by scan.*got int32 \[3, 1\]"):
        recorder.scanned(jnp.ones((3, 1), jnp.int32))
    with pytest.raises(rx.ArgumentError, match=r"the metric 'loss' must be one real number for each of 2 updates"):
        recorder.scanned(jnp.stack([snapshot(state)] * 2), loss=jnp.ones(3))
    with pytest.raises(rx.ArgumentError, match=r"can't look inside jax.jit.*rheostax.record.snapshot"):
        jax.jit(recorder.updated)(state)
    assert len(recorder) == 1
