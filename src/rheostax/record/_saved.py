"""A recorder's memory in a checkpoint: what lies in JSON, and what in arrays."""

from __future__ import annotations

import dataclasses
import math
import sys
import urllib.parse
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rheostax.errors import StateError
from rheostax.record._chunk import Chunk, Column
from rheostax.record.journal import Decision

__all__ = ["arrays_of", "chunk_of", "decisions_from", "require_whole"]


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
        return _chunk(arrays)
    except (AttributeError, KeyError, IndexError, TypeError, ValueError) as error:
        raise StateError(f"The checkpoint's recorder is damaged: {error!r}.") from None


def _chunk(arrays: Mapping[str, np.ndarray]) -> Chunk:
    counts, time = arrays["count"], arrays["time"]
    _require(counts.ndim == time.ndim == 1 and len(counts) == len(time), "count and time are no columns of one length")
    _require(counts.dtype.kind in "iu" and time.dtype.kind in "iuf", "count and time are no numbers")
    rates, metrics = {}, []
    for name in sorted(arrays):
        kind, *rest = name.split("/")
        if rest[-1:] != ["where"]:
            continue
        where, values = arrays[name], arrays[name.removesuffix("where") + "values"]
        _require(where.ndim == values.ndim == 1 and len(where) == len(values), f"{name} is no column")
        _require(values.dtype.kind in "iuf", f"{name} has no numbers")
        _require(where.dtype.kind in "iu" or not len(where), f"{name} has no whole numbers")
        _require(not len(where) or (where.min() >= 0 and where.max() < len(counts)), f"{name} is outside of the records")
        group = urllib.parse.unquote(rest[0])[1:]
        if kind == "learning_rate":
            rates[group] = _spread(where.astype(np.int64), values, len(counts))
        else:
            metrics.append(Column(group, where.astype(np.int64), values))
    return Chunk(counts, rates, metrics, time)


def _require(good: bool, why: str) -> None:
    if not good:
        raise ValueError(why)


def _spread(where: np.ndarray, values: np.ndarray, n: int) -> np.ndarray:
    """Return a column of all records; NaN where a group wasn't there yet, or no longer."""
    column = np.full(n, np.nan, np.float32)
    column[where] = values
    return column


def _quoted(name: str) -> str:
    """Return a name that can be a key: the rate without groups has none of its own."""
    return urllib.parse.quote(f"={name}", safe="")


def require_whole(told: Any) -> None:
    """Check the JSON of a saved recorder, without the decisions.

    Raises:
        StateError: If it is damaged.
    """
    fields = {
        "unrecorded": _is_count,
        "nonfinite": lambda found: isinstance(found, dict) and all(map(_is_count, found.values())),
        "decisions": lambda found: isinstance(found, list),
        "seconds": lambda found: _is_number(found) and math.isfinite(found),
        "sinks": lambda found: isinstance(found, list) and all(isinstance(one, list | tuple) and len(one) == 2 for one in found),
    }
    if not isinstance(told, dict) or set(told) != set(fields):
        raise StateError(f"The checkpoint's recorder is damaged: it must have {', '.join(fields)}.")
    for name, good in fields.items():
        if not good(told[name]):
            raise StateError(f"The checkpoint's recorder is damaged: {name} is {told[name]!r:.60}.")


def _is_count(found: Any) -> bool:
    return isinstance(found, int) and not isinstance(found, bool) and found >= 0


def decisions_from(records: Any) -> list[Decision]:
    """Return decisions from their JSON.

    Raises:
        StateError: If they are damaged.
    """
    if not isinstance(records, list):
        raise StateError(f"The journal's decisions are damaged: they are a {type(records).__name__}.")
    return [_decision(record) for record in records]


def _decision(record: Any) -> Decision:
    if not isinstance(record, dict) or set(record) != {field.name for field in dataclasses.fields(Decision)}:
        raise StateError(f"The journal's decisions are damaged: {record!r:.80} has other fields than a decision.")
    old, new = (record[name] for name in ("old_learning_rate", "new_learning_rate"))
    whole = {
        "count": isinstance(record["count"], int) and not isinstance(record["count"], bool) and record["count"] >= 0,
        "value": record["value"] is None or _is_number(record["value"]),
        "best": record["best"] is None or _is_number(record["best"]),
        "old_learning_rate": _are_rates(old),
        "new_learning_rate": _are_rates(new) and isinstance(new, dict) == isinstance(old, dict),
    } | {name: isinstance(record[name], str) for name in ("policy", "metric", "why")}
    for name, good in whole.items():
        if not good:
            raise StateError(f"The journal's decisions are damaged: {name} is {record[name]!r:.60}.")
    return Decision(**record | {"value": math.nan if record["value"] is None else record["value"]})  # JSON has no NaN


def _are_rates(found: Any) -> bool:
    return bool(found) and all(map(_is_number, found.values())) if isinstance(found, dict) else _is_number(found)


def _is_number(found: Any) -> bool:
    return isinstance(found, float) or (isinstance(found, int) and not isinstance(found, bool) and abs(found) <= sys.float_info.max)
