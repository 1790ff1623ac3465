"""Whole trainings through orbax: what goes on after a restore is what would have gone on without it."""

import json
import shutil
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from jax.sharding import Mesh, NamedSharding, PartitionSpec

import rheostax as rx
from rheostax.errors import ArgumentError, RunError, StateError
from rheostax.record import RunDirectory
from rheostax.record.sinks import JsonLines
from tests.support import bits

X = jnp.linspace(-1.0, 1.0, 12).reshape(6, 2)
RATE = rx.Warmup(3) * rx.Cosine(0.05, 40) * rx.ReduceOnPlateau(patience=1, factor=0.7, rtol=0.05)


class Model(nnx.Module):
    """Weights, running statistics, and a random stream."""

    def __init__(self, dtype=jnp.float32):
        rngs = nnx.Rngs(0)
        self.first = nnx.Linear(2, 4, rngs=rngs, param_dtype=dtype)
        self.norm = nnx.BatchNorm(4, rngs=rngs, param_dtype=dtype)
        self.dropout = nnx.Dropout(0.3, rngs=rngs)
        self.last = nnx.Linear(4, 1, rngs=rngs, param_dtype=dtype)

    def __call__(self, x):
        return self.last(self.dropout(self.norm(self.first(x))))


def loss_of(model):
    return (model(X) ** 2).mean().astype(jnp.float32)


@nnx.jit
def train_step(model, optimizer):
    loss, gradients = nnx.value_and_grad(loss_of)(model)
    optimizer.update(model, gradients, value=loss)
    return loss


def new(rate=RATE, dtype=jnp.float32, make=rx.Optimizer, **hyperparameters):
    model = Model(dtype)
    return model, make(model, rx.control(optax.adamw, rate, **hyperparameters), wrt=nnx.Param)


def everything(*parts):
    return bits(nnx.state(parts))


@pytest.mark.parametrize(
    ("dtype", "x64", "asynchronous", "make"),
    [
        (jnp.float32, False, True, rx.Optimizer),
        (jnp.bfloat16, False, True, rx.Optimizer),
        (jnp.float32, True, False, rx.Optimizer),
        (jnp.float32, False, False, nnx.Optimizer),
    ],
)
def test_an_nnx_training_goes_on_bit_for_bit(tmp_path, dtype, x64, asynchronous, make):
    """Also while it goes on training, donating what is being saved in the background; and twice as well as once."""
    with jax.enable_x64(x64), rx.Checkpoints(tmp_path, asynchronous=asynchronous, max_to_keep=None) as checkpoints:
        step = nnx.jit(train_step.__wrapped__, donate_argnums=(0, 1))
        model, optimizer = new(dtype=dtype, make=make)
        recorder = rx.Recorder(optimizer, every=3)
        seen, cuts = {}, (0, 2, 5, 11)
        for count in range(16):
            if count in cuts:
                checkpoints.save(model=model, optimizer=optimizer, recorder=recorder, data={"batch": count})
            seen[count] = everything(model, optimizer)
            recorder.updated(optimizer, loss=step(model, optimizer))
        end, history = everything(model, optimizer), recorder.history
        for count in cuts:
            other_model, other_optimizer = new(dtype=dtype, make=make)
            other = rx.Recorder(other_optimizer, every=3)
            for _ in range(2):
                restored = checkpoints.restore(
                    count=count, model=other_model, optimizer=other_optimizer, recorder=other, data=None, keep="error"
                )
                assert (restored.count, restored.data, restored.differences) == (count, {"batch": count}, ())
                assert everything(other_model, other_optimizer) == seen[count]
            for _ in range(count, 16):
                other.updated(other_optimizer, loss=step(other_model, other_optimizer))
            assert everything(other_model, other_optimizer) == end
            again = other.history
            assert other.decisions == recorder.decisions
            assert len(recorder.decisions) > 2
            for name, column in again.items():
                if name != "time":
                    np.testing.assert_array_equal(column, history[name])


PARAMS = {"w": jnp.linspace(-1.0, 1.0, 6), "layers": [jnp.ones((2, 3), jnp.bfloat16), np.float32(2.0)], "empty": jnp.zeros((0, 2))}


