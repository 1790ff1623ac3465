"""What is suggested for curves of which the truth is known."""

import math

import numpy as np
import pytest

from rheostax.errors import DivergedError
from rheostax.finder.finding import conclude
from rheostax.finder.suggest import suggest
from rheostax.finder.sweep import diverged_at, rates_between
from tests.finder.test_rules import LIGHTNING, LIGHTNING_RATES, lightning_noise


def conclusion(rates, losses, **changes):
    stopped = tuple(diverged_at(row, smoothing=0.9, diverge=4.0) for row in losses)
    return conclude(rates.astype(np.float32), losses, stopped, **({"smoothing": 0.9, "batches_taken": 0} | changes))


@pytest.mark.parametrize("seed", [42, *range(11)])
def test_the_noisy_curve_of_lightning_21141_has_its_steepest_point_found(seed):
    """42 is the seed of the issue. Without noise the steepest point is the last."""
    truth = LIGHTNING_RATES[np.argmin(np.gradient(LIGHTNING))]
    assert truth == LIGHTNING_RATES[-1]
    found = suggest(LIGHTNING_RATES, [LIGHTNING + lightning_noise(seed)], smoothing=0.9)["steepest"]
    assert truth / 3 < found.value < truth * 3
    assert found.low <= found.value <= found.high


@pytest.mark.parametrize("place", [1e-5, 1e-3, 1e-2])
def test_a_noisy_fall_has_its_steepest_point_found_wherever_it_is(place):
    x = np.log(LIGHTNING_RATES / place)
    for seed in range(5):
        curve = 2.3 - 2 / (1 + np.exp(-x / 0.8)) + lightning_noise(seed)
        assert place / 3 < suggest(LIGHTNING_RATES, [curve], smoothing=0.9)["steepest"].value < place * 3


def sweep_like(seed, lowest=0.1, noise=0.05):
    """A loss that falls from 2.3, is lowest at a rate of `lowest`, and runs away beyond."""
    rates = rates_between(1e-6, 10.0, 100, "exponential").astype(float)
    x = np.log(rates / lowest)
    return rates, 2.3 - 2 * np.exp(-(x**2) / 8) + np.exp(np.minimum(3 * (x - 2.5), 20)) + np.random.default_rng(seed).normal(0, noise, 100)


def test_the_minimum_is_recommended_and_its_band_holds_what_it_is_without_noise():
    inside = 0
    rates, clean = sweep_like(0, noise=0.0)
    truth = conclusion(rates, clean[None]).suggestion.value
    for seed in range(10):
        found = conclusion(rates, sweep_like(seed)[1][None])
        assert found.suggestion == found.suggestions["minimum"]
        assert 0.01 / 2 < found.suggestion.value < 0.01 * 2
        inside += found.suggestion.low <= truth <= found.suggestion.high
    assert inside >= 7


def test_the_suggestion_for_a_longer_run_is_lower_by_the_root_of_the_lengths():
    rates, losses = sweep_like(3)
    rule = conclusion(rates, losses[None]).suggestions["minimum"]
    for total_steps, factor in (None, 1.0), (1, 1.0), (100, 1.0), (400, 0.5), (10_000, 0.1):
        found = conclusion(rates, losses[None], total_steps=total_steps)
        assert found.suggestions["minimum"] == rule
        one = found.suggestion
        np.testing.assert_allclose([one.value, one.low, one.high], np.multiply([rule.value, rule.low, rule.high], factor), rtol=1e-12)
        assert found.to_json()["total_steps"] == total_steps
        assert ("minimum times" in str(found)) == (factor < 1)
    assert str(found).splitlines()[-1].endswith(", minimum times 0.1 for a run of 10,000 updates")
    nothing = conclusion(rates, np.full((1, 100), 0.7), total_steps=400)  # nor does rounding make a curve of a constant
    assert nothing.suggestion is None
    assert "suggestion: none\n" in str(nothing)


def test_repeats_give_the_median_of_their_answers():
    rates, _ = sweep_like(0)
    losses = np.stack([sweep_like(0, lowest)[1] for lowest in (0.02, 0.1, 0.2)])
    alone = [conclusion(rates, row[None]).suggestions for row in losses]
    together = conclusion(rates, losses).suggestions
    for name, one in together.items():
        assert one.value == pytest.approx(sorted(a[name].value for a in alone)[1])
        assert one.low <= one.value <= one.high


def test_what_happens_after_the_loss_ran_away_changes_nothing():
    rates, losses = sweep_like(3)
    end = diverged_at(losses, smoothing=0.9, diverge=4.0)
    worse = losses.copy()
    worse[end] = 1e30
    worse[end + 1 :] = losses[end + 1 :] = np.nan
    one, other = conclusion(rates, losses[None]), conclusion(rates, worse[None])
    assert one.suggestions == other.suggestions
    assert one.stopped_at == (end,)
    assert np.isnan(one.smoothed[0, end])


