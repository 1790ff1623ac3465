"""Control inside optax's wrappers: the same rate, or a rule that is written down here."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import rheostax as rx
from tests.control.sgd import Run
from tests.support import assert_identical

PLATEAU = rx.ReduceOnPlateau(patience=1, factor=0.5)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda tx: optax.chain(optax.clip_by_global_norm(100.0), tx),
        lambda tx: optax.chain(optax.clip(10.0), optax.chain(tx), optax.identity()),
        lambda tx: optax.named_chain(("clip", optax.clip(10.0)), ("control", tx)),
        lambda tx: optax.masked(tx, {"w": True}),
        lambda tx: optax.apply_if_finite(tx, 3),
        lambda tx: optax.partition({"all": tx}, {"w": "all"}),
        lambda tx: optax.MultiSteps(tx, 1),
        optax.with_extra_args_support,
    ],
    ids=["chain", "nested chain", "named chain", "masked", "apply_if_finite", "partition", "MultiSteps of 1", "extra args"],
)
def test_a_wrapper_changes_nothing(wrap):
    """Metrics get through, the rate is found however deep, and it can be changed there."""
    run = Run(rx.Linear(1.0, 0.0, 10) * PLATEAU, wrap=wrap)
    for want in (1.0, 0.9 / 2, 0.8 / 4):
        np.testing.assert_allclose(run.update(value=1.0), want, rtol=1e-6)
        assert run.applied["w"] == run.read
    run.observe(value=1.0)
    run.set(0.35)
    assert run.update() == run.read == np.float32(0.35)
    run.scale(0.5)
    np.testing.assert_allclose(run.update(value=0.1), 0.5 * 0.35 * 6 / 7, rtol=1e-6)
    assert rx.describe(run.state).count == 5


def test_a_chain_scales_what_control_made():
    """The rate is that of control; what comes after it in the chain is not part of it."""
    run = Run(0.5, wrap=lambda tx: optax.chain(tx, optax.scale(0.1)))
    np.testing.assert_allclose(run.update(), 0.05, rtol=1e-6)
    assert run.read == 0.5


def test_optax_tree_get_finds_the_rate():
    """With `optax.inject_hyperparams` this fails as soon as the rate is a schedule, or there are two groups."""
    run = Run(rx.Linear(1.0, 0.0, 10), wrap=lambda tx: optax.chain(optax.clip(10.0), tx))
    run.update()
    run.update()
    assert optax.tree.get(run.state, "learning_rate") == np.float32(0.9) == run.read
    groups = Run(0.5 * rx.Groups({"a": 1.0, "b": 0.5}), names="ab")
    np.testing.assert_array_equal(optax.tree.get(groups.state, "learning_rate"), [0.5, 0.25])


def two_controls():
    transforms = {"slow": rx.control(optax.sgd, rx.Constant(0.125) * PLATEAU), "fast": rx.control(optax.sgd, rx.Linear(1.0, 0.0, 4))}
    tx = optax.multi_transform(transforms, {"a": "slow", "b": "fast"})
    params = {"a": jnp.zeros(()), "b": jnp.zeros(())}

    @jax.jit
    def update(state, **metrics):
        updates, state = tx.update(jax.tree.map(jnp.ones_like, params), state, params, **metrics)
        return {"slow": -updates["a"], "fast": -updates["b"]}, state

    return update, tx.init(params)


def test_two_controls_have_names():
    update, state = two_controls()
    assert rx.learning_rate(state) == {"slow": 0.125, "fast": 1.0}
    assert rx.learning_rate(state, group="slow") == 0.125
    applied, state = update(state, value=1.0)
    applied, state = update(state, value=1.0)
    assert applied == rx.learning_rate(state) == {"slow": 0.0625, "fast": 0.75}


def test_one_of_two_controls_is_changed_by_its_name():
    update, state = two_controls()
    state = rx.set_learning_rate(state, 0.5, group="fast")
    assert update(state)[0] == {"slow": 0.125, "fast": 0.5}
    state = rx.scale_learning_rate(state, 0.5)
    assert update(state)[0] == {"slow": 0.0625, "fast": 0.25}
    state = rx.scale_learning_rate(state, 0.5, group="slow")
    assert update(state)[0] == {"slow": 0.03125, "fast": 0.25}
    state = rx.reset_learning_rate(state, group="fast")
    assert update(state)[0] == {"slow": 0.03125, "fast": 1.0}
    state = rx.reset_learning_rate(state)
    assert update(state)[0] == {"slow": 0.125, "fast": 1.0}
    state = rx.observe(rx.observe(state, value=1.0), value=1.0)
    assert update(state)[0] == {"slow": 0.0625, "fast": 1.0}


def test_which_of_two_controls_must_be_said():
    _, state = two_controls()
    with pytest.raises(rx.ArgumentError, match=r"group must say which of 'fast', 'slow' to set; rx\.scale_learning_rate changes all"):
        rx.set_learning_rate(state, 0.5)
    for function in (rx.learning_rate, rx.reset_learning_rate, lambda x, group: rx.set_learning_rate(x, 0.1, group=group)):
        with pytest.raises(rx.ArgumentError, match=r"group must be one of 'fast', 'slow', got 'fsat'\. Did you mean 'fast'\?"):
            function(state, group="fsat")


def test_groups_in_two_controls_have_both_names():
    def control():
        return rx.control(optax.sgd, 0.5 * rx.Groups({"*/w": 1.0, "*/b": 0.5}))

    params = {name: {"w": jnp.zeros(()), "b": jnp.zeros(())} for name in ("x", "y")}
    tx = optax.multi_transform({"one": control(), "two": control()}, {"x": "one", "y": "two"})
    state = rx.set_learning_rate(tx.init(params), 0.125, group="two/*/b")
    assert rx.learning_rate(state) == {"one/*/w": 0.5, "one/*/b": 0.25, "two/*/w": 0.5, "two/*/b": 0.125}
    updates, _ = jax.jit(tx.update)(jax.tree.map(jnp.ones_like, params), state, params)
    assert jax.tree.map(lambda x: -float(x), updates) == {"x": {"w": 0.5, "b": 0.25}, "y": {"w": 0.5, "b": 0.125}}


@pytest.mark.parametrize("label", ["same", None])
def test_two_controls_without_names_of_their_own_go_by_their_place(label):
    """Two wrappers with the same label in one chain, or no label at all: neither control hides the other."""

    def part(rate):
        tx = rx.control(optax.sgd, rate)
        return tx if label is None else optax.partition({label: tx}, label)

    tx = optax.chain(part(0.5), part(0.25))
    state = rx.scale_learning_rate(tx.init(jnp.ones(2)), 0.5)
    names = list(rx.learning_rate(state))
    assert [name[:3] for name in names] == ["[0]", "[1]"]
    state = rx.set_learning_rate(state, 0.75, group=names[1])
    assert list(rx.learning_rate(state).values()) == [0.25, 0.75]


def test_masked_parameters_are_left_alone():
    params = {"w": jnp.zeros(()), "frozen": jnp.zeros(())}
    tx = optax.masked(rx.control(optax.sgd, 0.5), {"w": True, "frozen": False})
    updates, state = tx.update(jax.tree.map(jnp.ones_like, params), tx.init(params), params)
    assert updates == {"w": -0.5, "frozen": 1.0}  # optax.masked passes the rest through unchanged
    assert rx.learning_rate(state) == 0.5


def test_multi_steps_hears_the_last_micro_batch_only():
    """optax.MultiSteps calls the inner update, with its arguments of that moment, once per `k` micro-batches.

    So the count is of real updates, and of the metrics passed along only the last micro-batch's is heard. To hear the mean
    of all, observe it: `rx.observe` works on the state of MultiSteps.
    """
    run = Run(rx.Linear(1.0, 0.0, 10) * rx.ReduceOnPlateau(patience=1, factor=0.5), wrap=lambda tx: optax.MultiSteps(tx, 4))
    measured = [float(run.update(value=value)) for value in [9, 9, 9, 1, 0, 0, 0, 1]]
    np.testing.assert_allclose(measured, [0, 0, 0, 1.0, 0, 0, 0, 0.45], rtol=1e-6)
    assert rx.describe(run.state).parts[1].observations == 2
    assert rx.describe(run.state).count == 2
    run.observe(value=1.0)
    for _ in range(4):
        measured = run.update()
    np.testing.assert_allclose(measured, 0.2, rtol=1e-6)
    np.testing.assert_allclose(run.read, 0.2, rtol=1e-6)


def test_multi_steps_as_a_plain_transformation_in_a_chain_hears_nothing():
    """optax.MultiSteps.gradient_transformation hides that it takes extra arguments, so optax.chain drops them; describe says so."""
    run = Run(rx.Constant(1.0) * PLATEAU, wrap=lambda tx: optax.chain(optax.MultiSteps(tx, 1).gradient_transformation()))
    assert [float(run.update(value=1.0)) for _ in range(3)] == [1, 1, 1]
    assert "has heard nothing of 'value' in 3 updates" in str(rx.describe(run.state))
    run.observe(value=1.0)
    run.observe(value=1.0)
    assert run.update() == 0.5


def test_a_skipped_update_is_none():
    """Where optax.apply_if_finite skips an update, neither the count nor a policy moves, and the rate read is that of the last one."""
    tx = optax.apply_if_finite(rx.control(optax.sgd, rx.Linear(1.0, 0.0, 10) * PLATEAU), max_consecutive_errors=5)
    update, zero = jax.jit(tx.update), jnp.zeros(())
    _, state = update(jnp.float32(1.0), tx.init(zero), zero, value=1.0)
    before = state.inner_state
    for _ in range(3):
        updates, state = update(jnp.float32(jnp.nan), state, zero, value=1.0)
        assert updates == 0
    assert_identical(state.inner_state, before)
    assert rx.learning_rate(state) == 1.0
    assert state.total_notfinite == 3
    updates, state = update(jnp.float32(1.0), state, zero, value=1.0)
    np.testing.assert_allclose(-updates, 0.45, rtol=1e-6)


def test_a_factory_may_be_a_chain():
    """Weight decay and clipping inside the factory use the same rate."""

    def factory(learning_rate, decay):
        return optax.chain(optax.add_decayed_weights(decay), optax.scale_by_learning_rate(learning_rate))

    tx, params = rx.control(factory, rx.Linear(1.0, 0.0, 10), decay=0.25), jnp.full(2, 2.0)
    updates, _ = tx.update(jnp.zeros(2), tx.init(params), params)
    np.testing.assert_array_equal(updates, [-0.5, -0.5])
