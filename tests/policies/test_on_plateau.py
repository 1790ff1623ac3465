"""The policies that act on a plateau in other ways than a cut, and those that act on something else, beside plain models."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import rheostax as rx
from rheostax.record import decisions_of
from tests.oracles import on_plateau as oracle

LENGTH = 48
GRID = st.integers(-64, 64).map(lambda i: i / 16)  # no rounding can blur what is an improvement
STREAMS = st.one_of(
    st.lists(GRID, min_size=LENGTH, max_size=LENGTH),
    st.lists(st.sampled_from([-1.0, 0.0, 1.0, 1.0, 1.0]), min_size=LENGTH, max_size=LENGTH),
    st.lists(st.sampled_from([0.0, 1 / 16, 1 / 8]), min_size=LENGTH, max_size=LENGTH).map(lambda steps: (4 - np.cumsum(steps)).tolist()),
    GRID.map(lambda value: [value] * LENGTH),
)
WATCH = {
    "mode": st.sampled_from(["min", "max"]),
    "patience": st.integers(1, 6),
    "rtol": st.sampled_from([0.0, 2**-13, 2**-3]),
    "atol": st.sampled_from([0.0, 1 / 16, 0.5]),
    "cooldown": st.integers(0, 4),
    "accumulation_size": st.integers(1, 3),
}
quick = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@jax.jit
def _states(state, values):
    """Return the control's packed vectors and the rate after each of as many updates, observing a value at each."""

    def update(state, value):
        tx = rx.control(optax.sgd, 1.0)
        state = rx.observe(state, value=value)
        _, state = tx.update(jnp.ones(1), state)
        return state, (state.learning_rate, state.floats, state.ints)

    return jax.lax.scan(update, state, values)[1]


def run(rate, values):
    """Return the rate of every update, and what was decided."""
    state = rx.control(optax.sgd, rate).init(jnp.ones(1))
    rates, floats, ints = _states(state, jnp.asarray(values, jnp.float32))
    return np.asarray(rates), decisions_of(state._replace(inner=()), floats, ints)


def linear(count, steps=9):
    return max(1.0 - count / steps, 0.0)


@quick
@given(stream=STREAMS, given=st.fixed_dictionaries(WATCH), latest=st.none() | st.tuples(st.integers(1, 20), st.integers(21, 40)))
def test_it_advances_as_the_plain_model(stream, given, latest):
    parts = [lambda count: 0.5, lambda count: linear(count, 30), lambda count: 0.25 * linear(count)]
    rate = rx.AdvanceOnPlateau([0.5, rx.Linear(1.0, 0.0, 30), rx.Linear(0.25, 0.0, 9)], latest=latest, **given)
    got, decided = run(rate, stream)
    np.testing.assert_allclose(got, oracle.advance(parts, stream, latest, **given), rtol=1e-6)
    assert all("part" in decision.why for decision in decided)


def test_a_part_hears_metrics_while_it_is_in_charge_at_counts_of_its_own():
    def halving():
        return rx.ReduceOnPlateau(monitor="inner", patience=1, factor=0.5)

    rate = rx.AdvanceOnPlateau([halving(), rx.Join([1.0, halving()], [3]), 1.0], patience=1)
    state = rate.init()
    for count, value in enumerate([5, 4, 3, 2, 1, 1, 0, -1, -2, -3]):  # it advances at count 5
        state = rate.observe(state, jnp.int32(count), {"value": jnp.float32(value), "inner": jnp.float32(7.0)})
    assert rate.rates[0].evaluate(state.children[0], jnp.int32(0)).high == 0.5**5  # it heard counts 0 to 5, of which the first was the best
    assert rate.evaluate(state, jnp.int32(10)).high == 0.5  # its plateau heard the part's counts 3 and 4


