"""`rx.reduce_on_plateau` in the place of optax's: its own tests, and the faults of the original."""

import unittest

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from optax.contrib import _reduce_on_plateau as theirs
from optax.contrib import _reduce_on_plateau_test as their_tests

import rheostax as rx
from tests.support import assert_identical

THEIR_TESTS = unittest.TestLoader().getTestCaseNames(their_tests.ReduceLROnPlateauTest)


@pytest.mark.parametrize("replaced", [("reduce_on_plateau",), ("reduce_on_plateau", "ReduceLROnPlateauState")], ids=" and ".join)
@pytest.mark.parametrize("name", THEIR_TESTS)
def test_optax_own_tests_pass(name, replaced, monkeypatch):
    """With the function alone replaced, the tests hand over states of optax's own type, as a checkpoint would."""
    for what in replaced:
        monkeypatch.setattr(theirs, what, getattr(rx, what))
    result = unittest.TestResult()
    their_tests.ReduceLROnPlateauTest(name).run(result)
    assert result.testsRun == 1
    assert not result.errors + result.failures + result.skipped, "\n".join(text for _, text in result.errors + result.failures)


def test_optax_has_tests():
    assert len(THEIR_TESTS) >= 8


def test_the_state_has_optax_fields_first():
    assert rx.ReduceLROnPlateauState._fields[:6] == theirs.ReduceLROnPlateauState._fields
    assert rx.ReduceLROnPlateauState(*range(6)).nonfinite_count == 0


def run(tx, values, updates=None, jit=True):
    """Return the scale after each value, and the last state; None stands for no value."""
    updates = jnp.ones(2) if updates is None else updates
    state, scales = tx.init(updates), []
    step = jax.jit(tx.update) if jit else tx.update
    for value in values:
        _, state = step(updates, state, value=value)
        scales.append(float(state.scale))
    return scales, state


def test_a_constant_negative_metric_cuts():
    assert run(rx.reduce_on_plateau(patience=2, factor=0.5), [-1.0] * 5)[0] == [1, 1, 0.5, 0.5, 0.25]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_bad_metric_is_counted_and_left_out(bad):
    scales, state = run(rx.reduce_on_plateau(patience=2, factor=0.5), [1.0, bad, 0.5, bad, 0.25])
    assert scales == [1] * 5
    assert (int(state.nonfinite_count), float(state.best_value), int(state.plateau_count)) == (2, 0.25, 0)


def test_max_mode():
    tx = rx.reduce_on_plateau(patience=2, factor=0.5, mode="max")
    assert run(tx, [1.0, 2.0, 3.0, 3.0, 3.0])[0] == [1, 1, 1, 1, 0.5]


def test_patience_of_zero_is_refused_with_an_explanation():
    """optax's fires at improvements and never at a plateau."""
    with pytest.raises(rx.ArgumentError, match=r"patience must be a whole number >= 1, got 0\. 1 acts at the first observation"):
        rx.reduce_on_plateau(patience=0)


@pytest.mark.parametrize("patience", [2.5, "3", True, None])
def test_patience_must_be_whole(patience):
    with pytest.raises(rx.ArgumentError, match=rf"patience must be a whole number >= 1, got {patience!r}"):
        rx.reduce_on_plateau(patience=patience)


def test_a_whole_patience_may_come_as_a_float():
    """optax compares it with == and never fires."""
    assert run(rx.reduce_on_plateau(patience=2.0, factor=0.5), [1.0] * 3)[0] == [1, 1, 0.5]


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16, jnp.float32])
def test_steady_improvement_is_seen_whatever_the_parameters_are_kept_in(dtype):
    """0.1% per evaluation is less than bfloat16 can tell apart."""
    updates, values = jnp.ones(2, dtype), 2.3 * 0.999 ** np.arange(300)
    tx = rx.reduce_on_plateau(patience=5, factor=0.5)

    def step(state, value):
        updates_, state = tx.update(updates, state, value=value)
        return state, updates_

    state, scaled = jax.lax.scan(step, tx.init(updates), jnp.asarray(values, jnp.float32))
    assert state.scale == 1
    assert scaled.dtype == dtype


def test_a_running_mean_keeps_its_digits_with_bfloat16_parameters():
    """In bfloat16 the mean of 1000 values of 2.3 is 1.02."""
    updates, tx = jnp.ones(2, jnp.bfloat16), rx.reduce_on_plateau(accumulation_size=1000)
    state, _ = jax.lax.scan(lambda state, value: (tx.update(updates, state, value=value)[1], None), tx.init(updates), jnp.full(1000, 2.3))
    np.testing.assert_allclose(state.best_value, 2.3, rtol=1e-5)


def test_a_factor_close_to_one_moves_with_bfloat16_parameters():
    scales, _ = run(rx.reduce_on_plateau(patience=1, factor=0.999), [1.0] * 20, jnp.ones(2, jnp.bfloat16))
    np.testing.assert_allclose(scales, 0.999 ** np.arange(20), rtol=1e-5)


