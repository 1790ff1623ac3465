"""The known rules that read a learning rate off a curve of losses, each as its source counts.

All take increasing rates and the loss at each, finite and as many, and return one rate. What they are given is their caller's
choice: their sources hand them smoothed losses without the first tenth and the last five; see `suggest`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

__all__ = ["RULES", "minimum", "slide", "steepest", "valley"]

Rule = Callable[..., float]  # (rates, losses) -> rate


def valley(learning_rates: np.ndarray, losses: np.ndarray) -> float:
    """Return the rate at half of the way down the longest descent.

    The descent is the longest decreasing subsequence, of length L, and its end e the first place where one of that length ends.
    It is taken to begin at `s = e - L`; the rate is the one at `s + int(L/3) + int(L/6)`. From fastai, where it is the default.
    """
    lengths = np.ones(len(losses), int)
    for i in range(1, len(losses)):
        lengths[i] += np.max(lengths[:i], where=losses[:i] > losses[i], initial=0)
    longest, end = int(lengths.max()), int(lengths.argmax())
    if longest == 1:  # nothing ever falls
        return float(learning_rates[0])
    return float(learning_rates[end - longest + int(longest / 3) + int(longest / 6)])


def steepest(learning_rates: np.ndarray, losses: np.ndarray, slopes: np.ndarray | None = None) -> float:
    """Return the rate where the loss falls fastest: the smallest forward difference of the loss per logarithm of the rate.

    From fastai. (By the rate itself instead of its logarithm, the smallest rates win on any noisy curve.) Where the slopes of the
    loss per update are known better than differences tell, they take their place.
    """
    logarithms = np.log(learning_rates)
    if slopes is None:
        return float(learning_rates[np.argmin(np.diff(losses) / np.diff(logarithms))])
    return float(learning_rates[np.argmin(slopes / np.gradient(logarithms))])


def minimum(learning_rates: np.ndarray, losses: np.ndarray) -> float:
    """Return a tenth of the rate where the loss is lowest. From fastai."""
    return float(learning_rates[np.argmin(losses)]) / 10


def slide(learning_rates: np.ndarray, losses: np.ndarray, *, width: int = 15, threshold: float = 0.005) -> float:
    """Return the left end of a window that slides down from the right until the slope is the same at both of its ends.

    The slope is `numpy.gradient(losses)`, per update, and the same is a difference of at most `threshold`; the window is
    `width` updates wide. Where it never is, the rate is the last that was looked at. From fastai. Needs more than `width` losses.
    """
    slopes = np.gradient(losses)
    left = len(losses) - 1 - width
    found = left
    while left >= 0 and abs(slopes[left + width] - slopes[left]) > threshold:
        found = left
        left -= 1
    return float(learning_rates[found])


RULES: dict[str, Rule] = {"valley": valley, "steepest": steepest, "minimum": minimum, "slide": slide}
