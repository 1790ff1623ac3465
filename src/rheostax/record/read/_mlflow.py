"""Runs of MLflow in a folder such as `mlruns`: a text file per metric and per parameter, and artifacts beside them."""

from __future__ import annotations

import ast
import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from rheostax._words import counted
from rheostax.errors import RunError
from rheostax.record.read._run_directory import read_document, read_journal
from rheostax.record.read._run_log import LARGEST, NO_JOURNAL, RunLog, SeriesBuilder, rate_group
from rheostax.record.run_directory import JOURNAL, SUMMARY

__all__ = ["is_mlflow_run", "read_mlflow"]


def is_mlflow_run(folder: Path) -> bool:
    """Tell whether a folder holds one run, not an experiment of several."""
    return (folder / "meta.yaml").is_file() and (folder / "metrics").is_dir()


def read_mlflow(folder: Path) -> RunLog:
    """Read a run: its metrics with their steps as counts, its parameters, and the journal and summary that our own sink leaves."""
    damage: list[str] = []
    place = folder / "metrics"
    files = sorted(file for file in place.rglob("*") if file.is_file())
    columns = {file.relative_to(place).as_posix(): _column(file, file.relative_to(place).as_posix(), damage) for file in files}
    start = min((float(column[2].min()) for column in columns.values() if len(column[2])), default=0.0)
    built, rates = SeriesBuilder(), []
    for name, (counts, values, times) in columns.items():
        column = counts, values, (times - start) / 1000
        if rate_group(name) is not None:
            rates.append((name, *column))
        elif name != "epoch":
            built.metric(name, *column)
    built.rates(rates)
    if not built.series and not built.learning_rate:
        raise RunError(f"{folder} is a run of MLflow without metrics. {'; '.join(damage)}".rstrip())
    artifacts = folder / "artifacts"
    summary = read_document(artifacts / SUMMARY, damage) if (artifacts / SUMMARY).exists() else None
    journal, lacks = read_journal(artifacts / JOURNAL, summary) if (artifacts / JOURNAL).exists() else ([], [])
    damage += lacks
    untold = not (artifacts / JOURNAL).exists() and (summary or {}).get("decisions") != []
    return RunLog(
        folder, "mlflow", built.series, built.learning_rate, journal, _config(folder / "params"), summary,
        damage + built.notes, damage, NO_JOURNAL if untold else "; ".join(lacks) or None,
    )  # fmt: skip


def _column(file: Path, name: str, damage: list[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return counts, values and times of a metric: lines of a time in milliseconds, the value and the step."""
    rows, bad = list[tuple[int, float, float]](), 0
    for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            time, value, step = line.split()[:3]
            row = int(step), float(value), float(time)
        except ValueError:
            row = -1, 0.0, 0.0
        bad += not 0 <= row[0] < LARGEST
        rows += [row] if 0 <= row[0] < LARGEST else []
    if bad:
        damage.append(f"metrics/{name}: {counted(bad, 'damaged line')} left out")
    counts, values, times = zip(*rows, strict=True) if rows else ((), (), ())
    return np.array(counts, np.int64), np.array(values, np.float64), np.array(times, np.float64)


def _config(folder: Path) -> dict[str, Any]:
    """Return the parameters, which MLflow keeps as text; numbers and lists are what they were again."""
    found = {}
    for file in sorted(file for file in folder.rglob("*") if file.is_file()):
        text = file.read_text(encoding="utf-8", errors="replace")
        found[file.relative_to(folder).as_posix()] = _value(text)
    return found


def _value(text: str) -> Any:
    """Return what a text stands for: JSON, or what Python writes of lists and truth; a number that is none, such as a hash, stays text."""
    for read in (json.loads, ast.literal_eval):
        try:
            value = read(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        return text if isinstance(value, float) and not math.isfinite(value) else value
    return text
