"""The picture of a race: every candidate's training loss, as far as it went, and the score by candidate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from rheostax._extras import load
from rheostax.plot.axes import span_is_wide, tidy

if TYPE_CHECKING:
    from rheostax.race import Race, Standing

__all__ = ["plot_race"]

WINNER, OTHER, RUNG = "#b3541e", "#9aa5b1", "#d0d0d0"


def plot_race(result: Race) -> Any:
    """Draw a race.

    Args:
        result: What `rx.race` returned.

    Returns:
        A `matplotlib.figure.Figure`: on the left the smoothed training losses over the updates, with the winner's in colour and the
        rungs as lines; on the right every candidate's last score.

    Raises:
        MissingExtraError: If matplotlib isn't installed.
    """
    shown = min(len(result.standings), 40)
    figure = load("matplotlib.figure", extra="plot").Figure(figsize=(11, max(3.6, 0.24 * shown + 1.2)), layout="constrained")
    losses, scores = figure.subplots(1, 2, width_ratios=[3, 2])
    drawn = [_draw_losses(losses, one, max(1, result.steps // 60)) for one in reversed(result.standings)]
    for rung in result.rungs[:-1]:
        losses.axvline(rung.end, color=RUNG, linewidth=0.8, zorder=0)
    whole = [values for one, values in zip(reversed(result.standings), drawn, strict=True) if not one.diverged]
    finite = np.concatenate([np.zeros(0), *(values[np.isfinite(values)] for values in whole)])
    if finite.size and finite.min() > 0:
        losses.set(yscale="log", ylim=(finite.min() * 0.8, np.percentile(finite, 99.5) * 1.3))
    losses.set(xlabel="updates", ylabel="training loss, smoothed")
    _draw_scores(scores, result.standings[:shown], result.metric)
    figure.suptitle(f"{len(result.standings)} candidates for {result.cost:.1f} full runs; best: {result.standings[0].label}", fontsize=10)
    for axis in (losses, scores):
        tidy(axis, grid="both" if axis is losses else "x")
    return figure


def _draw_losses(axis: Any, one: Standing, width: int) -> np.ndarray:
    """Draw the means over `width` updates, and return them: the same for all, or those that trained less would look noisier."""
    width = min(width, len(one.losses))
    values = one.losses[: len(one.losses) // width * width].reshape(-1, width).mean(1)
    counts = (np.arange(len(values)) + 0.5) * width
    first = one.rank == 1
    axis.plot(counts, values, color=WINNER if first else OTHER, linewidth=1.8 if first else 0.9, zorder=3 if first else 1)
    if one.diverged:
        axis.plot(counts[-1:], values[-1:], marker="x", color="#7a1f1f", zorder=4)
    return values


def _draw_scores(axis: Any, standings: tuple[Standing, ...], metric: str) -> None:
    """Draw a row per candidate, the winner on top; how far it was trained is written beside it."""
    best_on_top = range(len(standings), 0, -1)
    for place, one in zip(best_on_top, standings, strict=True):
        color = WINNER if one.rank == 1 else OTHER
        if not one.diverged:
            axis.plot(one.score, place, marker="o", color=color)
        told = "diverged" if one.diverged else f"{one.updates:,} updates"
        axis.annotate(told, (1.0, place), xycoords=("axes fraction", "data"), ha="right", va="center", fontsize=7, color="#666666")
    axis.set_yticks(list(best_on_top), [one.label if len(one.label) < 44 else one.label[:41] + "..." for one in standings], fontsize=7)
    axis.set_ylim(0.4, len(standings) + 0.6)
    axis.set_xlabel(f"{metric} at the end of its last rung")
    values = [one.score for one in standings if not one.diverged]
    if min(values) > 0 and span_is_wide(values):
        axis.set_xscale("log")
    axis.margins(x=0.3)
