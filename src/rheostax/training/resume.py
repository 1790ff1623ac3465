"""A run's checkpoints: when to save one, what is in it beside the weights, and how a run goes on from it."""

from __future__ import annotations

import importlib.util
import math
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rheostax._check import is_whole
from rheostax.checkpoint import Checkpoints, Restored
from rheostax.errors import RunError, StateError, TaskError
from rheostax.record.run_directory import CONFIG, JOURNAL, METRICS, SUMMARY, RunDirectory
from rheostax.training.plan import Plan

__all__ = ["RunCheckpoints", "checked", "planned"]

FOLDER = "checkpoints"
SECONDS = 60.0  # between checkpoints, where nothing else is said
STREAMS = (METRICS, JOURNAL)
LARGEST = 2**63  # above what a file's length or a whole metric can be
POSITION = ("epochs", "done", "diverged", "learning_rate", "metrics", "best", "warnings")


def planned(resume: str | os.PathLike[str], seed: int | None, epochs: int | None) -> tuple[int, int]:
    """Return seed and epochs of a run that is to go on: its own, but for a number of epochs that is given.

    Raises:
        RunError: If it can't be read.
        TaskError: If another seed is given.
    """
    config = RunDirectory(resume).read(CONFIG)
    try:
        old_seed, old_epochs = int(config["seed"]), int(config["epochs"])
    except (KeyError, TypeError, ValueError):
        raise RunError(f"{Path(resume) / CONFIG} doesn't tell seed and epochs: it isn't that of a training run.") from None
    if seed not in (None, old_seed):
        raise TaskError(f"seed must be that of the run that is resumed, {old_seed}, got {seed!r}.")
    return old_seed, old_epochs if epochs is None else epochs


class RunCheckpoints:
    """The checkpoints in a run directory.

    Args:
        folder: The run directory.
        every: Updates from one checkpoint to the next, >= 1; None for one in a minute at most, at the end of an epoch.
        writes: Whether this process writes the folder's other files, and so knows how long they are.

    Raises:
        TaskError: If every breaks its rule.
        MissingExtraError: If it is given, and orbax isn't installed.
    """

    def __init__(self, folder: RunDirectory, every: int | None, *, writes: bool = True) -> None:
        if every is not None and (isinstance(every, bool) or not isinstance(every, int) or every < 1):
            raise TaskError(f"checkpoint_every must be a whole number of updates >= 1, got {every!r}.")
        self.folder, self.every, self.writes = folder, every, writes
        self.wanted = every is not None or importlib.util.find_spec("orbax") is not None
        self._last, self._when = 0, time.monotonic()
        self._checkpoints: Checkpoints | None = Checkpoints(folder.path / FOLDER) if every else None

    @property
    def checkpoints(self) -> Checkpoints:
        """What saves them; made when it is needed, since that imports orbax."""
        self._checkpoints = self._checkpoints or Checkpoints(self.folder.path / FOLDER)
        return self._checkpoints

    def due(self, count: int, *, epoch_over: bool) -> bool:
        """Tell whether it is time for one."""
        if self.every is not None:
            return count // self.every > self._last // self.every
        return self.wanted and epoch_over and time.monotonic() - self._when >= SECONDS

    def save(self, run: Any, seconds: float) -> None:
        """Save a run, in the background."""
        position = {name: getattr(run, name) for name in POSITION}
        position |= {"seconds": seconds, "streams": self.folder.marks(*STREAMS) if self.writes else {}}
        self.checkpoints.save(count=run.count, model=run.model, optimizer=run.optimizer, data=position)
        self._last, self._when = run.count, time.monotonic()

    def finish(self, run: Any, seconds: float, *, interrupted: bool) -> None:
        """Save the end of a run that was stopped, or has checkpoints already, and wait until it is written."""
        if self._checkpoints is not None or (self.wanted and interrupted):
            if self._last != run.count:
                self.save(run, seconds)
            self.checkpoints.close()

    def restore(self, run: Any, keep: str) -> tuple[Restored | None, float]:
        """Bring a run back to its newest checkpoint, or, if it was killed before the first, to its beginning.

        Returns:
            What `Checkpoints.restore` returned, or None, and how many seconds the run has gone on already.

        Raises:
            RunError: If the run is over and has no checkpoint, or its files don't fit the checkpoint.
            StateError: If the checkpoint can't be restored.
        """
        _require_same_run(self.folder, run.plan)
        counts = self.checkpoints.counts
        if not counts and (self.folder.path / SUMMARY).is_file():
            raise RunError(f"{self.folder.path} is over, and has no checkpoint to go on from.")
        restored, position = None, {}
        if counts:
            restored = self.checkpoints.restore(model=run.model, optimizer=run.optimizer, keep=keep)
            position = checked(restored.data, run.plan.task.goal[0])
            size = run.plan.updates_per_epoch
            if position["done"] > size:
                raise StateError(f"The checkpoint tells of {position['done']:,} updates of an epoch that has {size:,}: it is damaged.")
            run.count = self._last = restored.count
            begun = position["epochs"] + (position["done"] > 0)
            if run.plan.epochs < begun:
                raise TaskError(
                    f"epochs must be at least {begun}, since the run that is resumed has come to its epoch {begun}; got {run.plan.epochs}."
                )
            vars(run).update({name: position[name] for name in POSITION})
        if self.writes:
            self.folder = RunDirectory.again(self.folder.path)
            self.folder.cut(position.get("streams", dict.fromkeys(STREAMS, 0)))
        return restored, position.get("seconds", 0.0)


def checked(position: Any, goal: str) -> dict[str, Any]:
    """Return what a checkpoint tells of where a run was, which may be damaged; the goal is the metric that the best epoch is told by.

    Raises:
        StateError: If it isn't what `RunCheckpoints.save` saves.
    """
    fields: Mapping[str, Callable[[Any], bool]] = {
        "epochs": _is_count,
        "done": _is_count,
        "diverged": lambda value: isinstance(value, bool),
        "learning_rate": lambda value: _is_number(value) or _are_numbers(value),
        "metrics": _are_numbers,
        "best": lambda value: value == {} or (_are_numbers(value) and set(value) == {goal, "epoch"}),
        "warnings": lambda value: isinstance(value, list) and all(isinstance(one, str) for one in value),
        "seconds": lambda value: _is_number(value) and 0 <= value < math.inf,
        "streams": lambda value: isinstance(value, dict) and set(value) == set(STREAMS) and all(map(_is_count, value.values())),
    }
    if not isinstance(position, dict) or not all(name in position and right(position[name]) for name, right in fields.items()):
        raise StateError("The checkpoint doesn't tell where the run was; it isn't one of a training run, or is damaged.")
    return {name: position[name] for name in fields}


def _is_count(value: Any) -> bool:
    return is_whole(value, 0) and int(value) < LARGEST


def _is_number(value: Any) -> bool:
    return isinstance(value, float) or (is_whole(value, -LARGEST) and int(value) < LARGEST)


def _are_numbers(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(name, str) and _is_number(one) for name, one in value.items())


def _require_same_run(folder: RunDirectory, plan: Plan) -> None:
    """Refuse to go on with another task, other batches, or another goal."""
    config = folder.read(CONFIG)
    for name, value in (("task", plan.task.name), ("updates_per_epoch", plan.updates_per_epoch), ("goal", list(plan.task.goal))):
        if config.get(name) != value:
            raise RunError(f"{folder.path} is a run with {name} {config.get(name)!r}, this one has {value!r}; it can't go on there.")
