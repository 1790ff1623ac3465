"""Schedules that are made of others, exponentials and noise, operation by operation beside plain Python; durations and horizons."""

import inspect

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import rheostax as rx
from rheostax._twofloat import TwoFloat
from rheostax.schedules._progress import decayed
from tests.oracles import cycles
from tests.oracles import pieces as oracles
from tests.oracles import schedules as oracle
from tests.support import single, ulps

LAST = 2**31 - 1


@pytest.mark.parametrize("staircase", [False, True])
def test_exponential(staircase):
    random = np.random.default_rng(2)
    steps = random.integers(1, 60, 512)
    counts = np.where(np.arange(512) < 64, np.arange(512) // 8, (random.uniform(0, 5, 512) * steps).astype(int))
    begin, rate, end = (
        random.integers(0, 9, 512),
        single(random.choice([0.5, 0.9, 1e-4, 1.0], 512)),
        single(random.choice([0.0, 0.02], 512)),
    )
    given = {"transition_steps": steps, "decay_rate": np.float32(rate), "end_value": np.float32(end), "transition_begin": begin}
    got = rx.Exponential(0.3, **given, staircase=staircase)(counts)
    assert ulps(got, oracle.exponential(counts, 0.3, steps, rate, end, begin, staircase)).max() <= 1


@pytest.mark.parametrize(("factor", "limit", "shrink"), [(1.0, None, 0.9), (1.0, 3, 0.9), (1.5, 4, 1.0), (2.0, 3, 0.5), (1.1, None, 0.8)])
def test_repeat(factor, limit, shrink):
    rate, counts = rx.Repeat(rx.Linear(0.3, 0.02, 20), 20, factor, shrink, limit), np.arange(0, 256)
    places = [cycles.locate(count, 20, factor, limit or 20) for count in counts.tolist()]
    want = [oracle.linear(local, 0.3, 0.02, length) * shrink**cycle for cycle, local, length in places]
    values = rate(counts)
    assert ulps(values, want).max() <= 1
    assert rate.horizon == (None if limit is None else cycles.begins(20, factor, limit)[-1])
    assert rate(47) == values[47]
    np.testing.assert_array_equal(rate(counts.reshape(2, 128)), values.reshape(2, 128))


def test_repeat_far_out():
    """In the last cycle that int32 counts, and in one whose end it can't."""
    rate = rx.Repeat(rx.Linear(0.5, 0.25, 2**30), 2**30, length_factor=2.0)
    assert ulps(rate(np.array([2**30 - 1, 2**30, 2**30 + 2**28, LAST - 1])), [0.25, 0.5, 0.4375, 0.25]).max() <= 1
    begin = (3**20 - 1) // 2  # of the last cycle that begins: it ends with int32
    at = np.array([begin, begin + 1, begin + 2**28, LAST - 1])
    assert ulps(rx.Repeat(rx.Linear(1.0, 0.0, 1), 1, length_factor=3.0)(at), 1 - (at - begin) / (LAST - begin)).max() <= 1
    cut = rx.Repeat(rx.Linear(1.0, 0.5, 10), LAST - 1, length_factor=2.0)  # there is one update for its second cycle
    assert cut(np.array([LAST - 2, LAST - 1, LAST])).tolist() == [0.5, 1.0, 0.5]
    even = rx.Repeat(rx.Linear(0.5, 0.25, 3), 3)
    at = np.array([LAST - 2, LAST - 1, LAST])
    assert ulps(even(at), 0.5 - 0.25 * (at % 3) / 3).max() <= 1
    assert rx.Repeat(0.1, 2**30, limit=2).horizon is None
    assert rx.Repeat(0.1, 2**30 - 1, limit=2).horizon == LAST - 1


@pytest.mark.parametrize(
    ("boundaries", "ticks"), [([3], [1, 3]), ([3, 5, 6], [2, 1, 7, 4]), ([5, 9], [700_000_000, 1, 2]), ([2], [1, LAST])]
)
def test_clock(boundaries, ticks):
    counts = np.arange(64)
    edges = [*boundaries, 64]
    begins = [0, *boundaries]
    passed = [sum(max(0, min(count, e) - b) * t for b, e, t in zip(begins, edges, ticks, strict=True)) for count in counts.tolist()]
    for length in (17, 90, LAST):
        rate = rx.Clock(rx.Linear(0.75, 0.25, length), boundaries, ticks)
        assert ulps(rate(counts), oracle.linear(np.minimum(passed, LAST), 0.75, 0.25, length)).max() <= 1
    for length in range(1, 40):
        ends = [count for count in range(64) if passed[count] >= length]
        assert rx.Clock(rx.Linear(1.0, 0.0, length), boundaries, ticks).horizon == ends[0]


def test_join():
    rate = rx.Join([0.5, rx.Linear(1.0, 0.25, 4), rx.Linear(0.25, 0.75, 8)], [3, 5])
    want = [0.5] * 3 + [1.0, 0.8125] + [0.25 + 0.0625 * min(i, 8) for i in range(11)]
    np.testing.assert_array_equal(rate(np.arange(16)), want)
    assert (rate.horizon, rx.Join([rx.Linear(1.0, 0.0, 3), 0.5], [3]).horizon) == (13, None)
    assert repr(rx.Join([0.5, 0.25], [3.0])) == "Join([Constant(value=0.5), Constant(value=0.25)], boundaries=[3])"


@pytest.mark.parametrize("rewarm", [0, 1, 5])
@pytest.mark.parametrize("end", [0.0, 0.25])
def test_extended(rewarm, end):
    counts, at = np.arange(40), 12
    before, after = (oracle.linear(counts, 1.0, end, length) for length in (16, 32))
    risen = np.clip(counts - at, 0, rewarm) / max(rewarm, 1)
    later = before[at] * (1 - risen) + after * risen if rewarm else after * (before[at] / after[at])
    rate = rx.Extended(rx.Linear(1.0, end, 16), rx.Linear(1.0, end, 32), at, rewarm)
    assert ulps(rate(counts), np.where(counts < at, before, later)).max() <= 1
    assert rate(at) == np.float32(before[at])
    assert rate.horizon == 32


def test_extending_from_and_to_zero():
    """What is zero where it changes can't be scaled: it stays there, or goes to the new schedule."""
    rate = rx.Extended(rx.Linear(1.0, 0.0, 4), rx.Linear(1.0, 0.0, 8), at=4)
    np.testing.assert_array_equal(rate(np.arange(3, 10)), [0.25, 0, 0, 0, 0, 0, 0])
    rate = rx.Extended(rx.Linear(1.0, 0.5, 4), rx.Linear(0.0, 1.0, 8), at=0)
    np.testing.assert_array_equal(rate(np.arange(3)), [1.0, 0.125, 0.25])


def test_shift_and_staircase_at_their_ends():
    line = rx.Linear(1.0, 0.0, 2**30)
    assert [float(rx.Shift(line, 3)(count)) for count in (LAST, LAST - 2, 2**30 - 3)] == [0, 0, 0]
    assert rx.Shift(rx.Linear(1.0, 0.0, 8), 3)(0) == 0.625
    assert [rx.Staircase(rx.Linear(1.0, 0.0, n), 2).horizon for n in (2**30 - 1, 2**30, 3)] == [2**31 - 2, None, 6]
    assert rx.Staircase(rx.Linear(1.0, 0.0, LAST), 1).horizon == LAST
    assert (rx.Staircase(0.1, 2).horizon, rx.Shift(0.1, 2).horizon) == (None, None)


def positions(seed, counts):
    """24 bits of a hash, written out with the public functions of jax."""
    import jax

    key = jax.random.key(seed, impl="threefry2x32")
    words = jax.vmap(lambda count: jax.random.key_data(jax.random.fold_in(key, count))[0])(jnp.asarray(counts))
    return ((np.asarray(words, np.int64) >> 8) * 2 + 1 - 2**24) / 2.0**24


def test_noise():
    counts = np.arange(512)
    at = positions(5, counts)
    assert ulps(rx.Noise(5, 0.5, distribution="uniform")(counts), 1 + 0.5 * at).max() <= 1
    near_zero = ulps(rx.Noise(5, 1.0, distribution="uniform")(counts), 1 + at)  # where the last of the 24 bits is many ulp
    assert near_zero.max() <= 1
    for amplitude, std in ((0.67, 1.0), (0.2, 0.1)):
        want = stats.truncnorm(-amplitude / std, amplitude / std, scale=std).ppf((1 + at) / 2)
        got = np.asarray(rx.Noise(5, amplitude, std)(counts), np.float64) - 1
        np.testing.assert_allclose(got, want, rtol=0, atol=3e-6 * amplitude + 1.2e-7)
    quiet = np.asarray(rx.Noise(5, 0.5, begin=100, end=200, distribution="uniform")(counts)) == 1
    np.testing.assert_array_equal(quiet, (counts < 100) | (counts >= 200))
    assert rx.Noise(5)(counts.reshape(2, 256)).shape == (2, 256)


def test_what_is_multiplied_again_and_again_begins_exactly_and_can_be_zero():
    """The start keeps both its parts where there was no cut yet, though the product is computed by an exponential."""
    start = TwoFloat(jnp.float32([1.0, 0.3, 7.0, 0.0]), jnp.float32([2.0**-25, 1e-9, -3e-7, 0.0]))
    for factor, times in ((0.5, jnp.zeros(4, jnp.int32)), (1e-4, TwoFloat.of(jnp.zeros(4, jnp.int32)))):
        got = decayed(start, factor, times)
        np.testing.assert_array_equal(got.high, start.high)
        np.testing.assert_array_equal(got.low, start.low)
    for rate in (rx.Step(0.0, 2, 0.5), rx.MultiStep(0.0, [1, 3], 0.5), rx.Exponential(0.0, 2, 0.5)):
        assert not np.any(rate(np.arange(8)))
    small = rx.Step(1e-3, 2, 0.5)  # below 1, where a logarithm is negative
    np.testing.assert_allclose(small(np.arange(8)), 1e-3 * 0.5 ** (np.arange(8) // 2), rtol=1e-7)


def test_restarts_far_out_and_many_of_them():
    """More cycles than are counted where they grow; as many as fit into int32; and a last one that is longer than that."""
    edges = np.cumsum(2 ** np.arange(31)) - 1  # where the cycles of 1, 2, 4, ... updates begin, less one
    counts = np.concatenate([edges, edges + 1, edges // 2 + 7])
    for length, factor, limit in ((10, 1, None), (1, 2, None), (100_000, 22_000, None), (1, 2, 30)):
        at = np.array([*range(300, 393), LAST]).repeat(1) if factor == 1 else counts.clip(0, LAST)
        want = oracles.cosine_restarts(at, 1.0, length, 0.0, factor, limit=limit).astype(np.float64)
        assert ulps(rx.CosineRestarts(1.0, length, length_factor=factor, limit=limit)(at), want).max() <= 1


def test_what_starts_far_below_its_other_end_starts_exactly():
    """As the end plus a difference it would be 0."""
    tiny = np.float32(1e-30)
    assert rx.CosineRestarts(1e-30, 5, end_value=1e-3)(5) == tiny
    assert rx.Cyclic(1e-3, 1e-30, 5)(5) == tiny
    assert rx.OneCycle(1e-30, 1e-3, 1e-30, 10)(0) == tiny


def test_pieces_of_one_update():
    rate = rx.PiecewiseInterpolate([0.5, 1.0, 0.25], [3, 4])
    np.testing.assert_allclose(rate(np.arange(7)), [0.5, 2 / 3, 5 / 6, 1.0, 0.25, 0.25, 0.25], rtol=1e-6)
    assert (rate.horizon, rx.PiecewiseInterpolate([0.5], []).horizon) == (4, None)
    assert rx.PiecewiseInterpolate([0.5], [])(np.arange(3)).tolist() == rx.PiecewiseConstant([0.5], [])(np.arange(3)).tolist() == [0.5] * 3


@pytest.mark.parametrize("interpolation", ["linear", "cosine"])
@pytest.mark.parametrize("three_phase", [False, True])
def test_one_cycles_with_hardly_a_rise(interpolation, three_phase):
    """A peak at count 0, before count 1, and lower than both ends."""
    at_once = [] if three_phase else [(4, 0.0, 0.1, 0.3), (4, 0.0, 0.3, 0.1)]
    for total, pct_start, init, peak in (*at_once, (2, 0.3, 0.3, 0.1), (2, 0.3, 0.1, 0.3), (3, 0.4, 0.3, 0.1)):
        counts = np.arange(8)
        want = oracles.one_cycle(counts, init, peak, 0.05, total, pct_start, three_phase, interpolation).astype(np.float64)
        got = rx.OneCycle(init, peak, 0.05, total, pct_start, three_phase=three_phase, interpolation=interpolation)(counts)
        assert ulps(got, want).max() <= 1, (total, pct_start, init, peak, got, want)


def test_the_two_halves_of_a_cycle_are_alike_by_default():
    assert rx.Cyclic(0.1, 0.2, 7).down_steps == 7
    assert rx.Cyclic(0.1, 0.2, 2**30, 2**30 - 1)(2**30) == np.float32(0.2)


def test_restarts_end_where_their_cycles_do():
    for factor, limit, want in ((1, 3, 30), (2, 3, 70), (3, 2, 40), (10, 9, 1_111_111_110), (10, 10, None), (1, None, None)):
        assert rx.CosineRestarts(1.0, 10, length_factor=factor, limit=limit).horizon == want
    assert rx.CosineRestarts(1.0, LAST, limit=1).horizon == LAST


LINE = rx.Linear(1.0, 0.0, 9)
# Per class: arguments, which of them are lengths of time, and which one is the end that can be moved.
DURATIONS = [
    (rx.Linear, (1.0, 0.0, 9), ["transition_steps"], "transition_steps"),
    (rx.Cosine, (1.0, 9), ["decay_steps"], "decay_steps"),
    (rx.Exponential, (1.0, 9, 0.5), ["transition_steps", "transition_begin"], None),
    (rx.Polynomial, (1.0, 0.0, 2.0, 9), ["transition_steps"], "transition_steps"),
    (rx.Rex, (1.0, 9), ["decay_steps"], "decay_steps"),
    (rx.Tanh, (1.0, 9), ["decay_steps"], "decay_steps"),
    (rx.InverseSqrt, (1.0, 9), ["timescale", "transition_begin"], None),
    (rx.Power, (1.0, 0.5, 9), ["timescale", "transition_begin"], None),
    (rx.Noam, (512, 9), ["warmup_steps"], None),
    (rx.Noise, (3, 0.5, 1.0, "normal", 2, 9), ["begin", "end"], None),
    (rx.Warmup, (9,), ["steps"], None),
    (rx.WarmupStableDecay, (1.0, 2, 3, 9, 0.0, "half-life", 0.0, "power", 5, 0.5, 0.5, 0.5, 2), [
        "warmup_steps", "decay_steps", "total_steps", "stable_timescale", "half_life",
    ], "total_steps"),
    (rx.Step, (1.0, 9, 0.5), ["transition_steps"], None),
    (rx.MultiStep, (1.0, [3, 9], 0.5), ["boundaries"], None),
    (rx.OneCycle, (0.1, 1.0, 0.0, 9), ["total_steps"], "total_steps"),
    (rx.Cyclic, (0.1, 1.0, 9), ["up_steps", "down_steps"], None),
    (rx.CosineRestarts, (1.0, 9), ["decay_steps"], None),
    (rx.PiecewiseConstant, ([1.0, 2.0, 1.0], [3, 9]), ["boundaries"], None),
    (rx.PiecewiseInterpolate, ([1.0, 2.0, 0.0], [3, 9]), ["boundaries"], None),
    (rx.Repeat, (LINE, 9), ["period"], None),
    (rx.Shift, (LINE, 9), ["steps"], None),
    (rx.Staircase, (LINE, 9), ["steps"], None),
    (rx.Join, ([LINE, LINE], [9]), ["boundaries"], None),
    (rx.Extended, (LINE, LINE, 9, 3), ["at", "rewarm_steps"], None),
]  # fmt: skip


@pytest.mark.parametrize(("cls", "given", "lengths", "end"), DURATIONS, ids=lambda value: getattr(value, "__name__", ""))
def test_lengths_of_time_are_stretched_and_ends_are_moved(cls, given, lengths, end):
    rate = cls(*given)
    stretched = rx.stretch(rate, 3)
    for name in inspect.signature(cls).parameters:
        value, new = getattr(rate, name), getattr(stretched, name)
        if name in lengths:
            assert new == (tuple(3 * one for one in value) if isinstance(value, tuple) else 3 * value), name
        elif not isinstance(value, rx.LearningRate) and name != "rates":
            assert new == value, name
    if end:
        assert (rate.horizon, rx.extend(rate, 40, at=4).after.horizon) == (9, 40)
        assert getattr(rx.extend(rate, 40, at=4).after, end) == 40
    for kept in (lambda: rate.__setattr__(lengths[0], 1), lambda: hash(rate) and rate.__delattr__(lengths[0])):
        with pytest.raises(AttributeError):
            kept()


def test_the_last_count_is_like_any_other():
    """At the largest count of int32 one more is none."""
    np.testing.assert_allclose(rx.Noam(512, 4000)(LAST), 512**-0.5 * LAST**-0.5, rtol=1e-6)
