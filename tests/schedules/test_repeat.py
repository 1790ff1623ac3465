"""Cycles: where they begin, how long they are, and what is repeated in them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rheostax as rx
from rheostax._twofloat import TwoFloat
from tests.oracles import cycles as oracle
from tests.oracles import schedules
from tests.support import ulps

LAST = 2**31 - 1
FACTORS = [1.0, 1.01, 1.1, 1.5, 2, 2.5, 7]


@rx.node
class Count(rx.Schedule):
    """The count itself and a duration, so that cycles can be seen as they are."""

    steps: int = rx.duration()

    def at(self, count):
        return TwoFloat.of(count)


@pytest.mark.parametrize("factor", FACTORS)
@pytest.mark.parametrize("limit", [2, 9])
def test_counts_within_cycles(factor, limit):
    """Period by period and all counts in one call, a cycle begins and ends where exact fractions say."""
    periods, counts = np.array([1, 2, 3, 5, 10, 64, 101]), np.arange(700)

    @jax.jit
    @jax.vmap
    def found(period):
        return rx.Repeat(Count(1), period, length_factor=factor, limit=limit)._cycle(jnp.asarray(counts))

    got = np.stack(found(jnp.asarray(periods)), axis=-1)
    want = [[oracle.locate(count, int(period), factor, limit) for count in counts.tolist()] for period in periods]
    np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize(
    ("period", "factor"), [(1, 2), (1, 3.0), (1000, 1.1), (65_537, 1.5), (16_777_217, 2), (700_000_000, 1.25), (LAST, 2)]
)
def test_cycles_up_to_the_largest_count(period, factor):
    edges = [edge for edge in oracle.begins(period, factor, 200 if factor < 2 else 32) if edge < LAST]
    counts = np.unique(np.clip([edge + d for edge in edges for d in (-1, 0, 1)] + [LAST - 1], 0, LAST - 1))
    cycle, local, length = jax.jit(rx.Repeat(1.0, period, length_factor=factor)._cycle)(jnp.asarray(counts, jnp.int32))
    index = np.searchsorted(edges, counts, side="right") - 1
    np.testing.assert_array_equal(cycle, index)
    np.testing.assert_array_equal(local, counts - np.array(edges)[index])
    np.testing.assert_array_equal(length, np.array([*edges, LAST])[index + 1] - np.array(edges)[index])


def test_values_are_those_of_the_stretched_schedule():
    rate = rx.Repeat(rx.Cosine(0.3, 20, end_value=0.01), 20, length_factor=1.5, factor=0.9, limit=6)
    counts = np.arange(600)
    want = []
    for count in counts.tolist():
        cycle, local, length = oracle.locate(count, 20, 1.5, 6)
        want.append(schedules.cosine(local, 0.3, length, 0.01) * 0.9**cycle)
    assert ulps(jax.jit(rate)(counts), want).max() <= 1


def test_everything_within_is_stretched():
    inner = rx.Warmup(3) * rx.Join([0.5, rx.Linear(0.5, 0.1, 6)], [4])
    rate = rx.Repeat(inner, 10, length_factor=2)
    values = np.asarray(jax.jit(rate)(np.arange(70)))
    for cycle, begin in ((0, 0), (1, 10), (2, 30)):
        length = 10 * 2**cycle
        same = jax.jit(rx.stretch(inner, 2**cycle))(np.arange(length))
        np.testing.assert_array_equal(values[begin : begin + length], same)


def test_a_duration_never_becomes_nothing_nor_something():
    rate = rx.Repeat(rx.Repeat(Count(1), 1_000), 2_000, length_factor=1.01)
    assert jax.jit(rate)(2_000 + 1_500) == 490  # the inner period is 1,010 there
    at_once = rx.Repeat(rx.WarmupStableDecay(1.0, 0, 2, 4), 4, length_factor=3)
    np.testing.assert_array_equal(jax.jit(at_once)(np.array([4, 9, 10, 13, 15])), np.float32([1, 1, 1, 0.5, 1 / 6]))
    cut_short = rx.Repeat(rx.Linear(0.5, 0.25, 1), 2**30, length_factor=2)  # in the last cycle that int32 counts, half as long
    assert jax.jit(cut_short)(LAST) == 0.25


def test_cycles_of_one_length_never_end_without_a_limit():
    rate = jax.jit(rx.Repeat(rx.Linear(1.0, 0.0, 1000), 1000))
    counts = np.array([0, 999, 1000, 2_147_483_000, LAST])
    np.testing.assert_array_equal(rate(counts), rx.Linear(1.0, 0.0, 1000)(counts % 1000))
    assert rx.Repeat(0.1, 5).horizon is None


def test_after_the_last_cycle_it_stays_where_that_ends():
    rate = rx.Repeat(rx.Linear(1.0, 0.0, 8), 4, factor=0.5, limit=3)
    np.testing.assert_array_equal(rate(np.array([8, 11, 12, 13, 100, LAST])), np.float32([0.25, 0.15625, 0.125, 0.125, 0.125, 0.125]))
    assert rate.horizon == 12
    assert rx.Repeat(0.1, 4, length_factor=2, limit=3).horizon == 28
    assert rx.Repeat(0.1, 2**30, limit=3).horizon is None


def test_amplitudes_far_down():
    counts = np.arange(0, 900, 3)
    values = jax.jit(rx.Repeat(0.3, 3, factor=0.8))(counts)
    assert ulps(values, 0.3 * 0.8 ** (counts // 3)).max() <= 1


def test_optax_schedules_are_repeated_but_not_stretched():
    def foreign(count):
        return jnp.float32(1.0) / (1 + count)

    np.testing.assert_array_equal(rx.Repeat(foreign, 2)(np.arange(5)), [1, 0.5, 1, 0.5, 1])
    assert rx.Repeat(rx.Linear(1.0, 0.0, 2), 2, length_factor=2)(np.array([0, 2, 4])).tolist() == [1.0, 1.0, 0.5]
    with pytest.raises(
        rx.ArgumentError, match=r"Repeat: length_factor must be 1, got 2\.0: .* is a foreign function, which can't be stretched"
    ):
        rx.Repeat(foreign, 2, length_factor=2)


def test_a_policy_within_goes_on():
    rate = rx.Repeat(rx.Linear(1.0, 0.5, 2) * rx.ReduceOnPlateau(patience=2, factor=0.5), 2)
    rates = rx.simulate(rate, steps=6, observations={"value": [1.0, 1.0, 1.0, 0.9, 0.8, 0.7]})
    np.testing.assert_array_equal(rates, [1.0, 0.75, 0.5, 0.375, 0.5, 0.375])


def test_units_and_stretching():
    rate = rx.resolve(rx.Repeat(rx.Cosine(1.0, "2ep"), "2ep", length_factor=2, limit=2), steps_per_epoch=5)
    assert rate == rx.Repeat(rx.Cosine(1.0, 10), 10, length_factor=2, limit=2)
    assert rx.stretch(rate, 3) == rx.Repeat(rx.Cosine(1.0, 30), 30, length_factor=2, limit=2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"period": 0}, r"Repeat: period must be a whole number >= 1, got 0"),
        (
            {"period": 5, "length_factor": 0.5},
            r"length_factor must be a finite number in \[1\.01, inf\), got 0\.5\. 1 is for cycles of one",
        ),
        ({"period": 5, "length_factor": 1.001}, r"length_factor must be a finite number in \[1\.01, inf\), got 1\.001"),
        ({"period": 5, "length_factor": "2"}, r"length_factor must be a finite number in \[1\.01, inf\), got '2'"),
        (
            {"period": 5, "length_factor": jnp.array([1.0, 2.0])},
            r"length_factor must be one Python number, since it is part of the structure",
        ),
        ({"period": 5, "factor": 0.0}, r"factor must be a finite number in \(0, 1\], got 0\.0"),
        ({"period": 5, "factor": 1.5}, r"factor must be a finite number in \(0, 1\], got 1\.5"),
        ({"period": 5, "limit": 0}, r"limit must be a whole number >= 1, got 0\. None is for no limit"),
        ({"period": 5, "limit": 2.5}, r"limit must be a whole number >= 1, got 2\.5"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(rx.ArgumentError, match=message):
        rx.Repeat(0.1, **arguments)


def test_extending_it_says_that_there_is_nothing_to_extend():
    with pytest.raises(rx.ArgumentError, match=r"extend: .*Repeat\(.* has no part whose end could be moved"):
        rx.extend(rx.Repeat(rx.Cosine(1.0, 10), 10, limit=3), 100, at=5)
