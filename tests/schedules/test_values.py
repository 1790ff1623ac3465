"""Schedules against their definitions in float64, from one-update schedules to the longest that int32 counts."""

import functools

import jax
import numpy as np
import pytest

import rheostax as rx
import rheostax.schedules
from rheostax._rate import lower
from tests.oracles import schedules as oracle
from tests.oracles.families import ALONE, ENDS, FAMILIES, pairs
from tests.support import TINY, single, ulps

LIMIT = 0.6  # float32 ulp: rounded correctly, but for what lies near the middle of two floats
DEEP = 1e-30  # below it what a number of two float32 has beyond the first of them falls under the smallest float
each_family = pytest.mark.parametrize("name", FAMILIES)


@functools.cache
def sweep(name):
    """Return per group of pairs the values of every row of settings, all from one compiled call, and what they should be."""
    family, groups = FAMILIES[name], pairs(FAMILIES[name])
    lengths, counts = (np.concatenate([groups[group][i] for group in groups]) for i in (0, 1))
    got, want = family.compiled(lengths, counts), family.wanted(lengths, counts).astype(np.float64)
    cuts = np.cumsum([len(groups[group][0]) for group in groups])[:-1]
    parts = zip(groups.items(), np.split(got, cuts, axis=1), np.split(want, cuts, axis=1), strict=True)
    return {group: (*both, *values) for (group, both), *values in parts}


@each_family
@pytest.mark.parametrize("group", ["short", "ends", "long"])
def test_values(name, group):
    lengths, counts, got, want = sweep(name)[group]
    family = FAMILIES[name]
    off = family.distance(got, want) / np.where(np.abs(want) < DEEP, 2 / LIMIT, 1)
    row, worst = np.unravel_index(off.argmax(), off.shape)
    limit = LIMIT if family.unit is None else 4  # `Noise` draws normal numbers with a float32 function
    assert off.max() <= limit, (off.max(), family.rows[row], lengths[worst], counts[worst], got[row, worst], want[row, worst])
    assert np.all(np.isfinite(got))
    assert np.all(got >= 0)


@each_family
@pytest.mark.parametrize("group", ["short", "ends", "long"])
def test_ends_are_exact(name, group):
    lengths, counts, got, want = sweep(name)[group]
    family = FAMILIES[name]
    exact = family.exact(lengths, counts)
    np.testing.assert_array_equal(got[:, exact], want[:, exact].astype(np.float32))
    assert exact.any() == (family.starts or family.end is not None)


@pytest.mark.parametrize("name", ALONE)
def test_with_numbers_that_the_compiler_sees(name):
    """In a compiled function a schedule's numbers are constants, with all digits of float64, and simplified with."""
    family, counts = FAMILIES[name], np.arange(131)
    arguments = family.arguments(family.rows[1], 127)
    rate = family.schedule(**arguments)
    want = family.reference(counts, **arguments)[None]
    values = np.asarray(jax.jit(rate)(counts))[None]
    assert family.distance(values, want).max() <= (LIMIT if family.unit is None else 4)
    exact = family.exact(np.full(131, 127), counts)
    np.testing.assert_array_equal(values[:, exact], want[:, exact].astype(np.float32))


def test_every_schedule_has_an_oracle():
    assert {family.name for family in FAMILIES.values()} == {*rheostax.schedules.__all__, "Product"}


def kept(number):
    """Return a number with the 48 bits that are kept of it: 800 million powers of 0.9999999 magnify what is lost."""
    return single(number) + single(number - single(number))


SETTINGS = [{}, {"staircase": True}, {"transition_begin": 1000}]
compiled = jax.jit(lambda rate, counts: rate.evaluate((), counts).high)  # with the numbers as arguments, as in training


def exponential(transition_steps, decay_rate, options):
    """Return the schedule, counts down to where its value is 0.3 * exp(-80), and what it should be there."""
    deepest = 80 * transition_steps / max(-np.log(decay_rate), 1e-12)
    counts = np.linspace(0, min(2**31 - 1, deepest), 5000).astype(np.int32)
    want = oracle.exponential(counts.astype(np.int64), 0.3, transition_steps, kept(decay_rate), **options)
    return rx.Exponential(0.3, transition_steps, decay_rate, **options), counts, want


