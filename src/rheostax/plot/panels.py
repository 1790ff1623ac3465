"""Which metrics go into one panel, in what order, and in what colours: the same for pictures and for the page of a report."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from rheostax.plot.axes import span_is_wide
from rheostax.record.read import RunLog, Series

__all__ = ["COLORS", "MOST_MARKS", "MOST_PANELS", "MOST_POINTS", "Line", "Panel", "in_steps", "panels", "rates_want_logarithm", "thin"]

# One per run. Each has a contrast of 3:1 or more with white and with the page's dark background.
COLORS = ("#2f7fd0", "#c9641b", "#2c9260", "#a564d3", "#d64a5a", "#1594a3", "#a8762f", "#c94fa6", "#6d83b8", "#7d8f22")
MOST_PANELS = 8  # of metrics; a log of fifty columns would be a page of fifty plots
MOST_POINTS = 3_000  # of a line; more than a screen can show
MOST_MARKS = 300  # decisions of a run that are marked by a vertical
PART = re.compile(r"^(?P<part>train|training|val|valid|validation|eval|test)[_/.\-](?P<stem>.+)$", re.IGNORECASE)


@dataclasses.dataclass(frozen=True)
class Line:
    """A metric in a panel."""

    metric: str
    validation: bool  # observed now and then, on data that isn't trained on


@dataclasses.dataclass(frozen=True)
class Panel:
    """Metrics of one kind, such as loss and val_loss."""

    title: str
    lines: tuple[Line, ...]
    logarithmic: bool


def panels(logs: Sequence[RunLog]) -> tuple[list[Panel], list[str]]:
    """Sort the metrics of runs into panels: the loss first, then what the runs were for, what their policies heard, and the rest.

    Args:
        logs: The runs.

    Returns:
        The panels, and the metrics that are left out because there are too many.
    """
    names = list(dict.fromkeys(name for log in logs for name, series in log.series.items() if len(series)))
    groups: dict[str, list[Line]] = {}
    for name in names:
        part, stem = _split(name)
        groups.setdefault(stem, []).append(Line(name, part not in ("", "train", "training")))
    first = ["loss", *(_split(name)[1] for log in logs for name in _wanted(log))]
    order = [stem for stem in dict.fromkeys(first) if stem in groups] + [stem for stem in groups if stem not in first]
    found = []
    for stem in order[:MOST_PANELS]:
        lines = tuple(sorted(groups[stem], key=lambda line: line.validation))
        series = [log.series[line.metric] for log in logs for line in lines if line.metric in log.series]
        found.append(Panel(stem, lines, stem == "loss" and all(bool((_finite(one) > 0).all()) for one in series)))
    return found, [line.metric for stem in order[MOST_PANELS:] for line in groups[stem]]


def rates_want_logarithm(logs: Iterable[RunLog]) -> bool:
    """Tell whether the rates span so much that a linear axis would hide the small ones."""
    every = [series.value for log in logs for series in log.learning_rate.values()]
    return span_is_wide(np.concatenate(every) if every else [])


def thin(series: Series, most: int = MOST_POINTS) -> Series:
    """Keep at most `most` points of a series: of each stretch its lowest and its highest, so that no spike is lost."""
    if len(series) <= most:
        return series
    kept = {0, len(series) - 1}
    for part in np.array_split(np.arange(len(series)), most // 2 - 1):
        value = series.value[part]
        kept |= {int(part[0])} if np.isnan(value).all() else {int(part[np.nanargmin(value)]), int(part[np.nanargmax(value)])}
    at = np.array(sorted(kept))
    return Series(series.count[at], series.value[at], None if series.time is None else series.time[at])


def in_steps(count: Any, value: Any) -> bool:
    """Tell whether to draw a rate as steps: where every update is told, and where it mostly stays as it was.

    A rate is in force from its count on. But of a smooth decay that is told now and then, steps would be made up.
    """
    if len(count) < 2:
        return False
    every, value = count[-1] - count[0] < 1.5 * len(count), np.asarray(value)
    return bool(every or np.mean(value[1:] == value[:-1]) >= 0.5)


def _finite(series: Series) -> Any:
    return series.value[np.isfinite(series.value)]


def _split(name: str) -> tuple[str, str]:
    """Return which data a metric is of, and what is measured: ("val", "loss"), ("", "loss")."""
    match = PART.match(name)
    return (match["part"].lower(), match["stem"]) if match else ("", name)


def _wanted(log: RunLog) -> list[str]:
    goal = log.config.get("goal")
    heard = [str(record["metric"]) for record in log.journal if "metric" in record]
    return ([str(goal[0])] if isinstance(goal, list) and goal else []) + list(dict.fromkeys(heard))
