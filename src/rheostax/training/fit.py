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

from rheostax._check import is_whole, one_of
from rheostax._control_state import ControlState
from rheostax._words import plain
from rheostax.checkpoint import Restored
from rheostax.checkpoint._carry import KEEP
from rheostax.control import control
from rheostax.describe import describe
from rheostax.errors import TaskError
from rheostax.groups import group_names
from rheostax.optimizer import Optimizer
from rheostax.record._saved import decisions_from
from rheostax.record.journal import Decision, Rates, decisions, decisions_of
from rheostax.record.run_directory import CONFIG, JOURNAL, METRICS, SUMMARY, RunDirectory
from rheostax.state import controls
from rheostax.training.data import Data
from rheostax.training.interrupt import Interrupt, graceful_interrupt
from rheostax.training.plan import Plan, Result
from rheostax.training.protocol import first_batch, reported_metrics, require_data, require_metrics, require_model
from rheostax.training.recovery import Recovery, rolled_back
from rheostax.training.resume import RunCheckpoints, planned
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
    seed: int | None = None,
    epochs: int | None = None,
    out: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    watcher: Watcher | None = None,
    resume: str | os.PathLike[str] | None = None,
    keep: str = "error",
    checkpoint_every: int | None = None,
    mesh: Mesh | None = None,
    fully_sharded: bool = False,
) -> Result:
    """Train a task until its rate reaches its floor or the epochs are over.

    The same seed on the same machine gives the same run, also if it was stopped or killed and resumed in between (but for a rollback
    soon after that: a resumed run makes its good copies anew). Ctrl-C and SIGTERM end it cleanly after the updates in progress: what
    was done so far is written, with a checkpoint, and the result says so.

    Args:
        task: What to train; see `Task`.
        seed: Of the model's initialization, its random streams and the order of the data; a whole number >= 0. None for 0.
        epochs: At most so many, >= 1; None for the task's own number.
        out: Folder for the run's files; None for none.
        overwrite: Whether a run in that folder may be replaced.
        watcher: Hears what happens.
        resume: Folder of a run that is to go on, in place of `out`: from its newest checkpoint, with its seed and epochs.
        keep: Whose settings hold where they differ from those of the run that is resumed; see `rx.Checkpoints.restore`.
        checkpoint_every: Updates from one checkpoint to the next, >= 1; None for the end of an epoch, once in a minute at most.
        mesh: Devices to train on, each on its part of every batch, as `rx.parallel.data_mesh` returns them: all processes of
            `rx.parallel.initialize` call `fit` alike, and the first one writes the files. None: one device.
        fully_sharded: Whether parameters and the optimizer's state are divided among the devices of the mesh, too.

    Returns:
        How it ended, with the trained model.

    Raises:
        TaskError: If an argument or the task breaks its rule.
        RunError: If the folder can't be made, or the run can't be resumed.
        StateError: If its checkpoint can't be restored, or has other settings.
        DisagreementError: On all processes, if they begin differently, or their rates come to differ.
    """
    spread = Spread(mesh, fully_sharded=fully_sharded)
    one_of("keep", keep, KEEP, TaskError)
    if resume is not None:
        if out is not None or overwrite:
            raise TaskError("resume goes on in the folder that it names; leave out and overwrite away.")
        out = resume
        seed, epochs = planned(resume, seed, epochs)
    seed = 0 if seed is None else seed
    length = task.epochs if epochs is None else epochs
    for name, value, low in (("seed", seed, 0), ("epochs", length, 1)):
        if not is_whole(value, low):
            raise TaskError(f"{name} must be a whole number >= {low}, got {value!r}.")
    data = task.data()
    require_data(data)
    updates = {"total_steps": length * data.batches_per_epoch, "steps_per_epoch": data.batches_per_epoch}
    rate = resolve(task.learning_rate(data.batches_per_epoch, length), **updates, batch_size=getattr(data, "batch_size", None))
    plan = Plan(task, rate, seed, length, data.batches_per_epoch, None if out is None else Path(out), *spread.size)
    run = _Run(plan, data, watcher or Watcher(), spread)
    with graceful_interrupt() as interrupt:
        if out is not None:
            checkpoints = RunCheckpoints(RunDirectory(out), checkpoint_every, writes=spread.first)
            if resume is None:
                spread.once(lambda: RunDirectory.create(out, overwrite=overwrite))  # only now: nothing was wrong
                run.attach(checkpoints)
            else:
                run.resume(checkpoints, keep)
        with run.watcher:
            return run.go(interrupt)