def test_a_curve_of_noise_alone_suggests_nothing():
    rates = rates_between(1e-6, 10.0, 100, "exponential")
    found = [conclusion(rates, 2.3 + np.random.default_rng(seed).normal(0, 0.1, (1, 100))) for seed in range(40)]
    assert sum(one.suggestion is None for one in found) >= 38
    assert "never improves" in " ".join(found[0].warnings)
    assert "suggestion: none" in str(found[0])


def test_a_rising_curve_suggests_nothing():
    rates = rates_between(1e-3, 10.0, 60, "exponential")
    found = conclusion(rates, np.linspace(1, 3, 60)[None])
    assert found.suggestion is None
    assert found.suggestions == {}


def test_a_curve_that_cannot_tell_is_said_to_be_too_noisy():
    rates, losses = sweep_like(2, noise=1.0)
    assert any("too noisy to tell" in text for text in conclusion(rates, losses[None]).warnings)
    rates, losses = sweep_like(2, noise=0.01)
    assert conclusion(rates, losses[None]).warnings == ()


def test_a_sweep_that_ends_before_the_loss_runs_away_says_so():
    rates, losses = sweep_like(2, noise=0.01)
    found = conclusion(rates[:80], losses[None, :80])
    assert found.stopped_at == (None,)
    assert any("hasn't run away up to a rate of 0.39" in text for text in found.warnings)


def test_equal_repeats_are_noticed():
    rates, losses = sweep_like(2, noise=0.01)
    assert "all repeats are equal" in conclusion(rates, np.stack([losses, losses])).warnings[0]


def test_nan_at_once_and_too_early_an_end_are_refused_in_words():
    rates = rates_between(1e-3, 10.0, 60, "exponential")
    with pytest.raises(DivergedError, match=r"The loss is nan at the first update, before the rate \(0\.001\) could do anything"):
        conclusion(rates, np.full((1, 60), np.nan))
    few = np.full((1, 60), np.nan)
    few[0, :12] = 1.0
    with pytest.raises(DivergedError, match=r"ran away after 12 updates, at a rate of 0\.0065; 20 are needed\. Begin with a smaller rate"):
        conclusion(rates, few)


def test_where_a_loss_runs_away():
    at = lambda *losses, **changes: diverged_at(np.array(losses), **({"smoothing": 0.0, "diverge": 4.0} | changes))  # noqa: E731
    assert at(2.0, 1.0, 3.9, 4.0) is None
    assert at(2.0, 1.0, 4.1, 1.0) == 2
    assert at(2.0, 1.0, np.nan, 9.0) == 2
    assert at(2.0, np.inf) == 1
    assert at(np.nan, 1.0) == 0
    assert at(2.0, 1.0, 2.1, diverge=2.0) == 2
    assert at(-1.0, -2.0, 3.9) is None  # -2 + 3 * 2
    assert at(-1.0, -2.0, 4.1) == 2
    assert at(2.0, 0.0, 0.59) is None  # 0 + 3 * (2 - 0) / 10
    assert at(2.0, 0.0, 0.61) == 2
    assert at(1.0, 1.0, 1.0, 9.0, smoothing=0.9) is None  # one outlier, averaged away: (9 - 1) * 0.1 / (1 - 0.9**4) + 1 = 3.3
    assert at(1.0, 1.0, 1.0, 12.0, smoothing=0.9) == 3


def test_rates_have_equal_ratios_or_differences_and_both_ends():
    rates = rates_between(1e-5, 1.0, 11, "exponential")
    assert rates.dtype == np.float32
    np.testing.assert_allclose(rates, [10 ** (-5 + i / 2) for i in range(11)], rtol=1e-6)
    assert (rates[0], rates[-1]) == (np.float32(1e-5), np.float32(1.0))
    np.testing.assert_allclose(rates_between(0.1, 0.5, 5, "linear"), [0.1, 0.2, 0.3, 0.4, 0.5], rtol=1e-6)


def test_the_finding_as_text_and_json():
    rates, losses = sweep_like(5)
    found = conclusion(rates, losses[None], batches_taken=7)
    text = str(found)
    assert text.splitlines()[0] == f"{np.isfinite(losses).sum()} updates at rates from 1e-06 to 10; 7 batches read"
    assert all(name in text for name in ("valley", "steepest", "minimum", "slide"))
    data = found.to_json()
    assert math.isclose(data["suggestion"]["value"], found.suggestion.value, rel_tol=1e-6)
    assert data["losses"][0][:3] == losses[:3].tolist()
    assert data["smoothed"][0][-1] is None
