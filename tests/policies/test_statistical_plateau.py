"""The statistical plateau: beside its definition in float64, its bound on false cuts, and what it does when there is a plateau."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy.stats import binom

import rheostax as rx
from rheostax.policies._flatness import add_block, begin, evidence, inflation
from tests.oracles.flatness import StatisticalPlateau

WINDOW, BLOCKS = 32, 16
GIVEN = {"window": WINDOW, "blocks": BLOCKS, "rtol": 0.05}


@functools.cache
def runner(mode="min", paired=False):
    """Return a compiled function of streams, [S, N], and settings of each: after every value the factor, and what was found last."""

    @jax.jit
    @jax.vmap
    def run(values, window, rtol, atol, alpha):
        policy = rx.ReduceOnStatisticalPlateau(
            window=window, rtol=rtol, atol=atol, alpha=alpha, blocks=BLOCKS, mode=mode, paired=paired, factor=0.5
        )

        def observe(state, value):
            state = policy.observe(state, jnp.int32(0), {"value": value})
            return state, (policy.evaluate(state, jnp.int32(0)).high, state.own.found, state.own.distance)

        return jax.lax.scan(observe, policy.init(), values)[1]

    return run


def cuts(values, mode="min", paired=False, **settings):
    """Return the numbers of the values at which each stream cuts, and for all values the factor, evidence and distance."""
    given = {"window": WINDOW, "rtol": 0.05, "atol": 0.0, "alpha": 0.01} | settings
    arrays = [np.broadcast_to(np.asarray(given[name], np.int32 if name == "window" else np.float32), len(values)) for name in given]
    scale, found, distance = map(np.asarray, runner(mode, paired)(jnp.asarray(values, jnp.float32), *arrays))
    fell = np.diff(scale, axis=1, prepend=1.0) < 0
    return [np.flatnonzero(row).tolist() for row in fell], (scale, found, distance)


def assert_its_definition(values, mode, given, paired=False):
    """Assert that streams with settings of their own cut when the model does, on the same evidence."""
    got, (_, found, distance) = cuts(values, mode, paired, **given)
    want = []
    for i in range(len(values)):
        settings = {name: float(np.float32(column[i])) for name, column in given.items()} | {"window": int(given["window"][i])}
        model = StatisticalPlateau(**settings, blocks=BLOCKS, mode=mode, paired=paired)
        for value in values[i]:
            model.observe(float(value))
        want.append(model.cuts)
        assert got[i] == model.cuts
        np.testing.assert_allclose(found[i, model.cuts], [evidence for evidence, _ in model.found], rtol=1e-4)
        assert distance[i, model.cuts].tolist() == [windows for _, windows in model.found]
    assert sum(map(len, want)) > len(values)
    assert max(map(len, want)) > 2


def autoregressive(random, runs, steps, correlation, tail="normal"):
    draw = {"normal": random.standard_normal, "t": lambda size: random.standard_t(3, size) / math.sqrt(3)}[tail]
    fresh, noise = draw((runs, steps + 200)) * math.sqrt(1 - correlation**2), np.zeros((runs, steps + 200))
    for k in range(1, steps + 200):
        noise[:, k] = correlation * noise[:, k - 1] + fresh[:, k]
    return noise[:, 200:]


def least(steps, rtol=0.05, window=WINDOW):
    """A loss that makes exactly the least progress: where a false cut is easiest."""
    return (1 - rtol) ** (np.arange(steps) / window)


def test_it_is_its_definition():
    """Streams that fall, rest, jump, and have bad numbers, each with settings of its own."""
    random, steps, runs = np.random.default_rng(5), 1500, 12
    curve = np.maximum(least(steps), random.uniform(0.4, 0.9, (runs, 1))) + 0.5 * (np.arange(steps) > random.uniform(300, 3000, (runs, 1)))
    values = curve * (1 + random.choice([0.01, 0.05, 0.2], (runs, 1)) * random.standard_normal((runs, steps)))
    values[::3, 100:110], values[1::3, 50] = np.nan, np.inf
    given = {
        "window": random.choice([WINDOW, 20, 33], runs),
        "rtol": random.choice([0.05, 0.02], runs),
        "atol": random.choice([0.0, 0.01], runs),
        "alpha": random.choice([0.01, 0.3], runs),
    }
    assert_its_definition(values.astype(np.float32), "min", given)
    assert_its_definition(-values.astype(np.float32), "max", given)


@pytest.mark.parametrize(("correlation", "tail"), [(0.0, "normal"), (0.0, "t"), (0.8, "normal")])
def test_false_cuts_are_as_rare_as_promised(correlation, tail):
    """At a bound of 20%, on the curve where they are easiest; more than this in 256 runs happen once in a thousand times."""
    random, alpha = np.random.default_rng(1), 0.2
    noise = 0.1 * autoregressive(random, 256, 2000, correlation, tail)
    found, _ = cuts(least(2000) * (1 + noise), alpha=alpha)
    assert sum(map(bool, found)) <= binom.ppf(0.999, 256, alpha)


@pytest.mark.parametrize(("correlation", "bound"), [(0.0, 12), (0.8, 40)])
def test_it_cuts_on_a_plateau(correlation, bound):
    """And not before it, in all but one in a hundred runs; `bound` is in windows."""
    random, steps = np.random.default_rng(2), 64 * WINDOW
    begins = 8 * WINDOW
    curve = 0.5 + 0.5 * np.maximum(1 - np.arange(steps) / begins, 0.0)
    found, _ = cuts(curve * (1 + 0.03 * autoregressive(random, 128, steps, correlation)))
    first = np.array([one[0] if one else steps for one in found])
    assert np.mean(first <= begins) <= 0.01
    assert np.median(first) <= begins + bound * WINDOW


def test_it_begins_anew_after_a_cut_and_spends_less_each_time():
    policy = rx.ReduceOnStatisticalPlateau(**GIVEN, alpha=0.1, factor=0.5)
    state, needed, found = policy.init(), [], []
    step = jax.jit(lambda state: policy.observe(state, jnp.int32(0), {"value": jnp.float32(1.0)}))
    for _ in range(300):
        before, state = state, step(state)
        if int(state.own.begun) > int(before.own.begun):
            needed.append(math.exp(policy._needed(before.own.begun)))
            found.append(math.exp(state.own.found))
            fresh = begin(BLOCKS, paired=False)
            assert all(map(np.array_equal, jax.tree.leaves(state.own.test), jax.tree.leaves(fresh)))
    assert len(needed) >= 3
    np.testing.assert_allclose(needed, [k * (k + 1) / 0.1 for k in range(1, len(needed) + 1)], rtol=1e-5)
    assert all(a >= b for a, b in zip(found, needed, strict=True))
    assert float(state.own.scale.high) == 0.5 ** len(needed)
    assert sum(1 / (k * (k + 1)) for k in range(1, 10_000)) < 1  # all of them together


def test_bad_numbers_change_nothing():
    random = np.random.default_rng(3)
    values = 1 + 0.05 * random.standard_normal((1, 800))
    bad = np.insert(values, np.repeat(np.arange(0, 800, 40), 2), np.tile([np.nan, np.inf], 20), axis=1)
    (clean,), _ = cuts(values)
    (dirty,), _ = cuts(bad)
    assert len(clean) == len(dirty) > 0
    assert [values[0, k] for k in clean] == [bad[0, k] for k in dirty]


def test_numbers_that_overflow_leave_no_trace():
    """The test begins anew when such a value has risen; what comes after it counts as ever."""
    values = np.ones((1, 1000))
    values[0, [100, 333]] = 3e38, -3e38
    (found,), (scale, *_) = cuts(values)
    assert np.all(np.isfinite(scale))
    assert found
    assert found[-1] > 600


def test_a_jump_is_no_plateau():
    """After data change for the worse, a falling loss is compared with what came after the jump alone."""
    random, steps = np.random.default_rng(4), 1600
    jump = 1 + 0.3 * (np.arange(steps) > random.uniform(200, 1400, (128, 1)))
    found, _ = cuts(least(steps, rtol=0.08) * jump * (1 + 0.03 * random.standard_normal((128, steps))))
    assert sum(map(bool, found)) <= 1


def test_a_rise_is_no_plateau():
    found, _ = cuts(np.exp(np.arange(1600) / 300)[None] * (1 + 0.03 * np.random.default_rng(0).standard_normal((8, 1600))))
    assert not any(found)


def test_stairs_are_as_good_as_a_slope():
    """What counts is the fall over a whole window: that it is flat within is no plateau."""
    stairs = 0.95 ** np.floor(np.arange(2000) / WINDOW)
    found, _ = cuts(stairs * (1 + 0.02 * np.random.default_rng(6).standard_normal((128, 2000))), alpha=0.05)
    assert sum(map(bool, found)) <= binom.ppf(0.999, 128, 0.05)


@pytest.mark.parametrize("mode", ["min", "max"])
def test_paired_values_are_its_definition(mode):
    """Differences that fall, rest and rise, correlated or not, with bad numbers among them."""
    random, steps, runs = np.random.default_rng(6), 400, 12
    slope = np.where(np.arange(steps) < random.uniform(0, 250, (runs, 1)), -0.04, random.choice([0.0, 0.0, 0.03], (runs, 1)))
    values = np.float32(slope + random.choice([0.02, 0.1], (runs, 1)) * autoregressive(random, runs, steps, 0.3))
    values[::3, 40:45] = np.nan
    given = {
        "window": np.full(runs, WINDOW),
        "rtol": random.choice([0.05, 0.02], runs),
        "atol": random.choice([0.0, 0.01], runs),
        "alpha": random.choice([0.01, 0.3], runs),
    }
    assert_its_definition(values, mode, given, paired=True)


def test_paired_differences():
    """A metric that is a change already: its sign is bet on as it is."""
    random = np.random.default_rng(7)
    falling = -0.05 + 0.2 * random.standard_normal((128, 400))
    resting = 0.05 * random.standard_normal((128, 400))
    found, _ = cuts(falling, paired=True, alpha=0.1)
    assert sum(map(bool, found)) <= binom.ppf(0.999, 128, 0.1)
    found, _ = cuts(resting, paired=True)
    assert np.median([one[0] if one else 400 for one in found]) < 60


def test_paired_change_cancels_the_batch():
    def loss(params, x, y):
        return jnp.mean(jnp.square(params["w"] * x - y))

    x = jnp.asarray(np.random.default_rng(0).standard_normal(64), jnp.float32)
    y = 2 * x + 0.5
    got = jax.jit(rx.paired_change, static_argnums=0)(loss, {"w": 1.5}, {"w": 1.0}, x, y)
    then, now = (np.mean((w * np.asarray(x, float) - np.asarray(y, float)) ** 2) for w in (1.0, 1.5))
    assert got.dtype == jnp.float32
    np.testing.assert_allclose(got, now / then - 1, rtol=1e-5)


def test_it_finds_that_sgd_is_stationary_as_sasa_does():
    """By |x|^2, whose change in an update is SASA+'s statistic times -2 eta; x reaches its neighbourhood after some 100 updates."""
    policy = rx.ReduceOnStatisticalPlateau(monitor="squared_norm", window=200, rtol=0.05, blocks=16, factor=0.5)
    tx = rx.control(optax.sgd, 0.05 * policy)

    def step(carry, key):
        x, state = carry
        d = x - 0.5 + 0.2 * jax.random.normal(key, (8,))
        updates, state = tx.update(d, state, x, squared_norm=x @ x)
        new, eta = optax.apply_updates(x, updates), state.learning_rate
        return (new, state), (eta, new @ new - x @ x, new @ d + eta / 2 * d @ d)

    def run(key):
        x = jnp.full(8, 3.0)
        return jax.lax.scan(step, (x, tx.init(x)), jax.random.split(key, 10_000))[1]

    rates, changes, statistics = map(np.asarray, jax.jit(jax.vmap(run))(jax.random.split(jax.random.key(0), 16)))
    np.testing.assert_allclose(changes, -2 * rates * statistics, rtol=1e-5, atol=1e-5)
    first = np.argmax(rates < rates[:, :1], axis=1)
    assert 10 * 200 < first.min() <= first.max() < 40 * 200
    for row, cut in zip(statistics, first, strict=True):
        assert abs(row[cut - 200 : cut].mean()) < 0.01 * row[:20].mean()


