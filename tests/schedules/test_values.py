"""Schedules against their definitions in float64, from one-update schedules to the longest that int32 counts."""

import dataclasses
import functools
import itertools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rheostax as rx
from rheostax._rate import lower
from tests.oracles import schedules as oracle
from tests.support import TINY, single, ulps

ENDS = [(1e-3, 0.0), (0.3, 0.02), (0.02, 0.3), (0.0, 1e-3), (0.1, 0.1)]  # (init_value, end_value): down, up, and level
POWERS = (0.1, 0.5, 0.9, 1.0, 1.5, 2.0, 3.0)
LIMIT = 0.6  # float32 ulp: rounded correctly, but for what lies near the middle of two floats
DEEP = 1e-30  # below it what a number of two float32 has beyond the first of them falls under the smallest float


@dataclasses.dataclass(frozen=True)
class Family:
    """A schedule, its oracle, how both get their length, settings as rows, and whether it reaches its ends exactly."""

    schedule: Callable[..., Any]
    reference: Callable[..., Any]
    names: tuple[str, ...]
    rows: list[tuple[float, ...]]
    length: Callable[[Any], dict[str, Any]]
    static: dict[str, Any] = dataclasses.field(default_factory=dict)
    starts: bool = True
    ends: bool = True

    def at(self, row, steps, count):
        """The schedule's value, traced: settings, length and count are arrays."""
        return self.schedule(**dict(zip(self.names, row, strict=True)), **self.length(steps), **self.static)(count)

    def want(self, row, steps, counts):
        return self.reference(counts, **dict(zip(self.names, row, strict=True)), **self.length(steps), **self.static)


