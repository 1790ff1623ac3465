"""The curves of a report, as the page's script reads them."""

from __future__ import annotations

from typing import Any

import numpy as np

from rheostax.plot.panels import COLORS, MOST_POINTS, in_steps, panels, rates_want_logarithm, thin
from rheostax.record.read import Series
from rheostax.report.model import Report, RunReport

__all__ = ["chart"]


def chart(report: Report) -> dict[str, Any]:
    """Return the panels and the lines in them as plain data, long lines thinned."""
    logs = [run.log for run in report.runs]
    found, left_out = panels(logs)
    titles = [{"title": panel.title, "logarithmic": panel.logarithmic} for panel in found]
    rate_panel = {"title": "learning rate", "logarithmic": rates_want_logarithm(logs)}
    where = {line.metric: (i, line.validation) for i, panel in enumerate(found) for line in panel.lines}
    runs = [_run(run, i, where, len(found)) for i, run in enumerate(report.runs)]
    axes = ["updates"]
    axes += ["epochs"] * all(run["updates_per_epoch"] for run in runs)
    axes += ["wall-clock"] * (any(run["lines"] for run in runs) and all(line["t"] for run in runs for line in run["lines"]))
    training = len(runs) == 1 or not all(any(line.validation for line in panel.lines) for panel in found)  # else they'd hide the rest
    thinned = sum(len(series) > MOST_POINTS for log in logs for series in (*log.series.values(), *log.learning_rate.values()))
    return {"axes": axes, "panels": [*titles, rate_panel], "runs": runs, "training": training, "left_out": left_out, "thinned": thinned}


def _run(run: RunReport, number: int, where: dict[str, tuple[int, bool]], rate_panel: int) -> dict[str, Any]:
    lines = [
        _line(series, name, where[name][0], "validation" if where[name][1] else "training")
        for name, series in run.log.series.items()
        if name in where
    ]
    lines += [_line(series, group, rate_panel, "rate") for group, series in run.log.learning_rate.items() if len(series)]
    decisions = [
        {"count": move.decision.count, "t": move.seconds, "rate": _first(move.decision.new_learning_rate), "words": move.words}
        for move in run.decisions
    ]
    return {
        "name": run.name, "color": COLORS[number % len(COLORS)], "updates_per_epoch": run.log.updates_per_epoch,
        "lines": lines, "decisions": decisions,
    }  # fmt: skip


def _first(rates: float | dict[str, float]) -> float:
    return next(iter(rates.values())) if isinstance(rates, dict) else rates


def _line(series: Series, name: str, panel: int, role: str) -> dict[str, Any]:
    short = thin(series)
    return {
        "name": name, "panel": panel, "role": role, "x": short.count.tolist(), "y": _numbers(short.value),
        "steps": role == "rate" and in_steps(series.count, series.value), "t": None if short.time is None else _numbers(short.time),
    }  # fmt: skip


def _numbers(values: Any) -> list[float | None]:
    return [float(f"{value:.6g}") if np.isfinite(value) else None for value in values.tolist()]
