"""Moments, sums and warnings against what the rates themselves do."""

import math

import numpy as np
import optax
import pytest

import rheostax as rx
from rheostax.plot.terminal import draw_curve
from rheostax.preview import _curve, moments
from rheostax.preview._curve import rates_at, total
from tests.conformance.catalogue import EXAMPLES
from tests.expressions.strategies import CLASSES


def counts_of(rate):
    return sorted({one.count for one in moments(rate)})


# the expression, and the counts at which it changes what it does
MOMENTS = [
    (rx.Constant(0.1), []),
    (rx.Warmup(5) * rx.Cosine(0.1, 20), [5, 20]),
    (rx.Join([rx.Warmup(3) * rx.Cosine(0.1, 20), rx.Linear(0.1, 0.0, 9), 0.1], [10, 30]), [3, 10, 19, 30]),
    (rx.Shift(rx.Join([0.1, rx.Cosine(0.1, 10)], [5]), 7), [8]),
    (rx.Staircase(rx.Warmup(3) * rx.Cosine(0.1, 5), 4), [12, 20]),
    (rx.Clock(rx.Warmup(3) * rx.Linear(1.0, 0.0, 8), boundaries=[2], ticks=[1, 3]), [3, 4]),
    (rx.Extended(rx.Cosine(0.1, 20), rx.Cosine(0.1, 40), at=10, rewarm_steps=5), [10, 15, 40]),
    (rx.Repeat(rx.Warmup(2) * rx.Cosine(0.1, 10), 10, length_factor=2.0, limit=3), [2, 10, 30, 70]),
    (rx.CosineRestarts(0.1, 10, length_factor=2, limit=3), [10, 30, 70]),
    (rx.OneCycle(0.1, 1.0, 0.0, 100, pct_start=0.2, three_phase=True), [20, 40, 100]),
    (rx.Cyclic(0.1, 1.0, 4, 6), [4, 10, 20, 30, 40, 50]),
    (rx.WarmupStableDecay(0.1, 5, 20, 100), [5, 80, 100]),
    (rx.MultiStep(0.1, [3, 9], 0.5), [3, 9]),
    (rx.PiecewiseConstant([0.1, 0.2], [7]), [7]),
    (rx.PiecewiseInterpolate([0.1, 0.2, 0.3], [7, 9]), [7, 9]),
    (rx.Step(0.1, 30, 0.5), [30, 60, 90, 120, 150]),
    (rx.Exponential(0.1, 10, 0.5, transition_begin=7, staircase=True), [7, 17, 27, 37, 47, 57]),
    (rx.Noam(16, 40), [40]),
    (rx.Noise(1, begin=5, end=9), [5, 9]),
    (rx.AdvanceOnPlateau([0.1, rx.Cosine(0.1, 9), 0.2], latest=[10, 30]), [10, 19, 30]),
    (rx.RestartOnPlateau(rx.Warmup(4)), [4]),
    (rx.Groups({"a": rx.Warmup(4), "b": rx.Cosine(0.1, 9)}).clip(0.01), [4, 9]),
    (0.1 * rx.ReduceOnPlateau(), []),
]


@pytest.mark.parametrize(("rate", "counts"), MOMENTS, ids=[repr(rate)[:40] for rate, _ in MOMENTS])
def test_moments_are_found_in_the_structure(rate, counts):
    assert counts_of(rate) == counts
    assert all(one.what for one in moments(rate))


def test_every_class_has_moments_or_none():
    assert set(CLASSES)
    for name, rate in EXAMPLES.items():
        assert all(count >= 1 for count in counts_of(rate)), name
        if rate.horizon:
            assert max(counts_of(rate)) >= rate.horizon or "Clock" in name or "Shift" in name, name


