"""`RunLog`: a finished run, whoever wrote it. What the formats have in common is put in order here."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from rheostax._check import INT32_MAX
from rheostax._words import counted

__all__ = ["LARGEST", "NO_JOURNAL", "RunLog", "Series", "SeriesBuilder", "rate_group"]

# "lr", "learning_rate", "optim/lr", "train/learning_rate", and by group "lr-Adam", "lr-SGD/pg2", "learning_rate/head".
RATE = re.compile(r"(?:.*/)?(?:lr|learning_rate)(?:[-/](?P<group>.+))?", re.IGNORECASE)
LARGEST = 1 << 63  # counts are int64
NO_JOURNAL = "a log of this kind holds no journal of decisions"


@dataclasses.dataclass(frozen=True, eq=False)
class Series:
    """One quantity of a run, at increasing counts."""

    count: np.ndarray  # int64 [n]: updates applied when it was taken, strictly increasing
    value: np.ndarray  # float64 [n]; NaN and infinities are what was recorded, a gap isn't there at all
    time: np.ndarray | None = None  # float64 [n]: seconds since the start, where the run tells
    told: tuple[np.ndarray, np.ndarray] | None = None  # counts and values as they came, where one count has several observations

    @property
    def heard(self) -> tuple[np.ndarray, np.ndarray]:
        """Counts and values in the order in which policies heard them; a count comes again where nothing was applied in between."""
        return (self.count, self.value) if self.told is None else self.told

    def __len__(self) -> int:
        return len(self.count)

    def __repr__(self) -> str:  # the arrays of a long run would fill pages
        where = f" at counts {self.count[0]:,} to {self.count[-1]:,}" if len(self) else ""
        return f"Series({counted(len(self), 'value')}{where})"


@dataclasses.dataclass(frozen=True, eq=False)
class RunLog:
    """What a run left behind, whoever wrote it."""

    path: Path
    kind: str  # "run directory", "json lines", "csv", "lightning", "wandb", "mlflow" or "tensorboard"
    series: dict[str, Series]  # by metric, under the names that the run gives them
    learning_rate: dict[str, Series]  # by group; "" where there is one rate
    journal: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    config: dict[str, Any] = dataclasses.field(default_factory=dict)
    summary: dict[str, Any] | None = None  # None where the run didn't come to its end, or the format has none
    notes: list[str] = dataclasses.field(default_factory=list)  # what is missing, cut, damaged or was put in order
    damage: list[str] = dataclasses.field(default_factory=list)  # those of the notes that tell of something missing, cut or damaged
    journal_lacks: str | None = None  # why the journal may not hold every decision; None where it does

    @property
    def updates(self) -> int:
        """How many updates the run made, as far as it tells: the summary's count, or what the last record implies."""
        if self.summary and isinstance(self.summary.get("count"), int):
            return int(self.summary["count"])
        validated = {name for name in self.series if name.startswith("val_")} if self.kind == "run directory" else set()
        used = [one for name, one in self.series.items() if name not in validated and len(one)]
        after = [int(self.series[name].count[-1]) for name in validated if len(self.series[name])]
        if not used and not after:
            used = [one for one in self.learning_rate.values() if len(one)]
        return max([int(one.count[-1]) + 1 for one in used] + after, default=0)

    @property
    def updates_per_epoch(self) -> float | None:
        """How many updates an epoch has, if the configuration tells."""
        found = self.config.get("updates_per_epoch")
        good = isinstance(found, int | float) and not isinstance(found, bool) and 0 < found < INT32_MAX
        return float(found) if good else None  # type: ignore[arg-type]  # a number, as has just been found


class SeriesBuilder:
    """Collect the columns of a run, put each in order, and say what was done to it."""

    def __init__(self) -> None:
        self.series: dict[str, Series] = {}
        self.learning_rate: dict[str, Series] = {}
        self.notes: list[str] = []

    def metric(self, name: str, counts: Any, values: Any, times: Any = None, *, repeats: bool = False) -> None:
        """Add a metric, if there is anything of it; with `repeats` values of one count are several observations, not one written twice."""
        if len(values):
            self.series[name] = self._ordered(name, counts, values, times, repeats)

    def rates(self, columns: Iterable[tuple[str, Any, Any, Any]]) -> None:
        """Add the learning rates: name, counts, values and times of each; a single one needs no group."""
        found = [column for column in columns if len(column[2])]
        groups = [rate_group(name) or "" for name, *_ in found]
        for (name, *column), group in zip(found, groups, strict=True):
            key = "" if len(found) == 1 else group if group and groups.count(group) == 1 else name
            self.learning_rate[key] = self._ordered(name, *column)

    def _ordered(self, name: str, counts: Any, values: Any, times: Any, repeats: bool = False) -> Series:
        count, value = np.asarray(counts, np.int64), np.asarray(values, np.float64)
        time = None if times is None else np.asarray(times, np.float64)
        if np.any(count[1:] < count[:-1]):
            self.notes.append(f"{name}: the counts weren't in order and were sorted")
            order = np.argsort(count, kind="stable")
            count, value, time = count[order], value[order], None if time is None else time[order]
        last, told = np.append(count[1:] != count[:-1], True), None
        if again := int(np.sum(~last)):
            what = "the last value of each is shown, and all are replayed" if repeats else "the last value of each was taken"
            self.notes.append(f"{name}: {counted(again, 'count')} came more than once; {what}")
            told = (count, value) if repeats else None
            count, value, time = count[last], value[last], None if time is None else time[last]
        return Series(count, value, time, told)


def rate_group(name: str) -> str | None:
    """Return which group's learning rate a column holds, "" for the only one, or None if it is no learning rate."""
    match = RATE.fullmatch(name.strip())
    return None if match is None else match["group"] or ""
