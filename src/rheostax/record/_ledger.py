"""What a recorder has fetched, and what it tells of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from rheostax._words import counted, plain
from rheostax.describe import describe
from rheostax.record._chunk import Chunk, Column
from rheostax.record._moments import decisions_in, rates_by_group
from rheostax.record._saved import arrays_of, chunk_of, decisions_from
from rheostax.record.journal import Decision
from rheostax.record.snapshot import Reader

__all__ = ["Ledger"]


class Ledger:
    """Make records of vectors, and find the decisions by comparing each with the one before."""

    def __init__(self, reader: Reader) -> None:
        self.chunks: list[Chunk] = []
        self.decisions: list[Decision] = []
        self.nonfinite: dict[str, int] = {}
        self.unrecorded = 0
        self._reader, self._last = reader, reader.first
        self.count = int(max(one.count[0] for one in reader.read(self._last[None])))

    def digest(
        self, rows: np.ndarray, columns: list[Column], applied: np.ndarray, times: np.ndarray, said: Mapping[int, int] | None = None
    ) -> tuple[Chunk, list[Decision]]:
        """Return the records of what was fetched, one at least, and the decisions in it.

        Args:
            rows: `int32 [n, m]`, one after the other.
            columns: The metrics.
            applied: `bool [n]`, whether it was an update.
            times: `float64 [n]`.
            said: The counts that the caller says, by row.
        """
        seen = self._reader.read(np.concatenate([self._last[None], rows]))
        self._last = rows[-1]
        counts = np.max([one.count for one in seen], axis=0).astype(np.int64)
        grown = np.diff(counts)
        self.unrecorded += int(np.maximum(grown - 1, 0).sum())
        own = np.where(applied & (grown > 0), counts[1:] - 1, counts[1:])
        for i, count in (said or {}).items():
            own[i] = count
        self.count = int(counts[-1])
        for column in columns:
            if bad := int(np.sum(~np.isfinite(column.values))):
                self.nonfinite[column.name] = self.nonfinite.get(column.name, 0) + bad
        chunk = Chunk(own, rates_by_group(seen), columns, times)
        decisions = sorted((decision for one in seen for decision in decisions_in(one)), key=lambda decision: decision.count)
        self.chunks.append(chunk)
        self.decisions += decisions
        return chunk, decisions

    def summary(self) -> dict[str, Any]:
        """Return what there is to say of a run at its end."""
        rates = {name: plain(rate[-1]) for name, rate in rates_by_group(self._reader.read(self._last[None])).items()}
        return {
            "count": self.count,
            "learning_rate": rates.get("", rates),
            "metrics": {name: value for chunk in self.chunks for name, value in chunk.latest().items()},
            "nonfinite": self.nonfinite,
            "decisions": [decision.to_json() for decision in self.decisions],
        }

    def warnings(self) -> list[str]:
        """Return what the policies warn of, and how many updates are missing."""
        seen = self._reader.read(self._last[None])
        found = [warning for one in seen for description in describe(one.state).each for warning in description.warnings]
        if self.unrecorded:
            told = counted(self.unrecorded, "update")
            found.append(f"{told} went by without being recorded; decisions are exact only where every update is")
        return found

    def saved(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Return what a checkpoint keeps of it: JSON, and arrays by name."""
        decisions = [decision.to_json() for decision in self.decisions]
        return {"unrecorded": self.unrecorded, "nonfinite": dict(self.nonfinite), "decisions": decisions}, arrays_of(self.chunks)

    @classmethod
    def resumed(cls, reader: Reader, told: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Ledger:
        """Return what was saved, going on at another state; `told` is known to be whole.

        Raises:
            StateError: If it is damaged.
        """
        new, chunk = cls(reader), chunk_of(arrays)
        new.chunks = [chunk] if len(chunk) else []
        new.decisions = decisions_from(told["decisions"])
        new.nonfinite, new.unrecorded = dict(told["nonfinite"]), told["unrecorded"]
        return new
