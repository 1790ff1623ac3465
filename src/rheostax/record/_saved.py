"""A recorder's memory in a checkpoint: what lies in JSON, and what in arrays."""

from __future__ import annotations

import urllib.parse
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rheostax.errors import StateError
from rheostax.record._chunk import Chunk, Column
from rheostax.record.journal import Decision

__all__ = ["arrays_of", "chunk_of", "decisions_from"]


def arrays_of(chunks: Sequence[Chunk]) -> dict[str, np.ndarray]:
    """Return everything recorded as arrays by name."""
    found: dict[str, list[np.ndarray]] = {"count": [np.zeros(0, np.int64)], "time": [np.zeros(0)]}
    start = 0
    for chunk in chunks:
        found["count"].append(chunk.counts)
        found["time"].append(chunk.time)
        for group, rates in chunk.learning_rate.items():
            _add(found, f"learning_rate/{_quoted(group)}", start + np.arange(len(chunk)), rates)
        for name, where, values in chunk.metrics:
            _add(found, f"metric/{_quoted(name)}/{values.dtype}", start + np.asarray(where), values)
        start += len(chunk)
    return {name: np.concatenate(arrays) for name, arrays in found.items()}


def _add(found: dict[str, list[np.ndarray]], name: str, where: np.ndarray, values: np.ndarray) -> None:
    found.setdefault(f"{name}/where", []).append(where.astype(np.int64))
    found.setdefault(f"{name}/values", []).append(values)


def chunk_of(arrays: Mapping[str, np.ndarray]) -> Chunk:
    """Return what `arrays_of` was given, in one piece.

    Raises:
        StateError: If it is damaged.
    """
    try:
        n = len(arrays["count"])
        rates, metrics = {}, []
        for name in sorted(arrays):
            kind, *rest = name.split("/")
            if rest[-1:] != ["where"]:
                continue
            where, values = arrays[name], arrays[name.removesuffix("where") + "values"]
            if kind == "learning_rate":
                rates[urllib.parse.unquote(rest[0])[1:]] = _spread(where, values, n)
            else:
                metrics.append(Column(urllib.parse.unquote(rest[0])[1:], where, values))
        return Chunk(arrays["count"], rates, metrics, arrays["time"])
    except (KeyError, IndexError, ValueError) as error:
        raise StateError(f"The checkpoint's recorder is damaged: {error!r}.") from None


def _spread(where: np.ndarray, values: np.ndarray, n: int) -> np.ndarray:
    """Return a column of all records; NaN where a group wasn't there yet, or no longer."""
    column = np.full(n, np.nan, np.float32)
    column[where] = values
    return column


def _quoted(name: str) -> str:
    """Return a name that can be a key: the rate without groups has none of its own."""
    return urllib.parse.quote(f"={name}", safe="")


def decisions_from(records: Any) -> list[Decision]:
    """Return decisions from their JSON.

    Raises:
        StateError: If they are damaged.
    """
    try:
        return [Decision(**record) for record in records]
    except TypeError as error:
        raise StateError(f"The journal's decisions are damaged: {error}.") from None
