"""`AnnealWhenWorthIt`, against its rule in float64, and on losses of which it is known when the decay is best."""

import os
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import rheostax as rx
from rheostax import forecast
from rheostax.errors import ArgumentError
from tests.oracles.anneal import Anneal

CURVES = os.environ.get("RHEOSTAX_LOSS_CURVES", "")
TOTAL = 1_000
LAW = {"gain": 0.3, "timescale": 20.0, "power": 0.6}


def losses(a, size, noise, seed, total=TOTAL):
    """A power law of the count, as a constant rate brings it."""
    count = np.arange(total)
    random = np.random.default_rng(seed)
    return (2.0 + size * ((count + 1) / total) ** -a + noise * random.normal(size=total)).astype(np.float32)


def seldom(counts, values):
    """Without the values at other counts."""
    return np.where(np.isin(np.arange(len(values)), counts), values, np.float32(np.nan))


@jax.jit
def plans(policy, values):
    """Return when the decay was to begin after each observation, and the last state."""

    def step(state, pair):
        state = policy.observe(state, pair[0], {"value": pair[1]})
        return state, policy._begin(state.own)

    return jax.lax.scan(step, policy.init(), (jnp.arange(len(values)), values))[::-1]


BOLD = LAW | {"warmup": 40, "confidence": 0.5, "doubt": 0.05}
SURE = LAW | {"doubt": 0.0, "confidence": 3.0}
FALLING = losses(0.8, 1.0, 0.1, 64)
# Settings, losses, and when the decay begins: earlier or later than at half of the budget, or then.
RULED = {
    "early": (LAW, losses(0.5, 0.2, 0.02, 0), 589),
    "slow": (LAW, losses(0.1, 1.0, 0.01, 1), 523),
    "quick": (LAW, losses(0.8, 0.02, 0.005, 2), 179),
    "early, bold": (BOLD, losses(0.5, 0.2, 0.02, 0), 660),
    "slow, bold": (BOLD, losses(0.1, 1.0, 0.01, 1), 547),
    "quick, bold": (BOLD, losses(0.8, 0.02, 0.005, 2), 300),
    "given up": (LAW, losses(1.2, 0.1, 0.02, 67), 595),
    "given up, flat from 461 on": (LAW, np.where(np.arange(TOTAL) < 461, FALLING, FALLING[461]), 879),
    "rising": (LAW, losses(0.5, -0.2, 0.02, 0), 491),
    "sure": (SURE, losses(0.5, 0.2, 0.02, 0), 619),
    "exact": (SURE, losses(0.5, 0.02, 0.0, 0), 125),
    "constant, of which float32 can tell little": (LAW, np.full(TOTAL, 2_000.0, np.float32), 125),
    "small": (SURE, losses(0.5, 0.2, 0.01, 0, 60), 30),
}


