"""Our own run directories, whole or from a crash, and loose JSON Lines files of the same form."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np

from rheostax._words import counted
from rheostax.errors import RunError
from rheostax.record.read._run_log import LARGEST, NO_JOURNAL, RunLog, SeriesBuilder
from rheostax.record.run_directory import CONFIG, JOURNAL, METRICS, SUMMARY

__all__ = ["read_document", "read_journal", "read_json_lines", "read_run_directory"]

RATES = ("old_learning_rate", "new_learning_rate")
OTHER = ("count", "epoch", "learning_rate", "time")  # the fields of a record that are no metrics


def read_run_directory(folder: Path) -> RunLog:
    """Read what is whole of a run directory."""
    damage: list[str] = []
    config = read_document(folder / CONFIG, damage) or {}
    unfinished = [] if (folder / SUMMARY).exists() else [f"{SUMMARY} is missing: the run was killed, or it goes on"]  # no damage
    summary = None if unfinished else read_document(folder / SUMMARY, damage)
    journal, lacks = read_journal(folder / JOURNAL, summary)
    damage += lacks
    built = _series(_lines(folder / METRICS, damage), METRICS, damage, repeats=True)
    return RunLog(
        folder, "run directory", built.series, built.learning_rate, journal, config, summary,
        [*unfinished, *damage, *built.notes], damage, "; ".join(lacks) or None,
    )  # fmt: skip


def read_json_lines(file: Path) -> RunLog:
    """Read a file with one record per line, as `metrics.jsonl` is."""
    damage: list[str] = []
    built = _series(_lines(file, damage), file.name, damage)
    notes = damage + built.notes
    if not built.series and not built.learning_rate:
        told = "; ".join(notes)
        raise RunError(f'{file} holds no records with a count and a metric, such as {{"count": 0, "loss": 2.5}}. {told}'.strip())
    return RunLog(file, "json lines", built.series, built.learning_rate, notes=notes, damage=damage, journal_lacks=NO_JOURNAL)


def read_journal(file: Path, summary: dict[str, Any] | None) -> tuple[list[dict[str, Any]], list[str]]:
    """Return those of a journal's records that tell when, and numbers for rates; and why others may be missing."""
    lacks: list[str] = []
    records = _lines(file, lacks, "what the policies decided is unknown")
    whole = [one for one in records if _is_count(one.get("count")) and all(map(_are_rates, map(one.get, RATES)))]
    whole = [one for one in whole if isinstance(one.get("metric", ""), str)]
    if bad := len(records) - len(whole):
        lacks.append(f"{JOURNAL}: {counted(bad, 'record')} that {'is' if bad == 1 else 'are'} no decision left out")
    told = (summary or {}).get("decisions")
    if not lacks and isinstance(told, list) and len(told) > len(whole):  # cut between two lines
        lacks.append(f"{JOURNAL} ends after {counted(len(whole), 'decision')}, but {SUMMARY} tells of {len(told):,}")
    return whole, lacks


def _are_rates(rates: Any) -> bool:
    every = rates.values() if isinstance(rates, dict) else [rates]
    return all(one is None or (isinstance(one, int | float) and not isinstance(one, bool)) for one in every)


def read_document(file: Path, notes: list[str]) -> dict[str, Any] | None:
    """Return what a JSON file holds, or None and a note."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        notes.append(f"{file.name} is missing")
        return None
    except ValueError:
        notes.append(f"{file.name} is damaged and was left out")
        return None
    if isinstance(found, dict):
        return found
    notes.append(f"{file.name} holds no object and was left out")
    return None


def _lines(file: Path, notes: list[str], so: str = "") -> list[dict[str, Any]]:
    """Return the records of a JSON Lines file; note which lines are no records."""
    try:
        lines = file.read_bytes().split(b"\n")
    except FileNotFoundError:
        notes.append(f"{file.name} is missing" + (f": {so}" if so else ""))
        return []
    found, bad = [], []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except ValueError:
            record = None
        if isinstance(record, dict):
            found.append(record)
        elif number == len(lines):  # no end of line after it
            notes.append(f"{file.name} was cut in its last line ({number}), which was left out")
        else:
            bad.append(number)
    if bad:
        shown = ", ".join(map(str, bad[:5])) + (", ..." if len(bad) > 5 else "")
        notes.append(f"{file.name}: {counted(len(bad), 'damaged line')} left out ({shown})")
    return found


def _series(records: list[dict[str, Any]], where: str, damage: list[str], *, repeats: bool = False) -> SeriesBuilder:
    """Sort records into series. A null was no finite number when it was written; an absent field wasn't observed."""
    built, columns = SeriesBuilder(), dict[str, tuple[list[int], list[float], list[float]]]()
    uncounted = 0
    for record in records:
        count = record.get("count")
        if not _is_count(count):
            uncounted += 1
            continue
        seconds = _number(record.get("time"))
        for name, value in _fields(record):
            counts, values, times = columns.setdefault(name, ([], [], []))
            counts.append(count)
            values.append(value)
            times.append(seconds)
    if uncounted:
        damage.append(f"{where}: {counted(uncounted, 'record')} without a count left out")
    rates: dict[str, Any] = {}
    for name, (counts, values, times) in columns.items():
        column = counts, values, None if np.isnan(times).any() else times
        if name == "learning_rate" or name.startswith("learning_rate/"):
            rates[name] = _last_of_each(*column)  # a validation tells the rate again, at the count of the next update
        else:
            built.metric(name, *column, repeats=repeats)
    built.rates((name, *column) for name, column in rates.items())
    return built


def _last_of_each(counts: list[int], values: list[float], times: list[float] | None) -> tuple[Any, Any, Any]:
    kept = list({count: i for i, count in enumerate(counts)}.values())
    return [counts[i] for i in kept], [values[i] for i in kept], None if times is None else [times[i] for i in kept]


def _fields(record: dict[str, Any]) -> list[tuple[str, float]]:
    rate = record.get("learning_rate")
    rates = {f"learning_rate/{group}": one for group, one in rate.items()} if isinstance(rate, dict) else {"learning_rate": rate}
    found = [(name, _number(value)) for name, value in rates.items() if name != "learning_rate" or "learning_rate" in record]
    metrics = ((name, value) for name, value in record.items() if name not in OTHER)
    return found + [(name, _number(value)) for name, value in metrics if value is None or isinstance(value, int | float)]


def _is_count(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < LARGEST


def _number(value: Any) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return float("nan")
    try:
        return float(value)
    except OverflowError:  # JSON's whole numbers have no end
        return math.inf if value > 0 else -math.inf
