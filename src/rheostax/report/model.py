"""What a report says, as plain data: the page, the table and `--json` are three ways to show it."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rheostax._words import counted
from rheostax.record.read import RunLog, Series
from rheostax.record.run_directory import plain_json
from rheostax.report.moves import Move, moves
from rheostax.report.names import short_names
from rheostax.report.values import Values, epoch_at, flatten, number, seconds_at
from rheostax.report.warnings import warn_of_run, warn_of_runs

__all__ = ["Metric", "Rate", "Report", "RunReport", "default_path", "report"]

LOWER = ("loss", "error", "perplexity", "ppl", "mse", "mae", "rmse", "nll", "wer", "cer")
HIGHER = ("accuracy", "acc", "f1", "auc", "r2", "bleu", "rouge", "precision", "recall", "iou", "map", "reward", "return")


@dataclasses.dataclass(frozen=True)
class Metric:
    """One metric of one run; None where there is no finite value, or no better and worse."""

    name: str
    direction: str | None  # "min" or "max": the goal's, or what the name stands for
    best: float | None
    best_count: int | None  # updates applied when it was observed
    final: float | None  # the last finite value
    observations: int
    nonfinite: int  # how many of them were NaN or infinite


@dataclasses.dataclass(frozen=True)
class Rate:
    """The rate of one group of parameters."""

    first: float | None
    highest: float | None
    lowest: float | None
    final: float | None


@dataclasses.dataclass(frozen=True)
class RunReport:
    """What is told of one run."""

    name: str
    path: str
    kind: str  # who wrote it, as `read_run` says
    complete: bool  # whether it came to an end and said so; true where its format has no such thing
    reason: str  # why it ended
    updates: int
    epochs: float | None
    seconds: float | None
    goal: tuple[str, str] | None  # the metric that it was for, and which way is better
    learning_rate: dict[str, Rate]  # by group; "" where there is one
    metrics: dict[str, Metric]
    decisions: tuple[Move, ...]  # those that are known
    journal_lacks: str | None  # why there may be others, in words; None where these are all
    warnings: tuple[str, ...]
    notes: tuple[str, ...]  # what is missing or was put in order when it was read
    config: dict[str, Any]
    log: RunLog = dataclasses.field(repr=False, compare=False)

    @property
    def cuts(self) -> int:
        """How many of the known decisions made the rate smaller."""
        return sum(move.verb == "cut" for move in self.decisions)


@dataclasses.dataclass(frozen=True)
class Report:
    """What is told of all runs together."""

    runs: tuple[RunReport, ...]
    differences: tuple[str, ...]  # the settings in which the runs differ, "hyperparameters.weight_decay" for one inside another
    warnings: tuple[str, ...]  # what makes the runs hard to compare

    @property
    def goals(self) -> tuple[tuple[str, str], ...]:
        """The metrics that the table compares: the runs' goals, then the validation loss."""
        found = dict(run.goal for run in self.runs if run.goal)
        for name in ("val_loss", "loss"):
            if name not in found and any(name in run.metrics for run in self.runs) and (name == "val_loss" or not found):
                found[name] = "min"
        return tuple(found.items())

    @property
    def table(self) -> list[dict[str, Any]]:
        """One row per run, as `--json` has it."""
        return [_row(run, self) for run in self.runs]

    def best_run(self, metric: str) -> str | None:
        """Return the name of the run with the best value of a metric, if there are several to choose from."""
        found = {run.name: run.metrics[metric].best for run in self.runs if metric in run.metrics}
        scored = {name: value for name, value in found.items() if value is not None}
        if len(scored) < 2:
            return None
        direction = dict(self.goals).get(metric, "min")
        return (max if direction == "max" else min)(scored, key=scored.__getitem__)

    def to_json(self) -> dict[str, Any]:
        """Return everything but the curves as plain numbers and text."""
        runs = []
        for run in self.runs:
            told = {f.name: getattr(run, f.name) for f in dataclasses.fields(run) if f.name != "log"}
            rates = {group: dataclasses.asdict(rate) for group, rate in run.learning_rate.items()}
            metrics = {name: dataclasses.asdict(metric) for name, metric in run.metrics.items()}
            decisions = [move.to_json() for move in run.decisions] or (None if run.journal_lacks else [])
            told |= {"learning_rate": rates, "metrics": metrics, "decisions": decisions}
            runs.append(told | {"goal": run.goal and list(run.goal)})
        whole = {"runs": runs, "table": self.table, "differences": list(self.differences), "warnings": list(self.warnings)}
        return dict(plain_json(whole))  # a configuration may hold anything


