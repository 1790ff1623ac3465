"""The saved form of a learning rate: exact, independent of pytrees, and in another expression what was asked for."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rheostax as rx
from rheostax.checkpoint._carry import Carried, carry
from rheostax.checkpoint._saved_rate import FORMAT, read_rate, settings_of, write_rate
from rheostax.errors import StateError
from tests.conformance.catalogue import observations

HERE = Path(__file__).parent
STEPS = 24
PARAMS = {name: {"w": jnp.linspace(-1.0, 1.0, 3)} for name in ("head", "body", "norm")}
PLATEAU = rx.ReduceOnPlateau(monitor="loss", patience=2, factor=0.5, rtol=0.0)


def through_json(state, like, keep="error"):
    told = Carried()
    text = json.dumps(write_rate(state), allow_nan=False)
    new = carry(read_rate(json.loads(text), FORMAT), like, keep, told)
    return new._replace(inner=state.inner), told


def same(one, other):
    """Compare two controls to the last bit."""
    assert one.layout == other.layout
    for a, b in zip(one[:3], other[:3], strict=True):
        assert (a.dtype, a.shape) == (b.dtype, b.shape)
        np.testing.assert_array_equal(np.asarray(a).view(np.int32), np.asarray(b).view(np.int32))


class Run:
    """A training with a rate, of which the state after every update is kept."""

    def __init__(self, rate, dtype):
        params = jax.tree.map(lambda leaf: leaf.astype(dtype), PARAMS)
        tx, streams = rx.control(optax.adam, rate), observations(rate, STEPS)
        self.fresh = tx.init(params)

        @jax.jit
        def step(params, state, metrics):
            updates, state = tx.update(jax.tree.map(jnp.sin, params), state, params, **metrics)
            return optax.apply_updates(params, updates), state

        self.step = step
        self.metrics = [{name: jnp.float32(values[k]) for name, values in streams.items()} for k in range(STEPS)]
        self.states = [(params, self.fresh)]
        for metrics in self.metrics:
            self.states.append(step(*self.states[-1], metrics))


@pytest.mark.parametrize("x64", [False, True])
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_a_restored_run_goes_on_as_the_whole_one(dtype, x64):
    """The update after every cut, for parameters of any kind. (Every rate is cut everywhere in `tests/conformance`.)"""
    rate = rx.Warmup(5) * optax.exponential_decay(0.3, 20, 0.5) * rx.Groups({"head/*": 0.1 * PLATEAU, "body/*": rx.SpikeGuard()}, rest=None)
    with jax.enable_x64(x64):
        done = Run(rate, dtype)
        assert len({float(one[1].body.observed[2][0][1].own.scale.high) for one in done.states}) > 2
        for k, (params, state) in enumerate(done.states[:-1]):
            restored, told = through_json(state, done.fresh)
            same(restored, state)
            assert told == Carried()
            new_params, new_state = done.step(params, restored, done.metrics[k])
            want_params, want_state = done.states[k + 1]
            same(new_state, want_state)
            for a, b in zip(jax.tree.leaves(new_params), jax.tree.leaves(want_params), strict=True):
                assert a.dtype == b.dtype == dtype
                assert np.asarray(a).tobytes() == np.asarray(b).tobytes()


@given(bits=st.lists(st.integers(0, 2**32 - 1), min_size=3, max_size=3), whole=st.integers(-(2**31), 2**31 - 1))
@settings(deadline=None, max_examples=100)
def test_any_bits_come_back(bits, whole):
    """NaNs of any kind, infinities, negative zero and denormals too."""
    state = CUT[1]
    floats = np.array(state.floats)
    floats[: len(bits)] = np.array(bits, np.uint32).view(np.float32)
    ints = np.array(state.ints)
    ints[-1] = whole
    state = state._replace(floats=floats, ints=ints)
    saved = json.loads(json.dumps(write_rate(CUT[1]) | {"numbers": write_rate(state)["numbers"]}, allow_nan=False))
    restored = carry(read_rate(saved, FORMAT), CUT[1], "error", Carried())
    np.testing.assert_array_equal(np.asarray(restored.floats).view(np.uint32), floats.view(np.uint32))
    np.testing.assert_array_equal(restored.ints, ints)


def made(rate, factory=optax.sgd, **hyperparameters):
    return rx.control(factory, rate, **hyperparameters).init(PARAMS)


def cut(rate, values=(1.0, 1.0, 1.0, 0.5), **options):
    tx = rx.control(optax.sgd, rate, **options)
    state = tx.init(PARAMS)
    for value in values:
        _, state = tx.update(PARAMS, state, PARAMS, loss=value)
    return tx, state


CUT = cut(rx.Cosine(0.1, 100) * PLATEAU)


def test_other_settings_are_named_with_both_values():
    _, state = CUT
    other = made(rx.Cosine(0.1, 200) * rx.ReduceOnPlateau(monitor="loss", patience=5, factor=0.5, rtol=0.0), momentum=0.9)
    with pytest.raises(StateError) as caught:
        through_json(state, other)
    text = str(caught.value)
    assert "learning_rate.factors[0].decay_steps: 100 in the checkpoint, 200 in the code" in text
    assert "learning_rate.factors[1].patience: 2 in the checkpoint, 5 in the code" in text
    assert "optimizer.momentum: nothing in the checkpoint, 0.9 in the code" in text
    assert text.count(" in the checkpoint, ") == 3
    assert 'keep="checkpoint"' in text
    assert 'keep="code"' in text


def test_a_number_of_a_foreign_schedule_is_a_setting():
    found = settings_of(made(optax.exponential_decay(0.3, 20, 0.5)))
    assert found["learning_rate.function.decay_rate"] == 0.5
    with pytest.raises(StateError, match=r"learning_rate\.function\.decay_rate: 0\.5 in the checkpoint, 0\.25 in the code"):
        through_json(made(optax.exponential_decay(0.3, 20, 0.5)), made(optax.exponential_decay(0.3, 20, 0.25)))


def test_the_same_settings_made_anew_differ_in_nothing():
    """Functions too, which are other objects, in another process at another address."""
    rate = lambda: rx.Warmup(5) * optax.exponential_decay(0.3, 20, 0.5) * rx.Groups({"head/*": PLATEAU}, rest=None)  # noqa: E731
    first, second = (
        made(rate(), optax.adamw, mask=lambda params: jax.tree.map(lambda _: True, params), mu_dtype=jnp.bfloat16) for _ in range(2)
    )
    assert settings_of(first) == settings_of(second)
    assert not [value for value in settings_of(first).values() if " at 0x" in str(value)]


def test_keep_checkpoint_goes_on_with_its_numbers():
    _, state = CUT
    other = made(rx.Cosine(0.1, 200) * rx.ReduceOnPlateau(monitor="loss", patience=5, factor=0.9, rtol=0.0))
    restored, told = through_json(state, other, "checkpoint")
    same(restored, state)
    assert len(told.differences) == 3
    assert told.carried == ["the rate of the checkpoint: " + repr(rx.Cosine(0.1, 100) * PLATEAU)]


def test_keep_checkpoint_brings_back_another_structure():
    """The state carries the expression, so the optimizer made with another one goes on with it."""
    tx, state = CUT
    other = rx.control(optax.sgd, rx.Linear(0.3, 0.0, 50))
    restored, _ = through_json(state, other.init(PARAMS), "checkpoint")
    same(restored, state)
    _, after = other.update(PARAMS, restored, PARAMS, loss=1.0)
    _, want = tx.update(PARAMS, state, PARAMS, loss=1.0)
    same(after, want)


@pytest.mark.parametrize(
    ("saved", "code", "says"),
    [
        (optax.linear_schedule(0.1, 0.0, 9), rx.Constant(0.1), "a part of it is only in code"),
        (rx.Constant(0.1), rx.Constant(0.1) * rx.Groups({"head/*": 1.0}, rest=0.5), r"it has no groups, .* for the groups head/\*, rest"),
    ],
)
def test_keep_checkpoint_says_what_it_cant(saved, code, says):
    with pytest.raises(StateError, match=says):
        through_json(made(saved), made(code), "checkpoint")


def test_keep_checkpoint_cant_change_the_optimizer():
    with pytest.raises(StateError, match=r"only in the code; change it there: optimizer\.momentum: 0\.9 in the checkpoint, 0\.5"):
        through_json(made(0.1, momentum=0.9), made(0.1, momentum=0.5), "checkpoint")


def test_keep_code_goes_from_a_schedule_to_a_policy():
    _, state = cut(rx.Cosine(0.1, 100))
    restored, told = through_json(state, made(rx.Cosine(0.1, 100) * PLATEAU), "code")
    assert int(restored.body.count) == 4
    np.testing.assert_array_equal(rx.learning_rate(restored), rx.Cosine(0.1, 100)(4))
    assert told.anew == ["ReduceOnPlateau(loss, min) at learning_rate.factors[1]"]
    back, told = through_json(CUT[1], made(rx.Cosine(0.1, 100)), "code")
    assert told.dropped == ["ReduceOnPlateau(loss, min) at learning_rate.factors[1]"]
    assert int(back.body.count) == 4


def test_keep_code_carries_a_policy_that_is_in_both():
    """With the numbers of the code, at another place; and not if it listens to something else."""
    _, state = CUT
    assert float(state.body.observed[1].own.scale) == 0.5
    rate = rx.Warmup(2) * rx.Linear(0.4, 0.0, 100) * rx.ReduceOnPlateau(monitor="loss", patience=9, factor=0.1)
    restored, told = through_json(state, made(rate), "code")
    own, old = restored.body.observed[2], state.body.observed[1]
    for a, b in zip(jax.tree.leaves(own), jax.tree.leaves(old), strict=True):
        np.testing.assert_array_equal(a, b)
    assert float(rx.learning_rate(restored)) == pytest.approx(0.4 * 0.96 * 0.5, rel=1e-6)
    assert "ReduceOnPlateau(loss, min) at learning_rate.factors[2], which was at learning_rate.factors[1]" in told.carried
    assert restored.fetch().rate == rate
    other = rx.Cosine(0.1, 100) * rx.ReduceOnPlateau(monitor="accuracy", mode="max")
    restored, told = through_json(state, made(other), "code")
    assert float(restored.body.observed[1].own.scale) == 1.0
    assert told.anew == ["ReduceOnPlateau(accuracy, max) at learning_rate.factors[1]"]
    assert told.dropped == ["ReduceOnPlateau(loss, min) at learning_rate.factors[1]"]


def test_keep_code_carries_what_a_median_knows_and_what_was_skipped():
    def rule(patience, window=3):
        return 0.1 * rx.Median(rx.ReduceOnPlateau(monitor="loss", patience=patience), window=window)

    tx, state = cut(rule(1), on_nonfinite="skip")
    _, state = tx.update(jax.tree.map(lambda leaf: jnp.full_like(leaf, jnp.nan), PARAMS), state, PARAMS)
    restored, told = through_json(state, made(rule(5), on_nonfinite="skip"), "code")
    assert int(restored.body.skipped) == int(restored.body.skipped_in_a_row) == 1
    old, new = (one.body.observed[1] for one in (state, restored))
    np.testing.assert_array_equal(new.values["loss"], old.values["loss"])
    assert int(new.known["loss"]) == 2
    assert told.anew == []
    restored, told = through_json(state, made(rule(1, window=5), on_nonfinite="skip"), "code")
    assert not np.any(restored.body.observed[1].values["loss"])
    assert any("values" in name for name in told.anew)


def test_keep_code_starts_from_what_the_code_says_not_from_the_moment():
    """Restoring into a running state is the same as into a new one."""
    rate = rx.Cosine(0.1, 100) * rx.ReduceOnPlateau(monitor="other") * PLATEAU
    tx = rx.control(optax.sgd, rate)
    running = tx.update(PARAMS, tx.init(PARAMS), PARAMS, other=1.0, loss=9.0)[1]
    once, twice = (through_json(CUT[1], like, "code")[0] for like in (tx.init(PARAMS), running))
    same(once, twice)


def test_changes_by_hand_are_carried():
    state = rx.scale_learning_rate(CUT[1], 0.5)
    restored, told = through_json(state, made(rx.Cosine(0.1, 200) * PLATEAU), "code")
    assert float(rx.learning_rate(restored)) == pytest.approx(0.25 * float(rx.Cosine(0.1, 200)(4)), rel=1e-6)
    assert "changes by hand" in told.carried
    grouped = made(rx.Cosine(0.1, 100) * rx.Groups({"head/*": 1.0}, rest=0.1) * PLATEAU)
    restored, told = through_json(state, grouped, "code")
    assert "changes by hand, for every group" in told.carried
    rates = rx.learning_rate(restored)
    assert float(rates["rest"]) == pytest.approx(0.1 * float(rates["head/*"]), rel=1e-6)
    assert float(rates["head/*"]) == pytest.approx(0.25 * float(rx.Cosine(0.1, 100)(4)), rel=1e-6)
    one = rx.scale_learning_rate(grouped, 0.5, group="rest")
    restored, told = through_json(one, made(rx.Cosine(0.1, 100) * rx.Groups({"body/*": 0.3}, rest=0.1) * PLATEAU), "code")
    assert "changes by hand of the group 'rest'" in told.carried
    assert {name: round(float(rate), 5) for name, rate in rx.learning_rate(restored).items()} == {"body/*": 0.03, "rest": 0.005}


def test_an_extended_run_is_another_rate_than_the_code_says():
    state = rx.extend(CUT[1], 150)
    with pytest.raises(StateError, match=r"learning_rate\.factors\[0\]: 'Extended' in the checkpoint, 'Cosine' in the code"):
        through_json(state, made(rx.Cosine(0.1, 100) * PLATEAU))
    same(through_json(state, made(rx.Cosine(0.1, 100) * PLATEAU), "checkpoint")[0], state)


def test_a_batch_of_states_comes_back():
    tx = rx.control(optax.sgd, rx.Cosine(0.1, 100) * PLATEAU)

    @jax.jit
    @jax.vmap
    def trained(x):
        return tx.update(PARAMS, rx.control(optax.sgd, rx.Cosine(x, 100) * PLATEAU).init(PARAMS), PARAMS, loss=0.5)[1]

    states = trained(jnp.array([0.1, 0.2]))
    same(through_json(states, states)[0], states)


OLD = json.loads((HERE / "rate-format-1.json").read_text("utf-8")) if (HERE / "rate-format-1.json").exists() else None


def test_format_1_is_read():
    """The file was written by the version that introduced it, and is never written again."""
    tx, state = CUT
    restored = carry(read_rate(OLD, 1), tx.init(PARAMS), "error", Carried())
    same(restored, state)


def damaged(**changes):
    return {**OLD, **changes}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (dict, "has no field 'settings'"),
        (lambda: [1], "is a list: it is damaged"),
        (lambda: damaged(numbers=[]), "numbers is a list: it is damaged"),
        (lambda: damaged(policies=[{"path": 1}]), "has no policy"),
        (lambda: damaged(numbers=OLD["numbers"] | {"count": 2**31}), "count must be an int32, got 2147483648"),
        (lambda: damaged(numbers=OLD["numbers"] | {"count": True}), "count must be an int32, got True"),
        (lambda: damaged(numbers=OLD["numbers"] | {"count": [1]}), "count must be an int32"),
        (lambda: damaged(numbers=OLD["numbers"] | {"manual.value.high": "0x7fc0000z"}), "manual.value.high must be a float32"),
        (lambda: damaged(numbers=OLD["numbers"] | {"manual.value.high": 1e300}), "must be a float32, got 1e[+]300"),
        (lambda: damaged(learning_rate=[0.1]), "learning_rate must be a float32"),
    ],
)
def test_damage_is_told(change, says):
    with pytest.raises(StateError, match=says):
        carry(read_rate(change(), 1), CUT[0].init(PARAMS), "error", Carried())


@pytest.mark.parametrize("value", [[[1], 2], [], {}, None, "nan0", [0.5] * 9, "0x" + "f" * 9, 10**400, [[[[]]]]])
@pytest.mark.parametrize("name", ["manual.value.high", "manual.pinned", "observed[1].own.best_value", "count"])
def test_whatever_a_number_is_in_a_file_is_told(name, value):
    """Where the policy's isn't of the right shape, a changed code begins with a new one."""
    saved = read_rate(damaged(numbers=OLD["numbers"] | {name: value}), 1)
    likes = {"error": CUT[0].init(PARAMS), "code": made(rx.Linear(0.1, 0.0, 9) * PLATEAU), "checkpoint": made(rx.Linear(0.1, 0.0, 9))}
    for keep, like in likes.items():
        told = Carried()
        try:
            carry(saved, like, keep, told)
        except StateError:
            continue
        assert keep == "code"
        assert told.anew == ["ReduceOnPlateau(loss, min) at learning_rate.factors[1]"]


def test_a_hostile_expression_is_only_read():
    """It is parsed as every expression is: known words, bounded size, nothing executed."""
    for expression in ({"os.system": {"command": "true"}}, {"Product": {"factors": [{"Product": {}}] * 6000}}):
        saved = read_rate(damaged(expression=expression), 1)
        with pytest.raises(StateError, match="which can't be read"):
            carry(saved, made(rx.Linear(0.1, 0.0, 9)), "checkpoint", Carried())


def test_a_future_format_is_refused():
    with pytest.raises(StateError, match=r"format 2; this rheostax reads 1 to 1\. Install a newer one"):
        read_rate(OLD, 2)
