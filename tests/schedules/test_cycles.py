"""Staircases, pieces and cycles against their definitions, for lengths from one update to the longest that int32 counts."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rheostax as rx
from rheostax._twofloat import TwoFloat
from tests.oracles import pieces as oracle
from tests.support import ulps

LAST = 2**31 - 1
VALUES = (0.3, 0.05, 0.6, 0.01)


def marks(n):
    return (n // 3 + 1, n // 2 + 2, n + 3)


# Per case: the schedule, its oracle, and their arguments for a length n.
CASES = {
    "step": (rx.Step, oracle.step, lambda n: {"init_value": 0.3, "transition_steps": n // 7 + 1, "factor": 0.7}),
    "multi-step": (rx.MultiStep, oracle.multi_step, lambda n: {"init_value": 0.3, "boundaries": marks(n), "factor": 0.1}),
    "multi-step, up": (rx.MultiStep, oracle.multi_step, lambda n: {"init_value": 1e-3, "boundaries": marks(n), "factor": 3.3}),
    "constants": (rx.PiecewiseConstant, oracle.piecewise_constant, lambda n: {"values": VALUES, "boundaries": marks(n)}),
    "lines": (rx.PiecewiseInterpolate, oracle.piecewise_interpolate, lambda n: {"values": VALUES, "boundaries": marks(n)}),
    "cosines": (
        rx.PiecewiseInterpolate,
        oracle.piecewise_interpolate,
        lambda n: {"values": VALUES, "boundaries": marks(n), "interpolation": "cosine"},
    ),
}


def add_one_cycle(name, **changes):
    fixed = {"init_value": 0.01, "peak_value": 0.3, "end_value": 1e-6, **changes}
    CASES[f"one cycle, {name}"] = (rx.OneCycle, oracle.one_cycle, lambda n: {**fixed, "total_steps": n})


add_one_cycle("cosine")
add_one_cycle("linear", interpolation="linear", pct_start=0.45)
add_one_cycle("three phases", three_phase=True, pct_start=0.4)
add_one_cycle("three lines", three_phase=True, interpolation="linear", pct_start=0.21)
add_one_cycle("past its peak", pct_start=-0.2)
add_one_cycle("from zero to zero", init_value=0.0, end_value=0.0)


def add_cyclic(name, **changes):
    fixed = {"init_value": 0.01, "peak_value": 0.3, **changes}
    CASES[f"cyclic, {name}"] = (rx.Cyclic, oracle.cyclic, lambda n: {**fixed, "up_steps": n // 2 + 1, "down_steps": n // 3 + 1})


add_cyclic("triangular")
add_cyclic("triangular2", amplitude_factor=0.5, init_value=0.0)
add_cyclic("exp_range", decay_rate=0.9999)
add_cyclic("cosine", interpolation="cosine", peak_value=0.0, init_value=0.2)


def add_restarts(name, **changes):
    CASES[f"restarts, {name}"] = (
        rx.CosineRestarts,
        oracle.cosine_restarts,
        lambda n: {"init_value": 0.3, "end_value": 0.001, "decay_steps": n // 3 + 1, **changes},
    )


add_restarts("even")
add_restarts("longer", length_factor=2, amplitude_factor=0.8)
add_restarts("three times", length_factor=3, peak_factor=0.5, limit=3)
add_restarts("to zero", end_value=0.0, amplitude_factor=0.5)


@jax.jit
def _all(rates, counts):
    return jax.vmap(lambda rate, counts: rate.evaluate(rate.init(), counts).high)(rates, counts)


def stacked(*leaves):
    """Put numbers side by side, floats with as many bits as `lower` keeps."""
    if not isinstance(leaves[0], float):
        return jnp.asarray(np.int32(leaves))
    wide = np.float64(leaves)
    high = wide.astype(np.float32)
    return TwoFloat(jnp.asarray(high), jnp.asarray((wide - high).astype(np.float32)))


def assert_right(case, lengths, counts):
    """Compare the schedules of all lengths, in one compiled call, each at its own counts."""
    make, reference, arguments = CASES[case]
    rates = [make(**arguments(n)) for n in lengths]
    got = np.asarray(_all(jax.tree.map(stacked, *rates), jnp.asarray(counts, jnp.int32)))
    assert np.all(np.isfinite(got))
    assert np.all(got >= 0)
    for n, rate, count, values in zip(lengths, rates, counts, got, strict=True):
        off = ulps(values, reference(count, **arguments(n)).astype(np.float64))
        assert off.max() <= 1, (case, n, count[off.argmax()], off.max())
        if rate.horizon is not None:
            ended = values[count >= rate.horizon]
            assert np.all(ended == np.float32(rate.values[-1] if hasattr(rate, "values") else rate.end_value))


@pytest.mark.parametrize("case", CASES)
def test_every_length_up_to_2000(case):
    lengths = range(1, 2001)
    counts = [[0, 1, 2, n // 3, n // 3 + 1, n // 2 + 2, n - 1, n, n + 1, n + 3, 2 * n, 3 * n + 1] for n in lengths]
    assert_right(case, lengths, np.array(counts))


@pytest.mark.parametrize("case", CASES)
def test_long_horizons(case):
    random, near = np.random.default_rng(5), np.arange(-20, 20)
    lengths = [100_000, 2**24 + 1, 100_000_000, 2_000_000_000]
    counts = [np.concatenate([near + at for at in (20, *marks(n), n, 2 * n)] + [random.integers(0, n, 300)]) for n in lengths]
    assert_right(case, lengths, np.clip(np.stack(counts), 0, LAST))


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


def test_what_is_in_a_staircase_is_not_stretched():
    rate = rx.Staircase(rx.Linear(1.0, 0.0, 90), "1ep")
    assert rx.resolve(rate, steps_per_epoch=100) == rx.Staircase(rx.Linear(1.0, 0.0, 90), 100)
    assert rx.stretch(rx.resolve(rate, steps_per_epoch=100), 1.5) == rx.Staircase(rx.Linear(1.0, 0.0, 90), 150)
    with pytest.raises(rx.ArgumentError, match="isn't counted in updates"):
        rx.extend(rx.Staircase(rx.Linear(1.0, 0.0, 90), 100), 10_000, at=5)


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
