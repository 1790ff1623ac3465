"""What a recorder keeps of a moment until it is fetched, and how many of them are fetched at once."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from rheostax.record._chunk import Column, labelled

__all__ = ["Bare", "Entry", "columns_of"]


class Entry(NamedTuple):
    """What is kept of one moment; until it is fetched, on the device."""

    arrays: tuple[Any, ...]  # one after the other a vector, int32 [m + names]: what `snapshot` returns, metrics behind it
    names: tuple[str, ...]  # of these metrics
    others: dict[str, Any]  # further metrics: floats, and arrays before they are fetched
    applied: bool  # whether it was an update
    said: int | None  # what the caller says that the count is
    time: float


Bare = tuple[Any, float]  # of an update of which a snapshot tells everything: that and the time, in less time than an Entry takes


def columns_of(entries: Sequence[Entry | Bare], size: int) -> tuple[np.ndarray, list[Column]]:
    """Fetch vectors and take them apart: what lies before `size`, `int32 [n, size]`, and the metrics."""
    found: dict[tuple[str, bool], tuple[list[Any], list[Any]]] = {}
    heads, at = [np.zeros((0, size), np.int32)], 0
    for names, vectors, others in _alike(entries):
        rows = np.concatenate([_bits(column) for column in vectors], axis=1)
        own = rows.shape[1] - len(names)
        heads.append(rows[:, :size])
        given = [(name, np.arange(len(rows)), rows[:, own + i].view(np.float32)) for i, name in enumerate(names)]
        told = (column for column in labelled(rows[:, size:own]) if column.name not in names)
        for name, places, column in (*told, *given):
            where, values = found.setdefault((name, True), ([], []))
            where.append(at + places)
            values.append(column)
        for i, other in enumerate(others, start=at):
            for name, value in other.items() if other else ():
                where, values = found.setdefault((name, isinstance(value, np.float32)), ([], []))
                where.append([i])
                values.append([value])
        at += len(rows)
    columns = [Column(name, np.concatenate(where), np.concatenate(values)) for (name, _), (where, values) in found.items()]
    return np.concatenate(heads), columns


Stretch = tuple[tuple[str, ...], list[Sequence[Any]], list[dict[str, Any]]]  # names, vectors by column, further metrics


def _alike(entries: Sequence[Any]) -> Iterator[Stretch]:
    """Yield stretches of entries whose vectors are rows of one array."""
    for kind, group in itertools.groupby(entries, type):
        if kind is tuple:  # all of one shape, since the first of another comes as an Entry
            yield (), [[snapshot for snapshot, _ in group]], []
            continue
        for (names, *_), part in itertools.groupby(group, _kind):
            some = list(part)
            yield names, list(zip(*(entry.arrays for entry in some), strict=True)), [entry.others for entry in some]


def _kind(entry: Entry) -> tuple[Any, ...]:
    arrays = entry.arrays
    return entry.names, len(arrays), arrays[0].shape


def _bits(arrays: Sequence[Any]) -> np.ndarray:
    """Return arrays of one shape as the rows of an `int32 [n, ...]`.

    Python's buffer protocol, which JAX offers on a CPU, hands over a small array in a sixth of the time that numpy takes. Arrays of
    several dtypes don't fit the shape and take the other way, as those on other devices do.
    """
    try:
        block = np.frombuffer(b"".join(arrays), arrays[0].dtype).reshape(len(arrays), -1)
    except (BufferError, TypeError, ValueError, RuntimeError):
        block = np.stack(arrays).reshape(len(arrays), -1)
    return block if block.dtype == np.int32 else block.astype(np.float32, copy=False).view(np.int32)
