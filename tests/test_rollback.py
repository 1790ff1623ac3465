"""A guard that asks for a rollback, and what brings the run back."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import optax
import orbax.checkpoint as ocp
import pytest
from flax import nnx

import rheostax as rx
from rheostax.record import decisions
from rheostax.rollback import take
from tests.support import assert_identical

GUARD = rx.SpikeGuard(window=3, max_spikes=2, factor=0.5, recovery=4, roll_back=True)
RATE = rx.Linear(1.0, 0.0, 100) * GUARD
CALM = [3.0, 3.1, 2.9, 3.0, 3.1, 2.9]


class Run:
    """A small run that is checked after every update; each loss is what the guard hears."""

    def __init__(self, rate=RATE, **options):
        self.tx = rx.control(optax.adam, rate, on_nonfinite="skip")
        self.params = {"w": jnp.linspace(1, 2, 3), "key": jnp.float32(0.0)}
        self.state = self.tx.init(self.params)
        self.safe = rx.Rollback(**options)
        self.update = jax.jit(self._update, donate_argnums=(0, 1))
        self.history = []

    def _update(self, params, state, loss, size):
        updates, state = self.tx.update(jax.tree.map(lambda x: size * jnp.ones_like(x), params), state, params, value=loss)
        return optax.apply_updates(params, updates), state

    def step(self, *losses, size=1.0, check=True):
        for loss in losses:
            self.params, self.state = self.update(self.params, self.state, jnp.float32(loss), jnp.float32(size))
            self.history.append(jax.tree.map(np.array, (self.state, self.params)))
            if check:
                self.state, self.params = self.safe.check(self.state, self.params)
        return self


def test_weights_optimizer_and_rate_come_back_together():
    """Every array of the last good copy, bit for bit; buffers that were donated in between are no trouble."""
    run = Run().step(*CALM)
    assert not rx.should_roll_back(run.state)
    run.step(9.0, check=False)
    assert not rx.should_roll_back(run.state)
    run.step(9.5, check=False)
    assert rx.should_roll_back(run.state)
    run.state, run.params = run.safe.check(run.state, run.params)
    # the copy after the sixth update isn't known to be good: the fifth is the last that was calm a check later
    assert_identical(jax.tree.map(np.asarray, (run.state, run.params)), run.history[4])
    assert run.safe.rollbacks == 1
    assert not rx.should_roll_back(run.state)
    run.step(*CALM)
    assert rx.describe(run.state).count == 11


def test_no_copy_is_made_in_a_spike():
    run = Run(keep=9).step(*CALM, 9.0, 3.0, 9.0, 9.0)
    assert_identical(jax.tree.map(np.asarray, (run.state, run.params)), run.history[5])


def test_a_cut_survives_and_adds_up():
    """0.5 at each rollback, from the copy's own rate on: also from one copy twice, and from a copy that has a cut already."""
    run = Run(rate=rx.Constant(1.0) * GUARD, factor=0.5, keep=1).step(*CALM)
    rates = []
    for _ in range(3):
        run.step(9.0, 9.0)
        rates.append(float(rx.learning_rate(run.state)))
    assert rates == [0.5, 0.25, 0.125]
    run.step(*CALM, 9.0, 9.0)
    assert (float(rx.learning_rate(run.state)), run.safe.rollbacks) == (0.0625, 4)


def test_asked_again_it_goes_further_back_down_to_the_oldest():
    run = Run(keep=2).step(*CALM)
    counts = []
    for _ in range(3):
        run.step(9.0, 9.0)
        counts.append(rx.describe(run.state).count)
    assert counts == [5, 4, 4]


def test_without_a_good_copy_it_says_so_and_goes_on():
    run = Run()
    run.step(*CALM, 9.0, 9.5, check=False)
    with pytest.warns(rx.RheostaxWarning, match="there is no good copy yet; training goes on as it is"):
        run.state, run.params = run.safe.check(run.state, run.params)
    assert_identical(jax.tree.map(np.asarray, run.params), run.history[-1][1])
    assert not rx.should_roll_back(run.state)
    run.step(*[9.5] * 6, 30.0, 30.0)  # a new level, and then it is lost again
    assert run.safe.rollbacks == 1
    assert rx.describe(run.state).count == 13


@pytest.mark.parametrize(("loss", "size"), [(np.nan, 1.0), (np.inf, np.nan), (3.0, np.nan), (3.0, np.inf)])
def test_a_run_of_values_that_are_none_is_lost_too(loss, size):
    """A loss, or gradients, that are NaN as many times in a row as spikes would have to be; one alone is nothing."""
    run = Run().step(*CALM).step(loss, size=size).step(3.0)
    assert run.safe.rollbacks == 0
    run.step(loss, loss, size=size)
    assert run.safe.rollbacks == 1
    assert np.all(np.isfinite(run.params["w"]))


def test_the_journal_tells_why():
    state = rx.control(optax.sgd, 1.0 * GUARD).init(jnp.ones(2))
    found = []
    for loss in [*CALM, 9.0, 9.5, np.nan, np.nan]:
        after = rx.observe(state, value=loss)
        found += decisions(state, after)
        state = after
    assert [one.why.partition("; ")[2] for one in found] == ["", "training should go back to a good state"]
    assert "asks for a rollback, 2 spikes" in str(rx.describe(state))
    state = rx.control(optax.sgd, 1.0 * GUARD).init(jnp.ones(2))
    before, after = rx.observe(state, value=np.nan), rx.observe(rx.observe(state, value=np.nan), value=np.nan)
    assert [one.why for one in decisions(before, after)] == [
        "value was NaN or infinite 2 times in a row; training should go back to a good state"
    ]