def test_a_chain_of_correlated_signs_is_no_gain():
    """Tempered by the inflation, bets on a Markov chain of signs have no expected growth: the largest eigenvalue is at most 1."""
    for r in np.linspace(0.0, 0.95, 20):
        power = (1 - r) / (1 + r)
        for bet in (0.5, 0.9):
            up, down = (1 + bet) ** power, (1 - bet) ** power
            same, other = (1 + r) / 2, (1 - r) / 2
            growth = np.linalg.eigvals([[same * up, other * down], [other * up, same * down]])
            assert np.max(np.abs(growth)) <= 1 + 1e-12


@pytest.mark.parametrize("correlation", [0.0, 0.4, 0.7, 0.9])
def test_the_correlation_is_measured_right(correlation):
    """From the second differences of an AR(1) process with a trend, in which neighbours are correlated as blocks may be."""
    random = np.random.default_rng(8)
    x = autoregressive(random, 1, 100_000, correlation)[0] + 0.01 * np.arange(100_000)
    near, far = (np.mean(np.abs(x[2 * k :] - 2 * x[k:-k] + x[: -2 * k])) for k in (1, 4))
    got = float(inflation(jnp.float32([near]), jnp.float32([far]))[0])
    signs = 2 / math.pi * math.asin(correlation)
    want = (1 + signs) / (1 - signs)
    assert 0.85 * want <= got <= 1.15 * want


