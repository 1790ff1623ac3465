"""The picture of a run: losses, the goal, and the rate with its cuts, over the updates."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rheostax._extras import load
from rheostax.plot.axes import span_is_wide, tidy
from rheostax.plot.panels import COLORS, MOST_MARKS, Panel, in_steps, panels, rates_want_logarithm, thin
from rheostax.record.read import RunLog, Series

__all__ = ["plot_run", "plot_runs", "save_figure"]

TRAINING, VALIDATION, RATE, CUT = "#9aa5b1", "#1f5fa8", "#b3541e", "#7a7a7a"
STYLES = ("-", "--", ":", "-.")  # of groups


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
        _mark(axis, journal, CUT)
        tidy(axis)
    _label_cuts(axes[-1], journal)
    axes[-1].set_xlabel("updates")
    figure.suptitle(title, fontsize=11)
    return figure


def plot_runs(logs: Sequence[RunLog], names: Sequence[str], *, title: str = "") -> Any:
    """Draw runs over each other: every metric, the rate, and the decisions, over the updates.

    Args:
        logs: The runs, from `rx.read_run`.
        names: What to call each.
        title: Heading.

    Returns:
        A `matplotlib.figure.Figure` with shared x axes. One run has colours for its metrics, several have one colour each.

    Raises:
        MissingExtraError: If matplotlib isn't installed.
    """
    found, _ = panels(logs)
    height = 1 + 1.9 * (len(found) + 1)
    figure = load("matplotlib.figure", extra="plot").Figure(figsize=(9, height), layout="constrained")
    axes = figure.subplots(len(found) + 1, 1, sharex=True, squeeze=False)[:, 0]
    several = len(logs) > 1
    for number, (log, name) in enumerate(zip(logs, names, strict=True)):
        color = COLORS[number % len(COLORS)] if several else None
        for axis, panel in zip(axes[:-1], found, strict=True):
            _draw_panel(axis, log, panel, color)
        _draw_rates(axes[-1], log, name, color)
        for axis in axes:
            _mark(axis, log.journal, color or CUT)
        _point_at_new_rates(axes[-1], log.journal, color or RATE)
    for axis, label in zip(axes, [panel.title for panel in found] + ["learning rate"], strict=True):
        tidy(axis)
        axis.set_ylabel(label)
        if any(not line.get_label().startswith("_") for line in axis.get_lines()):
            axis.legend(frameon=False, fontsize=8)
    if rates_want_logarithm(logs):
        axes[-1].set_yscale("log")
    if not several and set(logs[0].learning_rate) <= {""}:
        _label_cuts(axes[-1], logs[0].journal)
    axes[-1].set_xlabel("updates")
    figure.suptitle(title, fontsize=11)
    return figure


def _draw_rates(axis: Any, log: RunLog, name: str, color: str | None) -> None:
    """Draw the rates of a run: in a colour per group, or all of them in the run's colour and in styles of their own."""
    for i, (group, series) in enumerate(log.learning_rate.items()):
        if color:
            style = {"color": color, "linestyle": STYLES[i % len(STYLES)], "label": "" if i else name}
        else:
            style = {"label": group} if group else {"color": RATE}
        axis.plot(*_finite(series), linewidth=1.4, drawstyle="steps-post" if in_steps(series.count, series.value) else "default", **style)


def _draw_panel(axis: Any, log: RunLog, panel: Panel, color: str | None) -> None:
    quiet = color is not None and any(line.validation for line in panel.lines)  # the noise of several runs would hide their validation
    for line in panel.lines:
        if line.metric in log.series and (line.validation or not quiet):
            style: dict[str, Any] = {"marker": ".", "markersize": 4} if line.validation else {"linewidth": 0.7}
            style |= {"color": color, "alpha": 1.0 if line.validation else 0.7} if color else {"label": line.metric}
            axis.plot(*_finite(log.series[line.metric]), **{"color": VALIDATION if line.validation else TRAINING} | style)
    if panel.logarithmic:
        axis.set_yscale("log")


def _finite(series: Series) -> tuple[Any, Any]:
    """Return counts and values, no more than can be seen, with infinities as gaps: an axis has no place for them."""
    series = thin(series)
    return series.count, np.where(np.isfinite(series.value), series.value, np.nan)


def _mark(axis: Any, journal: Sequence[Mapping[str, Any]], color: str) -> None:
    for decision in journal[:MOST_MARKS]:
        if "count" in decision:
            axis.axvline(decision["count"], color=color, linewidth=1.0, linestyle=":", zorder=0)


def _point_at_new_rates(axis: Any, journal: Sequence[Mapping[str, Any]], color: str) -> None:
    """Set a triangle where each decision left the rate; of groups, the first's."""
    first = [next(iter(new.values()), None) if isinstance(new := one.get("new_learning_rate"), Mapping) else new for one in journal]
    places = [(one["count"], rate) for one, rate in zip(journal, first, strict=True) if "count" in one and isinstance(rate, int | float)]
    if places:
        counts, rates = zip(*places[:MOST_MARKS], strict=True)
        axis.scatter(counts, rates, s=36, marker="v", color=color, edgecolors="white", linewidths=0.5, zorder=3)


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
    grouped = rates and isinstance(rates[0], Mapping)
    lines = {group: [rate[group] for rate in rates] for group in rates[0]} if grouped else {"": rates}
    for group, values in lines.items():
        style = {"linewidth": 1.2, "label": group} if grouped else {"linewidth": 1.4, "color": RATE}
        axis.plot(counts, values, drawstyle="steps-post" if in_steps(counts, values) else "default", **style)
    if grouped:
        axis.legend(frameon=False, fontsize=8)
    every = np.array([*lines.values()])
    if span_is_wide(every):
        axis.set_yscale("log")
    axis.set_ylabel("learning rate")


def _label_cuts(axis: Any, journal: Sequence[Mapping[str, Any]]) -> None:
    """Write the new rate beside each of the first decisions; many would hide the curve."""
    for decision in journal[:12]:
        new = decision.get("new_learning_rate")
        if isinstance(new, int | float) and "count" in decision:
            axis.annotate(f"{new:.2g}", (decision["count"], new), xytext=(4, 4), textcoords="offset points", fontsize=8, color=CUT)


def _series(records: Sequence[Mapping[str, Any]], name: str) -> tuple[list[int], list[float]]:
    found = [(record["count"], record[name]) for record in records if record.get(name) is not None]
    return [count for count, _ in found], [value for _, value in found]


def save_figure(figure: Any, *, dpi: int = 130, kind: str = "png") -> bytes:
    """Return the figure as the bytes of a file.

    Args:
        figure: A `matplotlib.figure.Figure`.
        dpi: Pixels per inch, of a PNG.
        kind: "png" or "svg".

    Returns:
        The bytes; the same figure gives the same.

    Raises:
        ValueError: If matplotlib writes no such kind.
    """
    buffer = io.BytesIO()
    plain = {"metadata": {"Date": None}} if kind == "svg" else {}
    with load("matplotlib", extra="plot").rc_context({"svg.hashsalt": "rheostax"}):
        figure.savefig(buffer, format=kind, dpi=dpi, **plain)
    return buffer.getvalue()
