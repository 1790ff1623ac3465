"""Every policy under bad numbers: what isn't a number, huge and tiny metrics, counters at their limits, states from elsewhere.

One program per policy: 64 streams of 64 observations side by side, from any states.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import rheostax as rx
import rheostax.policies
from rheostax._rate import lower
from rheostax.policies._policy import policies
from tests.conformance.catalogue import concrete_classes, sample_arguments
from tests.support import assert_identical

SIDE, STEPS = 64, 64
LAST = 2**31 - 1
GRID = np.arange(1, 33, dtype=np.float32) / 8
BAD = [np.nan, np.inf, -np.inf]
NAMES = {cls.__name__: cls for cls in concrete_classes(rheostax.policies)}
# A strict rate hears NaN on purpose, as PyTorch does. An absolute margin has a scale of its own.
SETTINGS = {
    "PlateauRate": {"strict": False, "min_value": 0.0, "min_change": 0.0, "best_value": None},
    "Median": {"rate": 0.3 * rx.ReduceOnPlateau(patience=2, factor=0.5), "window": 3},
    "AdvanceOnPlateau": {"latest": None},
    "AdvanceOnStatisticalPlateau": {"latest": None, "paired": False, "rtol": 0.01},
    "ReduceOnStatisticalPlateau": {"paired": False, "rtol": 0.01},
    "StopOnStatisticalPlateau": {"paired": False, "rtol": 0.01},
}
OTHER_CLOCKS = {
    "AnnealWhenWorthIt": "it acts at a count, which its own tests bound by half the budget",
    **dict.fromkeys(
        ("AdvanceOnStatisticalPlateau", "ReduceOnStatisticalPlateau", "StopOnStatisticalPlateau"),
        "how long it takes depends on the noise; its own tests bound it",
    ),
}
each_policy = pytest.mark.parametrize("name", NAMES)
few = settings(max_examples=10, deadline=None)


@functools.cache
def policy_of(name):
    arguments = {**sample_arguments(NAMES[name]), **SETTINGS.get(name, {})}
    if "atol" in arguments:
        arguments["atol"] = 0.0
    if "monitor" in arguments:
        arguments["monitor"] = "value"
    return NAMES[name](**arguments)


@functools.cache
def program(name):
    """Return `(states, values, counts) -> (rates, signals, states)`, all `[SIDE, STEPS]` but the states, `[SIDE]`."""
    rate = lower(policy_of(name))

    def one(state, values, counts):
        def observe(state, given):
            state = rate.observe(state, given[1], {"value": given[0]})
            policy, seen = policies(rate, state)[0]
            return state, (rate.evaluate(state, given[1]).high, jnp.asarray(policy.signal(seen.own), jnp.float32))

        last, (rates, signals) = jax.lax.scan(observe, state, (values, counts))
        return rates, signals, last

    return jax.jit(jax.vmap(one))


def start(name):
    return jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (SIDE, *leaf.shape)), policy_of(name).init())


def run(name, values, counts=None, states=None):
    """Run streams; rows and columns that are missing are filled up with ones."""
    full = np.ones((SIDE, STEPS), np.float32)
    full[: values.shape[0], : values.shape[1]] = values
    counts = np.arange(STEPS, dtype=np.int32) if counts is None else counts
    counts = np.broadcast_to(counts, (SIDE, STEPS))
    return jax.tree.map(np.asarray, program(name)(start(name) if states is None else states, full, counts))


STREAMS = st.one_of(
    hnp.arrays(np.float32, STEPS - 1, elements=st.sampled_from(GRID.tolist())),
    hnp.arrays(np.float32, STEPS - 1, elements=st.sampled_from([1.0, 1.0, 1.0, 0.5, 2.0])),
    st.integers(0, 2**31).map(lambda seed: 5 - np.cumsum(np.random.default_rng(seed).choice([0, 1 / 16], STEPS - 1)).astype(np.float32)),
)


@each_policy
@given(stream=STREAMS, bad=st.sampled_from(BAD), sign=st.sampled_from([1, -1]))
@few
def test_one_bad_value_at_any_position_changes_nothing(name, stream, bad, sign):
    """Neither a rate nor anything in the state but the number of bad values; at the same counts, each observed as often."""
    stream = sign * stream
    rows = np.stack([np.insert(stream, place, bad) for place in range(STEPS)])
    counts = np.stack([np.insert(np.arange(STEPS - 1, dtype=np.int32), place, min(place, STEPS - 2)) for place in range(STEPS)])
    got, _, states = run(name, rows, counts)
    want, _, _ = run(name, stream[None])
    without = np.stack([np.delete(got[place], place) for place in range(STEPS)])
    np.testing.assert_array_equal(without, np.broadcast_to(want[0, : STEPS - 1], without.shape))
    heard = jax.tree.map(lambda leaf: leaf[:-1], states)  # where it is the last value, a guard knows that it is one in a row
    assert_identical(heard, jax.tree.map(lambda leaf: np.ascontiguousarray(np.broadcast_to(leaf[:1], leaf.shape)), heard))
    assert all(np.all(seen.nonfinite == 1) for _, seen in policies(policy_of(name), states))


@each_policy
@given(stream=STREAMS, sign=st.sampled_from([1, -1]))
@example(stream=np.append(np.float32(0.5), np.ones(STEPS - 2, np.float32)), sign=1)  # its mean comes to stand still
@few
def test_the_size_of_a_metric_is_no_matter(name, stream, sign):
    """From 1e-36 to 1e38: multiplied by a power of two, a metric leads to the same rates. (Margins below 1e-38 are 0 to XLA.)

    Those that compute variances need squares, which have half of that range.
    """
    if name == "AnnealWhenWorthIt":
        pytest.skip("its gain has the unit of the metric")
    if name == "Greedy":
        stream = np.minimum(stream, 5.0)
    scales = np.array([0, -50, -40, -20, 20, 40, 45, 50] if "Statistical" in name else [0, -100, -60, -20, 20, 60, 100, 124])
    rows = sign * stream * np.float32(2.0) ** scales[:, None].astype(np.float32)
    rates, _, _ = run(name, rows)
    for i in range(1, len(scales)):
        np.testing.assert_array_equal(rates[i, : STEPS - 1], rates[0, : STEPS - 1], err_msg=str(scales[i]))


HOSTILE = [3.4e38, -3.4e38, 1e38, -1e38, 1e-40, -1e-40, 1e-45, 0.0, -0.0, 1.0, -1.0, 16777216.0, np.nan, np.inf, -np.inf]


@each_policy
@given(rows=hnp.arrays(np.float32, (SIDE, STEPS), elements=st.sampled_from([float(np.float32(v)) for v in HOSTILE])))
@few
def test_no_metric_makes_a_rate_or_a_state_that_is_no_number(name, rows):
    rates, signals, states = run(name, rows)
    assert np.all(np.isfinite(rates))
    assert np.all(rates >= 0)
    assert np.all(np.isfinite(signals))
    for path, leaf in jax.tree_util.tree_flatten_with_path(states)[0]:
        place = jax.tree_util.keystr(path)
        if not place.endswith((".found", ".wealth")):  # logarithms of evidence, of which there may be none
            assert "last" in place or "best_value" in place or np.all(np.isfinite(leaf)), place
        assert not np.any(np.isnan(leaf)) or "last" in place, place
        assert "best_value" not in place or not np.any(np.isnan(leaf)), place


@each_policy
def test_counters_stop_at_their_limit(name):
    """All integers at 2**31 - 1, and one observation after the other: nothing wraps round to a negative number."""
    full = jax.tree.map(lambda leaf: jnp.full_like(leaf, LAST) if leaf.dtype == jnp.int32 else leaf, start(name))
    values = np.random.default_rng(0).choice(np.float32([1, 2, 3, np.nan, 9]), (SIDE, STEPS))
    rates, signals, states = run(name, values, np.full(STEPS, LAST, np.int32), full)
    assert np.all(np.isfinite(rates))
    assert np.all(signals >= 0)
    for path, leaf in jax.tree_util.tree_flatten_with_path(states)[0]:
        if leaf.dtype == np.int32:
            assert np.all(leaf >= 0), jax.tree_util.keystr(path)
    assert all(np.all(seen.observations == LAST) and np.all(seen.nonfinite == LAST) for _, seen in policies(policy_of(name), states))


def any_state(name, seed):
    """Return states as they may come from elsewhere: from a run with other settings, from optax, after anything at all."""
    random = np.random.default_rng(seed)
    policy = policy_of(name)
    inner = policies(policy, policy.init())[0][0]
    floats = [-np.inf, np.inf, np.nan, -3e38, 3e38, -1.0, 0.0, 1.0, 2.0]

    def change(own):
        fields = own._asdict()
        changes = {}
        for field, leaf in fields.items():
            if field in ("best_value", "avg_value", "mean"):
                changes[field] = jnp.float32(random.choice(floats if field == "best_value" else floats[3:], SIDE))
            elif field == "deviation":
                changes[field] = jnp.float32(random.choice([0.0, 1e-3, 1.0, 3e38], SIDE))
            elif field in ("plateau_count", "cooldown_count", "count", "good_count", "bad_count", "rest_count", "low_count", "in_a_row"):
                changes[field] = jnp.int32(random.integers(0, 4, SIDE))
            elif field == "since":
                changes[field] = jnp.int32(random.integers(0, int(inner.recovery) + 1, SIDE))
            else:
                changes[field] = leaf
        return own._replace(**changes)

    def visit(part):
        return part._replace(own=change(part.own)) if hasattr(part, "own") else part

    states = start(name)
    return jax.tree.map(visit, states, is_leaf=lambda part: hasattr(part, "own") and not hasattr(part.own, "own"))


def bound(policy, kind):
    """Return after how many observations of one and the same value a policy must have done what it is there for.

    On a plateau: what is left of a mean (one judged value), the flat value itself (it may be an improvement), the cooldown that a
    state may hold (3 here), and patience; each made of `accumulation_size` observations.
    """
    if kind == "Greedy":
        return 1 + 3 + int(policy.patience)
    return (1 + 1 + 3 + int(policy.patience)) * int(policy.accumulation_size)


@each_policy
@given(seed=st.integers(0, 2**31), level=st.sampled_from([-1.0, 0.0, 0.5, 1.5, 1e30, -1e30]))
@few
def test_no_state_is_dead(name, seed, level):
    """From any state a flat metric makes a policy act within a bound that its settings give.

    A guard has nothing to do on a plateau: its factor is below 1 for what a state may hold of a recovery, for one row of
    spikes, after which the value is its new level, and for the recovery from these.
    """
    if name in OTHER_CLOCKS:
        pytest.skip(OTHER_CLOCKS[name])
    policy = policy_of(name)
    inner = policies(policy, policy.init())[0][0]
    states = any_state(name, seed)
    if name == "SpikeGuard":
        rates, _, _ = run(name, np.full((SIDE, STEPS), level, np.float32), states=states)
        assert np.all(np.sum(rates < 1, axis=1) <= int(policy.max_spikes) + 2 * int(policy.recovery))
        return
    within = bound(inner, type(inner).__name__) + (policy.window - 1 if name == "Median" else 0)
    assert within <= STEPS
    _, signals, _ = run(name, np.full((SIDE, STEPS), level, np.float32), np.zeros(STEPS, np.int32), states)
    before = np.asarray(jnp.asarray(inner.signal(policies(policy, states)[0][1].own), jnp.float32))
    assert np.all(np.any(signals[:, :within] != before[:, None], axis=1))


def test_a_state_whose_best_is_nan_lives():
    """As optax's transformation leaves it after a metric that was NaN: the next value is the best."""
    policy = rx.ReduceOnPlateau(patience=1, factor=0.5)
    state = policy.init()._replace(own=policy.start()._replace(best_value=jnp.float32(jnp.nan)))
    for value in (3.0, 2.0, 1.0):
        state = policy.observe(state, jnp.int32(0), {"value": jnp.float32(value)})
    assert (float(state.own.scale), float(state.own.best_value)) == (1.0, 1.0)