def updated(tx, params, state, loss):
    updates, state = tx.update(jax.tree.map(jnp.sin, params), state, params, value=loss)
    return optax.apply_updates(params, updates), state


def test_a_plain_training_and_other_trees_go_on_bit_for_bit(tmp_path):
    tx = optax.chain(optax.clip_by_global_norm(1.0), rx.control(optax.adamw, RATE, weight_decay=0.1))
    params, state = PARAMS, tx.init(PARAMS)
    for k in range(5):
        params, state = updated(tx, params, state, 1.0 / (k // 3 + 1))
    own = {"key": jax.random.key(3), "epoch": 7, "scale": 0.1, "flag": True, "rows": np.arange(3, dtype=np.int64)}
    with rx.Checkpoints(tmp_path) as checkpoints:
        assert checkpoints.save(params=params, opt_state=state, own=own) == 5
        empty = {"key": jax.random.key(0), "epoch": 0, "scale": 0.0, "flag": False, "rows": np.zeros(3, np.int64)}
        restored = checkpoints.restore(params=PARAMS, opt_state=tx.init(PARAMS), own=empty)
    assert bits(restored["params"]) == bits(jax.tree.map(jnp.asarray, params))
    assert bits(restored["opt_state"]) == bits(state)
    assert jax.random.key_data(restored["own"]["key"]).tolist() == jax.random.key_data(own["key"]).tolist()
    assert {name: restored["own"][name] for name in ("epoch", "scale", "flag")} == {"epoch": 7, "scale": 0.1, "flag": True}
    assert restored["own"]["epoch"].__class__ is int
    assert restored["own"]["rows"].tolist() == [0, 1, 2]
    assert restored["own"]["rows"].dtype == np.int64
    once, twice = updated(tx, params, state, 0.5), updated(tx, restored["params"], restored["opt_state"], 0.5)
    assert bits(once) == bits(twice)


def test_what_is_restored_lies_where_the_target_lies(tmp_path):
    """Saved from one device, restored into shards, and back; uncommitted arrays stay so, so that nothing is compiled again."""
    devices = jax.devices()
    mesh = Mesh(np.array(devices[:1]), ("x",))
    split, everywhere = NamedSharding(mesh, PartitionSpec("x")), NamedSharding(mesh, PartitionSpec())
    tx = rx.control(optax.adam, RATE)
    params = {"w": jnp.arange(8.0)}
    params, state = updated(tx, params, tx.init(params), 1.0)
    sharded = jax.device_put(params, split)
    target = jax.tree.map(lambda leaf: jax.device_put(leaf, split if leaf.shape == (8,) else everywhere), tx.init(params))
    with rx.Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(params=params, opt_state=state)
        restored = checkpoints.restore(params=sharded, opt_state=target)
        again = checkpoints.restore(params=params, opt_state=tx.init(params))
    assert restored["params"]["w"].sharding == split
    for new, old in zip(jax.tree.leaves(restored["opt_state"]), jax.tree.leaves(target), strict=True):
        assert new.sharding == old.sharding
        assert new.committed
    assert not any(leaf.committed for leaf in jax.tree.leaves((again["params"], again["opt_state"])))
    assert bits(restored["opt_state"]) == bits(again["opt_state"]) == bits(state)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved")
    model, optimizer = new(weight_decay=0.1)
    for _ in range(4):
        train_step(model, optimizer)
    with rx.Checkpoints(folder / "checkpoints") as checkpoints:
        checkpoints.save(model=model, optimizer=optimizer)
    return folder / "checkpoints", model, optimizer


def test_a_part_is_restored_only_by_name(saved):
    folder, model, _ = saved
    other_model, other_optimizer = new(weight_decay=0.1)
    before = everything(other_model, other_optimizer)
    with rx.Checkpoints(folder) as checkpoints:
        with pytest.raises(StateError, match=r"optimizer would not be restored\. Pass optimizer=, or .* only=\('model',\)"):
            checkpoints.restore(model=other_model)
        with pytest.raises(StateError, match="has no recorder; it has model, optimizer"):
            checkpoints.restore(model=other_model, optimizer=other_optimizer, recorder=rx.Recorder(other_optimizer))
        with pytest.raises(StateError, match="has no ema; it has model, optimizer"):
            checkpoints.restore(only=("model", "ema"), model=other_model)
        assert everything(other_model, other_optimizer) == before
        checkpoints.restore(model=other_model, only="model")
    assert everything(other_model) == everything(model)
    assert everything(other_optimizer) == everything(new(weight_decay=0.1)[1])


def test_other_settings_are_refused_and_change_nothing(saved):
    folder, _, _ = saved
    other_model, other_optimizer = new(RATE.clip(1e-3), weight_decay=0.2)
    before = everything(other_model, other_optimizer)
    with rx.Checkpoints(folder) as checkpoints, pytest.raises(StateError) as caught:
        checkpoints.restore(model=other_model, optimizer=other_optimizer)
    assert "learning_rate: 'Product' in the checkpoint, 'Clip' in the code" in str(caught.value)
    assert "optimizer.weight_decay: 0.1 in the checkpoint, 0.2 in the code" in str(caught.value)
    assert everything(other_model, other_optimizer) == before


def test_the_codes_settings_go_on_with_what_corresponds(saved):
    """Another structure of the rate, groups where there were none, another optimizer: moments come along, by parameter."""
    folder, model, optimizer = saved
    rate = rx.Constant(0.01) * rx.ReduceOnPlateau(patience=9, factor=0.1) * rx.Groups({"last/*": 1.0, "norm/*": None}, rest=0.5)
    other_model, other_optimizer = new(rate)
    with rx.Checkpoints(folder) as checkpoints:
        restored = checkpoints.restore(model=other_model, optimizer=other_optimizer, keep="code")
    assert everything(other_model) == everything(model)
    states = other_optimizer.opt_state.inner.inner_states
    old = optimizer.opt_state.inner[0]
    np.testing.assert_array_equal(states["last/*"].inner_state[0].mu["last"]["kernel"], old.mu["last"]["kernel"])
    np.testing.assert_array_equal(states["rest"].inner_state[0].nu["first"]["bias"], old.nu["first"]["bias"])
    assert int(states["rest"].inner_state[0].count) == 4
    assert "optimizer/state/inner/0/mu/norm/scale" in restored.dropped
    assert restored.anew == ()
    scale = float(optimizer.opt_state.body.observed[2].own.scale)
    assert {name: float(rate) for name, rate in other_optimizer.learning_rate.items()} == pytest.approx(
        {"last/*": 0.01 * scale, "norm/*": 0.0, "rest": 0.005 * scale}, rel=1e-6
    )
    assert "ReduceOnPlateau(value, min) at learning_rate.factors[1], which was at learning_rate.factors[2]" in str(restored)
    train_step(other_model, other_optimizer)
    with rx.Checkpoints(folder.parent / "grouped") as checkpoints:  # and back again
        checkpoints.save(model=other_model, optimizer=other_optimizer)
        back_model, back_optimizer = new(weight_decay=0.1)
        restored = checkpoints.restore(model=back_model, optimizer=back_optimizer, keep="code")
    back = back_optimizer.opt_state.inner[0]
    np.testing.assert_array_equal(
        back.mu["last"]["kernel"], other_optimizer.opt_state.inner.inner_states["last/*"].inner_state[0].mu["last"]["kernel"]
    )
    assert restored.anew == tuple(f"optimizer/state/inner/0/{kind}/norm/{name}" for kind in ("mu", "nu") for name in ("bias", "scale"))


def test_the_checkpoints_rate_goes_on_in_code_of_another_structure(saved):
    folder, _, _ = saved
    other_model, other_optimizer = new(rx.Linear(0.3, 0.0, 50), weight_decay=0.1)
    with rx.Checkpoints(folder) as checkpoints:
        restored = checkpoints.restore(model=other_model, optimizer=other_optimizer, keep="checkpoint")
    assert restored.carried == (f"the rate of the checkpoint: {RATE!r}",)
    reference, own = new(weight_decay=0.1)
    with rx.Checkpoints(folder) as checkpoints:
        checkpoints.restore(model=reference, optimizer=own)
    for _ in range(4):
        train_step(other_model, other_optimizer)
        train_step(reference, own)
    assert everything(other_model, other_optimizer) == everything(reference, own)
    plain_model, plain = new(rx.Linear(0.3, 0.0, 50), make=nnx.Optimizer, weight_decay=0.1)
    with rx.Checkpoints(folder) as checkpoints, pytest.raises(StateError, match=r"another structure; use rx\.Optimizer"):
        checkpoints.restore(model=plain_model, optimizer=plain, keep="checkpoint")


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"w": jnp.zeros(6, jnp.bfloat16)}, r"params/w is float32 \[6\] in the checkpoint, bfloat16 \[6\] in the code"),
        ({"w": jnp.zeros(5)}, r"params/w is float32 \[6\] in the checkpoint, float32 \[5\] in the code"),
        ({"w": jnp.zeros(6), "b": jnp.zeros(2)}, "params/b is only in the code"),
        ({"v": jnp.zeros(6)}, "params/w is only in the checkpoint"),
    ],
)
def test_other_parameters_are_named(tmp_path, params, says):
    tx = rx.control(optax.sgd, 0.1)
    with rx.Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(params={"w": PARAMS["w"]}, opt_state=tx.init(PARAMS))
        for keep in ("error", "checkpoint", "code"):
            with pytest.raises(StateError, match=says):
                checkpoints.restore(params=params, opt_state=tx.init(params), keep=keep)