@quick
@given(stream=STREAMS, given=st.fixed_dictionaries(WATCH), factor=st.sampled_from([1.0, 0.7]), max_restarts=st.none() | st.integers(1, 3))
def test_it_restarts_as_the_plain_model(stream, given, factor, max_restarts):
    rate = rx.RestartOnPlateau(rx.Linear(1.0, 0.0, 9), factor=factor, max_restarts=max_restarts, **given)
    got, decided = run(rate, stream)
    want = oracle.restart(linear, stream, factor, max_restarts, **given)
    np.testing.assert_allclose(got, want, rtol=1e-6)
    assert [decision.why.rsplit("; ", 1)[1] for decision in decided] == [f"restart {i + 1}" for i in range(len(decided))]


@quick
@given(stream=STREAMS, given=st.fixed_dictionaries({name: WATCH[name] for name in WATCH if name != "cooldown"}))
def test_it_asks_to_stop_once_and_for_all(stream, given):
    watch = oracle.Watch(**given)
    stalls = [count for count, value in enumerate(stream) if watch.stalled(value)]
    rates, decided = run(0.5 * rx.StopOnPlateau(**given), stream)
    assert np.all(rates == 0.5)
    assert [decision.count for decision in decided] == stalls[:1]
    assert all("training should stop" in str(decision) and str(decision).startswith("kept 0.5") for decision in decided)


@quick
@given(
    stream=STREAMS,
    given=st.fixed_dictionaries(
        {
            "mode": WATCH["mode"],
            "factor": st.sampled_from([0.5, 0.9]),
            "patience": st.integers(1, 5),
            "rtol": WATCH["rtol"],
            "atol": WATCH["atol"],
            "cooldown": st.integers(0, 3),
            "warmup": st.integers(0, 3),
            "min_scale": st.sampled_from([0.1, 0.3, 1.0]),
            "max_scale": st.sampled_from([1.0, 3.0]),
            "min_change": st.sampled_from([0.0, 0.0, 0.21]),
            "reset_after": st.none() | st.integers(1, 3),
        }
    ),
)
def test_it_is_as_greedy_as_the_plain_model(stream, given):
    got, _ = run(rx.Greedy(**given), stream)
    np.testing.assert_allclose(got, oracle.greedy(stream, **given), rtol=1e-6)


def test_greedy_begins_anew_from_a_bound_that_it_rose_from_and_fell_back_to():
    """By these numbers 48 bits leave the scale a rounding above its bound, and `min_change` keeps it there."""
    low = 0.18777096271514893
    rate = rx.Greedy(factor=0.6, patience=1, atol=0.0, min_scale=low, max_scale=11.0, min_change=1e-7, reset_after=3)
    got, _ = run(rate, [1.0] * 6 + [0.5] + [1.0] * 3)
    np.testing.assert_allclose(got, [*0.6 ** np.arange(-1.0, 4.0), low, low / 0.6, low, low, 1.0], rtol=1e-6)


def test_greedy_is_at_a_low_bound_when_it_is_there_and_not_before():
    got, _ = run(rx.Greedy(factor=0.5, patience=1, min_scale=2.0**-20, max_scale=1.0, reset_after=1), [1.0] * 21)
    np.testing.assert_array_equal(got, [*2.0 ** -np.arange(20), 1.0])


def test_a_change_of_exactly_min_change_is_not_made():
    rates, _ = run(rx.Greedy(factor=0.5, patience=1, min_change=0.5, min_scale=0.1, max_scale=1.0), [1.0, 2.0, 3.0])
    assert np.all(rates == 1.0)
    rates, _ = run(rx.Greedy(factor=0.5, patience=1, min_change=0.4999, min_scale=0.1, max_scale=1.0), [1.0, 2.0, 3.0])
    assert rates[-1] == 0.5
    rates, _ = run(rx.Greedy(factor=0.5, patience=1, min_change=1.0, min_scale=0.5, max_scale=2.0), [3.0, 2.0, 1.0])
    assert np.all(rates == 1.0)


@quick
@given(
    stream=st.lists(st.sampled_from([3.0, 3.125, 2.875, 3.0, 3.125, 7.0, -2.0]), min_size=LENGTH, max_size=LENGTH),
    given=st.fixed_dictionaries(
        {
            "mode": WATCH["mode"],
            "threshold": st.sampled_from([0.55, 3.3, 10.7]),
            "window": st.integers(2, 8),
            "factor": st.sampled_from([0.0, 0.1]),
            "recovery": st.integers(1, 5),
            "max_spikes": st.integers(1, 4),
        }
    ),
)
def test_it_guards_as_the_plain_model(stream, given):
    got, decided = run(rx.SpikeGuard(**given), stream)
    want = oracle.spike_guard(stream, **given)
    np.testing.assert_allclose(got, [factor for factor, _ in want], rtol=1e-6)
    assert len(decided) == want[-1][1]


