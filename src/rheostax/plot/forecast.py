"""The picture of a forecast: the losses so far, where decays would land, and what other schedules would end with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from rheostax._extras import load
from rheostax._words import say
from rheostax.plot.axes import tidy

if TYPE_CHECKING:
    from rheostax.forecast import Curve, Outlook, Prediction

__all__ = ["plot_outlook"]

SEEN, ADVISED, USUAL, OTHERS = "#1f5fa8", "#b3541e", "#7a7a7a", ("#3b7d4f", "#7a5195", "#a8741f", "#4c8c8a")


def plot_outlook(curve: Curve, outlook: Outlook | None, candidates: Mapping[str, Prediction] | None = None, *, title: str = "") -> Any:
    """Draw a forecast: above, the losses and the predicted curve of the advised decay; below, where each start would land.

    Args:
        curve: The run so far.
        outlook: What `rheostax.forecast.outlook` said of it, or None.
        candidates: Predictions of other schedules by label, of which the ends are drawn.
        title: Heading.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        MissingExtraError: If matplotlib isn't installed.
    """
    told = outlook is not None and outlook.can_tell
    figure = load("matplotlib.figure", extra="plot").Figure(figsize=(9, 6.4 if told else 3.6), layout="constrained")
    axes = figure.subplots(2 if told else 1, 1, squeeze=False, gridspec_kw={"height_ratios": [1.3, 1] if told else [1]})[:, 0]
    axes[0].plot(curve.step, curve.loss, color=SEEN, linewidth=0.9, label="logged")
    lowest, highest = [float(curve.loss.min())], float(np.quantile(curve.loss[len(curve) // 10 :], 0.99))
    if outlook is not None and told:
        lowest.append(_draw_ahead(axes[0], outlook))
        _draw_starts(axes[1], outlook)
    for (label, one), color in zip((candidates or {}).items(), OTHERS * 9, strict=False):
        _draw_end(axes[0], one, color, label)
        lowest.append(float(one.low[-1]))
    low = min(lowest)
    axes[0].set_ylim(low - 0.05 * (highest - low), highest + 0.05 * (highest - low))  # the first losses would hide all the others
    axes[0].set(xlabel="updates", ylabel="loss")
    for axis in axes:
        tidy(axis)
        axis.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    figure.suptitle(title, fontsize=10, wrap=True)
    return figure


def _draw_ahead(axis: Any, outlook: Outlook) -> float:
    """Draw the predicted curves of the advised start and of half the budget; return the lowest end of a band."""
    chosen = {outlook.start: (ADVISED, f"decay from {outlook.start:,}, advised")}
    if outlook.usual != outlook.start:
        chosen[outlook.usual] = (USUAL, f"decay from {outlook.usual:,}")
    ends = []
    for start, (color, label) in chosen.items():
        counts = np.unique(np.linspace(max(outlook.now, 1), outlook.total, 200).astype(int))
        found = outlook.fitted.predict(outlook.rates(start), counts, coverage=outlook.coverage)
        moved = outlook.loss[outlook.steps == start][0] - found.loss[-1]
        axis.plot(counts, found.loss + moved, color=color, linewidth=1.5, label=label)
        axis.fill_between(counts, found.low + moved, found.high + moved, color=color, alpha=0.15, linewidth=0)
        ends.append(float(found.low[-1] + moved))
    axis.axvline(outlook.now, color=USUAL, linewidth=0.8, linestyle=(0, (4, 3)), zorder=0, label="now")
    return min(ends)


def _draw_starts(axis: Any, outlook: Outlook) -> None:
    """Draw the loss at the end over the start, its band, and what of it is the difference to half the budget."""
    usual = outlook.loss[outlook.steps == outlook.usual][0]
    axis.fill_between(outlook.steps, outlook.low, outlook.high, color=SEEN, alpha=0.13, linewidth=0, label=f"{outlook.coverage:.0%} band")
    spread = outlook.gain_error
    axis.fill_between(
        outlook.steps, outlook.loss - spread, outlook.loss + spread, color=SEEN, alpha=0.25, linewidth=0, label="band of the difference"
    )
    axis.plot(outlook.steps, outlook.loss, color=SEEN, linewidth=1.4, marker=".", label="predicted end")
    axis.axhline(usual, color=USUAL, linewidth=0.8, linestyle=(0, (4, 3)), label=f"from {outlook.usual:,}: {say(float(usual), 5)}")
    advised = outlook.loss[outlook.steps == outlook.start][0]
    axis.plot(
        [outlook.start], [advised], "o", color=ADVISED, markersize=7, label=f"advised: from {outlook.start:,}, {say(float(advised), 5)}"
    )
    axis.set(xlabel="start of the decay", ylabel=f"loss at {outlook.total:,}")


def _draw_end(axis: Any, one: Prediction, color: str, label: str) -> None:
    low, high = float(one.final - one.low[-1]), float(one.high[-1] - one.final)
    short = label if len(label) <= 44 else f"{label[:41]}..."
    axis.errorbar([one.steps[-1]], [one.final], yerr=[[low], [high]], color=color, fmt="D", markersize=4.5, capsize=3, label=short)