def test_the_state_has_a_fixed_size():
    policy = rx.ReduceOnStatisticalPlateau()
    assert sum(leaf.size for leaf in jax.tree.leaves(policy.init())) < 700
    few = rx.ReduceOnStatisticalPlateau(blocks=16)
    assert sum(leaf.size for leaf in jax.tree.leaves(few.init())) < 300


def test_many_updates_do_not_blur_it():
    """In float32, after a million blocks of steady fall, the evidence is still what it is by definition: next to nothing."""
    test = begin(16, paired=False)._replace(blocks=jnp.int32(2**20 - 1), mean=jnp.float32(1.0))
    wealth = jnp.full_like(test.wealth, -20.0)
    after = add_block(test._replace(wealth=wealth, past=jnp.full_like(test.past, 2.0)), lambda before: 0.01 * jnp.abs(before))
    flat, risen = evidence(after)
    assert np.all(np.isfinite(flat))
    assert np.all(flat < -15)
    assert np.all(risen < -15)


def test_advancing_and_stopping():
    values = jnp.ones(200)
    advance = rx.AdvanceOnStatisticalPlateau([0.5, rx.Linear(0.5, 0.0, 10)], **GIVEN)
    rates = rx.simulate(advance, 200, {"value": values})
    assert (rates[32], rates[-1]) == (0.5, 0.0)
    falling = rx.AdvanceOnStatisticalPlateau([rx.Linear(0.5, 0.0, 8), 0.1], **GIVEN)
    assert rx.simulate(falling, 3, {"value": values[:3]}).tolist() == [0.5, 0.4375, 0.375]  # the first part begins at count 0
    assert int(falling.signal(falling.init().own)) == 0
    late = rx.AdvanceOnStatisticalPlateau([0.5, 0.25], latest=[7], **GIVEN)
    assert rx.simulate(late, 9, {"value": values[:9]}).tolist() == [*7 * [0.5], 0.25, 0.25]
    stop = rx.control(optax.sgd, 0.1 * rx.StopOnStatisticalPlateau(**GIVEN))
    state = stop.init(jnp.ones(2))
    assert not rx.should_stop(state)
    observe = jax.jit(lambda state: rx.observe(state, value=1.0))
    for _ in range(100):
        state = observe(state)
    assert rx.should_stop(state)