def test_a_guard_lowers_the_rate_of_the_spike_itself_and_says_so():
    stream = [3.0, 3.5, 2.5, 3.0, 9.0, 3.0, 3.5, 3.0]
    got, decided = run(rx.SpikeGuard(window=4, threshold=5.0, factor=0.0, recovery=2), stream)
    np.testing.assert_array_equal(got, [1, 1, 1, 1, 0, 0.5, 1, 1])
    assert [str(decision) for decision in decided] == ["cut 1 -> 0 at update 4: value was 9, 14.4 deviations from its mean 3"]


def test_a_new_level_is_no_spike_for_ever():
    stream = [1.0, 1.25] * 10 + [9.0] * 60
    got, decided = run(rx.SpikeGuard(window=4, threshold=4.0, factor=0.5, recovery=5, max_spikes=3), stream)
    assert len(decided) == 3
    assert np.all(got[20:23] == 0.5)
    assert np.all(got[-50:] == 1)


@pytest.mark.parametrize(("above", "spikes"), [(2, 0), (3, 1)])
def test_what_is_within_the_rounding_of_a_mean_is_no_spike(above, spikes):
    stream = [4.0] * 8 + [4.0 + above * 2.0**-21] + [4.0] * 3
    _, decided = run(rx.SpikeGuard(window=4, threshold=1.0), stream)
    assert len(decided) == spikes


def test_policies_inside_begin_anew_with_a_restart():
    inner = rx.ReduceOnPlateau(monitor="value", patience=1, factor=0.5)
    rate = rx.RestartOnPlateau(1.0 * inner, patience=3)
    got, _ = run(rate, [1.0] * 9)
    np.testing.assert_array_equal(got, [1, 0.5, 0.25, 1, 1, 0.5, 1, 1, 0.5])
    later = rx.RestartOnPlateau(rx.Join([1.0, inner], [2]), patience=5)  # it hears from the third count of each cycle on
    got, _ = run(later, [1.0] * 10)
    np.testing.assert_array_equal(got, [1, 1, 1, 0.5, 0.25] * 2)


def test_a_policy_in_a_part_hears_only_while_its_part_is_in_charge():
    inner = rx.ReduceOnPlateau(patience=2, factor=0.5)
    rate = rx.AdvanceOnPlateau([1.0, 1.0 * inner], patience=3)
    state = rx.control(optax.sgd, rate).init(jnp.ones(1))
    update = jax.jit(lambda state: rx.control(optax.sgd, 1.0).update(jnp.ones(1), rx.observe(state, value=1.0))[1])
    heard = []
    for _ in range(7):
        state = update(state)
        heard.append(rx.describe(state).parts[-1].observations)
    assert heard == [0, 0, 0, 0, 1, 2, 3]
    assert "part 2 of 2 since count 3" in str(rx.describe(state))


def test_the_wait_is_over_at_the_latest_without_any_observation():
    rate = rx.AdvanceOnPlateau([0.5, rx.Linear(0.5, 0.0, 5)], monitor="val_loss", patience=3, latest=[4])
    np.testing.assert_allclose(rx.simulate(rate, 10), [0.5] * 5 + [0.4, 0.3, 0.2, 0.1, 0.0], rtol=1e-6, atol=1e-9)


