"""What a replay gives: per setting the decisions that would have been taken, and the rates."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from rheostax._rate import LearningRate
from rheostax.errors import ArgumentError
from rheostax.record.journal import Decision, Rates
from rheostax.record.read import RunLog

__all__ = ["Decided", "Replay", "Replayed"]


@dataclasses.dataclass(frozen=True, eq=False)
class Decided:
    """The moments at which one setting decided something."""

    moment: np.ndarray  # int64 [d]: number of the moment
    count: np.ndarray  # int64 [d]: updates applied by then
    old: np.ndarray  # float32 [d], or [d, groups]: the rate at that count without the decision
    new: np.ndarray  # the same with it

    @property
    def cuts(self) -> int:
        """How many lowered the rate."""
        return int(np.sum(_mean(self.new) < _mean(self.old)))

    @property
    def raises(self) -> int:
        """How many raised it."""
        return int(np.sum(_mean(self.new) > _mean(self.old)))


@dataclasses.dataclass(frozen=True, eq=False)
class Replayed:
    """One setting of the rule, and what it would have done."""

    chosen: dict[str, Any]  # the values that tell it from the others of a grid
    learning_rate: LearningRate
    decided: Decided
    counts: np.ndarray  # int64 [n]: all of the run's, or some, evenly spaced, in a long one
    rates: np.ndarray  # float32 [n], or [n, groups]: the rate of the update at each
    final: Rates  # the rate of the last update
    total: Rates  # the sum of the rates of all updates
    _decisions: Callable[[Replayed, int | None], list[Decision]] = dataclasses.field(repr=False)

    @property
    def decisions(self) -> list[Decision]:
        """Every decision with its reason, earliest first."""
        return self._decisions(self, None)

    def differs_at(self, run: RunLog) -> int | None:
        """Return the first count at which the rate isn't the one that the run tells, to 6 digits; None where there is none."""
        columns = self.rates.reshape(len(self.rates), -1).T
        if len(columns) != len(run.learning_rate):
            return None
        first = []
        for mine, theirs in zip(columns, run.learning_rate.values(), strict=True):
            counts, here, there = np.intersect1d(self.counts, theirs.count, assume_unique=True, return_indices=True)
            other = np.flatnonzero(~np.isclose(mine[here], theirs.value[there], rtol=1e-6, atol=0.0, equal_nan=True))
            first += [int(counts[other[0]])] if len(other) else []
        return min(first, default=None)

    def first_decisions(self, most: int) -> list[Decision]:
        """Return the decisions of the first `most` moments at which there were any."""
        return self._decisions(self, most)


@dataclasses.dataclass(frozen=True, eq=False)
class Replay:
    """What another rule, or several settings of one, would have decided on a run's observations."""

    run: RunLog
    settings: tuple[Replayed, ...]
    observed: dict[str, str]  # by the policies' names of the metrics: the run's
    updates: int  # counts 0 to updates - 1 have a rate
    notes: tuple[str, ...]  # what to know of it, in words
    factors: bool = False  # whether the rule is of policies alone: what stands for rates are factors of one then

    @property
    def only(self) -> Replayed:
        """The setting, where there is one.

        Raises:
            ArgumentError: If there are several.
        """
        if len(self.settings) != 1:
            raise ArgumentError(f"This replay has {len(self.settings)} settings; look at one of them: settings[0].")
        return self.settings[0]

    @property
    def decisions(self) -> list[Decision]:
        """The decisions of the only setting."""
        return self.only.decisions

    @property
    def counts(self) -> np.ndarray:
        """The counts at which the only setting's rates are given."""
        return self.only.counts

    @property
    def rates(self) -> np.ndarray:
        """The rates of the only setting."""
        return self.only.rates


def _mean(rates: np.ndarray) -> np.ndarray:
    return rates.astype(np.float64).mean(axis=-1) if rates.ndim > 1 else rates.astype(np.float64)
