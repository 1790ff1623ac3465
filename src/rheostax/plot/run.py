"""The picture of a run: losses, the goal, and the rate with its cuts, over the updates."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rheostax._extras import load

__all__ = ["plot_run", "save_figure"]

TRAINING, VALIDATION, RATE, CUT = "#9aa5b1", "#1f5fa8", "#b3541e", "#7a7a7a"


def plot_run(records: Sequence[Mapping[str, Any]], journal: Sequence[Mapping[str, Any]], *, goal: str, title: str = "") -> Any:
    """Draw a run from its records.

    Args:
        records: The lines of `metrics.jsonl`.
        journal: The lines of `journal.jsonl`; each decision is marked.
        goal: The validation metric to draw beside the losses, such as "val_accuracy".
        title: Heading.

    Returns:
        A `matplotlib.figure.Figure` with shared x axes.

    Raises:
        MissingExtraError: If matplotlib isn't installed.
    """
    figure = load("matplotlib.figure", extra="plot").Figure(figsize=(9, 7), layout="constrained")
    panels = [("loss", "val_loss"), ("learning_rate",)]
    if goal != "val_loss":
        panels.insert(1, (goal.removeprefix("val_"), goal))
    axes = figure.subplots(len(panels), 1, sharex=True, height_ratios=[3] + [2] * (len(panels) - 1))
    for axis, names in zip(axes[:-1], panels[:-1], strict=True):
        _draw_metric(axis, records, *names)
    _draw_rate(axes[-1], records)
    for axis in axes:
        for decision in journal:
            axis.axvline(decision["count"], color=CUT, linewidth=0.8, linestyle=(0, (4, 3)), zorder=0)
        axis.grid(visible=True, color="#e6e6e6", linewidth=0.6)
        axis.spines[["top", "right"]].set_visible(False)
        axis.set_axisbelow(True)
    _label_cuts(axes[-1], journal)
    axes[-1].set_xlabel("updates")
    figure.suptitle(title, fontsize=11)
    return figure


def _draw_metric(axis: Any, records: Sequence[Mapping[str, Any]], training: str, validation: str) -> None:
    for name, color, style in ((training, TRAINING, {"linewidth": 0.7}), (validation, VALIDATION, {"marker": ".", "markersize": 4})):
        counts, values = _series(records, name)
        if len(counts):
            axis.plot(counts, values, color=color, label=name, **style)
    if training == "loss" and all(value > 0 for name in (training, validation) for value in _series(records, name)[1]):
        axis.set_yscale("log")
    axis.set_ylabel(training)
    if axis.lines:
        axis.legend(frameon=False, fontsize=8)


def _draw_rate(axis: Any, records: Sequence[Mapping[str, Any]]) -> None:
    used = [record for record in records if "loss" in record]
    rates = [record["learning_rate"] for record in used]
    counts = [record["count"] for record in used]
    if rates and isinstance(rates[0], Mapping):
        for group in rates[0]:
            axis.plot(counts, [rate[group] for rate in rates], linewidth=1.2, label=group)
        axis.legend(frameon=False, fontsize=8)
        every = np.array([list(rate.values()) for rate in rates])
    else:
        axis.plot(counts, rates, color=RATE, linewidth=1.4)
        every = np.array(rates)
    positive = every[every > 0]
    if positive.size and positive.max() > 20 * positive.min():
        axis.set_yscale("log")
    axis.set_ylabel("learning rate")


def _label_cuts(axis: Any, journal: Sequence[Mapping[str, Any]]) -> None:
    """Write the new rate beside each of the first decisions; many would hide the curve."""
    for decision in journal[:12]:
        new = decision["new_learning_rate"]
        if not isinstance(new, Mapping):
            axis.annotate(f"{new:.2g}", (decision["count"], new), xytext=(4, 4), textcoords="offset points", fontsize=8, color=CUT)


def _series(records: Sequence[Mapping[str, Any]], name: str) -> tuple[list[int], list[float]]:
    found = [(record["count"], record[name]) for record in records if record.get(name) is not None]
    return [count for count, _ in found], [value for _, value in found]


def save_figure(figure: Any, *, dpi: int = 130) -> bytes:
    """Return the figure as the bytes of a PNG file."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi)
    return buffer.getvalue()