def test_patience_in_epochs():
    """One judged value per epoch, the mean of the losses of its updates."""
    rate = rx.resolve(rx.ReduceOnPlateau(patience=2, factor=0.5, accumulation_size="1ep"), steps_per_epoch=5)
    assert rate == rx.ReduceOnPlateau(patience=2, factor=0.5, accumulation_size=5)
    got = rx.simulate(1.0 * rate, 30, {"value": np.ones(30)})
    assert np.flatnonzero(np.diff(got)).tolist() == [13, 23]  # the third epoch's last update, and two epochs later
    plan = rx.ReduceOnPlateau(accumulation_size="1ep")
    assert rx.stretch(plan, 2.0) == plan
    with pytest.raises(rx.ArgumentError, match="accumulation_size is '64sa', a number of observations that changes with the batch size"):
        rx.resolve(rx.ReduceOnPlateau(accumulation_size="64sa"), batch_size={0: 32, 10: 64})


def test_should_stop_needs_somebody_who_says_it():
    state = rx.control(optax.sgd, 0.1).init(jnp.ones(1))
    with pytest.raises(rx.StateError, match=r"Multiply it by rx\.StopOnPlateau"):
        rx.should_stop(state)
    two = 0.1 * rx.StopOnPlateau(monitor="a", patience=1) * rx.StopOnPlateau(monitor="b", patience=1)
    state = rx.control(optax.sgd, two).init(jnp.ones(1))
    stop = jax.jit(rx.should_stop)
    for _ in range(2):
        assert not stop(state)
        state = rx.observe(state, b=1.0)
    assert stop(state)
    assert "asks to stop" in str(rx.describe(state))


def test_numbers_that_are_not_finite_move_none_of_them():
    plateaus = rx.RestartOnPlateau(0.5, patience=1), rx.AdvanceOnPlateau([1.0, 0.5], patience=1)
    for rate in (rx.Greedy(patience=1), rx.SpikeGuard(window=2), *plateaus):
        state = rate.init()
        for value in (np.nan, np.inf, -np.inf):
            state = rate.observe(state, jnp.int32(3), {"value": jnp.float32(value)})
        assert int(state.nonfinite) == 3
        fresh = rate.init()
        for got, want in zip(jax.tree.leaves(state.own), jax.tree.leaves(fresh.own), strict=True):
            np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize(("make", "says"), [
    (lambda: rx.AdvanceOnPlateau([1.0]), "rates must be two or more, got 1"),
    (lambda: rx.AdvanceOnPlateau(0.1), "rates must be a sequence of learning rates, two or more, got 0.1"),
    (lambda: rx.ReduceOnPlateau(patience="5ep"), "got '5ep'. It counts observations; with accumulation_size='1ep'"),
    (lambda: rx.AdvanceOnPlateau([1.0, 0.5], latest=[3, 4]), "latest must be one fewer than the rates, got 2 for 2 rates"),
    (lambda: rx.AdvanceOnPlateau([1.0, 0.5], latest=[0]), "latest must be whole numbers >= 1"),
    (lambda: rx.AdvanceOnPlateau([1.0, 0.5], patience=0), "patience must be a whole number >= 1, got 0"),
    (lambda: rx.RestartOnPlateau(1.0, factor=1.5), r"factor must be a finite number in \(0, 1\], got 1.5"),
    (lambda: rx.RestartOnPlateau(1.0, max_restarts=0), "max_restarts must be a whole number >= 1, got 0"),
    (lambda: rx.Greedy(factor=1.0), r"factor must be a finite number in \(0, 1\), got 1.0"),
    (lambda: rx.Greedy(min_scale=2.0), r"min_scale must be a finite number in \[0, 1\], got 2.0"),
    (lambda: rx.Greedy(max_scale=0.5), r"max_scale must be a finite number in \[1, inf\), got 0.5"),
    (lambda: rx.Greedy(min_scale=0.0, reset_after=3), "reset_after needs a min_scale > 0"),
    (lambda: rx.Greedy(mode="down"), "mode must be one of 'min', 'max', got 'down'"),
    (lambda: rx.SpikeGuard(window=1), "window must be a whole number >= 2, got 1"),
    (lambda: rx.SpikeGuard(threshold=0), r"threshold must be a finite number in \(0, inf\), got 0"),
    (lambda: rx.SpikeGuard(factor=1.0), r"factor must be a finite number in \[0, 1\), got 1.0"),
])  # fmt: skip
def test_wrong_arguments_are_refused(make, says):
    with pytest.raises(rx.ArgumentError, match=says):
        make()