def stable(**static):
    def length(steps):
        half_life = {"half_life": (steps + 19) // 20} if static.get("decay") == "half-life" else {}
        return {"warmup_steps": (steps + 4) // 6, "decay_steps": (steps + 2) // 3, "total_steps": steps, **half_life}

    if "stable" in static:
        static["stable_timescale"] = 7
    names = ("peak_value", "end_value", "init_value", "stable_power", "decay_power", "decay_rate")
    rows = [(0.3, 0.0, 0.0, 0.51, 0.4, 0.5), (0.3, 0.02, 0.1, 1.0, 1.7, 0.01), (0.3, 0.5, 0.4, 0.2, 3.0, 0.9)]
    ends = static.get("decay") != "half-life"
    return Family(rx.WarmupStableDecay, oracle.warmup_stable_decay, names, rows, length, static, ends=ends)


def decay(schedule, reference, names=(), values=((),), **options):
    rows = [(*ends, *more) for ends, more in itertools.product(ENDS, values)]
    return Family(schedule, reference, ("init_value", "end_value", *names), rows, lambda steps: {"decay_steps": steps}, **options)


def polynomial(names, values):
    family = decay(rx.Polynomial, oracle.polynomial, names, values)
    return dataclasses.replace(family, length=lambda steps: {"transition_steps": steps})


def warmup(shape, rows=((0.0,), (0.1,), (1.0,)), names=("init_value",)):
    return Family(rx.Warmup, oracle.warmup, names, list(rows), lambda steps: {"steps": steps}, {"shape": shape})


def begun(steps):
    return {"timescale": steps, "transition_begin": (steps + 1) // 2}


FAMILIES = {
    "linear": Family(rx.Linear, oracle.linear, ("init_value", "end_value"), ENDS, lambda steps: {"transition_steps": steps}),
    "cosine": decay(rx.Cosine, oracle.cosine),
    "cosine, k-decay": decay(rx.Cosine, oracle.cosine, ("k_decay",), [(0.4,), (1.0,), (1.5,), (3.0,)]),
    "polynomial": polynomial(("power",), [(power,) for power in POWERS]),
    "polynomial, k-decay": polynomial(("power", "k_decay"), [(0.5, 0.7), (2.0, 1.5)]),
    "rex": decay(rx.Rex, oracle.rex),
    "tanh": decay(rx.Tanh, oracle.tanh, ("lower", "upper"), [(-7.0, 3.0), (-2.0, 1.0), (1.0, 20.0), (-20.0, -1.0)], starts=False),
    "inverse square root": Family(rx.InverseSqrt, oracle.inverse_sqrt, ("init_value",), [(0.3,), (1e-5,)], begun, starts=False, ends=False),
    "power": Family(
        rx.Power, oracle.power, ("init_value", "power"), [(0.3, 0.51), (0.3, 1.0), (0.01, 2.0)], begun, starts=False, ends=False
    ),
    "noam": Family(
        rx.Noam, oracle.noam, ("factor",), [(1.0,), (0.3,)], lambda steps: {"warmup_steps": steps}, {"d_model": 512}, False, False
    ),
    "warm-up": warmup("linear"),
    "warm-up, cosine": warmup("cosine"),
    "warm-up, 1-sqrt": warmup("1-sqrt"),
    "warm-up, exponential": warmup("exponential", [(1e-3,), (0.1,), (1.0,)]),
    "warm-up, polynomial": warmup(
        "polynomial", [(init_value, power) for init_value in (0.0, 0.1) for power in POWERS], ("init_value", "power")
    ),
    **{f"stable, {decay}": stable(decay=decay) for decay in ("linear", "cosine", "1-sqrt", "power", "exponential", "half-life")},
    **{f"{name}, linear": stable(stable=name) for name in ("inverse_sqrt", "power")},
    "power, half-life": stable(stable="power", decay="half-life"),
}
each_family = pytest.mark.parametrize("name", FAMILIES)


def pairs():
    """Lengths and counts: all of every length up to 100, the ends of every one up to 2,000, and parts of the longest."""
    random, near, short, middle = np.random.default_rng(7), np.arange(1000), np.arange(1, 101), np.arange(1, 2001)
    found = {
        "short": [(np.repeat(short, 103), np.tile(np.arange(103), len(short)))],
        "ends": [
            (middle, np.maximum(at, 0)) for at in (middle * 0, middle * 0 + 1, middle // 2, middle - 2, middle - 1, middle, middle + 1)
        ],
        "long": [
            (np.full(len(counts), steps), counts)
            for steps in (100_000, 2**24 + 1, 100_000_000, 2_000_000_000)
            for counts in (near, steps - near, steps // 2 + near - 500, random.integers(0, steps, 3000), steps + near)
        ],
    }
    return {name: tuple(np.concatenate(part) for part in zip(*parts, strict=True)) for name, parts in found.items()}


PAIRS = pairs()


@functools.cache
def sweep(name):
    """Return per group of pairs the values of every row of settings, all from one compiled call, and what they should be."""
    family = FAMILIES[name]
    lengths, counts = (np.concatenate([PAIRS[group][i] for group in PAIRS]) for i in (0, 1))
    values = jax.vmap(jax.vmap(family.at, (None, 0, 0)), (0, None, None))
    got = np.asarray(jax.jit(values)(jnp.float32(family.rows), jnp.int32(lengths), jnp.int32(counts)))
    want = np.stack([family.want(row, lengths, counts) for row in single(family.rows)])
    cuts = np.cumsum([len(PAIRS[group][0]) for group in PAIRS])[:-1]
    return {group: both for group, *both in zip(PAIRS, np.split(got, cuts, axis=1), np.split(want, cuts, axis=1), strict=True)}


@each_family
@pytest.mark.parametrize("group", PAIRS)
def test_values(name, group):
    got, want = sweep(name)[group]
    off = ulps(got, want) / np.where(np.abs(want) < DEEP, 2 / LIMIT, 1)
    row, worst = np.unravel_index(off.argmax(), off.shape)
    lengths, counts = PAIRS[group]
    assert off.max() <= LIMIT, (off.max(), FAMILIES[name].rows[row], lengths[worst], counts[worst], got[row, worst], want[row, worst])
    assert np.all(np.isfinite(got))
    assert np.all(got >= 0)


@each_family
@pytest.mark.parametrize("group", PAIRS)
def test_ends_are_exact(name, group):
    family, (got, want), (lengths, counts) = FAMILIES[name], sweep(name)[group], PAIRS[group]
    exact = (counts == 0) & family.starts | (counts >= lengths) & family.ends
    np.testing.assert_array_equal(got[:, exact], want[:, exact].astype(np.float32))
    assert family.starts or family.ends or not exact.any()


@each_family
def test_with_numbers_that_the_compiler_sees(name):
    """In a compiled function a schedule's numbers are constants, with all digits of float64, and simplified with."""
    family, counts = FAMILIES[name], np.arange(131)
    row = family.rows[1]
    rate = family.schedule(**dict(zip(family.names, row, strict=True)), **family.length(127), **family.static)
    want = family.want(row, 127, counts)
    got = np.asarray(jax.jit(rate)(counts))
    assert ulps(got, want).max() <= LIMIT
    np.testing.assert_array_equal(got[127] == np.float32(want[127]), family.ends or ulps(rate(127), want[127]) <= 0.5)


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