def test_an_nnx_model_and_its_optimizer_are_changed_in_place():
    model = nnx.Sequential(nnx.Linear(2, 3, rngs=nnx.Rngs(0)), nnx.Dropout(0.5, rngs=nnx.Rngs(1)))
    optimizer, safe = rx.Optimizer(model, rx.control(optax.adam, RATE), wrt=nnx.Param), rx.Rollback(factor=0.5)

    @nnx.jit
    def step(model, optimizer, loss):
        grads = nnx.grad(lambda model: model(jnp.ones((1, 2))).sum())(model)
        optimizer.update(model, grads, value=loss)

    def arrays():
        return [np.array(leaf) for leaf in jax.tree.leaves(nnx.state(model, nnx.Param))]

    kept = []
    for loss in [*CALM, 9.0, 9.0]:
        step(model, optimizer, loss)
        kept.append(arrays())
        assert safe.check(optimizer, model) == (optimizer, model)
    assert safe.rollbacks == 1
    assert_identical(arrays(), kept[4])
    assert (int(optimizer.step), rx.describe(optimizer).count) == (5, 5)
    step(model, optimizer, 3.0)
    np.testing.assert_allclose(optimizer.learning_rate, 0.5 * 0.95, rtol=1e-6)


def test_copies_may_lie_in_checkpoints(tmp_path):
    """Any pair of save and restore does; here orbax's manager, which keeps the last three."""
    with ocp.CheckpointManager(tmp_path, options=ocp.CheckpointManagerOptions(max_to_keep=3)) as manager:

        def save(number, tree):
            manager.save(number, args=ocp.args.StandardSave(tree))

        def restore(number, like):
            manager.wait_until_finished()
            return manager.restore(number, args=ocp.args.StandardRestore(like))

        run = Run(save=save, restore=restore, factor=0.5).step(*CALM)
        run.step(9.0, 9.5)
        state, params = run.history[4]
        assert_identical(jax.tree.map(np.asarray, run.params), params)
        assert_identical(jax.tree.map(np.asarray, run.state.inner), state.inner)
        assert rx.learning_rate(run.state) == np.float32(0.5 * 0.95)


def test_a_copy_lies_on_the_devices_that_the_run_lies_on():
    sharding = jax.sharding.NamedSharding(jax.make_mesh((8,), ("x",)), jax.sharding.PartitionSpec("x"))
    tx, params, safe = rx.control(optax.adam, RATE), jax.device_put(jnp.ones(16), sharding), rx.Rollback()
    state = tx.init(params)
    for loss in [*CALM, 9.0, 9.0]:
        _, state = jax.jit(tx.update)(params, state, params, value=loss)
        state, params = safe.check(state, params)
    assert safe.rollbacks == 1
    assert params.sharding.is_equivalent_to(sharding, 1)
    assert state.inner[0].mu.sharding.is_equivalent_to(sharding, 1)


def test_what_lay_nowhere_in_particular_still_does():
    """Or jit would compile anew what it gets."""
    tx, params, safe = rx.control(optax.adam, RATE), jnp.ones(16), rx.Rollback()
    state = tx.init(params)
    for loss in [*CALM, 9.0, 9.0]:
        state, params = safe.check(rx.observe(state, value=loss), params)
    assert safe.rollbacks == 1
    assert not any(leaf.committed for leaf in jax.tree.leaves((state, params)))


def test_random_keys_come_back():
    tx, key, safe = rx.control(optax.sgd, RATE), jax.random.key(3), rx.Rollback()
    state, keys = tx.init(jnp.ones(2)), []
    for loss in [*CALM, 9.0, 9.0]:
        state, key = rx.observe(state, value=loss), jax.random.split(key)[0]
        keys.append(key)
        state, key = safe.check(state, key)
    assert jnp.array_equal(jax.random.key_data(key), jax.random.key_data(keys[4]))


def test_a_healthy_run_is_left_alone():
    run = Run()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run.step(*CALM * 3)
    plain = Run()
    plain.step(*CALM * 3, check=False)
    assert_identical(take(run.state, (run.params,)), take(plain.state, (plain.params,)))


def test_who_can_ask():
    two = rx.SpikeGuard(monitor="loss", max_spikes=2) * rx.SpikeGuard(monitor="accuracy", max_spikes=2, roll_back=True)
    state = rx.control(optax.sgd, 0.1 * two).init(jnp.ones(2))
    for _ in range(3):
        state = rx.observe(state, loss=np.nan)  # heard by the one that was told to ask for nothing
    assert not rx.should_roll_back(state)
    assert rx.should_roll_back(rx.observe(rx.observe(state, accuracy=np.nan), accuracy=np.nan))
    with pytest.raises(rx.StateError, match=r"Nothing in this learning rate asks for a rollback.*SpikeGuard\(..., roll_back=True\)"):
        rx.should_roll_back(rx.control(optax.sgd, 0.1 * rx.SpikeGuard()).init(jnp.ones(2)))


@pytest.mark.parametrize(("options", "says"), [
    ({"keep": 0}, "Rollback: keep must be a whole number >= 1, got 0"),
    ({"factor": 0.0}, r"Rollback: factor must be a finite number in \(0, 1\], got 0.0"),
    ({"factor": 1.5}, r"Rollback: factor must be a finite number in \(0, 1\], got 1.5"),
    ({"save": lambda number, tree: None}, "Rollback: save and restore belong together"),
])  # fmt: skip
def test_wrong_arguments_are_refused(options, says):
    with pytest.raises(rx.ArgumentError, match=says):
        rx.Rollback(**options)