@pytest.mark.parametrize("window", [3, 5])
def test_a_median_is_numpys(window):
    """What the policy hears is the median of the last finite values, from the first on that there are enough of."""
    random = np.random.default_rng(window)
    values = random.choice(np.float32([0, 0.5, 1, 2, 3, 1e30, np.nan, np.inf]), 60)
    rate, plain = rx.Median(rx.ReduceOnPlateau(patience=3, factor=0.5), window=window), rx.ReduceOnPlateau(patience=3, factor=0.5)
    state, want, finite = rate.init(), plain.init(), []
    for value in values:
        state = rate.observe(state, jnp.int32(0), {"value": jnp.float32(value)})
        finite += [value] if np.isfinite(value) else []
        if not np.isfinite(value):
            want = plain.observe(want, jnp.int32(0), {"value": jnp.float32(value)})
        elif len(finite) >= window:
            want = plain.observe(want, jnp.int32(0), {"value": jnp.float32(np.median(finite[-window:]))})
        assert_identical(state.child, want)
    assert float(want.own.scale) < 1
    assert rx.Median(rx.Cosine(1.0, 9) * plain, window=window).horizon == 9


@pytest.mark.parametrize("glitch", [0.0, -1e30, 1e30])
def test_one_glitch_at_any_place_stops_no_progress_of_a_median(glitch):
    """While the metric truly improves nothing is cut, wherever the glitch is; without a median one of 0 cuts again and again."""
    improving = np.float32(5.0) * np.float32(0.97) ** np.arange(STEPS - 1, dtype=np.float32)
    rows = np.stack([np.insert(improving, place, glitch) for place in range(STEPS)])
    rates, _, _ = run("Median", rows)
    assert np.all(rates == rates[0, 0])
    plain = rx.simulate(1.0 * rx.ReduceOnPlateau(patience=2, factor=0.5), STEPS, {"value": rows[1]})
    assert (plain[-1] < 1e-6) == (glitch <= 0)