def test_one_bfloat16_leaf_does_not_narrow_the_scale():
    updates = {"narrow": jnp.ones(2, jnp.bfloat16), "wide": jnp.ones(2), "half": jnp.ones(2, jnp.float16)}
    tx = rx.reduce_on_plateau(patience=1, factor=0.999)
    state = tx.init(updates)
    for _ in range(2):
        scaled, state = tx.update(updates, state, value=1.0)
    assert state.scale == np.float32(0.999)
    assert {name: leaf.dtype for name, leaf in scaled.items()} == {name: leaf.dtype for name, leaf in updates.items()}
    np.testing.assert_array_equal(scaled["wide"], np.float32([0.999, 0.999]))


def test_whole_numbered_leaves_pass_unscaled():
    updates = {"w": jnp.ones(2), "count": jnp.arange(3)}
    tx = rx.reduce_on_plateau(patience=1, factor=0.5)
    state = tx.init(updates)
    for _ in range(2):
        scaled, state = jax.jit(tx.update)(updates, state, value=1.0)
    np.testing.assert_array_equal(scaled["w"], [0.5, 0.5])
    assert_identical(scaled["count"], jnp.arange(3))


@pytest.mark.parametrize("jit", [False, True])
def test_a_metric_that_is_no_scalar_is_a_clear_error(jit):
    with pytest.raises(
        rx.ArgumentError, match=r"metric 'value' must be a scalar, got shape \(1,\)\. Reduce it first, for example with \.mean\(\)"
    ):
        run(rx.reduce_on_plateau(), [jnp.ones(1)], jit=jit)


def test_a_value_need_not_come_at_every_update():
    """The same validation loss, once per 10 updates, counts once each time."""
    tx = rx.reduce_on_plateau(patience=2, factor=0.5)
    scales, state = run(tx, ([1.0] + [None] * 9) * 4)
    assert scales == [1] * 20 + [0.5] * 20
    updates, again = tx.update(jnp.ones(2), state)
    assert_identical(again, state)
    np.testing.assert_array_equal(updates, [0.5, 0.5])


def test_min_scale_is_a_floor():
    assert run(rx.reduce_on_plateau(patience=1, factor=0.5, min_scale=0.25), [1.0] * 5)[0] == [1, 0.5, 0.25, 0.25, 0.25]


def test_a_saved_state_of_optax_goes_on():
    """Their state, made by their transformation in the middle of a run, in bfloat16 and in float32."""
    given = {"factor": 0.5, "patience": 3, "cooldown": 1, "accumulation_size": 2}
    for dtype in (jnp.float32, jnp.bfloat16):
        _, state = run(theirs.reduce_on_plateau(**given), [1.0] * 7, jnp.ones(2, dtype))
        assert (int(state.plateau_count), int(state.count)) == (2, 1)
        tx = rx.reduce_on_plateau(**given)
        _, state = tx.update(jnp.ones(2), state, value=1.0)
        assert (float(state.scale), int(state.plateau_count), int(state.cooldown_count)) == (0.5, 0, 1)
        assert [leaf.dtype for leaf in state] == [leaf.dtype for leaf in tx.init(jnp.ones(2))]


def test_a_state_behind_a_smaller_accumulation_size_or_patience_is_not_stuck():
    """optax compares with == and never fires again."""
    _, state = run(rx.reduce_on_plateau(patience=9, accumulation_size=4), [1.0] * 31)
    tx = rx.reduce_on_plateau(patience=3, accumulation_size=2, factor=0.5)
    _, state = tx.update(jnp.ones(2), state, value=1.0)
    assert float(state.scale) == 0.5


@pytest.mark.parametrize("way", ["loop", "scan"])
def test_after_adam_in_a_chain(way):
    """The updates are adam's, times the scale."""
    tx = optax.chain(optax.adam(0.1), rx.reduce_on_plateau(patience=2, factor=0.5))
    alone, values = optax.adam(0.1), jnp.ones(9)

    def train(tx, **_):
        def step(carry, value):
            params, state = carry
            updates, state = tx.update(jnp.sin(params), state, params, value=value)
            return (params, state), updates

        carry = (jnp.ones(2), tx.init(jnp.ones(2)))
        if way == "scan":
            return jax.lax.scan(step, carry, values)[1]
        updates, jitted = [], jax.jit(step)
        for value in values:
            carry, update = jitted(carry, value)
            updates.append(update)
        return jnp.stack(updates)

    got, plain = train(tx), train(optax.with_extra_args_support(alone))
    scale = np.array([1, 1, 0.5, 0.5, 0.25, 0.25, 0.125, 0.125, 0.0625])
    np.testing.assert_array_equal(got, np.asarray(plain) * scale[:, None])


def test_under_vmap_over_metrics():
    tx = rx.reduce_on_plateau(patience=1, factor=0.5)
    state = jax.vmap(lambda _: tx.init(jnp.ones(2)))(jnp.arange(2))
    for values in ([1.0, 1.0], [1.0, 0.5]):
        _, state = jax.vmap(lambda state, value: tx.update(jnp.ones(2), state, value=value))(state, jnp.asarray(values))
    np.testing.assert_array_equal(state.scale, [0.5, 1.0])
