"""CSV files of any tool: plain ones, Lightning's CSVLogger, exports of Weights & Biases and TensorBoard."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np

from rheostax._check import did_you_mean
from rheostax._words import counted
from rheostax.errors import RunError
from rheostax.record.read._run_log import NO_JOURNAL, RunLog, SeriesBuilder, rate_group

__all__ = ["read_table"]

COUNTS = ("count", "step", "global_step", "trainer/global_step", "iteration", "iter", "update", "updates", "_step")
TIMES = ("time", "_runtime", "runtime", "elapsed", "time_elapsed", "relative_time", "relative time (process)")  # since the start
CLOCKS = ("wall time", "wall_time", "_timestamp", "timestamp")  # since some other moment
LARGEST = 2.0**63  # counts are int64
Column = np.ndarray  # float64 [rows]; a gap is where `gaps` says so, since NaN may have been recorded


def read_table(file: Path, *, count: str | None = None, learning_rate: str | None = None, run: str | None = None) -> RunLog:
    """Read a CSV: one column counts the updates, others hold rates, metrics and the time."""
    header, rows, damage = _rows(file)
    notes = list(damage)
    kind = _kind(file, header)
    names = _names(header, run, file) if kind == "wandb" else {i: name for i, name in enumerate(header) if name}
    columns = {name: _numbers([row[i] for row in rows]) for i, name in names.items()}
    numeric = {name: column for name, column in columns.items() if column is not None}
    if words := [name for name in columns if name not in numeric]:
        notes.append(f"left out, since they hold no numbers: {', '.join(words[:8])}{', ...' if len(words) > 8 else ''}")
    counter = _counter(file, count, numeric)
    counts, counted_rows = _counts(file, counter, numeric[counter], notes)
    times = _times(numeric)
    built, rates = SeriesBuilder(), []
    rate_columns = {_named(file, learning_rate, numeric)} if learning_rate else {name for name in numeric if rate_group(name) is not None}
    for name, (values, there) in numeric.items():
        low = name.lower()
        if name == counter or low in (*COUNTS, "epoch", "_step", *TIMES, *CLOCKS):
            continue
        kept = there & counted_rows
        column = counts[kept], values[kept], None if times is None else times[kept]
        if name in rate_columns:
            rates.append((name, *column))
        else:
            built.metric(name, *column)
    built.rates(rates)
    if not built.series and not built.learning_rate:
        raise RunError(f"{file} has no numbers beside its counts ({counter}). Its columns are {', '.join(header)}.")
    return RunLog(file, kind, built.series, built.learning_rate, notes=notes + built.notes, damage=damage, journal_lacks=NO_JOURNAL)


def _rows(file: Path) -> tuple[list[str], list[list[str]], list[str]]:
    """Return the header, the whole rows, and notes on those that aren't."""
    text = file.read_bytes().decode("utf-8-sig", errors="replace").replace("\0", "")
    first = text.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    try:
        table = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) if row]
    except csv.Error as error:
        raise RunError(f"{file} is no table: {error}.") from None
    header = [name.strip() for name in table[0]] if table else []
    if not header or all(_is_number(name) for name in header):
        raise RunError(f"{file} doesn't begin with the names of its columns, such as step,lr,loss.")
    notes, whole = [], [row for row in table[1:] if len(row) == len(header)]
    broken = len(table) - 1 - len(whole)
    if broken and len(table[-1]) < len(header) and not text.endswith("\n"):
        notes.append("the file was cut in its last line, which was left out")
        broken -= 1
    if broken:
        notes.append(f"{counted(broken, 'line')} with another number of cells than the header left out")
    if not whole:
        raise RunError(f"{file} has no rows below its header ({', '.join(header)}).")
    return header, whole, notes


def _kind(file: Path, header: list[str]) -> str:
    if any(name.endswith(("__MIN", "__MAX")) for name in header) or {"_step", "_runtime"} <= set(header):
        return "wandb"
    return "lightning" if file.name == "metrics.csv" and {"epoch", "step"} <= set(header) else "csv"


def _names(header: list[str], run: str | None, file: Path) -> dict[int, str]:
    """Return the columns of one run of an export of Weights & Biases: those of a chart are named '<run> - <metric>'."""
    kept = {i: name for i, name in enumerate(header) if name and not name.endswith(("__MIN", "__MAX"))}
    runs = list(dict.fromkeys(name.rpartition(" - ")[0] for name in kept.values() if " - " in name))
    if run is not None and run not in runs:
        raise RunError(f"{file} has no run {run!r}; its runs are {', '.join(runs) or '(unnamed)'}. {did_you_mean(run, runs)}".rstrip())
    if run is None and len(runs) > 1:
        raise RunError(f"{file} holds {len(runs)} runs: {', '.join(runs)}. Choose one: run={runs[0]!r}, or --run on the command line.")
    chosen = run if run is not None else runs[0] if runs else ""
    split = {i: name.rpartition(" - ") for i, name in kept.items()}
    return {i: metric for i, (whose, _, metric) in split.items() if whose in ("", chosen)}


def _numbers(cells: list[str]) -> tuple[Column, np.ndarray] | None:
    """Return the numbers of a column and where there are any, or None if it holds something else."""
    try:
        values = np.array([float(cell) if cell else np.nan for cell in cells])
        there = np.array([bool(cell) for cell in cells])
    except ValueError:
        cells = [cell.strip() for cell in cells]
        there = np.array([_is_number(cell) for cell in cells])
        if there.sum() < 0.9 * sum(map(bool, cells)):
            return None
        values = np.array([float(cell) if good else np.nan for cell, good in zip(cells, there, strict=True)])
    return (values, there) if there.any() else None


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _counter(file: Path, wanted: str | None, columns: dict[str, Any]) -> str:
    if wanted is not None:
        return _named(file, wanted, columns)
    by_name = {name.lower(): name for name in reversed(columns)}
    for name in (*COUNTS, "epoch"):
        if name in by_name:
            return by_name[name]
    raise RunError(
        f"{file} has no column that counts the updates (step, count, global_step, ...). Its columns are {', '.join(columns) or '(none)'}; "
        "name one: count=..., or --count on the command line."
    )


def _named(file: Path, name: str, columns: dict[str, Any]) -> str:
    if name not in columns:
        hint = did_you_mean(name, columns)
        raise RunError(f"{file} has no column {name!r} with numbers. Its columns are {', '.join(columns)}. {hint}".rstrip())
    return name


def _counts(file: Path, name: str, column: tuple[Column, np.ndarray], notes: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return the counts of all rows, and which rows have one."""
    values, there = column
    good = there & (np.nan_to_num(values, nan=-1, posinf=-1, neginf=-1) >= 0) & (np.nan_to_num(values) < LARGEST)
    if np.any(values[good] != np.floor(values[good])):
        broken = values[good][values[good] != np.floor(values[good])][0]
        raise RunError(
            f"{file}: the column {name} must count updates in whole numbers, got {broken:g}. Name another: count=..., or --count."
        )
    if np.any(~good):
        notes.append(f"{counted(int(np.sum(~good)), 'row')} without a count ({name}) left out")
    if name.lower() == "epoch":
        notes.append("the counts are epochs, since no column counts the updates")
    return np.where(good, values, 0).astype(np.int64), good


def _times(columns: dict[str, tuple[Column, np.ndarray]]) -> np.ndarray | None:
    """Return the seconds since the start of every row, if a column that is full tells them."""
    for names, start in ((TIMES, False), (CLOCKS, True)):
        for name, (values, there) in columns.items():
            if name.lower() in names and there.all():
                return values - np.nanmin(values) if start else values
    return None
