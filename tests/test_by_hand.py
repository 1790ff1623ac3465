"""Changes of the rate by hand: set, pin, scale, reset."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rheostax as rx
from tests.control.sgd import Run

LINE = rx.Linear(1.0, 0.0, 10)
PLATEAU = rx.ReduceOnPlateau(patience=1, factor=0.5)


def rates(run, updates, **metrics):
    return [float(run.update(**metrics)) for _ in range(updates)]


def test_a_schedule_goes_on_from_the_value_set():
    run = Run(LINE)
    run.update()
    run.update()
    run.set(0.4)  # where the line is at 0.8
    assert run.read == np.float32(0.4)
    np.testing.assert_allclose(rates(run, 4), [0.4, 0.35, 0.3, 0.25], rtol=1e-6)


def test_a_policy_goes_on_from_the_value_set():
    run = Run(rx.Constant(1.0) * PLATEAU)
    rates(run, 3, value=1.0)
    run.set(0.8)
    assert rates(run, 3, value=1.0) == pytest.approx([0.4, 0.2, 0.1], rel=1e-6)


def test_pinned_it_is_held_against_schedule_and_policy():
    run = Run(LINE * PLATEAU)
    run.set(0.3, pin=True)
    assert rates(run, 12, value=1.0) == [np.float32(0.3)] * 12
    assert "the rate is pinned by hand" in str(rx.describe(run.state))


def test_setting_again_releases_a_pin():
    run = Run(LINE)
    run.set(0.3, pin=True)
    run.update()
    run.set(0.45)
    np.testing.assert_allclose(rates(run, 2), [0.45, 0.4], rtol=1e-6)
    assert "pinned" not in str(rx.describe(run.state))


def test_reset_gives_the_rate_back():
    run = Run(LINE)
    run.set(0.3, pin=True)
    run.scale(0.5)
    run.update()
    run.reset()
    assert run.read == np.float32(0.9)
    np.testing.assert_allclose(rates(run, 2), [0.9, 0.8], rtol=1e-6)
    assert "by hand" not in str(rx.describe(run.state))


def test_scaling_multiplies_whatever_comes():
    run = Run(LINE * PLATEAU)
    run.scale(0.5)
    run.scale(0.5)
    assert run.read == 0.25
    np.testing.assert_allclose(rates(run, 3, value=1.0), [0.25, 0.225 / 2, 0.2 / 4], rtol=1e-6)
    run.set(0.8, pin=True)
    run.scale(0.25)
    assert run.update() == np.float32(0.2)


@pytest.mark.parametrize(("rate", "updates"), [(rx.Warmup(10) * 0.5, 0), (LINE, 10), (LINE, 15)], ids=["start", "end", "past the end"])
def test_where_the_expression_is_zero_the_value_is_pinned(rate, updates):
    """There is nothing to go on from; describe says so."""
    run = Run(rate)
    rates(run, updates)
    run.set(0.125)
    assert rates(run, 5) == [0.125] * 5
    assert "the rate is pinned by hand; reset_learning_rate gives it back" in str(rx.describe(run.state))
    run.reset()
    assert run.update() == np.float32(rate(updates + 5))


def test_set_to_zero_and_back():
    run = Run(LINE)
    run.set(0.0)
    assert rates(run, 2) == [0, 0]
    run.set(0.4)
    np.testing.assert_allclose(rates(run, 2), [0.4, 0.35], rtol=1e-6)


@pytest.mark.parametrize(
    "value", [0.25, np.float64(0.25), np.float32(0.25), jnp.float32(0.25), jnp.bfloat16(0.25), np.array(0.25)], ids=str
)
def test_a_value_may_be_any_real_scalar(value):
    run = Run(0.5)
    run.set(value)
    assert run.update() == run.read == 0.25
    run.scale(value)
    assert run.update() == 0.0625


def test_a_traced_value():
    run = Run(LINE)
    run.state = jax.jit(rx.set_learning_rate)(run.state, jnp.float32(0.4))
    assert run.read == np.float32(0.4)
    run.state = jax.jit(rx.scale_learning_rate)(run.state, jnp.float32(0.5))
    np.testing.assert_allclose(rates(run, 2), [0.2, 0.18], rtol=1e-6)
    run.state = jax.jit(rx.reset_learning_rate)(run.state)
    assert run.read == np.float32(0.8)
    assert run.faults == 0


@pytest.mark.parametrize("bad", [np.nan, np.inf, -0.5])
@pytest.mark.parametrize("function", [rx.set_learning_rate, rx.scale_learning_rate])
def test_a_traced_value_that_is_no_rate_is_left_out_and_counted(function, bad):
    run = Run(LINE)
    run.set(0.5)
    assert run.faults == 0
    run.state = jax.jit(function)(run.state, jnp.float32(bad))
    assert run.read == 0.5
    np.testing.assert_allclose(rates(run, 2), [0.5, 0.45], rtol=1e-6)
    assert run.faults == 1


def test_a_rate_scaled_beyond_float32_stays():
    run = Run(0.5)
    run.scale(1e30)
    assert run.read == np.float32(5e29)
    run.scale(1e30)
    assert run.update() == run.read == np.float32(5e29)
    assert run.faults == 1


def test_a_schedule_that_would_carry_a_value_beyond_float32_stays():
    """Set at the first step of a long rise, the value would be multiplied by 1e9 in the end."""
    run = Run(rx.Linear(1e-9, 1.0, 2))
    run.set(1e38)
    assert rates(run, 3) == [np.float32(1e38)] * 3


@pytest.mark.parametrize("function", [rx.set_learning_rate, rx.scale_learning_rate])
@pytest.mark.parametrize(
    ("value", "message"),
    [
        (-0.1, r"must be a finite number >= 0, got -0\.1"),
        (float("nan"), r"must be a finite number >= 0, got nan"),
        (float("inf"), r"must be a finite number >= 0, got inf"),
        (1e39, r"must be a finite number >= 0, got 1e\+39"),
        ([0.1], r"must be a scalar, got shape \(1,\)"),
        ("0.1", r"must be a real number, got '0\.1'"),
        (None, r"must be a real number, got None"),
        (1j, r"must be a real number, got 1j"),
        (True, r"must be a real number, got True"),
    ],
)
def test_a_wrong_value_is_told(function, value, message):
    name = "value" if function is rx.set_learning_rate else "factor"
    with pytest.raises(rx.ArgumentError, match=f"^{name} {message}"):
        function(Run(0.5).state, value)


def groups():
    return Run(LINE * rx.Groups({"a": 1.0, "b": 0.5, "c": None}), names="abc")


def test_one_group_is_changed_and_the_others_are_not():
    run = groups()
    run.set(0.25, group="b")
    np.testing.assert_allclose(list(run.update().values()), [1.0, 0.25, 0.0], rtol=1e-6)
    run.scale(0.5, group="a")
    np.testing.assert_allclose(list(run.update().values()), [0.45, 0.225, 0.0], rtol=1e-6)
    run.set(0.7, group="a", pin=True)
    np.testing.assert_allclose(list(run.update().values()), [0.7, 0.2, 0.0], rtol=1e-6)
    run.reset(group="b")
    np.testing.assert_allclose(list(run.update().values()), [0.7, 0.35, 0.0], rtol=1e-6)
    run.scale(0.5)
    np.testing.assert_allclose(list(run.update().values()), [0.35, 0.15, 0.0], rtol=1e-6)
    run.reset()
    np.testing.assert_allclose(list(run.update().values()), [0.5, 0.25, 0.0], rtol=1e-6)


def test_a_traced_value_that_is_no_rate_leaves_its_group_alone():
    run = groups()
    run.state = jax.jit(lambda state, value: rx.set_learning_rate(state, value, group="b"))(run.state, jnp.float32(np.nan))
    assert run.faults == 1
    np.testing.assert_allclose(list(run.update().values()), [1.0, 0.5, 0.0])


def test_a_group_must_be_named_to_be_set():
    run = groups()
    with pytest.raises(rx.ArgumentError, match=r"group must say which of 'a', 'b', 'c' to set; rx\.scale_learning_rate changes all"):
        run.set(0.5)
    for change in (run.scale, run.set):
        with pytest.raises(rx.ArgumentError, match=r"group must be one of 'a', 'b', 'c', got 'A'"):
            change(0.5, group="A")


def test_without_groups_there_is_none_to_name():
    with pytest.raises(rx.ArgumentError, match="'head'"):
        Run(0.5).set(0.1, group="head")


def test_a_state_is_left_as_it_was():
    """On a plain state the functions are pure."""
    run = Run(LINE)
    before = jax.tree.map(np.array, run.state)
    for function in (lambda x: rx.set_learning_rate(x, 0.1), lambda x: rx.scale_learning_rate(x, 0.1), rx.reset_learning_rate):
        function(run.state)
    for old, new in zip(jax.tree.leaves(before), jax.tree.leaves(run.state), strict=True):
        np.testing.assert_array_equal(old, new)


def test_a_frozen_group_has_no_rate_to_change():
    run = groups()
    for change in (run.scale, run.set):
        with pytest.raises(rx.ArgumentError, match=r"^group must have a rate to change, but 'c' is frozen: its rate in rx\.Groups"):
            change(0.5, group="c")
    run.reset(group="c")
    run.scale(0.5)
    np.testing.assert_allclose(list(run.update().values()), [0.5, 0.25, 0.0], rtol=1e-6)