def test_a_cut_happens_at_its_moment():
    """At the counts of steps, the rate really jumps, and in between it doesn't."""
    for rate in (rx.MultiStep(0.1, [3, 9], 0.5), rx.PiecewiseConstant([0.1, 0.2], [7]), rx.Step(0.1, 30, 0.5)):
        values = rates_at(rate, np.arange(60))[:, 0]
        jumps = np.flatnonzero(np.abs(np.diff(values)) > 0.02) + 1
        assert jumps.tolist() == [one.count for one in moments(rate) if one.count < 60]
        assert all(one.steps for one in moments(rate))


@pytest.mark.parametrize("steps", [1, 7, _curve.CHUNK, _curve.CHUNK + 1])
def test_the_sum_is_that_of_all_rates(steps):
    rate = rx.Warmup(5) * rx.Cosine(0.1, 15_000)
    rates = rx.simulate(rate, steps).astype(np.float64)
    found = total(rate, steps)
    assert found.exact
    assert found.evaluated == steps
    assert float(found.sum[0]) == pytest.approx(math.fsum(rates), rel=1e-14)
    assert (found.peak[0], found.peak_count[0]) == (np.float32(rates.max()), rates.argmax())


def test_a_long_run_is_summed_in_pieces_that_meet_its_jumps():
    rate = rx.Warmup(1_000) * rx.MultiStep(0.1, [20_000, 70_001], 0.1) * rx.Cosine(1.0, 100_000)
    pieces = total(rate, 100_000, [1_000, 20_000, 70_001], exact=50_000)
    every = total(rate, 100_000)
    assert every.exact
    assert not pieces.exact
    assert float(pieces.sum[0]) == pytest.approx(float(every.sum[0]), rel=1e-7)


def test_a_billion_updates_are_near_their_closed_form():
    steps = 10**9
    seen = rx.preview(rx.Cosine(3e-4, steps))
    assert seen.total_steps == steps
    assert not seen.sum_exact
    assert seen.sum == pytest.approx(3e-4 * (steps + 1) / 2, rel=1e-9)  # the cosines cancel, but for the first
    assert "calculated in straight pieces" in str(seen)


def test_groups_are_seen_one_by_one():
    seen = rx.preview(rx.Cosine(0.1, 20) * rx.Groups({"head/*": 1.0, "body/*": 0.5, "norm/*": None}))
    every = rx.simulate(rx.Cosine(0.1, 20) * rx.Groups({"head/*": 1.0, "body/*": 0.5, "norm/*": None}), 20)
    assert seen.groups == ("head/*", "body/*", "norm/*")
    assert list(seen.sum.values()) == pytest.approx(every.astype(np.float64).sum(0).tolist())
    assert seen.moments[0] == (0, "start", {"head/*": 0.1, "body/*": 0.05, "norm/*": 0.0})
    assert seen.peak == (0, 0.1)


