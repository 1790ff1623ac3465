"""From curves to suggestions: each rule's rate, with a band."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import numpy as np

from rheostax._words import say
from rheostax.finder.rules import RULES, steepest
from rheostax.finder.smoothing import fit_weights, fitted, noise_of

__all__ = ["FEWEST", "RECOMMENDED", "Suggestion", "for_a_run_of", "suggest"]

RECOMMENDED = "minimum"  # with `for_a_run_of` within a factor of two of the best of a grid search, in every run tried: docs/finder.md
FEWEST = 20  # losses that a suggestion needs: `slide` looks at a window of 16
RESAMPLED = 200  # curves of which a band is made
BAND = (0.1, 0.9)  # quantiles
LARGEST = 2.5  # standard deviations; larger deviations are bends of the curve, where it runs away


@dataclasses.dataclass(frozen=True)
class Suggestion:
    """A learning rate, and the band in which the same rule finds it when the noise falls out otherwise.

    Attributes:
        value: The rate.
        low: Lower end of the band.
        high: Upper end of it.
    """

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{say(self.value, 2)} ({say(self.low, 2)} to {say(self.high, 2)})"

    def times(self, factor: float) -> Suggestion:
        """Return it with rate and band multiplied by a factor > 0."""
        return Suggestion(self.value * factor, self.low * factor, self.high * factor)


def for_a_run_of(total_steps: int | None, steps: int) -> float:
    """Return what the rate of a test of so many steps is multiplied by for a run of `total_steps`: min(1, sqrt(steps / total_steps)).

    The step size that bounds the error of a stochastic gradient descent of n steps best goes with 1 / sqrt(n) (Nemirovski et al., 2009,
    section 2.2, https://doi.org/10.1137/070704277), and a range test looks for what is best within its own steps.
    """
    return 1.0 if total_steps is None else min(1.0, math.sqrt(steps / total_steps))


def suggest(learning_rates: np.ndarray, curves: list[np.ndarray], *, smoothing: float) -> dict[str, Suggestion]:
    """Return every rule's suggestion.

    A rule is asked about the curve of each repeat, smoothed by `fitted`, without the first tenth, where nothing happens yet; its
    suggestion is the median of the answers, on the scale of logarithms. The band comes from 200 curves more: those of the
    repeats in turn, with the sign of each deviation from the smoothed curve drawn anew (the wild bootstrap, which leaves noise
    as large as it is at each place). What a rule says of one of them, relative to what it says of the smoothed curve without that
    noise, is how far the answer may be off; the band spans the middle 80% of that, and the suggestion.

    Args:
        learning_rates: Increasing, `[n]`.
        curves: The finite losses of each repeat, at least `FEWEST` and at most n, up to where `descent` ends.
        smoothing: As for `fitted`.
    """
    askers = [_asker(learning_rates, len(curve), smoothing) for curve in curves]
    answers = [ask(curve) for ask, curve in zip(askers, curves, strict=True)]
    smooth, resampled = [fitted(curve, smoothing) for curve in curves], []
    noise = [np.clip(curve - fit, -LARGEST * noise_of(curve), LARGEST * noise_of(curve)) for curve, fit in zip(curves, smooth, strict=True)]
    bases = [ask(fit) for ask, fit in zip(askers, smooth, strict=True)]
    random = np.random.default_rng(0)
    for i in range(RESAMPLED):
        k = i % len(curves)
        drawn = askers[k](smooth[k] + noise[k] * random.choice([-1.0, 1.0], len(noise[k])))
        resampled.append({name: answers[k][name] * (drawn[name] / bases[k][name]) for name in RULES})
    return {name: _with_band([one[name] for one in answers], [one[name] for one in resampled]) for name in RULES}


def _asker(learning_rates: np.ndarray, count: int, smoothing: float) -> Callable[[np.ndarray], dict[str, float]]:
    """Return a function that asks every rule about a curve of so many losses, which it smooths."""
    part = slice(max(0, min(count // 10, count - FEWEST)), None)
    rates, (weights, sloping) = learning_rates.astype(np.float64)[:count][part], fit_weights(count, smoothing)

    def ask(curve: np.ndarray) -> dict[str, float]:
        smooth, slopes = (weights @ curve)[part], (sloping @ curve)[part]
        return {name: rule(rates, smooth, slopes) if rule is steepest else rule(rates, smooth) for name, rule in RULES.items()}

    return ask


def _with_band(answers: list[float], resampled: list[float]) -> Suggestion:
    value = float(np.exp(np.median(np.log(answers))))
    low, high = np.quantile(resampled, BAND, method="nearest")
    return Suggestion(value, min(float(low), value), max(float(high), value))
