"""The schedule that a law predicts to end best."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from rheostax.errors import ArgumentError
from rheostax.schedules import PiecewiseInterpolate

if TYPE_CHECKING:
    from rheostax.forecast._fitted import Fitted

__all__ = ["optimize"]

RESOLUTION = 2_000  # rates that a schedule is tried with; the result has as many updates as it should


def optimize(fitted: Fitted, steps: int, max_value: float, min_value: float, pieces: int) -> PiecewiseInterpolate:
    """See `Fitted.optimize`.

    The falls between the pieces' ends are the unknowns: parts of max_value - min_value that are >= 0 and sum to at most 1, as the softmax
    of free numbers, so that every schedule that is tried is one.
    """
    warmup = fitted.warmup_steps
    if not isinstance(steps, int) or steps <= warmup + pieces:
        raise ArgumentError(f"optimize: steps must be a whole number above warm-up and pieces, {warmup + pieces:,}, got {steps!r}.")
    if not (np.isfinite(max_value) and 0 <= min_value <= max_value and max_value > 0):
        raise ArgumentError(f"optimize: 0 <= min_value <= max_value and max_value > 0 must hold, got {min_value!r} and {max_value!r}.")
    if not isinstance(pieces, int) or pieces < 2:
        raise ArgumentError(f"optimize: pieces must be a whole number >= 2, got {pieces!r}.")
    if not fitted.saw_falls:
        raise ArgumentError(f"optimize: the rate never changed in {', '.join(fitted.runs)}, so what a fall brings isn't known.")
    ends = np.unique(np.linspace(warmup, steps, pieces + 1).round().astype(int))
    stride = max(1.0, steps / RESOLUTION)
    counts = (np.arange(round(steps / stride)) + 0.5) * stride
    rise = max_value * counts / max(warmup, 1)

    def values(free: np.ndarray) -> np.ndarray:
        parts = np.exp(free - free.max())
        return max_value - (max_value - min_value) * np.append(0.0, np.cumsum(parts / parts.sum())[:-1])

    def final(free: np.ndarray) -> float:
        rates = np.where(counts < warmup, rise, np.interp(counts, ends, values(free)))
        return fitted.final(rates, stride)

    best = _search(final, _starts(len(ends)))
    return PiecewiseInterpolate(
        [0.0, *values(best)] if warmup else list(values(best)), [int(end) for end in (ends if warmup else ends[1:])]
    )


def _starts(knots: int) -> list[np.ndarray]:
    """Return a line, a line after half of the run, and one after four fifths, that use nearly all of the fall."""
    place = np.arange(knots - 1) / (knots - 1)
    return [np.append(np.where(place >= begin, 0.0, -6.0), -4.0) for begin in (0.0, 0.5, 0.8)]


def _search(final: Any, starts: list[np.ndarray]) -> np.ndarray:
    from scipy.optimize import minimize  # noqa: PLC0415  (jax brings scipy; it takes long to import)

    found = [minimize(final, start, method="L-BFGS-B", options={"maxiter": 60, "eps": 1e-4}) for start in starts]
    return min(found, key=lambda one: one.fun).x
