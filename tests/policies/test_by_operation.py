"""Every policy beside its plain model, operation by operation: 64 settings and streams side by side, nothing compiled but operations.

`test_reduce_on_plateau.py` and `test_on_plateau.py` ask for the same of many more streams, compiled.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rheostax as rx
from tests.oracles import on_plateau as oracle
from tests.oracles.plateau import Plateau

SIDE, STEPS = 64, 40


def streams(seed):
    """Metrics on a grid, on which no rounding can blur what is an improvement: wandering, falling, and mostly flat ones."""
    random = np.random.default_rng(seed)
    wandering = random.integers(-64, 65, (SIDE, STEPS)) / 16
    falling = 4 - np.cumsum(random.choice([0.0, 1 / 16, 1 / 8], (SIDE, STEPS)), axis=1)
    flat = random.choice([-1.0, 0.0, 1.0, 1.0, 1.0, 1.0], (SIDE, STEPS))
    kind = np.arange(SIDE)[:, None] % 3
    return np.where(kind == 0, wandering, np.where(kind == 1, falling, flat))


def draw(seed, **choices):
    """One value of each argument per stream, as arrays."""
    random = np.random.default_rng(seed)
    return {name: random.choice(values, SIDE) for name, values in choices.items()}


def watching(seed, **more):
    choices = {
        "patience": [1, 1, 2, 3, 4], "rtol": [0.0, 2**-13, 2**-3], "atol": [0.0, 1 / 16, 0.5], "cooldown": [0, 1, 3],
        "accumulation_size": [1, 1, 2, 3],
    }  # fmt: skip
    return draw(seed, **choices, **more)


def one(given, i):
    return {name: value[i].item() if isinstance(value, np.ndarray) else value for name, value in given.items()}


def float32(given):
    kinds = {"f": np.float32, "i": np.int32}
    return {name: np.asarray(v, kinds[v.dtype.kind]) if isinstance(v, np.ndarray) else v for name, v in given.items()}


def run(rate, values):
    """Return the value after each observation, `[SIDE, STEPS]`, and the state after the last."""
    state = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (SIDE,)), rate.init())
    found = []
    for k in range(values.shape[1]):
        count = jnp.full(SIDE, k, jnp.int32)
        state = rate.observe(state, count, {"value": jnp.float32(values[:, k])})
        found.append(rate.evaluate(state, count).high)
    return np.stack(found, axis=1), state


@pytest.mark.parametrize("mode", ["min", "max"])
def test_reduce_on_plateau(mode):
    given = {"mode": mode, **watching(1, factor=[0.25, 0.5, 0.75], min_scale=[0.0, 0.1, 1.0])}
    values = streams(1)
    values[:, 5][::7], values[:, 9][::5] = np.nan, np.inf
    got, state = run(rx.ReduceOnPlateau(**float32(given)), values)
    for i in range(SIDE):
        model, want = Plateau(**one(given, i)), []
        for value in values[i]:
            model.observe(value)
            want.append(model.scale)
        np.testing.assert_allclose(got[i], want, rtol=1e-6)
        assert (state.observations[i], state.nonfinite[i]) == (model.observations, model.nonfinite)
        assert (state.own.cooldown_count[i], state.own.plateau_count[i]) == (model.cooling, model.bad_in_a_row)
        assert state.last[i] == values[i][np.isfinite(values[i])][-1]


@pytest.mark.parametrize(("mode", "latest"), [("min", None), ("max", (7, 21))])
def test_advance_on_plateau(mode, latest):
    given, values = {"mode": mode, **watching(2)}, streams(2)
    rates = [0.5, rx.Linear(1.0, 0.0, 30), rx.Linear(0.25, 0.0, 9)]
    got, _ = run(rx.AdvanceOnPlateau(rates, latest=latest, **float32(given)), values)
    parts = [lambda count: 0.5, lambda count: max(1 - count / 30, 0), lambda count: 0.25 * max(1 - count / 9, 0)]
    for i in range(SIDE):
        np.testing.assert_allclose(got[i], oracle.advance(parts, values[i], latest, **one(given, i)), rtol=1e-6)


@pytest.mark.parametrize(("mode", "max_restarts"), [("min", None), ("max", 2)])
def test_restart_on_plateau(mode, max_restarts):
    given, values = {"mode": mode, **watching(3, factor=[1.0, 0.5])}, streams(3)
    got, state = run(rx.RestartOnPlateau(rx.Linear(1.0, 0.0, 9), max_restarts=max_restarts, **float32(given)), values)
    for i in range(SIDE):
        want = oracle.restart(lambda count: max(1 - count / 9, 0), values[i], max_restarts=max_restarts, **one(given, i))
        np.testing.assert_allclose(got[i], want, rtol=1e-6)
    assert np.asarray(state.own.restarts).max() == (max_restarts or np.asarray(state.own.restarts).max()) > 1


def test_stop_on_plateau():
    given, values = watching(4), streams(4)
    del given["cooldown"]
    got, state = run(rx.StopOnPlateau(**float32(given)), values)
    assert np.all(got == 1)
    for i in range(SIDE):
        watch = oracle.Watch(**one(given, i))
        assert state.own.stopped[i] == any(watch.stalled(value) for value in values[i])


@pytest.mark.parametrize(("mode", "resets"), [("min", False), ("max", True)])
def test_greedy(mode, resets):
    given = draw(
        5, factor=[0.5, 0.75], patience=[1, 2, 3], rtol=[0.0, 2**-13], atol=[0.0, 1 / 16, 0.5], cooldown=[0, 1, 2], warmup=[0, 1, 2],
        min_scale=[0.1, 0.3, 1.0], max_scale=[1.0, 3.0], min_change=[0.0, 0.0, 0.21],
    )  # fmt: skip
    given |= {"mode": mode, "reset_after": draw(6, reset_after=[1, 2, 3])["reset_after"] if resets else None}
    values = streams(5)
    got, _ = run(rx.Greedy(**float32(given)), values)
    for i in range(SIDE):
        np.testing.assert_allclose(got[i], oracle.greedy(values[i], **one(given, i)), rtol=1e-6)


@pytest.mark.parametrize("mode", ["min", "max"])
def test_spike_guard(mode):
    given = draw(7, threshold=[0.55, 3.3, 10.7], window=[2, 3, 5, 8], factor=[0.0, 0.1], recovery=[1, 2, 5], max_spikes=[1, 2, 4])
    values = np.random.default_rng(7).choice([3.0, 3.125, 2.875, 3.0, 3.125, 7.0, -2.0], (SIDE, STEPS))
    got, state = run(rx.SpikeGuard(mode=mode, **float32(given)), values)
    for i in range(SIDE):
        want = oracle.spike_guard(values[i], mode, **one(given, i))
        np.testing.assert_allclose(got[i], [factor for factor, _ in want], rtol=1e-6)
        assert state.own.spikes[i] == want[-1][1]


@pytest.mark.parametrize("mode", ["min", "max"])
def test_plateau_rate(mode):
    watched, rule = watching(8), draw(9, factor=[0.0, 0.5, 0.75], min_value=[0.0, 0.02, 0.1, 0.5], min_change=[0.0, 0.0, 0.04])
    values = streams(8)
    got, state = run(rx.PlateauRate(0.3, mode=mode, **float32(watched | rule)), values)
    for i in range(SIDE):
        watch, rate, want, cuts = oracle.Watch(mode, **one(watched, i)), 0.3, [], 0
        given = one(rule, i)
        for value in values[i]:
            lower = max(rate * given["factor"], given["min_value"])
            if watch.stalled(value) and rate - lower > given["min_change"]:
                rate, cuts = lower, cuts + 1
            want.append(rate)
        np.testing.assert_allclose(got[i], want, rtol=2e-7)
        assert state.own.cuts[i] == cuts
        np.testing.assert_allclose(state.own.scale[i], want[-1] / 0.3, rtol=3e-7)


def test_a_strict_plateau_rate_hears_everything():
    """As PyTorch: NaN is a bad value, an infinity may be the best, and a negative best has a margin that lets it improve by itself."""
    values = np.array([[2.0, np.nan, 2.0, np.nan], [-2.0, -2.0, -2.0, -2.0], [-np.inf, -5.0, -np.inf, -6.0], [2.0, 1.5, 1.0, 0.5]])
    got, state = run(rx.PlateauRate(1.0, strict=True, patience=1, factor=0.5, rtol=0.25), np.repeat(values, SIDE // 4, axis=0))
    want = [[1, 0.5, 0.25, 0.125], [1, 1, 1, 1], [1, 0.5, 0.25, 0.125], [1, 0.5, 0.5, 0.5]]
    np.testing.assert_array_equal(got[:: SIDE // 4], want)
    assert np.all(state.observations == 4)


def test_a_rate_of_zero_is_never_cut():
    got, state = run(rx.PlateauRate(0.0, patience=1, plateau_count=3, cooldown_count=1), np.ones((SIDE, 4)))
    assert np.all(got == 0)
    assert np.all(state.own.cuts == 0)


def test_a_plateau_rate_goes_on_with_counts_and_best():
    given = {"patience": 3, "factor": 0.5, "best_value": 1.0, "plateau_count": 1, "cooldown_count": 2}
    got, _ = run(rx.PlateauRate(1.0, **given), np.ones((SIDE, 8)))
    np.testing.assert_array_equal(got[0], [1, 1, 1, 1, 0.5, 0.5, 0.5, 0.25])  # two ignored, which sets the bad ones to 0; then three


def test_accumulated_means_and_the_best():
    """What is kept between two judgements, and what `rx.describe` shows."""
    policy = rx.ReduceOnPlateau(patience=2, accumulation_size=3, rtol=0.0)
    state = policy.init()
    for value, kept in ((3.0, (1, 3.0)), (6.0, (2, 4.5)), (0.0, (0, 0.0)), (1.5, (1, 1.5))):
        state = policy.observe(state, jnp.int32(0), {"value": jnp.float32(value)})
        assert (int(state.own.count), float(state.own.avg_value)) == kept
    assert float(state.own.best_value) == 3.0


def test_what_is_inside_counts_from_where_it_began():
    """A policy in the second part of a join hears from that part's first update on, counted from the plateau."""
    late = rx.Join([1.0, 1.0 * rx.ReduceOnPlateau(patience=1, factor=0.5)], boundaries=[3])
    flat = np.ones((SIDE, 12))
    advancing, state = run(rx.AdvanceOnPlateau([0.5, late], patience=2), flat)
    np.testing.assert_array_equal(advancing[0], [0.5] * 2 + [1.0] * 4 + [0.5**i for i in range(1, 7)])
    assert (state.own.part[0], state.own.began[0], state.own.advances[0]) == (1, 2, 1)
    again, state = run(rx.RestartOnPlateau(late, patience=6), flat)
    np.testing.assert_array_equal(again[0], [1, 1, 1, 1, 0.5, 0.25, 1, 1, 1, 1, 0.5, 0.25])
    assert (state.own.restarts[0], state.own.began[0]) == (1, 6)


def test_before_its_restart_it_has_the_value_of_its_begin():
    """Whoever asks for an earlier count than the last restart, to draw it for one, gets no count below 0."""
    rate = rx.RestartOnPlateau(rx.Linear(1.0, 0.0, 4), factor=0.5, patience=1)
    state = rate.init()._replace(own=rate.start()._replace(began=jnp.int32(6)))
    np.testing.assert_array_equal(rate.evaluate(state, jnp.array([3, 5, 6, 7])).high, [1.0, 1.0, 1.0, 0.75])


def test_a_new_level_is_learnt_from_nothing():
    guard = rx.SpikeGuard(window=2, max_spikes=2, threshold=2.0)
    state = guard.init()
    for value in (3.0, 3.5, 9.0, 9.0):
        state = guard.observe(state, jnp.int32(0), {"value": jnp.float32(value)})
    assert (int(state.own.spikes), int(state.own.in_a_row), int(state.own.count)) == (2, 0, 0)
    state = guard.observe(state, jnp.int32(0), {"value": jnp.float32(9.0)})
    assert (float(state.own.mean), float(state.own.deviation)) == (9.0, 0.0)
