"""The picture of a learning rate alone."""

from __future__ import annotations

from typing import Any

from rheostax._extras import load

__all__ = ["plot_curve"]


def plot_curve(counts: Any, rates: Any, *, title: str = "") -> Any:
    """Draw a learning rate over the count of updates.

    Args:
        counts: Counts, increasing, `[n]`.
        rates: The rate at each, `[n]`.
        title: Heading.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        MissingExtraError: If matplotlib isn't installed.
    """
    figure = load("matplotlib.figure", extra="plot").Figure(figsize=(8, 3.6), layout="constrained")
    axis = figure.subplots()
    axis.plot(counts, rates, color="#b3541e", linewidth=1.4)
    axis.set(xlabel="updates", ylabel="learning rate", ylim=(0, None))
    axis.ticklabel_format(axis="y", style="sci", scilimits=(-2, 3))
    axis.grid(visible=True, color="#e6e6e6", linewidth=0.6)
    axis.spines[["top", "right"]].set_visible(False)
    axis.set_axisbelow(True)
    axis.set_title(title, fontsize=9, wrap=True)
    return figure