JUMP = "the rate jumps from "
# the expression, the run's updates, and what the only warning begins with; None for no warning
WARNINGS = [
    (rx.Warmup(50) * rx.Cosine(0.1, 200), 200, None),
    (rx.Warmup(50) * rx.Cosine(0.1, 200), 201, None),
    (rx.Warmup(50) * rx.Cosine(0.1, 200), 250,
     "the schedule ends at update 200 of 250: the rate stays at 0 for the last 50 updates (20% of the run)"),
    (rx.Warmup(50) * rx.Cosine(0.1, 200), 150,
     "the run ends at update 150, before the schedule does at 200: its last 50 updates are cut off"),
    (rx.Constant(0.1), 150, None),
    (rx.Join([rx.Linear(0.0, 0.1, 50), rx.Cosine(0.1, 150)], [50]), 200, None),
    (rx.Join([rx.Linear(0.0, 0.1, 50), rx.Cosine(0.03, 150)], [50]), 200, JUMP + "0.098 to 0.03 at update 50: part 2 of Join begins"),
    (rx.Join([rx.Linear(0.0, 0.1, 70), rx.Cosine(0.1, 150)], [50]), 200, JUMP + "0.07 to 0.1 at update 50: part 2 of Join begins"),
    (rx.Join([rx.Cosine(0.1, 50), rx.Cosine(0.1, 50)], [50]), 100, JUMP),
    (rx.MultiStep(0.1, [50, 100], 0.1), 150, None),
    (rx.Step(0.1, 30, 0.5), 150, None),
    (rx.CosineRestarts(0.1, 50), 150, None),
    (rx.CosineRestarts(0.1, 50), 160, "the run ends at a rate of 0.09"),
    (rx.Repeat(rx.Cosine(0.1, 50), 50), 100, None),
    (rx.Cyclic(0.01, 0.1, 50), 100, None),
    (rx.Cyclic(0.01, 0.1, 50), 145, "the run ends at a rate of 0.0892, far above the 0.01 that it was down to at update 100"),
    (rx.Noise(1, amplitude=0.5) * rx.Cosine(0.1, 300), 300, None),
    (rx.WarmupStableDecay(0.1, 10, 50, 200, decay="1-sqrt"), 200, None),
    (rx.Warmup(20, shape="1-sqrt") * rx.InverseSqrt(0.1, 20), 200, None),
    (rx.OneCycle(0.01, 0.1, 0.0, 200), 200, None),
    (rx.PiecewiseInterpolate([0.0, 0.1, 0.05], [20, 200]), 201, None),
    (rx.Constant(1.0) * optax.piecewise_constant_schedule(0.1, {77: 0.1}), 100, JUMP + "0.1 to 0.01 at update 77"),
    (rx.Constant(1.0) * optax.cosine_decay_schedule(0.1, 100), 100, None),
]  # fmt: skip


@pytest.mark.parametrize(("rate", "steps", "warning"), WARNINGS, ids=[f"{str(rate)[:50]} {steps}" for rate, steps, _ in WARNINGS])
def test_what_looks_wrong_is_said_and_nothing_else(rate, steps, warning):
    found = rx.preview(rate, total_steps=steps).warnings
    assert len(found) == (warning is not None), found
    assert not warning or found[0].startswith(warning)


def test_lengths_of_a_run_that_isnt_given():
    assert (seen := rx.preview(rx.Cosine(0.1, 30))).total_steps == 30
    assert seen.total_from == "horizon"
    assert (seen := rx.preview(rx.Warmup(40) * 0.1)).total_steps == 60
    assert seen.total_from == "moments"
    assert rx.preview(0.1).total_from == "nothing ends"


def test_many_moments_are_cut_but_for_the_last():
    seen = rx.preview(rx.MultiStep(0.1, list(range(10, 410, 10)), 0.9))
    assert len(seen.moments) == 24
    assert seen.more_moments == 42 - 24
    assert seen.moments[-1][:2] == (seen.total_steps - 1, "last update")
    assert "and 18 more moments like these" in str(seen)


@pytest.mark.parametrize("steps", [0, -1, 2.5, True, 2**31, "9"])
def test_the_length_must_be_one(steps):
    with pytest.raises(rx.ArgumentError, match="preview: total_steps must be a whole number from 1 to"):
        rx.preview(0.1, total_steps=steps)


def test_durations_must_be_counted():
    with pytest.raises(rx.ArgumentError, match=r"isn't counted in updates yet.*rx\.resolve"):
        rx.preview(rx.Warmup("2ep") * 0.1)


def test_a_part_that_ends_where_the_next_begins_is_told_once():
    rate = rx.Join([rx.Linear(0.0, 0.1, 50), rx.Cosine(0.1, 150)], [50])
    assert [(one.count, one.what) for one in moments(rate)] == [(50, "part 2 of Join begins"), (200, "end of Cosine")]


def test_a_rate_that_is_too_large_is_said_and_drawn():
    seen = rx.preview(rx.Linear(1e38, 0.0, 10) * 1e38)
    (said,) = seen.warnings
    assert said.startswith("the rate is too large for float32 at update 0")
    assert "10" in draw_curve(seen.counts, seen.rates)