def state_at(count):
    """Return a state after so many updates."""
    tx = rx.control(optax.sgd, 0.1)
    state = tx.init({"w": jnp.ones(1)})
    for _ in range(count):
        _, state = tx.update({"w": jnp.ones(1)}, state)
    return state


def test_a_rollback_gives_up_what_came_later(tmp_path):
    with rx.Checkpoints(tmp_path, max_to_keep=None) as checkpoints:
        for count in (1, 2, 3):
            checkpoints.save(opt_state=state_at(count))
        checkpoints.restore(count=1, opt_state=state_at(3))
        assert checkpoints.counts == [1, 2, 3]  # nothing is lost before there is something newer
        checkpoints.save(opt_state=state_at(2))
        assert checkpoints.counts == [1, 2]
        checkpoints.save(opt_state=state_at(2))  # a second one at the same count takes its place
        assert checkpoints.counts == [1, 2]
        with pytest.raises(StateError, match=r"no checkpoint at 7 in .*; there are those at 1, 2"):
            checkpoints.restore(count=7, opt_state=state_at(1))
    with rx.Checkpoints(tmp_path) as checkpoints, pytest.raises(StateError, match="has a checkpoint at 2 already, from another run"):
        checkpoints.save(opt_state=state_at(1))


def test_the_oldest_go_first(tmp_path):
    with rx.Checkpoints(tmp_path, max_to_keep=2) as checkpoints:
        for count in (1, 2, 3, 4):
            checkpoints.save(opt_state=state_at(count))
        checkpoints.wait()
        assert checkpoints.counts == [3, 4]


