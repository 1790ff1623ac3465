"""The picture of a range test: losses over rates, and what the rules read off them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from rheostax._extras import load
from rheostax._words import say

if TYPE_CHECKING:
    from rheostax.finder.finding import Finding

__all__ = ["plot_finding"]

RAW, SMOOTH, CHOSEN, OTHER = "#c3cad2", "#1f5fa8", "#b3541e", "#5f6b77"
SHAPES = {"valley": "o", "steepest": "s", "minimum": "^", "slide": "D"}


def plot_finding(finding: Finding, *, title: str = "") -> Any:
    """Draw a range test: each loss, the smoothed curves, each rule's rate, and the suggestion with its band.

    Args:
        finding: What `rx.find_learning_rate` returned.
        title: Heading.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        MissingExtraError: If matplotlib isn't installed.
    """
    figure = load("matplotlib.figure", extra="plot").Figure(figsize=(8, 4.4), layout="constrained")
    axis = figure.subplots()
    rates = finding.learning_rates
    for i, (row, smooth) in enumerate(zip(finding.losses, finding.smoothed, strict=True)):
        axis.plot(rates, row, ".", color=RAW, markersize=3, label="losses" if i == 0 else None)
        axis.plot(rates, smooth, color=SMOOTH, linewidth=1.3, alpha=0.8, label="smoothed" if i == 0 else None)
    ratios = np.diff(np.log(rates))
    if np.allclose(ratios, ratios[0], rtol=0.01):
        axis.set_xscale("log")
    _limit(axis, finding)
    _mark(axis, finding)
    axis.set(xlabel="learning rate", ylabel="loss")
    axis.grid(visible=True, color="#e6e6e6", linewidth=0.6)
    axis.spines[["top", "right"]].set_visible(False)
    axis.set_axisbelow(True)
    axis.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    axis.set_title(title, fontsize=10, wrap=True)
    return figure


def _limit(axis: Any, finding: Finding) -> None:
    """Cut off what lies far above the start, where the loss runs away: the rest would be a flat line under it."""
    smooth = finding.smoothed
    low, start = np.nanmin(finding.losses), np.nanmax(smooth[:, : max(1, smooth.shape[1] // 5)])
    room = 0.35 * (start - np.nanmin(smooth)) or 1.0
    axis.set_ylim(low - 0.15 * room, start + room)


def _mark(axis: Any, finding: Finding) -> None:
    best = finding.suggestion
    if best is None:
        return
    axis.axvspan(best.low, best.high, color=CHOSEN, alpha=0.12, linewidth=0, label=f"band, {say(best.low, 2)} to {say(best.high, 2)}")
    axis.axvline(best.value, color=CHOSEN, linewidth=1.6, label=f"suggestion, {say(best.value, 2)}")
    mean = finding.smoothed[:, np.isfinite(finding.smoothed).all(0)].mean(0)
    for name, shape in SHAPES.items():
        value = finding.suggestions[name].value
        height = np.interp(np.log(value), np.log(finding.learning_rates[: len(mean)]), mean)
        label = f"{name}, {say(value, 2)}"
        axis.plot(value, height, shape, color=OTHER, markersize=6, markeredgecolor="white", label=label, linestyle="none", zorder=3)