def test_a_median_hears_each_metric_by_itself():
    both = rx.ReduceOnPlateau(patience=1, factor=0.5) * rx.ReduceOnPlateau(monitor="accuracy", mode="max", patience=1, factor=0.25)
    observations = {"value": [1.0] * 8, "accuracy": {0: 0.5, 3: 0.5, 5: 0.5, 7: 0.5}}
    rates = rx.simulate(rx.Median(both), 8, observations)
    np.testing.assert_array_equal(rates, np.float32([1, 1, 1, 0.5, 0.25, 0.125, 0.0625, 0.03125 / 4]))


@pytest.mark.parametrize(("make", "says"), [
    (lambda: rx.Median(rx.ReduceOnPlateau(), window=1), "Median: window must be a whole number >= 3, got 1"),
    (lambda: rx.Median(rx.ReduceOnPlateau(), window=4), "Median: window must be odd, got 4"),
    (lambda: rx.Median(rx.Cosine(0.1, 10)), "Median: rate must hear a metric, but nothing in Cosine"),
    (lambda: rx.SpikeGuard(skip=-1), "SpikeGuard: skip must be a whole number >= 0, got -1"),
    (lambda: rx.SpikeGuard(roll_back=3), "SpikeGuard: roll_back must be one of False, True, got 3"),
])  # fmt: skip
def test_wrong_arguments_are_refused(make, says):
    with pytest.raises(rx.ArgumentError, match=says):
        make()
