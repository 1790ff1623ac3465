"""Staircases, pieces and cycles: what `test_values.py` doesn't ask of them."""

import jax
import numpy as np
import pytest

import rheostax as rx
from tests.oracles import pieces as oracle
from tests.support import ulps

LAST = 2**31 - 1


def test_long_cycles_tell_their_last_updates_apart():
    last = np.arange(99_999_000, 100_000_001)
    for interpolation in ("linear", "cosine"):
        values = np.asarray(jax.jit(rx.OneCycle(0.01, 0.3, 0.0, 100_000_000, interpolation=interpolation))(last))
        assert np.all(np.diff(values) < 0)
        assert values[-1] == 0


def test_cycles_that_outgrow_int32():
    """The second cycle has more updates than int32 counts."""
    counts = np.array([999_999_999, 1_000_000_000, 1_000_000_001, LAST])
    for factor in (3, 1000, LAST):
        rate = rx.CosineRestarts(1.0, 1_000_000_000, length_factor=factor)
        assert ulps(rate(counts), oracle.cosine_restarts(counts, 1.0, 1_000_000_000, length_factor=factor).astype(np.float64)).max() <= 1
    assert rx.CosineRestarts(1.0, 2**30, length_factor=2, limit=4).horizon is None


def test_shift_and_staircase():
    inner = rx.Cosine(0.3, 50, end_value=0.01)
    counts = np.arange(80)
    np.testing.assert_array_equal(rx.Shift(inner, 13)(counts), inner(counts + 13))
    np.testing.assert_array_equal(rx.Staircase(inner, 4)(counts), inner(counts // 4))
    assert rx.Shift(inner, 13)(LAST) == inner(LAST)
    assert (rx.Shift(inner, 13).horizon, rx.Shift(inner, 60).horizon, rx.Staircase(inner, 4).horizon) == (37, 0, 200)


def test_policies_in_a_shift_and_a_staircase_hear():
    plateau = 1.0 * rx.ReduceOnPlateau(patience=1, factor=0.5)
    for rate in (rx.Shift(plateau, 3), rx.Staircase(plateau, 2)):
        np.testing.assert_array_equal(rx.simulate(rate, 4, {"value": np.ones(4)}), np.float32([1.0, 0.5, 0.25, 0.125]))
    late = rx.Shift(rx.Join([1.0, plateau], boundaries=[5]), 3)  # the policy hears from count 5 - 3 on
    np.testing.assert_array_equal(rx.simulate(late, 5, {"value": np.ones(5)}), np.float32([1.0, 1.0, 1.0, 0.5, 0.25]))
    slow = rx.Staircase(rx.Join([1.0, plateau], boundaries=[2]), 2)  # from count 2 * 2 on
    np.testing.assert_array_equal(rx.simulate(slow, 7, {"value": np.ones(7)}), np.float32([1.0, 1.0, 1.0, 1.0, 1.0, 0.5, 0.25]))


def test_what_is_in_a_staircase_is_not_stretched():
    rate = rx.Staircase(rx.Linear(1.0, 0.0, 90), "1ep")
    assert rx.resolve(rate, steps_per_epoch=100) == rx.Staircase(rx.Linear(1.0, 0.0, 90), 100)
    assert rx.stretch(rx.resolve(rate, steps_per_epoch=100), 1.5) == rx.Staircase(rx.Linear(1.0, 0.0, 90), 150)
    with pytest.raises(rx.ArgumentError, match="isn't counted in updates"):
        rx.extend(rx.Staircase(rx.Linear(1.0, 0.0, 90), 100), 10_000, at=5)
    with pytest.raises(rx.ArgumentError, match=r"Staircase: steps must be at most 2,147,483,647 .*, got 4294967296"):
        rx.stretch(rx.Staircase(0.1, 2**30), 4)


def test_a_shift_can_be_extended():
    rate = rx.extend(rx.Shift(rx.Cosine(1.0, 100), 40), 160, at=10)
    whole = rx.extend(rx.Cosine(1.0, 100), 200, at=50)
    np.testing.assert_array_equal(rate(np.arange(160)), whole(np.arange(40, 200)))


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: rx.Step(0.1, 0, 0.5), r"Step: transition_steps must be a whole number >= 1, got 0\."),
        (lambda: rx.Step(0.1, 5, 1.5), r"Step: factor must be a finite number in \(0, 1\], got 1.5\. A factor above 1"),
        (lambda: rx.MultiStep(0.1, [5, 5], 0.5), r"MultiStep: boundaries must be whole numbers >= 1 in increasing order"),
        (
            lambda: rx.PiecewiseConstant([0.1, 0.2], [3, 4]),
            r"PiecewiseConstant: boundaries must be one fewer than values, got 2 for 2 values",
        ),
        (lambda: rx.PiecewiseConstant([], []), r"values must be finite numbers >= 0, at least one, got \(\)"),
        (lambda: rx.PiecewiseConstant([0.1, -0.2], [3]), r"values must be finite numbers >= 0, at least one, got \(0.1, -0.2\)"),
        (lambda: rx.PiecewiseInterpolate([0.1, 1e39], [3]), r"values must be finite numbers"),
        (lambda: rx.PiecewiseInterpolate([0.1, 1], [3], "cubic"), r"interpolation must be one of 'linear', 'cosine', got 'cubic'"),
        (lambda: rx.OneCycle(0.1, 0.2, 0.0, 9, 1.0), r"OneCycle: pct_start must be a finite number in \[-1, 1\), got 1.0"),
        (lambda: rx.OneCycle(0.1, 0.2, 0.0, 9, 0.6, three_phase=True), r"pct_start must be a finite number in \[-1, 0.5\], got 0.6"),
        (lambda: rx.OneCycle(0.1, 0.2, 0.0, 9, three_phase="no"), r"three_phase must be True or False, got 'no'"),
        (lambda: rx.Cyclic(0.1, 0.2, 2**30, 2**30), r"up_steps \+ down_steps must be at most 2,147,483,647"),
        (lambda: rx.Cyclic(0.1, 0.2, 5, amplitude_factor=0.0), r"amplitude_factor must be a finite number in \(0, 1\], got 0.0"),
        (lambda: rx.CosineRestarts(0.1, 5, length_factor=1.5), r"length_factor must be a whole number >= 1, got 1.5"),
        (lambda: rx.CosineRestarts(0.1, 5, limit=0), r"limit must be a whole number >= 1, got 0"),
        (lambda: rx.Shift(0.1, -1), r"Shift: steps must be a whole number >= 0, got -1"),
        (lambda: rx.Staircase(0.1, 0), r"Staircase: steps must be a whole number >= 1, got 0"),
    ],
)
def test_wrong_arguments_are_refused(make, says):
    with pytest.raises(rx.ArgumentError, match=says):
        make()
