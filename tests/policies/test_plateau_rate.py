"""`PlateauRate`: the rule of `ReduceOnPlateau` around a rate with a floor; that it is PyTorch's rate is tested in tests/parity."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rheostax as rx
from rheostax._rate import lower
from tests.oracles.plateau import F32, Plateau

LENGTH = 60


@jax.jit
def _observe(rate, values):
    def update(state, value):
        state = rate.observe(state, jnp.int32(0), {"value": value})
        return state, (rate.evaluate(state, jnp.int32(0)).high, state)

    return jax.lax.scan(update, rate.init(), values)[1]


def observed(rate, values):
    """Return the rate and the state after each value; all streams get one length, so that little is compiled."""
    padded = np.resize(np.float32(values), LENGTH)
    return jax.tree.map(lambda leaf: np.asarray(leaf)[: len(values)], _observe(lower(rate), padded))


def walk(seed):
    random = np.random.default_rng(seed)
    return np.cumsum(random.choice([0.0, 0.0, 0.25, -0.25, -0.5], LENGTH)).astype(np.float32)


@pytest.mark.parametrize("mode", ["min", "max"])
def test_it_counts_as_the_plain_model(mode):
    for seed in range(12):
        random, values = np.random.default_rng(seed), walk(seed)
        given = {
            "mode": mode, "factor": float(random.choice([0.5, 0.9])), "patience": int(random.integers(1, 5)),
            "rtol": float(random.choice([0.0, 2**-3])), "atol": float(random.choice([0.0, 1 / 16])),
            "cooldown": int(random.integers(0, 3)), "accumulation_size": int(random.integers(1, 4)),
        }  # fmt: skip
        rates, seen = observed(rx.PlateauRate(0.3, min_value=0.02, **given), values)
        model, want = Plateau(min_scale=0.0, **given), []
        for value in values:
            model.observe(value)
            want.append((model.bad_in_a_row, model.cooling, len(model.window), max(0.3 * model.scale, 0.02)))
        own = seen.own
        counted = np.stack([own.plateau_count, own.cooldown_count, own.count], axis=1)
        # The floor ends the cuts but not the counting, which goes on as if there were none.
        np.testing.assert_array_equal(counted, [row[:3] for row in want])
        np.testing.assert_allclose(rates, [row[3] for row in want], rtol=1e-6)


def test_it_is_the_factor_times_the_rate():
    given = {"patience": 2, "factor": 0.7, "cooldown": 1}
    rates, _ = observed(rx.PlateauRate(0.3, **given), walk(5))
    factors, _ = observed(0.3 * rx.ReduceOnPlateau(**given), walk(5))
    np.testing.assert_array_equal(rates, factors)
    assert len(set(rates.tolist())) > 3


def test_it_goes_on_with_another_run():
    whole, seen = observed(rx.PlateauRate(0.3, patience=3, factor=0.5, cooldown=2), values := walk(7))
    at = int(np.flatnonzero(seen.own.cooldown_count == 1)[0])
    states = {name: getattr(seen.own, name)[at].item() for name in ("best_value", "plateau_count", "cooldown_count")}
    rest, _ = observed(rx.PlateauRate(float(whole[at]), patience=3, factor=0.5, cooldown=2, **states), values[at + 1 :])
    np.testing.assert_array_equal(rest, whole[at + 1 :])
    assert len(set(rest.tolist())) > 2


def test_a_cut_that_hardly_moves_it_is_left_out():
    rates, seen = observed(rx.PlateauRate(0.5, patience=1, factor=0.5, min_change=0.125), [1.0] * 5)
    np.testing.assert_array_equal(rates, F32([0.5, 0.25, 0.25, 0.25, 0.25]))
    np.testing.assert_array_equal(seen.own.cuts, [0, 1, 1, 1, 1])
    np.testing.assert_array_equal(seen.own.scale, F32([1, 0.5, 0.5, 0.5, 0.5]))


def test_a_rate_of_zero_stays_there():
    rates, seen = observed(rx.PlateauRate(0.0, patience=1, factor=0.5), [1.0] * 4)
    np.testing.assert_array_equal(rates, np.zeros(4))
    assert np.all(np.isfinite(seen.own.scale))


def test_strictly_nan_is_a_bad_value():
    values = [1.0, np.nan, np.nan, np.nan]
    np.testing.assert_array_equal(observed(rx.PlateauRate(1.0, patience=2, factor=0.5, strict=True), values)[0], [1, 1, 0.5, 0.5])
    np.testing.assert_array_equal(observed(rx.PlateauRate(1.0, patience=2, factor=0.5), values)[0], [1, 1, 1, 1])


def test_it_says_why():
    rate = rx.PlateauRate(1.0, monitor="loss", patience=1, rtol=0.25, strict=True)
    before = rate.start()._replace(best_value=jnp.float32(4.0))
    after = rate.react(before, jnp.float32(3.5))
    assert rate.status(before) == "best 4, 0 of 1 bad values in a row"
    assert rate.explain(before, after, 3.5) == "loss had not improved on 4 by 1 for 1 observation"


@pytest.mark.parametrize(("options", "says"), [
    ({"factor": 1.0}, r"factor must be a finite number in \[0, 1\), got 1.0"),
    ({"strict": "no"}, "strict must be True or False, got 'no'"),
    ({"best_value": np.inf}, "best_value must be a finite number"),
    ({"plateau_count": -1}, "plateau_count must be a whole number >= 0, got -1"),
    ({"accumulation_size": 0}, "accumulation_size must be a whole number >= 1, got 0"),
])  # fmt: skip
def test_wrong_arguments_are_refused(options, says):
    with pytest.raises(rx.ArgumentError, match=f"PlateauRate: {says}"):
        rx.PlateauRate(0.1, **options)
