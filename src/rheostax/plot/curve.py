"""The picture of a learning rate alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from rheostax._extras import load
from rheostax.plot.axes import tidy

__all__ = ["plot_curve"]

RATE, MOMENT = "#b3541e", "#7a7a7a"


def plot_curve(
    counts: Any, rates: Any, *, title: str = "", moments: Iterable[tuple[int, str]] = (), names: Sequence[str] | None = None
) -> Any:
    """Draw a learning rate over the count of updates.

    Args:
        counts: Counts, increasing, `[n]`.
        rates: The rate at each, `[n]`, or `[n, groups]`.
        title: Heading.
        moments: Counts to mark, each with a few words.
        names: Of the groups, if there are several.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        MissingExtraError: If matplotlib isn't installed.
    """
    figure = load("matplotlib.figure", extra="plot").Figure(figsize=(8, 3.6), layout="constrained")
    axis = figure.subplots()
    curves = np.asarray(rates).reshape(len(np.asarray(counts)), -1).T
    for curve, name in zip(curves, names or [""] * len(curves), strict=True):
        axis.plot(counts, curve, linewidth=1.4, label=name, **({"color": RATE} if len(curves) == 1 else {}))
    if len(curves) > 1:
        axis.legend(frameon=False, fontsize=8)
    for count, words in moments:
        axis.axvline(count, color=MOMENT, linewidth=0.7, linestyle=(0, (4, 3)), zorder=0)
        near_the_end = count > 0.9 * float(np.asarray(counts)[-1])
        axis.annotate(
            words, (count, 1), xycoords=("data", "axes fraction"), xytext=(-4 if near_the_end else 4, -3), textcoords="offset points",
            fontsize=7, color=MOMENT, rotation=90, ha="right" if near_the_end else "left", va="top",
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.8},
        )  # fmt: skip
    axis.set(xlabel="updates", ylabel="learning rate", ylim=(0, None))
    axis.ticklabel_format(axis="y", style="sci", scilimits=(-2, 3))
    tidy(axis)
    axis.set_title(title, fontsize=9, wrap=True)
    return figure