class _Run:
    """One run: model and optimizer, and what has been told so far."""

    folder: RunDirectory | None = None
    checkpoints: RunCheckpoints | None = None

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
        self.recovery = Recovery.of(self.optimizer, plan, spread, lambda text: self._warn(f"at update {self.count:,}: {text}"))
        self.groups = group_names(plan.learning_rate)
        self.failed = False
        self.count = self.epochs = 0
        self.done, self.diverged = 0, True  # updates of this epoch, and whether none of them had a finite loss
        self.before = 0.0  # seconds until the run was stopped
        self.restored: Restored | None = None
        self.learning_rate = self._named(self._control().learning_rate)
        self.metrics: dict[str, float] = {}
        self.best: dict[str, float] = {}
        self.decisions: list[Decision] = []
        self.warnings: list[str] = []

    def attach(self, checkpoints: RunCheckpoints) -> None:
        """Write into the run's folder; its checkpoints are written by all processes together, the other files by the first one."""
        self.checkpoints, self.folder = checkpoints, checkpoints.folder if self.spread.first else None

    def resume(self, checkpoints: RunCheckpoints, keep: str) -> None:
        """Go back to where the newest checkpoint is."""
        self.restored, self.before = checkpoints.restore(self, keep)
        self.attach(checkpoints)
        self.decisions = decisions_from(checkpoints.folder.read_lines(JOURNAL))

    def go(self, interrupt: Interrupt) -> Result:
        self.started = time.perf_counter() - self.before
        self.watcher.begin(self.plan)
        if self.folder:
            self.folder.write(CONFIG, self.plan.to_json())
        if self.restored is not None:
            self.watcher.resumed(self.restored)
        else:
            self._warn_of_short_horizon()
        reason = self._why_over() if self.epochs and not self.done else None
        while reason is None and self.epochs < self.plan.epochs:
            reason = self._epoch(interrupt)
        if reason is None:
            reason = "the only epoch is over" if self.plan.epochs == 1 else f"all {self.plan.epochs} epochs are over"
        return self._finish(reason, interrupt.requested is not None, self._seconds())

    def _epoch(self, interrupt: Interrupt) -> str | None:
        """Train what is left of an epoch, and validate; return why to stop, or None."""
        batches = iter(self.data.train(self.epochs, self.plan.seed))
        self.diverged |= self.done == 0
        for chunk in chunks(batches, self.plan.updates_per_epoch, self.plan.task.updates_per_dispatch, skip=self.done):
            losses = self._dispatch(chunk)
            self.done += len(losses)
            self.diverged &= not np.isfinite(losses).any()
            self._recover()  # also before a stop: a resumed run has no copies yet
            if self.spread.any(interrupt.requested is not None):
                interrupt.requested = interrupt.requested or "interrupted"
                return interrupt.requested
            if self.done < self.plan.updates_per_epoch:
                self._save_if_due(epoch_over=False)
        if self.done == 0:
            raise TaskError(f"data.train({self.epochs}, {self.plan.seed}) yields no batch; it must return a new iterator each time.")
        self.epochs, self.done = self.epochs + 1, 0
        self._validate()
        self._save_if_due(epoch_over=True)
        return self._why_over()

    def _why_over(self) -> str | None:
        """Return why to stop after an epoch, or None."""
        if self.diverged:
            self.failed = True
            return "the training loss was NaN or infinite for a whole epoch"
        return stop_asked_for(self._control()) or floor_reached(self._control())

    def _save_if_due(self, *, epoch_over: bool) -> None:
        if self.checkpoints and self.spread.any(self.checkpoints.due(self.count, epoch_over=epoch_over)):
            self.checkpoints.save(self, self._seconds())

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

    def _recover(self) -> None:
        """Go back to the last good copy, if a guard asks for it."""
        if self.recovery is None:
            return
        lost = self._control()
        if self.recovery.check(self.optimizer, self.model, self.count):
            self._decide([rolled_back(lost, self._control())])

    def _validate(self) -> None:
        """Evaluate, tell the policies, and tell what they decide."""
        self.metrics = self.evaluate(nnx.state(self.model), self.data.validation())
        before = self._control()
        if set(before.monitored) & set(self.metrics):
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
        if self.checkpoints:
            self.checkpoints.finish(self, seconds, interrupted=interrupted)
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
