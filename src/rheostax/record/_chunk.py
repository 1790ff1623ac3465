"""Batches of records as columns: compact while they are kept, records again when they are read."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from rheostax.errors import ArgumentError

__all__ = ["OWN", "Chunk", "Column", "history", "label", "labelled"]

OWN = ("count", "learning_rate", "time")  # fields of a record that no metric may take


class Column(NamedTuple):
    """The values of one metric."""

    name: str
    where: np.ndarray  # int [k]: the records that have it
    values: np.ndarray  # [k]: float32 what came from the device, float64 what came from Python


@dataclasses.dataclass(eq=False)
class Chunk(Sequence[dict[str, Any]]):
    """n records, which become dicts when they are looked at."""

    counts: np.ndarray  # int64 [n]
    learning_rate: dict[str, np.ndarray]  # float32 [n] per group; "" where there is one
    metrics: list[Column]
    time: np.ndarray  # float64 [n]

    def __len__(self) -> int:
        return len(self.counts)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.records())

    def __getitem__(self, index: Any) -> Any:
        return self.records()[index]

    def latest(self) -> dict[str, float]:
        """Return the last value of each metric."""
        return {name: float(str(values[-1])) for name, _, values in self.metrics}

    def records(self) -> list[dict[str, Any]]:
        """Return the records, numbers with the fewest digits that round to what was computed."""
        if tuple(self.learning_rate) == ("",):
            rates: Iterable[Any] = _numbers(self.learning_rate[""])
        else:
            columns = [_numbers(column) for column in self.learning_rate.values()]
            rates = (dict(zip(self.learning_rate, each, strict=True)) for each in zip(*columns, strict=True))
        found: list[dict[str, Any]] = [
            {"count": count, "learning_rate": rate} for count, rate in zip(self.counts.tolist(), rates, strict=True)
        ]
        for name, where, values in self.metrics:
            for i, value in zip(where.tolist(), _numbers(values), strict=True):
                found[i][name] = value
        for record, time in zip(found, np.round(self.time, 6).tolist(), strict=True):
            record["time"] = time
        return found

    def lines(self) -> list[str] | None:
        """Return the records as lines of JSON if all have the same fields, else None: in half the time that dicts take."""
        if any(len(column.where) != len(self) for column in self.metrics) or not len(self):
            return None
        rates = [f"{_quoted(group)}: %s" for group in self.learning_rate if group]
        fields = ['"count": %d', '"learning_rate": ' + (f"{{{', '.join(rates)}}}" if rates else "%s")]
        fields += [f"{_quoted(column.name)}: %s" for column in self.metrics] + ['"time": %.6f']
        columns = [_texts(values) for values in (*self.learning_rate.values(), *(column.values for column in self.metrics))]
        line = "{" + ", ".join(fields) + "}\n"
        return [line % row for row in zip(self.counts.tolist(), *columns, self.time.tolist(), strict=True)]


def _numbers(values: np.ndarray) -> list[Any]:
    return list(map(float, map(str, values))) if values.dtype == np.float32 else values.tolist()


def _texts(values: np.ndarray) -> list[str]:
    texts = list(map(str, values if values.dtype == np.float32 else values.tolist()))
    if not np.isfinite(values).all():
        texts = [text if good else "null" for text, good in zip(texts, np.isfinite(values), strict=True)]
    return texts


def _quoted(name: str) -> str:
    return json.dumps(name).replace("%", "%%")


def label(names: Sequence[str]) -> np.ndarray:
    """Return what stands behind metrics in a vector and says what they are called, `int32 [n]`: the names, and how many."""
    text = "\0".join(names).encode()
    return np.array([*np.frombuffer(text + bytes(-len(text) % 4), np.int32), len(names)], np.int32)


def labelled(tails: np.ndarray) -> Iterator[Column]:
    """Yield the metrics in vectors with a label, or without either, `int32 [n, m]`.

    Raises:
        ArgumentError: If there is something else.
    """
    left = np.arange(len(tails)) if tails.shape[1] else np.arange(0)
    while len(left):
        first = tails[left[0]]
        if not 0 < first[-1] < len(first) - 1:
            what = "an array that was handed over as a snapshot is none, though as long as those before"
            raise ArgumentError(f"Recorder: {what}; hand over what rheostax.record.snapshot returned.")
        same = (tails[left, first[-1] :] == first[first[-1] :]).all(axis=1)
        rows, left = left[same], left[~same]
        for i, name in enumerate(first[first[-1] : -1].tobytes().rstrip(b"\0").decode().split("\0")):
            yield Column(name, rows, tails[rows, i].view(np.float32))


def history(chunks: list[Chunk]) -> dict[str, np.ndarray]:
    """Return everything as arrays of one length by name; NaN where a metric wasn't recorded."""
    n = sum(map(len, chunks))
    found: dict[str, np.ndarray] = {"count": np.concatenate([np.zeros(0, np.int64), *(chunk.counts for chunk in chunks)])}
    for name, start, where, values in _pieces(chunks):
        column = found.setdefault(name, np.full(n, np.nan))
        column[start + where] = values
    found["time"] = np.concatenate([np.zeros(0), *(chunk.time for chunk in chunks)])
    return found


def _pieces(chunks: list[Chunk]) -> Iterator[tuple[str, int, Any, np.ndarray]]:
    start = 0
    for chunk in chunks:
        for group, rates in chunk.learning_rate.items():
            yield (f"learning_rate/{group}" if group else "learning_rate"), start, np.arange(len(chunk)), rates
        for name, where, values in chunk.metrics:
            yield name, start, where, values
        start += len(chunk)