class Numbers:
    """An iterator as grain's are."""

    def __init__(self, kind):
        self.kind, self.position = kind, 0

    def get_state(self):
        return {"position": self.position} if self.kind is dict else json.dumps(self.position).encode()

    def set_state(self, state):
        self.position = state["position"] if self.kind is dict else json.loads(state.decode())


@pytest.mark.parametrize("kind", [dict, bytes])
def test_an_iterator_goes_on_where_it_was(tmp_path, kind):
    data = Numbers(kind)
    data.position = 17
    with rx.Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(opt_state=state_at(1), data=data)
        with pytest.raises(StateError, match="data would not be restored"):
            checkpoints.restore(opt_state=state_at(0))
        other = Numbers(kind)
        checkpoints.restore(opt_state=state_at(0), data=other)
        assert other.position == 17
        assert checkpoints.restore(opt_state=state_at(0), only="opt_state").data is None
        with pytest.raises(ArgumentError, match=r"data must be numbers, texts, lists .* got a set"):
            checkpoints.save(opt_state=state_at(2), data={"seen": {1, 2}})


def test_the_run_directory_of_a_recorder_is_cut_back(tmp_path):
    """As if the updates after the checkpoint had never been."""
    tx = rx.control(optax.sgd, 0.5 * rx.ReduceOnPlateau(patience=1, factor=0.5, rtol=0.0))

    def go_on(state, recorder, losses):
        for loss in losses:
            _, state = tx.update({"w": jnp.ones(1)}, state, value=loss)
            recorder.updated(state, loss=loss)
        recorder.observed(state, val_loss=losses[-1])
        return state

    def records(path):
        lines = RunDirectory(path).read_lines("metrics.jsonl")
        return [{**line, "time": None} for line in lines], RunDirectory(path).read_lines("journal.jsonl")

    first, second = [1.0, 2.0, 0.5], [0.6, 0.4, 0.7]
    with rx.Recorder(tx.init({"w": jnp.ones(1)}), JsonLines(tmp_path / "whole")) as recorder:
        go_on(go_on(tx.init({"w": jnp.ones(1)}), recorder, first), recorder, second)
    decisions = recorder.decisions
    recorder = rx.Recorder(tx.init({"w": jnp.ones(1)}), JsonLines(tmp_path / "cut"))
    state = go_on(tx.init({"w": jnp.ones(1)}), recorder, first)
    with rx.Checkpoints(tmp_path / "checkpoints") as checkpoints:
        checkpoints.save(opt_state=state, recorder=recorder)
    go_on(state, recorder, [9.0, 9.0])
    recorder.close("killed")
    fresh = tx.init({"w": jnp.ones(1)})
    with rx.Recorder(fresh, JsonLines(tmp_path / "cut", resume=True)) as recorder, rx.Checkpoints(tmp_path / "checkpoints") as checkpoints:
        restored = checkpoints.restore(opt_state=fresh, recorder=recorder)
        go_on(restored["opt_state"], recorder, second)
    assert recorder.decisions == decisions
    assert records(tmp_path / "cut") == records(tmp_path / "whole")
    assert RunDirectory(tmp_path / "cut").read("summary.json")["count"] == 6
    (tmp_path / "cut" / "metrics.jsonl").write_text("")
    with rx.Checkpoints(tmp_path / "checkpoints") as checkpoints, pytest.raises(RunError, match=r"0 bytes, but had .* was changed since"):
        checkpoints.restore(opt_state=fresh, recorder=rx.Recorder(fresh, JsonLines(tmp_path / "cut", resume=True)))


