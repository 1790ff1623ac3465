"""Going back: where a guard asks for it, weights, optimizer and policies are those of the last good copy, and the run goes on."""

import dataclasses
import signal

import jax
import numpy as np
import optax
import pytest
from flax import nnx

import rheostax as rx
from rheostax.errors import TaskError
from rheostax.record import RunDirectory
from rheostax.record.journal import WENT_BACK
from rheostax.record.run_directory import JOURNAL, METRICS
from rheostax.training import Plan, Watcher, fit, load_task
from rheostax.training.recovery import Recovery
from rheostax.training.spread import Spread

diabetes = load_task("diabetes")
UPDATES, EPOCHS, BAD = 9, 6, range(30, 33)
GUARD = rx.SpikeGuard(window=8, threshold=5.0, max_spikes=3, factor=0.5, recovery=4, roll_back=True)
RATE = rx.Cosine(1e-2, UPDATES * EPOCHS, end_value=1e-3) * GUARD


@dataclasses.dataclass(frozen=True)
class Spoiled:
    """Patients whose progression is a thousand times as large in some batches."""

    bad: tuple[int, ...]
    batches_per_epoch: int = UPDATES
    whole: object = dataclasses.field(default_factory=lambda: dataclasses.replace(diabetes.data(), batch_size=16))

    def train(self, epoch, seed):
        for i, batch in zip(range(self.batches_per_epoch), self.whole.train(epoch, seed), strict=False):
            worse = 1e3 if epoch * UPDATES + i in self.bad else 1.0
            yield batch | {"progression": np.float32(worse) * batch["progression"]}

    def validation(self):
        return self.whole.validation()


def task(rate, bad=BAD, batches=UPDATES, dispatch=1):
    return dataclasses.replace(
        diabetes, data=lambda: Spoiled(tuple(bad), batches), learning_rate=lambda updates_per_epoch, epochs: rate,
        optimizer=optax.sgd, hyperparameters={"momentum": 0.9}, updates_per_dispatch=dispatch,
    )  # fmt: skip


def losses(result):
    return np.array([record["loss"] for record in RunDirectory(result.path).read_lines(METRICS) if "loss" in record], float)


@pytest.mark.parametrize("mesh", [None, "eight"])
def test_a_run_goes_back_and_to_its_end(mesh, tmp_path):
    mesh = mesh and rx.parallel.data_mesh()
    result = fit(task(RATE), epochs=EPOCHS, out=tmp_path / "run", mesh=mesh)
    journal = RunDirectory(result.path).read_lines(JOURNAL)
    (back,) = [one for one in journal if one["why"].startswith("went back")]
    assert back["count"] == 33  # the third bad batch is that of update 32
    assert back["policy"] == repr(GUARD)
    schedule = RATE.factors[0]
    assert back["new_learning_rate"] == pytest.approx(float(schedule(33)), rel=1e-6)  # the guard's cuts are undone as well
    assert back["old_learning_rate"] == pytest.approx(0.5 * float(schedule(33)), rel=1e-6)
    validation = [record for record in RunDirectory(result.path).read_lines(METRICS) if "val_loss" in record]
    records = [record for record in RunDirectory(result.path).read_lines(METRICS) if "loss" in record]
    assert [record["count"] for record in records] == list(range(UPDATES * EPOCHS))
    assert validation[3]["learning_rate"] == records[35]["learning_rate"]
    assert records[-1]["learning_rate"] == pytest.approx(float(schedule(53)), rel=1e-6) == result.learning_rate
    assert any("the run went back to an earlier state" in note for note in rx.replay(result.path).notes)
    unguarded = fit(task(schedule), epochs=EPOCHS, out=tmp_path / "other", mesh=mesh, watcher=Heard())
    assert losses(result)[34:40].mean() < 1.5
    assert not losses(unguarded)[34:40].mean() < 1.5


class Heard(Watcher):
    def __init__(self):
        self.texts = []

    def warned(self, text):
        self.texts.append(text)


