"""What a run is going to do, and how it ended."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from rheostax._rate import LearningRate
from rheostax.record.environment import environment
from rheostax.record.journal import Decision, Rates
from rheostax.training.task import Task

__all__ = ["Plan", "Result"]


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a run is going to do."""

    task: Task
    learning_rate: LearningRate
    seed: int
    epochs: int
    updates_per_epoch: int
    path: Path | None
    devices: int = 1
    processes: int = 1

    @property
    def updates(self) -> int:
        """Updates of the whole run, if nothing stops it earlier."""
        return self.epochs * self.updates_per_epoch

    def to_json(self) -> dict[str, Any]:
        """Return the configuration: everything that the result depends on."""
        return {
            "task": self.task.name,
            "learning_rate": repr(self.learning_rate),
            "optimizer": getattr(self.task.optimizer, "__name__", repr(self.task.optimizer)),
            "hyperparameters": dict(self.task.hyperparameters),
            "seed": self.seed,
            "epochs": self.epochs,
            "updates_per_epoch": self.updates_per_epoch,
            "goal": list(self.task.goal),
            "devices": self.devices,
            "processes": self.processes,
            **environment(),
        }


@dataclasses.dataclass(frozen=True)
class Result:
    """How a run ended."""

    reason: str  # why it stopped
    failed: bool  # whether that was the loss
    interrupted: bool
    count: int  # updates applied
    epochs: int  # epochs finished
    learning_rate: Rates  # of the last update
    metrics: dict[str, float]  # the last validation
    best: dict[str, float]  # the best value of the task's goal, and its epoch
    decisions: tuple[Decision, ...]
    warnings: tuple[str, ...]
    seconds: float  # wall-clock time of the run, compilation included
    path: Path | None
    model: Any = dataclasses.field(repr=False, compare=False)  # trained, in evaluation mode

    def to_json(self) -> dict[str, Any]:
        """Return everything but the model as plain numbers and text."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self) if field.name != "model"}
        return fields | {"decisions": [decision.to_json() for decision in self.decisions], "path": self.path and str(self.path)}
