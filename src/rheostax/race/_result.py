"""What a race found."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from rheostax._rate import LearningRate
from rheostax._words import counted, say
from rheostax.race._halving import Rung

__all__ = ["Race", "Standing"]


@dataclasses.dataclass(frozen=True)
class Standing:
    """How one candidate did."""

    label: str
    learning_rate: LearningRate
    rank: int  # 1 is the winner
    updates: int  # it was trained for
    score: float  # at the end of its last rung; NaN if it diverged
    scores: tuple[tuple[int, float], ...]  # (updates, score) at the end of each of its rungs
    diverged: bool
    losses: np.ndarray = dataclasses.field(repr=False, compare=False)  # float32 [updates]

    def to_json(self) -> dict[str, Any]:
        """Return everything but the losses as plain numbers and text."""
        score = self.score if math.isfinite(self.score) else None
        return {
            "rank": self.rank, "label": self.label, "learning_rate": repr(self.learning_rate), "updates": self.updates, "score": score,
            "scores": [{"updates": at, "score": value} for at, value in self.scores if math.isfinite(value)], "diverged": self.diverged,
        }  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Race:
    """What a race found, and what it cost.

    Attributes:
        standings: The candidates, best first: by the rung they reached, then by their score there.
        state: The winner's state after its last update, ready to go on with or to evaluate. For Flax NNX put it into your objects
            with `nnx.update((model, optimizer), result.state)`.
        metric: What was compared.
        mode: "min" if lower was better, "max" if higher.
        steps: Updates of a full run.
        rungs: How far the rungs went, with how many candidates.
        updates_charged: All updates made, of all candidates, discarded ones included.
        validations: How often a candidate was validated.
        validation_cost: Updates' worth of computing in one validation.
        execution: "sequential", "vmap" or "sharded".
        seconds: Wall-clock time, compilation included.
        warnings: What is probably not as it was meant.
    """

    standings: tuple[Standing, ...]
    state: Any = dataclasses.field(repr=False)
    metric: str
    mode: str
    steps: int
    rungs: tuple[Rung, ...]
    updates_charged: int
    validations: int
    validation_cost: float
    execution: str
    seconds: float
    warnings: tuple[str, ...]

    @property
    def winner(self) -> LearningRate:
        """The best learning rate."""
        return self.standings[0].learning_rate

    @property
    def cost(self) -> float:
        """The whole cost, validations included, in full runs."""
        return (self.updates_charged + self.validations * self.validation_cost) / self.steps

    def __str__(self) -> str:
        lines = [f"{'rank':>4}  {'updates':>9}  {self.metric:>12}  candidate"]
        for one in self.standings:
            score = "diverged" if one.diverged else say(one.score, 5)
            lines.append(f"{one.rank:>4}  {one.updates:>9,}  {score:>12}  {one.label}")
        lines.append(
            f"{counted(self.updates_charged, 'update')} charged, {self.cost:.1f} full runs for {counted(len(self.standings), 'candidate')} "
            f"({self.execution}, {self.seconds:.1f} s)"
        )
        lines.append(f"winner: {self.winner!r}")
        return "\n".join([*lines, *(f"warning: {warning}" for warning in self.warnings)])

    def to_json(self) -> dict[str, Any]:
        """Return everything but states and losses as plain numbers and text."""
        return {
            "winner": repr(self.winner), "metric": self.metric, "mode": self.mode, "steps": self.steps,
            "rungs": [rung._asdict() for rung in self.rungs], "standings": [one.to_json() for one in self.standings],
            "updates_charged": self.updates_charged, "validations": self.validations, "cost": self.cost,
            "execution": self.execution, "seconds": self.seconds, "warnings": list(self.warnings),
        }  # fmt: skip