@pytest.mark.parametrize(("settings", "values", "begins"), RULED.values(), ids=RULED)
def test_it_plans_what_the_rule_says_in_float64(settings, values, begins):
    total = len(values)
    arguments = {"warmup_steps" if name == "warmup" else name: value for name, value in settings.items()}
    policy, oracle = rx.AnnealWhenWorthIt(total, **arguments), Anneal(total, **settings)
    want = [oracle(count, float(value)) for count, value in enumerate(values)]
    got, state = plans(policy, values)
    assert np.asarray(got).tolist() == want
    assert want[-1] == begins
    # and what it expects of that
    start = jnp.arange(total // 20, total, total // 10)
    gain, error = policy._gains(state.own, start, jnp.int32(total // 2))
    there = np.array([oracle.gain_of(one, total // 2, oracle.fits()) for one in np.asarray(start).tolist()])
    assert np.asarray(gain) == pytest.approx(there[:, 0], rel=1e-3, abs=1e-9)
    assert np.asarray(error) == pytest.approx(there[:, 1], rel=1e-3, abs=1e-9)


@pytest.mark.parametrize(("total", "warmup"), [(2, 0), (3, 1), (8, 0), (40, 0), (64, 2), (100, 0), (130, 50), (300, 200), (5_000, 0)])
def test_values_fall_into_the_blocks_of_the_rule(total, warmup):
    oracle = Anneal(total, warmup)
    for count in range(total):
        oracle(count, 1.0)
    own = plans(rx.AnnealWhenWorthIt(total, warmup_steps=warmup), np.ones(total, np.float32))[1].own
    assert np.asarray(own.number).tolist() == [len(oracle.values.get(block, [])) for block in range(32)]


def end(start, a, size):
    """The loss at the end that the law says of a start."""
    d = TOTAL - start
    return size * ((start + d / 2) / TOTAL) ** -a + LAW["gain"] * (1 + d / LAW["timescale"]) ** -LAW["power"]


@pytest.mark.parametrize(("a", "size"), [(1.2, 0.3), (0.5, 0.02), (0.3, 0.3)])
def test_it_comes_near_the_best_start_and_is_never_worse_than_half(a, size):
    starts = np.arange(TOTAL)
    best = end(starts, a, size).min()
    half = end(TOTAL // 2, a, size)
    for seed in range(2):
        got = int(plans(rx.AnnealWhenWorthIt(TOTAL, **LAW), losses(a, size, 0.01, seed))[0][-1])
        assert end(got, a, size) <= half + 1e-6
        assert end(got, a, size) - best < max(0.7 * (half - best), 1e-3)


def test_without_a_gain_or_enough_observations_it_is_half_the_budget():
    values = losses(1.2, 0.3, 0.01, 0)
    assert set(np.asarray(plans(rx.AnnealWhenWorthIt(TOTAL), values)[0]).tolist()) == {500}
    rare = np.full(TOTAL, np.nan, np.float32)
    rare[[100, 300, 450]] = 1.0
    assert set(np.asarray(plans(rx.AnnealWhenWorthIt(TOTAL, **LAW), rare)[0]).tolist()) == {500}
    silent = rx.simulate(1e-3 * rx.AnnealWhenWorthIt(10), 12)
    assert silent == pytest.approx([1e-3] * 6 + [8e-4, 6e-4, 4e-4, 2e-4, 0.0, 0.0], rel=1e-6)


def test_a_law_is_fitted_to_six_blocks_from_an_eighth_of_the_budget_on():
    """Exact losses, each in a block of its own: the value that comes after six of them is the first that can plan."""
    for counts in ([130, 150, 175, 200, 230, 265, 300], [60, 70, 80, 92, 107, 123, 125], [50, 60, 70, 80, 92, 107, 124, 142]):
        planned, state = plans(rx.AnnealWhenWorthIt(TOTAL, **LAW), seldom(counts, losses(0.5, 0.02, 0.0, 0)))
        assert np.asarray(planned)[counts[:-1]].tolist() == [500] * (len(counts) - 1)
        assert planned[counts[-1]] != 500
        assert f"; {len(counts) - 1} blocks of value" in rx.AnnealWhenWorthIt(TOTAL, **LAW).status(state.own)


def test_at_the_count_at_which_it_begins_nothing_is_planned_any_more():
    counts = [130, 150, 175, 200, 230, 265]
    for last, begins in ((500, 500), (499, 809)):  # by this law to wait is better
        values = seldom([*counts, last], losses(1.2, 0.3, 0.0, 0))
        assert plans(rx.AnnealWhenWorthIt(TOTAL, **LAW), values)[0][-1] == begins


def test_half_is_kept_where_nothing_is_clear_even_if_half_itself_is_among_the_starts():
    """Of 1,200 updates the twentieth start that is looked at from count 200 is 600, whose gain and its error are both 0."""
    values = seldom([80, 92, 107, 123, 140, 160, 180, 200], losses(1.2, 0.3, 0.0, 0, 1_200))
    for confidence, planned in ((1e6, -1), (1.64, 980)):
        assert plans(rx.AnnealWhenWorthIt(1_200, **LAW | {"confidence": confidence}), values)[1].own.planned == planned


def test_half_of_another_budget():
    """A run may be resumed with more updates: half the budget is half of what it is then, unless another start was chosen."""
    values = losses(0.5, 0.02, 0.01, 1)
    short, long = rx.AnnealWhenWorthIt(TOTAL), rx.AnnealWhenWorthIt(2 * TOTAL)
    state = plans(short, values[:300])[1]
    assert float(short.evaluate(state, jnp.int32(750)).high) == 0.5
    assert [float(long.evaluate(state, jnp.int32(count)).high) for count in (750, 1_500)] == [1, 0.5]
    assert "at count 1,000, half the budget" in long.status(state.own)
    begun = plans(short, values[:700])[1]
    assert [float(rate.evaluate(begun, jnp.int32(700)).high) for rate in (short, long)] == pytest.approx([0.6, 1_300 / 1_500])
    assert "began at count 500" in long.status(begun.own)
    told = rx.AnnealWhenWorthIt(2 * TOTAL, **LAW)  # what a decay gains is known now: it has begun all the same
    for count in (700, 800, 900):
        begun = told.observe(begun, jnp.int32(count), {"value": jnp.float32(values[count])})
    assert int(begun.own.planned) == 500
    chosen = plans(rx.AnnealWhenWorthIt(TOTAL, **LAW), values)[1]
    begin = int(chosen.own.planned)
    assert 0 < begin < TOTAL // 2
    assert float(long.evaluate(chosen, jnp.int32(begin + 1)).high) < 1


def test_less_budget_than_was_planned_with():
    """The decay was to begin at about 800 of 1,000 updates; of 700 it is over at 700, whatever is heard."""
    state = plans(rx.AnnealWhenWorthIt(TOTAL, **LAW), np.where(np.arange(TOTAL) < 300, losses(1.2, 0.3, 0.01, 0), np.float32(np.nan)))[1]
    assert int(state.own.planned) > 700
    less = rx.AnnealWhenWorthIt(700, **LAW)
    assert [float(less.evaluate(state, jnp.int32(count)).high) for count in (698, 699, 700, 850)] == [1, 1, 0, 0]


def test_it_ends_with_its_budget():
    rate = rx.Warmup(10) * 0.5 * rx.AnnealWhenWorthIt(100)
    assert (rate.horizon, rx.stretch(rate, 2).horizon) == (100, 200)
    with pytest.raises(ArgumentError, match=r"has no part whose end could be moved\. Make it anew"):
        rx.extend(rx.control(optax.sgd, rate).init(jnp.ones(2)), 200)


def test_the_decay_ends_with_the_budget_whenever_it_begins():
    rate = 0.5 * rx.AnnealWhenWorthIt(TOTAL, **LAW)
    rates = rx.simulate(rate, TOTAL + 2, {"value": np.r_[losses(0.5, 0.02, 0.01, 1), 2.0, 2.0]})
    falls = np.flatnonzero(np.diff(rates))
    begin = int(falls[0])
    assert begin < TOTAL // 2
    assert rates[begin:TOTAL] == pytest.approx(0.5 * (TOTAL - np.arange(begin, TOTAL)) / (TOTAL - begin), rel=1e-6)
    assert rates[TOTAL:].tolist() == [0.0, 0.0]


def test_what_it_says():
    tx = rx.control(optax.sgd, 0.5 * rx.AnnealWhenWorthIt(8, gain=0.1))
    state = tx.init(jnp.ones(2))
    policy = rx.AnnealWhenWorthIt(TOTAL, **LAW)
    values = losses(0.5, 0.02, 0.01, 1)
    own = plans(policy, values)[1].own
    assert policy.status(own).startswith(f"the decay began at count {int(own.planned):,}, which is predicted to gain 0.")
    assert policy.explain(own, own, 2.0).startswith(f"began the decay at count {int(own.planned):,}: which is predicted to gain 0.")
    late = plans(policy, losses(1.2, 0.3, 0.01, 0))[1].own
    assert int(late.planned) > TOTAL // 2
    (gain,), (error,) = policy._gains(late, late.planned[None], jnp.int32(TOTAL // 2))
    assert f"which is predicted to gain {gain:.2g} +- {error:.2g} on half the budget" in policy.status(late)
    first = policy.start()
    assert policy.status(first) == (
        "the decay begins at count 500, half the budget, on which no other start is predicted to gain more than the error of that; "
        "0 blocks of value"
    )
    assert "since it isn't known what a decay gains" in rx.AnnealWhenWorthIt(TOTAL).status(first)
    assert "the decay begins at count 4" in str(rx.describe(state))


def test_its_numbers_come_from_an_outlook():
    count = np.arange(20, 2_001, 20)
    constant, falling = np.full(100, 1e-3), 1e-3 * np.minimum(1.0, (2_001 - count) / 800)
    since = np.maximum(count - 1_200, 0)
    level = 2.0 + 0.3 * (count / 1e3) ** -0.5
    finished = forecast.Curve(count, falling, level - 0.2 * since / 800 * (1 - (1 + since / 100) ** -0.5), "finished")
    run = forecast.Curve(count, constant, level, "run")
    found = forecast.outlook(run, 6_000, finished=[finished])
    numbers = forecast.decay_of(found)
    for length in (300, 800, 3_000):
        gained = numbers["gain"] * (1 - (1 + length / numbers["timescale"]) ** -numbers["power"])
        assert gained == pytest.approx(found.fitted.gained(found.rates(6_000 - length)), rel=0.03)
    assert 0 < numbers["doubt"] <= 1
    assert rx.AnnealWhenWorthIt(6_000, **numbers).gain == numbers["gain"]
    with pytest.raises(ArgumentError, match="the rate never changed in run, so what a decay gains isn't known"):
        forecast.decay_of(forecast.outlook(run, 6_000))


@pytest.mark.skipif(not CURVES, reason="RHEOSTAX_LOSS_CURVES names no folder of loss curves (llama_124m_lr1e-3/*.csv and others)")
@pytest.mark.parametrize("metric", ["val_loss", "train_loss"])
def test_on_a_real_run_it_does_as_well_as_half_the_budget(metric):
    """The losses of a constant run, the numbers from its first 2,000 updates and one finished run; 0.4 to 0.6 differ by 0.002."""
    total, folder = 25_000, Path(CURVES, "llama_124m_lr1e-3")
    names = ("constant_50000", "wsd_linear_decay_0.2_15000")
    run, finished = (forecast.read_curve(folder / f"{name}.csv", loss="val_loss") for name in names)
    early = forecast.Curve(*(array[run.step <= 2_000] for array in (run.step, run.learning_rate, run.loss)))
    numbers = forecast.decay_of(forecast.outlook(early, total, finished=[finished], warmup_steps=300))
    heard = forecast.read_curve(folder / "constant_50000.csv", loss=metric)
    values = np.full(total, np.nan, np.float32)
    seen = heard.step < total
    values[heard.step[seen]] = heard.loss[seen]
    planned = plans(rx.AnnealWhenWorthIt(total, warmup_steps=300, **numbers), values)[0]
    assert 0.4 * total <= int(planned[-1]) <= 0.6 * total


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"total_steps": 0}, "total_steps must be a whole number >= 1, got 0"),
        ({"gain": -1.0}, r"gain must be a finite number in \[0, inf\), got -1"),
        ({"timescale": 0}, "timescale must be a finite number"),
        ({"power": 0}, "power must be a finite number"),
        ({"doubt": 1.5}, r"doubt must be a finite number in \[0, 1\], got 1.5"),
        ({"warmup_steps": -1}, "warmup_steps must be a whole number >= 0, got -1"),
    ],
)
def test_bad_arguments_are_named(arguments, said):
    with pytest.raises(ArgumentError, match=said):
        rx.AnnealWhenWorthIt(**({"total_steps": 10} | arguments))
