"""A run's decisions, in words."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from rheostax.record.journal import Decision
from rheostax.record.read import RunLog
from rheostax.report.values import epoch_at, number, seconds_at

__all__ = ["Move", "moves"]


@dataclasses.dataclass(frozen=True)
class Move:
    """One decision of a policy, where it was taken, and in words."""

    decision: Decision
    epoch: float | None
    seconds: float | None
    words: str

    @property
    def verb(self) -> str:
        """What it did to the rate: "cut", "raised" or "kept"."""
        return self.words.split(" ", 1)[0]

    def to_json(self) -> dict[str, Any]:
        """Return the journal's fields, where it was taken, and its words."""
        return self.decision.to_json() | {"epoch": self.epoch, "seconds": self.seconds, "words": self.words}


def moves(log: RunLog) -> Iterator[Move]:
    """Yield the decisions that a journal tells, as far as its records are whole."""
    for record in log.journal:
        decision = _decision(record)
        if decision is not None:
            yield Move(decision, epoch_at(log, decision.count), seconds_at(log, decision.count), str(decision))


def _decision(record: Mapping[str, Any]) -> Decision | None:
    """Return a journal's record as a decision, or None if it has no count or no rates."""
    count, old, new = record.get("count"), _rates(record.get("old_learning_rate")), _rates(record.get("new_learning_rate"))
    if (
        not isinstance(count, int)
        or isinstance(count, bool)
        or old is None
        or new is None
        or isinstance(old, dict) != isinstance(new, dict)
    ):
        return None
    value = number(record.get("value"))
    return Decision(
        count=count, policy=str(record.get("policy", "")), metric=str(record.get("metric", "")),
        value=float("nan") if value is None else value, best=number(record.get("best")),
        old_learning_rate=old, new_learning_rate=new, why=str(record.get("why", "no reason is recorded")),
    )  # fmt: skip


def _rates(found: Any) -> float | dict[str, float] | None:
    if not isinstance(found, Mapping):
        return number(found)
    rates = {str(group): number(rate) for group, rate in found.items()}
    return {group: rate for group, rate in rates.items() if rate is not None} or None