def test_words():
    policy = rx.StopOnStatisticalPlateau(**GIVEN)
    state = policy.init()
    assert policy.status(state.own) == "evidence 0 of 200 for a plateau, 0 blocks since it began"
    assert (float(state.own.found), int(state.own.distance)) == (-math.inf, 0)
    step = jax.jit(lambda state: policy.observe(state, jnp.int32(0), {"value": jnp.float32(1.0)}))
    while not int(state.own.stopped):
        before, state = state, step(state)
    strength = math.exp(float(evidence(before.own.test)[0].max()))
    assert 20 < strength < 200
    assert policy.status(before.own).startswith(f"evidence {strength:.2g} of 200 for a plateau, ")
    why = policy.explain(before.own, state.own, 1.0)
    assert why.startswith("value had fallen by less than 0.05 of itself per 32 observations (evidence ")
    assert why.endswith(", by blocks 1 window apart); 200 was needed; training should stop")
    assert policy.reason(state.own) in why
    assert policy.status(state.own).startswith("asks to stop, evidence 0 of 600")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"window": 10}, r"window must be a whole number >= 64, got 10\. A window has at least one observation per block"),
        ({"rtol": 0.0}, "rtol or atol must be > 0, got 0 for both"),
        ({"rtol": 1.0}, r"rtol must be a finite number in \[0, 1\), got 1\.0"),
        ({"alpha": 0.0}, r"alpha must be a finite number in \(0, 1\), got 0\.0"),
        ({"blocks": 8}, "blocks must be a whole number > 8, got 8"),
        ({"blocks": True}, "blocks must be a whole number > 8, got True"),
        ({"blocks": 64.0}, r"blocks must be a whole number > 8, got 64\.0"),
        ({"paired": True, "window": 0}, "window must be a whole number >= 1, got 0"),
        ({"paired": 1.5}, "paired must be one of False, True, got 1.5"),
        ({"factor": 1.0}, "factor must be"),
    ],
)
def test_bad_arguments(arguments, words):
    with pytest.raises(rx.ArgumentError, match=words):
        rx.ReduceOnStatisticalPlateau(**arguments)


def test_arguments():
    assert rx.ReduceOnStatisticalPlateau().window == 1000
    assert rx.ReduceOnStatisticalPlateau(paired=True, window=1).window == 1
    assert rx.ReduceOnStatisticalPlateau(rtol=0.0, atol=0.1).rtol == 0.0
    assert rx.stretch(rx.ReduceOnStatisticalPlateau(window=100), 2).window == 100  # observations, not updates