def test_a_run_goes_back_to_one_copy_again_and_again():
    """Its random keys too, of which the updates are donated what they take."""
    result = fit(task(RATE, bad=range(30, 39)), epochs=EPOCHS)
    assert [one.count for one in result.decisions if one.why == WENT_BACK] == [33, 36, 39]
    assert result.metrics["val_loss"] < 1.5


def test_a_stop_where_the_guard_asks_for_it_comes_after_going_back(tmp_path):
    class Stop(Heard):
        def decided(self, decision):
            if "should go back" in decision.why:
                signal.raise_signal(signal.SIGTERM)

    whole = fit(task(RATE), epochs=EPOCHS)
    stopped = fit(task(RATE), epochs=EPOCHS, out=tmp_path / "run", watcher=Stop())
    assert (stopped.reason, stopped.count) == ("terminated", 33)
    assert fit(task(RATE), resume=tmp_path / "run").metrics == pytest.approx(whole.metrics, rel=1e-6)


def test_the_last_updates_rate_is_told_after_going_back(tmp_path):
    result = fit(task(RATE, bad=(51, 52, 53)), epochs=EPOCHS, out=tmp_path / "run")
    last = [record for record in RunDirectory(result.path).read_lines(METRICS) if "loss" in record][-1]
    assert result.decisions[-1].why == WENT_BACK
    assert result.learning_rate == last["learning_rate"] == pytest.approx(0.5 * float(RATE.factors[0](53)), rel=1e-6)


def test_the_guard_that_asked_is_named(tmp_path):
    calm = rx.SpikeGuard(monitor="val_loss", window=8, threshold=5.0, roll_back=True)
    result = fit(task(RATE.factors[0] * calm * GUARD), epochs=4)
    (back,) = [one for one in result.decisions if one.why == WENT_BACK]
    assert (back.policy, back.metric) == (repr(GUARD), "value")
    assert back.value > 1e3


def test_a_guard_that_asks_before_there_is_a_good_copy_is_told_of():
    heard = Heard()
    assert not fit(task(RATE, bad=(8, 9, 10), batches=18, dispatch=11), epochs=1, watcher=heard).failed
    assert [
        text for text in heard.texts if text.startswith("at update 18: Rollback: a rollback is asked for, but there is no good copy yet")
    ]


def made(rate):
    return rx.Optimizer(model := diabetes.model(nnx.Rngs(0)), rx.control(diabetes.optimizer, rate), wrt=nnx.Param), model


def test_what_comes_back_is_the_good_copy_and_the_count_stays():
    optimizer, model = made(RATE)
    recovery, copies = Recovery(20, pytest.fail), []
    for count, loss in enumerate([1.0] * 11 + [99.0] * 3, start=1):
        grads = jax.tree.map(lambda leaf: 0.1 * leaf, nnx.state(model, nnx.Param))
        optimizer.update(model, grads, value=loss)
        copies.append(jax.device_get((nnx.state(model, nnx.Param), nnx.state(optimizer))))
        assert recovery.check(optimizer, model, count) is (count == 14)
    # Copies are made every two updates; that after the tenth would be good only at the next.
    copied, now = copies[7], (nnx.state(model, nnx.Param), nnx.state(optimizer))
    differs = [
        jax.tree_util.keystr(path)
        for (path, old), new in zip(jax.tree_util.tree_leaves_with_path(copied), jax.tree.leaves(now), strict=True)
        if not np.array_equal(old, np.asarray(new))
    ]
    assert all("ints" in name for name in differs), differs  # the count alone
    assert rx.describe(optimizer).count == 14


def test_where_copies_are_kept():
    plan, spread = Plan(diabetes, RATE, 0, 6, UPDATES, None, 8, 2), Spread(rx.parallel.data_mesh(), fully_sharded=True)
    for rate in (0.1, 0.1 * rx.SpikeGuard()):
        assert Recovery.of(made(rate)[0], plan, spread, pytest.fail) is None
    with pytest.raises(TaskError, match="needs a copy of all weights in each process, which fully_sharded divides among several"):
        Recovery.of(made(RATE)[0], plan, spread, pytest.fail)
    assert Recovery.of(made(RATE)[0], plan, Spread(rx.parallel.data_mesh()), pytest.fail) is not None
