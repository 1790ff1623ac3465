"""What is probably not what was meant, found in what a run left behind. What the run itself warned of comes first."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from rheostax._rate import LearningRate
from rheostax._words import counted, say
from rheostax.errors import RheostaxError
from rheostax.expressions import parse
from rheostax.policies import Policy
from rheostax.record.read import RunLog
from rheostax.record.run_directory import METRICS
from rheostax.report.values import Values, number

if TYPE_CHECKING:
    from rheostax.report.model import RunReport

__all__ = ["warn_of_run", "warn_of_runs"]

MONITOR = re.compile(r"(\w+)\([^()]*\bmonitor='([^']+)'")  # of an expression that only its author's program can read
SLACK = 0.05  # part of the run by which a schedule may miss its end
FLOOR = 0.5  # part of the run that the rate may be at its lowest


def warn_of_run(log: RunLog) -> Iterator[str]:
    """Yield what looks wrong in one run."""
    recorded = (log.summary or {}).get("warnings")
    told = [str(warning) for warning in recorded] if isinstance(recorded, list) else []
    yield from told
    yield from _ending(log)
    yield from log.damage
    if not log.series and not log.learning_rate:
        return
    rate = _expression(log)
    yield from _unheard(log, rate, told)
    for name, series in log.series.items():
        missing = Values.of(series).nonfinite
        if missing and not any(f"of {name!r}" in warning for warning in told):
            yield f"{missing:,} of {counted(len(series), 'observation')} of {name!r} {'is' if missing == 1 else 'are'} NaN or infinite"
    late = list(_horizon(log, rate.horizon if rate else None, told))
    yield from late
    if not late:
        yield from _floor(log)


def warn_of_runs(runs: Sequence[RunReport]) -> Iterator[str]:
    """Yield what makes runs hard to compare."""
    for key, what in (("task", "tasks"), ("goal", "goals")):
        found = dict.fromkeys(str(run.config[key]) for run in runs if key in run.config)
        if len(found) > 1:
            yield f"the runs have different {what} ({', '.join(found)}): their metrics can't be compared"
            return
    shared = set.intersection(*(set(run.metrics) for run in runs))
    if len(runs) > 1 and not shared:
        yield "the runs have no metric in common"


def _ending(log: RunLog) -> Iterator[str]:
    summary: Mapping[str, Any] = log.summary or {}
    if not log.series and not log.learning_rate:
        if not any(note.startswith(METRICS) for note in log.damage):
            yield "nothing was recorded: the run ended before its first update"
    elif log.summary is None and log.kind == "run directory":
        yield f"the run did not come to its end: killed, or still going on; what is told ends after {counted(log.updates, 'update')}"
    if summary.get("failed"):
        yield f"the run failed: {summary.get('reason')}"
    elif summary.get("interrupted"):
        yield f"the run was interrupted after {counted(log.updates, 'update')}"


def _expression(log: RunLog) -> LearningRate | None:
    """Return the run's learning rate, if it is written in words that the parser knows."""
    text = log.config.get("learning_rate")
    try:
        return parse(text) if isinstance(text, str) else None
    except RheostaxError:
        return None


def _policies(rate: LearningRate) -> Iterator[Policy]:
    if isinstance(rate, Policy):
        yield rate
    for child in rate.children():
        yield from _policies(child)


def _unheard(log: RunLog, rate: LearningRate | None, told: Sequence[str]) -> Iterator[str]:
    """Yield policies whose metric isn't among those that were recorded; "value" is the training loss."""
    listening = [(type(policy).__name__, policy.monitor) for policy in _policies(rate)] if rate else []
    if rate is None:
        listening = MONITOR.findall(str(log.config.get("learning_rate", "")))
    there = set(log.series) | ({"value"} if "loss" in log.series else set())
    for policy, metric in dict.fromkeys(listening):
        if metric not in there and not any(f"heard nothing of {metric!r}" in warning for warning in told):
            yield f"{policy} waited for {metric!r}, which never arrived; recorded were {', '.join(log.series) or 'no metrics'}"


def _horizon(log: RunLog, horizon: int | None, told: Sequence[str]) -> Iterator[str]:
    """Yield a word on a schedule that ends well before the run, or well after it."""
    made = log.updates
    if horizon is None or not made:
        return
    epochs, size = number(log.config.get("epochs")), log.updates_per_epoch
    planned = round(epochs * size) if epochs and size else made
    if made - horizon > SLACK * made and not any(f"ends at update {horizon:,} " in warning for warning in told):
        yield (
            f"the schedule ends at update {horizon:,} but the run made {made:,}: "
            f"for {1 - horizon / made:.0%} of it the rate stayed at its end value"
        )
    elif horizon - planned > SLACK * horizon and log.summary is not None:
        yield (
            f"the schedule goes on to update {horizon:,} but the run was to have {planned:,}, {planned / horizon:.0%} of that: "
            f"the rate never comes to its end value"
        )


def _floor(log: RunLog) -> Iterator[str]:
    for group, series in log.learning_rate.items():
        finite = Values.of(series)
        count, value = finite.count, finite.value
        if len(value) < 2 or value.max() <= value.min():
            continue
        above = np.flatnonzero(value > value.min() * (1 + 1e-6))
        since = int(count[above[-1] + 1]) if above[-1] + 1 < len(count) else None
        part = 0.0 if since is None else 1 - (since - count[0]) / (count[-1] - count[0])
        if part >= FLOOR:
            whose = f"the rate of {group!r}" if group else "the rate"
            yield f"{whose} stood at its lowest, {say(float(value.min()))}, for {part:.0%} of the run: from update {since:,} on"
