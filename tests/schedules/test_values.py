"""Schedules against their definitions in float64, from one-update schedules to the longest that int32 counts."""

import dataclasses
import itertools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rheostax as rx
from tests.oracles import schedules as oracle
from tests.support import TINY, single, ulps

ENDS = [(1e-3, 0.0), (0.3, 0.02), (0.02, 0.3), (0.0, 1e-3), (0.1, 0.1)]  # (init_value, end_value): down, up, and level
POWERS = (0.1, 0.5, 0.9, 1.0, 1.5, 2.0, 3.0)


@dataclasses.dataclass(frozen=True)
class Family:
    """A schedule, its oracle, how both get their length, settings as rows, and the largest error seen, in float32 ulp."""

    schedule: Callable[..., Any]
    reference: Callable[..., Any]
    names: tuple[str, ...]
    rows: list[tuple[float, ...]]
    limit: int
    length: Callable[[Any], dict[str, Any]]
    static: dict[str, str] = dataclasses.field(default_factory=dict)

    def at(self, row, steps, count):
        """The schedule's value, traced: settings, length and count are arrays."""
        return self.schedule(**dict(zip(self.names, row, strict=True)), **self.length(steps), **self.static)(count)

    def want(self, row, steps, counts):
        return self.reference(counts, **dict(zip(self.names, single(row), strict=True)), **self.length(steps), **self.static)


def stable(decay, limit):
    def length(steps):
        return {"warmup_steps": steps // 5, "decay_steps": (steps + 2) // 3, "total_steps": steps}

    rows = [(0.3, end_value) for end_value in (0.0, 0.02, 0.5)]
    return Family(rx.WarmupStableDecay, oracle.warmup_stable_decay, ("peak_value", "end_value"), rows, limit, length, {"decay": decay})


FAMILIES = {
    "linear": Family(rx.Linear, oracle.linear, ("init_value", "end_value"), ENDS, 3, lambda steps: {"transition_steps": steps}),
    "cosine": Family(rx.Cosine, oracle.cosine, ("init_value", "end_value"), ENDS, 7, lambda steps: {"decay_steps": steps}),
    "polynomial": Family(
        rx.Polynomial,
        oracle.polynomial,
        ("init_value", "end_value", "power"),
        [(*ends, power) for ends, power in itertools.product(ENDS, POWERS)],
        8,
        lambda steps: {"transition_steps": steps},
    ),
    "warm-up": Family(rx.Warmup, oracle.warmup, ("init_value",), [(0.0,), (0.1,), (1.0,)], 3, lambda steps: {"steps": steps}),
    "stable, linear": stable("linear", 4),
    "stable, cosine": stable("cosine", 7),
    "stable, 1-sqrt": stable("1-sqrt", 5),
}
each_family = pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)


def grid(family, lengths, counts):
    """Evaluate, in one compiled call, every row of settings at `counts[i]` for `lengths[i]`."""
    over_counts = jax.vmap(family.at, (None, None, 0))
    over_lengths = jax.vmap(over_counts, (None, 0, 0))
    over_rows = jax.vmap(over_lengths, (0, None, None))
    return np.asarray(jax.jit(over_rows)(jnp.float32(family.rows), jnp.int32(lengths), jnp.int32(counts)))


def assert_right(family, lengths, counts):
    got = grid(family, lengths, counts)
    for row, values in zip(family.rows, got, strict=True):
        for steps, count, value in zip(lengths.tolist(), counts, values, strict=True):
            want = family.want(row, steps, count)
            off = ulps(value, want)
            assert off.max() <= family.limit, (row, steps, count[off.argmax()])
            assert np.all(value[count == 0] == np.float32(want[count == 0]))
            assert np.any(count >= steps)
            assert np.all(value[count >= steps] == np.float32(want[count >= steps]))


@each_family
def test_every_count_of_every_length_up_to_200(family):
    lengths = np.arange(1, 201)
    assert_right(family, lengths, np.tile(np.arange(203), (200, 1)))


@each_family
def test_long_horizons(family):
    random, near = np.random.default_rng(7), np.arange(1000)
    lengths = np.array([100_000, 2**24 + 1, 100_000_000, 2_000_000_000])
    counts = [[near, steps - near, steps // 2 + near - 500, random.integers(0, steps, 5000), steps + near] for steps in lengths]
    assert_right(family, lengths, np.stack([np.concatenate(parts) for parts in counts]))


@pytest.mark.parametrize("decay_rate", [0.5, 0.9, 0.99, 0.9999999, 1e-4, 1.0])
@pytest.mark.parametrize("transition_steps", [1, 7, 1000, 2_000_000_000])
def test_exponential(decay_rate, transition_steps):
    """The rounding of the exponent is magnified by the exponent, as in every exponential: up to 4 times half an ulp of it."""
    deepest = 80 * transition_steps / max(-np.log(decay_rate), 1e-12)  # the value is 0.3 * exp(-80) there
    counts = np.linspace(0, min(2**31 - 1, deepest), 5000).astype(np.int64)
    exponent = counts / transition_steps * -np.log(decay_rate)
    off = ulps(
        rx.Exponential(0.3, transition_steps, decay_rate)(counts),
        oracle.exponential(counts, single(0.3), transition_steps, decay_rate),
    )
    assert np.all(off <= 2 + 3.5 * exponent), (off - 3.5 * exponent).max()


def test_exponential_stops_at_its_end_value():
    counts = np.arange(200)
    values = np.asarray(rx.Exponential(0.3, 10, 0.5, end_value=0.02)(counts))
    assert ulps(values, oracle.exponential(counts, single(0.3), 10, 0.5, single(0.02))).max() <= 8
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
    assert np.all(off <= 3 + 3.0 * -np.log(want[normal]))


def test_stable_part_is_the_peak():
    schedule = rx.WarmupStableDecay(peak_value=0.7, warmup_steps=10, decay_steps=20, total_steps=100)
    values = np.asarray(schedule(np.arange(101)))
    assert np.all(values[10:81] == np.float32(0.7))
    assert values[9] < np.float32(0.7) > values[81]


def test_warm_up_stable_decay_without_warm_up_starts_at_the_peak():
    schedule = rx.WarmupStableDecay(peak_value=0.5, warmup_steps=0, decay_steps=4, total_steps=4)
    np.testing.assert_array_equal(schedule(np.arange(5)), np.float32([0.5, 0.375, 0.25, 0.125, 0.0]))
