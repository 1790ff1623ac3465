"""The range test itself: a rate per update, and a stop where the loss runs away."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from rheostax.finder.batches import stacked
from rheostax.finder.smoothing import smoothed

__all__ = ["diverged_at", "rates_between", "sweep"]


def rates_between(low: float, high: float, count: int, spacing: str) -> np.ndarray:
    """Return `float32 [count]` rates from `low` to `high`, both included, with equal ratios or equal differences."""
    return (np.geomspace if spacing == "exponential" else np.linspace)(low, high, count).astype(np.float32)


def diverged_at(losses: np.ndarray, *, smoothing: float, diverge: float) -> int | None:
    """Return where a run of losses `[n]` ran away, or None.

    That is the first that isn't finite, or whose moving average exceeds `best + (diverge - 1) * max(|best|, (first - best) / 10)`,
    `best` being the lowest average before it and `first` the first loss: `diverge * best` for a loss that stays well above zero,
    and a margin of the same kind for one that goes near or below it.
    """
    finite = np.isfinite(losses)
    end = len(losses) if finite.all() else int(np.argmin(finite))
    if end == 0:
        return 0
    mean = smoothed(losses[:end], smoothing)
    best = np.minimum.accumulate(mean)
    margin = (diverge - 1) * np.maximum(np.abs(best), (mean[0] - best) / 10)
    away = mean[1:] > (best + margin)[:-1]
    if away.any():
        return int(np.argmax(away)) + 1
    return end if end < len(losses) else None


Loop = Callable[[Any, Any], tuple[Any, Any]]


def sweep(
    loop: Loop,
    state: Any,
    batches: Iterator[Any],
    rates: np.ndarray,
    *,
    repeats: int,
    per_dispatch: int,
    stop: Callable[[np.ndarray], int | None],
) -> np.ndarray:
    """Make an update at each rate until every repeat has run away; return the losses, `float64 [repeats, n]`.

    Losses after the one that ran away are NaN. The host hears of them once per dispatch.
    """
    losses = np.full((repeats, len(rates)), np.nan)
    for begin in range(0, len(rates), per_dispatch):
        chosen = slice(begin, min(begin + per_dispatch, len(rates)))
        several = [next(batches) for _ in range(chosen.start, chosen.stop)]
        state, found = loop(state, (stacked(several), rates[chosen]))
        losses[:, chosen] = np.asarray(found, np.float64).reshape(len(several), repeats).T
        ends = [stop(row[: chosen.stop]) for row in losses]
        if all(end is not None for end in ends):
            break
    for row in losses:
        end = stop(row)
        if end is not None:
            row[end + 1 :] = np.nan
    return losses
