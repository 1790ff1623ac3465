"""`fit`: train a task, watch its learning rate, leave a run directory."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import jax
import numpy as np
from flax import nnx
from jax.sharding import Mesh

from rheostax._control_state import ControlState, monitored
from rheostax._words import plain
from rheostax.control import control
from rheostax.describe import describe
from rheostax.errors import TaskError
from rheostax.groups import group_names
from rheostax.optimizer import Optimizer
from rheostax.record.journal import Decision, Rates, decisions, decisions_of
from rheostax.record.run_directory import CONFIG, JOURNAL, METRICS, SUMMARY, RunDirectory
from rheostax.state import controls
from rheostax.training.data import Data
from rheostax.training.interrupt import Interrupt, graceful_interrupt
from rheostax.training.plan import Plan, Result
from rheostax.training.protocol import first_batch, reported_metrics, require_data, require_metrics, require_model
from rheostax.training.spread import Spread
from rheostax.training.steps import Trace, chunks, make_evaluate, make_updates
from rheostax.training.stop import floor_reached, stop_asked_for
from rheostax.training.task import Task
from rheostax.training.watch import Watcher
from rheostax.units import resolve

__all__ = ["fit"]


def fit(
    task: Task,
    *,
    seed: int = 0,
    epochs: int | None = None,
    out: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    watcher: Watcher | None = None,
    mesh: Mesh | None = None,
    fully_sharded: bool = False,
) -> Result:
    """Train a task until its rate reaches its floor or the epochs are over.

    The same seed on the same machine gives the same run. Ctrl-C ends it cleanly after the updates in progress: what was done
    so far is written, and the result says so.

    Args:
        task: What to train; see `Task`.
        seed: Of the model's initialization, its random streams and the order of the data; a whole number >= 0.
        epochs: At most so many, >= 1; None for the task's own number.
        out: Folder for the run's files; None for none.
        overwrite: Whether a run in that folder may be replaced.
        watcher: Hears what happens.
        mesh: Devices to train on, each on its part of every batch, as `rx.parallel.data_mesh` returns them: all processes of
            `rx.parallel.initialize` call `fit` alike, and the first one writes the files. None: one device.
        fully_sharded: Whether parameters and the optimizer's state are divided among the devices of the mesh, too.

    Returns:
        How it ended, with the trained model.

    Raises:
        TaskError: If an argument or the task breaks its rule.
        RunError: If the folder can't be made.
        DisagreementError: On all processes, if they begin differently, or their rates come to differ.
    """
    spread = Spread(mesh, fully_sharded=fully_sharded)
    length = task.epochs if epochs is None else epochs
    for name, value, low in (("seed", seed, 0), ("epochs", length, 1)):
        if not isinstance(value, int) or value < low:
            raise TaskError(f"{name} must be a whole number >= {low}, got {value!r}.")
    data = task.data()
    require_data(data)
    updates = {"total_steps": length * data.batches_per_epoch, "steps_per_epoch": data.batches_per_epoch}
    rate = resolve(task.learning_rate(data.batches_per_epoch, length), **updates, batch_size=getattr(data, "batch_size", None))
    plan = Plan(task, rate, seed, length, data.batches_per_epoch, None if out is None else Path(out), *spread.size)
    run = _Run(plan, data, watcher or Watcher(), spread)
    with graceful_interrupt() as interrupt:
        # Only now: nothing was wrong.
        folder = None if out is None else spread.once(lambda: RunDirectory.create(out, overwrite=overwrite))
        with run.watcher:
            return run.go(folder, interrupt)


class _Run:
    """One run: model and optimizer, and what has been told so far."""

    folder: RunDirectory | None = None

    def __init__(self, plan: Plan, data: Data, watcher: Watcher, spread: Spread) -> None:
        self.plan, self.data, self.watcher, self.spread = plan, data, watcher, spread
        self.model = plan.task.model(nnx.Rngs(plan.seed))
        require_model(self.model)
        spread.model(self.model).eval()
        self.evaluate = make_evaluate(plan.task, nnx.graphdef(self.model), spread.validation)
        first_batch(data.train(0, plan.seed), f"data.train(0, {plan.seed})")
        require_metrics(plan, reported_metrics(plan.task, self.model, first_batch(data.validation(), "data.validation()")))
        self.model.train()
        # A run has a fixed number of batches: its decay ends with them, whatever is skipped.
        tx = control(plan.task.optimizer, plan.learning_rate, on_nonfinite="skip", on_skip="advance", **plan.task.hyperparameters)
        self.optimizer = Optimizer(self.model, tx, wrt=nnx.Param)
        shardings = spread.rest((self.model, self.optimizer))
        self.updates = make_updates(plan.task, nnx.graphdef((self.model, self.optimizer)), shardings)
        self.groups = group_names(plan.learning_rate)
        self.failed = False
        self.count = self.epochs = 0
        self.learning_rate = self._named(self._control().learning_rate)
        self.metrics: dict[str, float] = {}
        self.best: dict[str, float] = {}
        self.decisions: list[Decision] = []
        self.warnings: list[str] = []

    def go(self, folder: RunDirectory | None, interrupt: Interrupt) -> Result:
        self.started = time.perf_counter()
        self.watcher.begin(self.plan)
        if folder:
            self.folder = folder
            folder.write(CONFIG, self.plan.to_json())
        self._warn_of_short_horizon()
        reason = None
        while reason is None and self.epochs < self.plan.epochs:
            reason = self._epoch(interrupt)
        reason = reason or ("the only epoch is over" if self.plan.epochs == 1 else f"all {self.plan.epochs} epochs are over")
        return self._finish(reason, interrupt.requested, self._seconds())

    def _epoch(self, interrupt: Interrupt) -> str | None:
        """Train and validate once; return why to stop, or None."""
        batches = iter(self.data.train(self.epochs, self.plan.seed))
        before, diverged = self.count, True
        for chunk in chunks(batches, self.plan.updates_per_epoch, self.plan.task.updates_per_dispatch):
            losses = self._dispatch(chunk)
            diverged &= not np.isfinite(losses).any()
            if self.spread.any(interrupt.requested):
                interrupt.requested = True
                return "interrupted"
        if self.count == before:
            raise TaskError(f"data.train({self.epochs}, {self.plan.seed}) yields no batch; it must return a new iterator each time.")
        self.epochs += 1
        self._validate()
        if diverged:
            self.failed = True
            return "the training loss was NaN or infinite for a whole epoch"
        return stop_asked_for(self._control()) or floor_reached(self._control())

    def _dispatch(self, batches: Any) -> np.ndarray:
        """Make the updates of one chunk, tell what they left, and return their losses."""
        before, began = jax.device_get(self._control()), self._seconds()
        state, device_trace = self.updates(nnx.state((self.model, self.optimizer)), self.spread.batches(batches))
        nnx.update((self.model, self.optimizer), state)
        trace: Trace = jax.device_get(device_trace)
        done = np.linspace(began, self._seconds(), len(trace.learning_rate) + 1)[1:]  # when each was; only the last one's time is known
        records = [
            {"count": self.count + i, "epoch": (self.count + i) / self.plan.updates_per_epoch, "learning_rate": self._named(rate)}
            | {name: plain(values[i]) for name, values in trace.metrics.items()}
            | {"time": round(done[i], 6)}
            for i, rate in enumerate(trace.learning_rate)
        ]
        self.count += len(records)
        self.learning_rate = records[-1]["learning_rate"]
        self._write(METRICS, records)
        self.spread.check(self.optimizer)
        self.watcher.updated(self.count, {name: records[-1][name] for name in trace.metrics}, self.learning_rate)
        self._decide(decisions_of(before, trace.floats, trace.ints))
        return np.asarray(trace.metrics["loss"])

    def _validate(self) -> None:
        """Evaluate, tell the policies, and tell what they decide."""
        self.metrics = self.evaluate(nnx.state(self.model), self.data.validation())
        before = self._control()
        if set(monitored(self.plan.learning_rate)) & set(self.metrics):
            self.optimizer.observe(**self.metrics)
        record = {"count": self.count, "epoch": self.epochs, "learning_rate": self.learning_rate, **self.metrics}
        self._write(METRICS, [record | {"time": round(self._seconds(), 6)}])
        name, direction = self.plan.task.goal
        value = self.metrics[name]
        better = not self.best or (value < self.best[name] if direction == "min" else value > self.best[name])
        if better and np.isfinite(value):
            self.best = {name: value, "epoch": self.epochs}
        self.watcher.validated(self.epochs, self.metrics, self.learning_rate)
        self._decide(decisions(before, self._control()))

    def _seconds(self) -> float:
        """Return how long the run goes on already."""
        return time.perf_counter() - self.started

    def _control(self) -> ControlState:
        """Return the control's state without the optimizer's own, which is large and stays on the device."""
        return next(iter(controls(self.optimizer.opt_state).values()))._replace(inner=())

    def _named(self, rate: Any) -> Rates:
        return dict(zip(self.groups, plain(rate), strict=True)) if self.groups else plain(rate)

    def _decide(self, found: list[Decision]) -> None:
        self.decisions += found
        self._write(JOURNAL, [decision.to_json() for decision in found])
        for decision in found:
            self.watcher.decided(decision)

    def _warn(self, text: str) -> None:
        self.warnings.append(text)
        self.watcher.warned(text)

    def _warn_of_short_horizon(self) -> None:
        horizon = self.plan.learning_rate.horizon
        if horizon is not None and horizon < self.plan.updates:
            self._warn(
                f"the schedule ends at update {horizon:,} but the run may have {self.plan.updates:,}; "
                f"from there on the rate stays at its end value"
            )

    def _write(self, name: str, records: list[Any]) -> None:
        if self.folder:
            self.folder.append(name, records)

    def _finish(self, reason: str, interrupted: bool, seconds: float) -> Result:
        for description in describe(self.optimizer).each:
            for warning in description.warnings:
                self._warn(warning)
        self.model.eval()
        plan = self.plan
        result = Result(
            reason, self.failed, interrupted, self.count, self.epochs, self.learning_rate, self.metrics, self.best,
            tuple(self.decisions), tuple(self.warnings), seconds, plan.path, self.model,
        )  # fmt: skip
        if self.folder:
            self.folder.write(SUMMARY, result.to_json())
            self.folder.close()
        self.watcher.end(result)
        return result