@pytest.mark.parametrize("count", [-1, 1.5, "x", [1]])
def test_a_count_that_is_none_is_refused(tmp_path, count):
    with rx.Checkpoints(tmp_path) as checkpoints, pytest.raises(ArgumentError, match="count must be a whole number >= 0, got"):
        checkpoints.save(count=count, params=jnp.ones(2))


class Batches:
    """An iterator with a position, that may refuse to go to another one."""

    def __init__(self, at=0, refuses=False):
        self.at, self.refuses = at, refuses

    def get_state(self):
        return {"at": self.at}

    def set_state(self, state):
        if self.refuses and state["at"] == 7:
            raise OSError("no such shard")
        self.at = state["at"]


@pytest.mark.parametrize("make", [rx.Optimizer, nnx.Optimizer])
@pytest.mark.parametrize("fault", ["data", "recorder"])
def test_a_restore_that_fails_late_changes_nothing(tmp_path, make, fault):
    model, optimizer = new(make=make)
    recorder = rx.Recorder(optimizer, JsonLines(tmp_path / "run"))
    recorder.updated(optimizer, loss=train_step(model, optimizer))
    with rx.Checkpoints(tmp_path / "checkpoints") as checkpoints:
        checkpoints.save(model=model, optimizer=optimizer, recorder=recorder, data=Batches(7))
        recorder.close()
        if fault == "recorder":
            (tmp_path / "run" / "metrics.jsonl").write_text("")
        model, optimizer = new(make=make)
        before, data = everything(model, optimizer), Batches(1, refuses=fault == "data")
        recorder = rx.Recorder(optimizer, JsonLines(tmp_path / "run", resume=True))
        with pytest.raises(OSError if fault == "data" else RunError):
            checkpoints.restore(model=model, optimizer=optimizer, recorder=recorder, data=data)
        assert everything(model, optimizer) == before
        recorder.close()
        assert data.at == 1
        train_step(model, optimizer)


def copied(saved, tmp_path):
    return shutil.copytree(saved[0], tmp_path / "copy")