@pytest.mark.parametrize("decay_rate", [0.5, 0.9, 0.99, 0.9999999, 1e-4, 1.0])
@pytest.mark.parametrize("transition_steps", [1, 7, 1000, 2_000_000_000])
def test_exponential(decay_rate, transition_steps):
    for options in SETTINGS:
        rate, counts, want = exponential(transition_steps, decay_rate, options)
        assert ulps(compiled(lower(rate), counts), want).max() <= 1


@pytest.mark.parametrize("options", SETTINGS, ids=str)
def test_exponential_with_numbers_that_the_compiler_sees(options):
    for transition_steps, decay_rate in ((7, 0.9999999), (1000, 1.0)):
        rate, counts, want = exponential(transition_steps, decay_rate, options)
        assert ulps(jax.jit(rate)(counts), want).max() <= 1


def test_exponential_stops_at_its_end_value():
    counts = np.arange(200)
    values = np.asarray(rx.Exponential(0.3, 10, 0.5, end_value=0.02)(counts))
    assert ulps(values, oracle.exponential(counts, 0.3, 10, 0.5, 0.02)).max() <= 1
    assert np.all(values[40:] == np.float32(0.02))
    assert values[38] > np.float32(0.02)


def test_exponential_at_a_rate_of_0_9999999_after_ten_million_updates():
    """In float32 that rate is 0.99999988 and the value 17% too small."""
    value = rx.Exponential(1.0, 1, 0.9999999)(10_000_000)
    assert ulps(value, np.exp(1e7 * np.log(0.9999999))) <= 2


@pytest.mark.parametrize("value", [0.0, 1e-3, 7.0, TINY])
def test_constant(value):
    counts = np.array([0, 1, 2**31 - 1])
    np.testing.assert_array_equal(rx.Constant(value)(counts), np.float32([value] * 3))


def test_long_schedules_tell_their_last_updates_apart():
    steps = 100_000_000
    last = np.arange(steps - 1000, steps + 1)
    for schedule in (rx.Linear(1e-3, 0.0, steps), rx.Cosine(1e-3, steps), rx.WarmupStableDecay(1e-3, 10, steps // 2, steps)):
        values = np.asarray(jax.jit(schedule)(last))
        assert np.all(np.diff(values) < 0), schedule
        assert np.all(values[:-1] > 0)
        assert values[-1] == 0


@pytest.mark.parametrize(("init_value", "end_value"), ENDS)
def test_a_line_never_turns(init_value, end_value):
    values = np.asarray(jax.jit(rx.Linear(init_value, end_value, 100_000))(np.arange(100_001)))
    assert np.all(np.diff(values) * np.sign(end_value - init_value) >= 0)


@pytest.mark.parametrize("power", [4.0, 10.0, 50.0])
def test_a_steep_polynomial_keeps_its_digits_in_the_middle(power):
    """As 1 minus the way done it would keep none of them."""
    counts = np.arange(1000)
    want = oracle.polynomial(counts, 1.0, 0.0, power, 1000)
    normal = want > TINY
    off = ulps(rx.Polynomial(1.0, 0.0, power, 1000)(counts), want)[normal]
    assert off.max() <= 1


def test_stable_part_is_the_peak():
    schedule = rx.WarmupStableDecay(peak_value=0.7, warmup_steps=10, decay_steps=20, total_steps=100)
    values = np.asarray(schedule(np.arange(101)))
    assert np.all(values[10:81] == np.float32(0.7))
    assert values[9] < np.float32(0.7) > values[81]


def test_warm_up_stable_decay_without_warm_up_starts_at_the_peak():
    schedule = rx.WarmupStableDecay(peak_value=0.5, warmup_steps=0, decay_steps=4, total_steps=4)
    np.testing.assert_array_equal(schedule(np.arange(5)), np.float32([0.5, 0.375, 0.25, 0.125, 0.0]))


def test_a_stable_part_that_falls_takes_the_length_of_the_warm_up_for_its_timescale():
    falling = rx.WarmupStableDecay(0.5, 3, 4, 20, stable="inverse_sqrt")
    assert falling(12) == rx.WarmupStableDecay(0.5, 3, 4, 20, stable="inverse_sqrt", stable_timescale=3)(12) == 0.25
