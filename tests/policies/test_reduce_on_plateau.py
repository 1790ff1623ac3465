"""`ReduceOnPlateau`: its counting and its judgement."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import rheostax as rx
from rheostax._twofloat import TwoFloat
from rheostax.policies.reduce_on_plateau import PlateauState
from tests.oracles.plateau import F32, Plateau
from tests.policies.plateau import cuts, scales, states

LENGTH = 48  # of every stream, so that each mode compiles once

# Multiples of 1/16 and margins that are powers of two: no rounding can blur what is an improvement.
GRID = st.integers(-64, 64).map(lambda i: i / 16)
BAD = st.sampled_from([float("nan"), float("inf"), -float("inf")])
SETTINGS = st.fixed_dictionaries(
    {
        "mode": st.sampled_from(["min", "max"]),
        "factor": st.sampled_from([0.25, 0.5, 0.999]),
        "patience": st.integers(1, 6),
        "rtol": st.sampled_from([0.0, 2**-13, 2**-3, 1.0]),
        "atol": st.sampled_from([0.0, 1 / 16, 0.5]),
        "cooldown": st.integers(0, 4),
        "accumulation_size": st.integers(1, 4),
        "min_scale": st.sampled_from([0.0, 0.04, 1.0]),
    }
)
# Streams that wander, are flat for long, or are dominated by one value.
STREAMS = st.one_of(
    st.lists(GRID, min_size=LENGTH, max_size=LENGTH),
    st.lists(st.sampled_from([-1.0, 0.0, 1.0, 1.0, 1.0]), min_size=LENGTH, max_size=LENGTH),
    GRID.map(lambda value: [value] * LENGTH),
)
quick = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])  # machines differ


@quick
@given(stream=st.lists(st.one_of(GRID, GRID, GRID, BAD), min_size=LENGTH, max_size=LENGTH) | STREAMS, given=SETTINGS)
def test_it_counts_as_the_plain_model(stream, given):
    model, want = Plateau(**given), []
    for value in stream:
        model.observe(value)
        want.append((F32(model.scale), model.bad_in_a_row, model.cooling, len(model.window), model.observations, model.nonfinite))
    seen = states(stream, **given)
    own = seen.own
    got = zip(np.asarray(own.scale), own.plateau_count, own.cooldown_count, own.count, seen.observations, seen.nonfinite, strict=True)
    assert list(got) == want
    assert seen.own.best_value[-1] == model.best or (model.best is None and np.isinf(seen.own.best_value[-1]))


@quick
@given(stream=STREAMS, bad=BAD, position=st.integers(0, LENGTH - 1), given=SETTINGS)
def test_one_bad_value_anywhere_changes_nothing(stream, bad, position, given):
    stream = stream[:-1]
    with_bad = states([*stream[:position], bad, *stream[position:]], **given)
    without = states([*stream, 0.0], **given)  # one more at the end, for the length
    for got, want in zip(jax.tree.leaves(with_bad.own), jax.tree.leaves(without.own), strict=True):
        np.testing.assert_array_equal(np.delete(got, position), want[:-1])
    assert with_bad.nonfinite[-1] == 1
    np.testing.assert_array_equal(np.delete(with_bad.last, position), without.last[:-1])


@quick
@given(stream=STREAMS, given=SETTINGS)
def test_max_mirrors_min(stream, given):
    given = {**given, "mode": "min"}
    lower, higher = states(stream, **given), states(-np.asarray(stream), **{**given, "mode": "max"})
    np.testing.assert_array_equal(lower.own.scale, higher.own.scale)
    np.testing.assert_array_equal(lower.own.plateau_count, higher.own.plateau_count)
    np.testing.assert_array_equal(lower.own.best_value, -higher.own.best_value)


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("level", [2.5, 0.0, -2.5, 1e-30, -1e30])
@pytest.mark.parametrize(("patience", "cooldown"), [(1, 0), (3, 2), (10, 0), (4, 7)])
def test_a_flat_metric_cuts_at_patience_plus_one_and_then_every_patience_plus_cooldown(mode, level, patience, cooldown):
    want = list(range(patience + 1, LENGTH + 1, patience + cooldown))
    assert cuts([level] * LENGTH, mode=mode, patience=patience, cooldown=cooldown, factor=0.9) == want


@pytest.mark.parametrize("size", [2, 3])
def test_accumulation_stretches_the_clock(size):
    want = [size * cut for cut in range(3 + 1, LENGTH // size + 1, 3 + 1)]
    assert cuts([1.0] * LENGTH, patience=3, cooldown=1, accumulation_size=size, factor=0.9) == want


def test_accumulation_judges_the_mean_alone():
    """Single values improve and worsen; their means don't move."""
    stream = np.tile([0.0, 2.0, 1.0, 1.0], LENGTH // 4)
    assert cuts(stream, patience=2, accumulation_size=4) == [12, 20, 28, 36, 44]
    assert cuts(stream, patience=2, accumulation_size=1)[0] == 3


@pytest.mark.parametrize("size", [1, 2])
def test_the_first_value_leaves_nothing_of_what_stood_there_before(size):
    tiny = jnp.float32(1e-9)
    policy = rx.ReduceOnPlateau(accumulation_size=size)
    own = policy.observe(policy.init(), jnp.int32(0), {"value": tiny}).own
    assert (own.best_value if size == 1 else own.avg_value) == tiny


def test_a_mean_of_values_whose_difference_overflows():
    policy = rx.ReduceOnPlateau(patience=1, accumulation_size=4)
    values, state = np.float32([3.2e38, -3e38, 1.5e38, -0.5e38]), policy.init()
    for count, value in enumerate(values):
        state = policy.observe(state, jnp.int32(count), {"value": jnp.float32(value)})
        if count < 3:
            np.testing.assert_allclose(float(state.own.avg_value), values[: count + 1].astype(float).mean(), rtol=1e-6)
    np.testing.assert_allclose(float(state.own.best_value), values.astype(float).mean(), rtol=1e-6)


@pytest.mark.parametrize("start", [8.0, 0.0, -4.0])
def test_steady_improvement_never_cuts_whatever_its_sign(start):
    """From 8 down through zero, and from below zero."""
    falling = start - np.arange(LENGTH) / 4
    assert cuts(falling, patience=1) == []
    assert cuts(-falling, mode="max", patience=1) == []
    assert cuts(falling, mode="max", patience=1, factor=0.9) == list(range(2, LENGTH + 1))


@pytest.mark.parametrize("best", [4.0, -4.0])
def test_an_improvement_must_exceed_the_margin(best):
    """rtol * |best| + atol = 0.5 + 0.25: exactly that much is no improvement, a little more is."""
    given = {"patience": 1, "rtol": 0.125, "atol": 0.25}
    assert cuts([best, best - 0.75], **given) == [2]
    assert cuts([best, best - 0.76], **given) == []
    assert cuts([best, best + 0.75], mode="max", **given) == [2]
    assert cuts([best, best + 0.76], mode="max", **given) == []


def test_a_relative_margin_of_zero_is_none():
    """With best = 0 only the absolute margin is left."""
    assert cuts([0.0, -1e-30], patience=1, rtol=0.5) == []
    assert cuts([0.0, -1e-30], patience=1, rtol=0.5, atol=1e-20) == [2]


def test_a_worse_value_below_zero_is_no_improvement():
    """(1 - rtol) * best would lie above a negative best and let anything pass."""
    assert cuts([-1.0, -0.99995, -0.9999], patience=2) == [3]


def test_infinities_do_not_poison_the_best():
    """As a metric -inf would be the best for ever."""
    stream = [1.0, -np.inf, *(0.9 ** np.arange(1, LENGTH - 1))]
    assert cuts(stream, patience=2) == []
    assert cuts([-np.inf, np.nan, *(0.9 ** np.arange(1, LENGTH - 1))], patience=2) == []
    assert cuts(-np.asarray(stream), mode="max", patience=2) == []


def test_only_bad_values_never_cut():
    seen = states([np.nan] * LENGTH, patience=1)
    assert np.all(np.asarray(seen.own.scale) == 1)
    assert seen.nonfinite[-1] == LENGTH
    assert seen.observations[-1] == 0


def test_cooldown_lets_the_best_improve():
    """During cooldown nothing is counted as bad, but what is better is remembered."""
    seen = states([5.0, 5.0, 4.0, 4.5, 4.5, 4.5], patience=1, cooldown=2, factor=0.5)
    np.testing.assert_array_equal(seen.own.best_value, [5, 5, 4, 4, 4, 4])
    np.testing.assert_array_equal(seen.own.cooldown_count, [0, 2, 1, 0, 2, 1])
    np.testing.assert_array_equal(seen.own.scale, [1, 0.5, 0.5, 0.5, 0.25, 0.25])


def test_the_scale_stops_at_its_floor():
    np.testing.assert_array_equal(scales([1.0] * 5, patience=1, factor=0.5, min_scale=0.3), np.float32([1, 0.5, 0.3, 0.3, 0.3]))


def test_a_factor_close_to_one_moves():
    got = scales([1.0] * LENGTH, patience=1, factor=0.999)
    np.testing.assert_allclose(got, 0.999 ** np.arange(LENGTH), rtol=1e-5)
    assert np.all(np.diff(got) < 0)


def test_slow_steady_improvement_is_seen_in_float32():
    """0.1% per evaluation is below what bfloat16 can tell apart."""
    assert cuts(0.999 ** np.arange(2000), patience=10) == []


def test_a_long_running_mean_keeps_its_value():
    """In bfloat16 the mean of 1000 values of 2.3 is 1.02."""
    seen = states([2.3] * 1000, accumulation_size=1000)
    np.testing.assert_allclose(seen.own.avg_value[-2], 2.3, rtol=1e-6)
    np.testing.assert_allclose(seen.own.best_value[-1], 2.3, rtol=1e-6)


@pytest.mark.parametrize("cooldown", [0, 3])
@pytest.mark.parametrize("accumulation_size", [1, 3])
def test_trajectories_are_those_of_optax_on_positive_metrics(cooldown, accumulation_size):
    """32 random noisy losses of 200 values each, through optax's own transformation."""
    given = {
        "factor": 0.7, "patience": 3, "rtol": 1e-3, "atol": 1e-3, "cooldown": cooldown,
        "accumulation_size": accumulation_size, "min_scale": 0.01,
    }  # fmt: skip
    random = np.random.default_rng(0)
    decay = np.exp(-np.arange(200) / random.uniform(10, 200, (32, 1)))
    losses = jnp.asarray(decay + random.uniform(0.05, 0.3, (32, 1)) * random.uniform(0, 1, (32, 200)), jnp.float32)

    def theirs(losses):
        tx = optax.contrib.reduce_on_plateau(**given)

        def observe(state, loss):
            _, state = tx.update(jnp.ones(()), state, value=loss)
            return state, state

        return jax.lax.scan(observe, tx.init(jnp.ones(())), losses)[1]

    def ours(losses):
        policy = rx.ReduceOnPlateau(**given)

        def observe(state, loss):
            state = policy.observe(state, jnp.int32(0), {"value": loss})
            return state, state.own

        return jax.lax.scan(observe, policy.init(), losses)[1]

    got, want = jax.jit(jax.vmap(ours))(losses), jax.jit(jax.vmap(theirs))(losses)
    for name in ("plateau_count", "cooldown_count", "count"):
        np.testing.assert_array_equal(getattr(got, name), getattr(want, name))
    np.testing.assert_allclose(got.scale, want.scale, rtol=1e-6)
    np.testing.assert_allclose(got.best_value, want.best_value, rtol=1e-6)
    assert np.asarray(got.scale)[:, -1].min() < 0.5 < np.asarray(got.scale)[:, 20].max()


def test_no_state_is_dead():
    """From any valid state a flat metric cuts within a bound: also from one saved under other settings."""
    random, n = np.random.default_rng(1), 4000
    given = {
        "patience": random.integers(1, 12, n),
        "cooldown": random.integers(0, 8, n),
        "accumulation_size": random.integers(1, 5, n),
        "rtol": random.choice([0.0, 1e-4, 1.0], n).astype(np.float32),
        "atol": random.choice([0.0, 0.1], n).astype(np.float32),
    }
    own = PlateauState(
        scale=TwoFloat.of(random.uniform(0.01, 1, n).astype(np.float32)),
        best_value=random.choice([np.inf, -np.inf, 0.0, 1e30, -1e30, 1.0, -3.0], n).astype(np.float32),
        plateau_count=random.integers(0, 1000, n).astype(np.int32),
        cooldown_count=random.integers(0, 12, n).astype(np.int32),
        count=random.integers(0, 12, n).astype(np.int32),
        avg_value=random.normal(0, 100, n).astype(np.float32),
    )
    level = random.choice([0.0, 1.0, -1.0, 1e-20, 100.0], n).astype(np.float32)
    longest = 4 * (3 + 12 + 12)

    for mode in ("min", "max"):

        @jax.jit
        @jax.vmap
        def run(given, own, level, mode=mode):
            policy = rx.ReduceOnPlateau(mode=mode, factor=0.5, **given)

            def observe(state, _):
                state = policy.observe(state, jnp.int32(0), {"value": level})
                return state, state.own.scale.high

            return jax.lax.scan(observe, policy.init()._replace(own=own), None, longest)[1]

        scales = np.asarray(run(given, own, level))
        # One window may be begun already, one may improve; then cooldown and patience, in windows of accumulation_size.
        bound = given["accumulation_size"] * (2 + own.cooldown_count + given["patience"])
        first = np.argmax(scales < own.scale.high[:, None], axis=1) + 1
        assert np.all(scales[np.arange(n), bound - 1] < own.scale.high)
        assert np.all(first <= bound)


def test_observations_of_other_metrics_change_nothing():
    policy = rx.ReduceOnPlateau(monitor="val_loss", patience=1)
    state = policy.init()
    assert policy.observe(state, jnp.int32(0), {"value": jnp.float32(1.0)}) is state


def test_counters_stop_at_the_largest_int32():
    policy, largest = rx.ReduceOnPlateau(), 2**31 - 1
    state = policy.init()._replace(observations=jnp.int32(largest - 1), nonfinite=jnp.int32(largest - 1))
    for value in (1.0, np.nan, 1.0, np.nan):
        state = policy.observe(state, jnp.int32(0), {"value": jnp.float32(value)})
    assert (int(state.observations), int(state.nonfinite)) == (largest, largest)


def test_words_on_its_state():
    policy = rx.ReduceOnPlateau(monitor="val_loss", patience=3, cooldown=2, accumulation_size=1, rtol=0.25, atol=1.0)
    before = policy.start()._replace(best_value=jnp.float32(4.0), plateau_count=jnp.int32(2))
    after = policy.react(before, jnp.float32(4.0))
    assert policy.status(before) == "best 4, 2 of 3 bad values in a row"
    assert policy.status(after) == "best 4, 0 of 3 bad values in a row, cooling down for 2"
    assert policy.explain(before, after, 4.0) == "val_loss had not improved on 4 by 2 for 3 observations"
    mean = rx.ReduceOnPlateau(monitor="val_loss", patience=1, accumulation_size=5, rtol=0.0)
    assert mean.explain(before, after, 4.0) == "the mean of 5 values of val_loss had not improved on 4 by 0 for 1 observation"