def header_of(folder):
    return folder / "4" / "rheostax" / "metadata"


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (lambda folder: header_of(folder).unlink(), "can't be read|no header"),
        (lambda folder: header_of(folder).write_text(header_of(folder).read_text()[:500]), "can't be read"),
        (lambda folder: header_of(folder).write_text("[" * 100_000), "can't be read"),
        (lambda folder: header_of(folder).write_text("{}"), "no format"),
        (lambda folder: header_of(folder).write_bytes(b"\x80\x04cos\nsystem\n"), "can't be read"),
        (lambda folder: edited(folder, format=99), r"has format 99; this rheostax, .*, reads 1 to 1\. Install a newer one"),
        (lambda folder: edited(folder, arrays={"model/first/bias": 3}), "doesn't describe its arrays: it is damaged"),
        (lambda folder: edited(folder, rates={"optimizer/state": {}}), "has no field"),
    ],
)
def test_damage_is_told_and_changes_nothing(saved, tmp_path, harm, says):
    folder = copied(saved, tmp_path)
    harm(folder)
    model, optimizer = new(weight_decay=0.1)
    before = everything(model, optimizer)
    with rx.Checkpoints(folder) as checkpoints, pytest.raises(StateError, match=says):
        checkpoints.restore(model=model, optimizer=optimizer)
    assert everything(model, optimizer) == before


def edited(folder, **changes):
    header_of(folder).write_text(json.dumps(json.loads(header_of(folder).read_text()) | changes))


RESTORE = """
import sys, jax.numpy as jnp, optax, rheostax as rx
params = {"w": jnp.ones(64)}
for folder in sys.argv[1:]:
    with rx.Checkpoints(folder) as checkpoints:
        try:
            checkpoints.restore(params=params, opt_state=rx.control(optax.adam, 0.1).init(params))
        except rx.StateError as error:
            print(error)
"""


def test_damaged_arrays_are_told(tmp_path):
    """In a process of its own, since what reads them goes on failing in its threads."""
    params = {"w": jnp.ones(64)}
    for name in ("whole", "first"):
        with rx.Checkpoints(tmp_path / name) as checkpoints:
            for count in (3, 4) if name == "first" else (4,):
                checkpoints.save(count=count, params=params, opt_state=rx.control(optax.adam, 0.1).init(params))
    folders = [shutil.copytree(tmp_path / "whole", tmp_path / name) for name in ("gone", "cut", "unlisted")]
    shutil.rmtree(folders[0] / "4" / "arrays" / "d")
    for file in [*(folders[1] / "4").rglob("d/*"), *(tmp_path / "first" / "4").rglob("d/*")]:
        cut(file)
    (folders[2] / "4" / "arrays" / "manifest.ocdbt").unlink()
    done = subprocess.run(
        [sys.executable, "-c", RESTORE, *folders, tmp_path / "first", tmp_path / "whole"], capture_output=True, text=True, check=True
    )
    told = done.stdout.splitlines()
    assert len(told) == 4
    for line, folder in zip(told, [*folders, tmp_path / "first"], strict=True):
        assert line.startswith(f"The checkpoint {folder}/4 can't be read: ")
    assert told[-1].endswith("There are others, at 3: restore(..., count=3).")


def cut(file):
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def test_arguments_are_checked(tmp_path):
    checkpoints = rx.Checkpoints(tmp_path / "none")
    with pytest.raises(StateError, match="There is no checkpoint in"):
        checkpoints.restore(opt_state=state_at(0))
    assert not (tmp_path / "none").exists()
    for given, error, says in [
        ({}, ArgumentError, "nothing to save or restore"),
        ({"model": {"w": 1}}, ArgumentError, "model must be an NNX module, got dict"),
        ({"optimizer": state_at(0)}, ArgumentError, "pass an optax state as opt_state="),
        ({"params": {"w": jnp.ones(1)}}, StateError, r"say it: save\(\.\.\., count=step\)"),
        ({"opt_state": state_at(0), "names": ["a"]}, StateError, "names/0 is a str; only arrays and numbers"),
    ]:
        with pytest.raises(error, match=says):
            checkpoints.save(**given)
    with pytest.raises(ArgumentError, match="max_to_keep must be None or a whole number >= 1, got 0"):
        rx.Checkpoints(tmp_path, max_to_keep=0)
    with pytest.raises(ArgumentError, match=r"keep must be one of .*, got 'chekpoint'\. Did you mean 'checkpoint'"):
        checkpoints.restore(opt_state=state_at(0), keep="chekpoint")