def report(logs: Iterable[RunLog], names: Sequence[str] | None = None) -> Report:
    """Find out what there is to say about runs.

    Args:
        logs: The runs, from `rx.read_run`; at least one.
        names: What to call each; by default the shortest ends of their paths that tell them apart.

    Returns:
        The report, plain data.

    Raises:
        ValueError: If there are more or fewer names than runs.
    """
    logs = list(logs)
    called = short_names([log.path for log in logs]) if names is None else names
    runs = tuple(_run(name, log) for name, log in zip(called, logs, strict=True))
    settings = [flatten(run.config) for run in runs]
    keys = dict.fromkeys(key for one in settings for key in one)
    differences = tuple(key for key in keys if any(one.get(key) != settings[0].get(key) for one in settings))
    return Report(runs, differences, tuple(warn_of_runs(runs)))


def _run(name: str, log: RunLog) -> RunReport:
    summary: Mapping[str, Any] = log.summary or {}
    goal = _goal(log.config.get("goal"))
    updates = log.updates
    metrics = {metric: _metric(metric, series, goal) for metric, series in log.series.items()}
    decisions = tuple(moves(log))
    untold = len(log.journal) - len(decisions)
    return RunReport(
        name=name,
        path=os.fspath(log.path),
        kind=log.kind,
        complete=log.summary is not None or log.kind != "run directory",
        reason=_reason(log),
        updates=updates,
        epochs=epoch_at(log, updates),
        seconds=number(summary.get("seconds")) or seconds_at(log, updates),
        goal=goal,
        learning_rate={group: _rate(series) for group, series in log.learning_rate.items()},
        metrics=metrics,
        decisions=decisions,
        journal_lacks=log.journal_lacks or (f"of {counted(untold, 'decision')} no rates are recorded" if untold else None),
        warnings=tuple(warn_of_run(log)),
        notes=tuple(log.notes),
        config=dict(log.config),
        log=log,
    )


def _goal(found: Any) -> tuple[str, str] | None:
    match found:
        case [str(name), "min" | "max" as direction]:
            return name, direction
    return None


def _reason(log: RunLog) -> str:
    if log.summary is None:
        return "unfinished: killed, or still going on" if log.kind == "run directory" else "not told by a log of this kind"
    return str(log.summary.get("reason", "not told"))


def _metric(name: str, series: Series, goal: tuple[str, str] | None) -> Metric:
    values = Values.of(series)
    direction = goal[1] if goal and goal[0] == name else _direction(name)
    at = None
    if direction and len(values.value):
        at = int((np.argmin if direction == "min" else np.argmax)(values.value))
    return Metric(
        name=name,
        direction=direction,
        best=None if at is None else number(values.value[at]),
        best_count=None if at is None else int(values.count[at]),
        final=number(values.value[-1]) if len(values.value) else None,
        observations=len(series),
        nonfinite=values.nonfinite,
    )


def _direction(name: str) -> str | None:
    words = name.lower().replace("-", "_").replace("/", "_").replace("@", "_").replace(".", "_").split("_")
    if any(word in LOWER for word in words):
        return "min"
    return "max" if any(word in HIGHER for word in words) else None


def _rate(series: Series) -> Rate:
    value = Values.of(series).value
    if not len(value):
        return Rate(None, None, None, None)
    return Rate(*(number(one) for one in (value[0], value.max(), value.min(), value[-1])))


def _row(run: RunReport, whole: Report) -> dict[str, Any]:
    settings = flatten(run.config)
    row: dict[str, Any] = {"run": run.name} | {key: settings.get(key) for key in whole.differences}
    for name, _ in whole.goals:
        metric = run.metrics.get(name)
        row |= {f"best {name}": metric and metric.best, f"final {name}": metric and metric.final}
    rates = {group: rate.final for group, rate in run.learning_rate.items()}
    final = rates.get("") if set(rates) <= {""} else rates
    return row | {
        "decisions": None if run.journal_lacks else len(run.decisions), "cuts": None if run.journal_lacks else run.cuts,
        "final learning_rate": final,
        "updates": run.updates, "seconds": run.seconds, "reason": run.reason,
    }  # fmt: skip


def default_path(paths: Sequence[Path]) -> Path:
    """Return where a report goes if nobody says: into the run's folder, or beside its file; for several, into this folder."""
    if len(paths) != 1:
        return Path("report.html")
    (path,) = paths
    return path / "report.html" if path.is_dir() else path.with_name(f"{path.stem}-report.html")
