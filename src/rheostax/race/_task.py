"""A race on a training task."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import jax
import numpy as np
from flax import nnx

from rheostax._check import one_of
from rheostax._control_state import monitored
from rheostax._rate import LearningRate, as_learning_rate
from rheostax._words import plain
from rheostax.errors import ArgumentError, TaskError
from rheostax.race._result import Race
from rheostax.race._run import race
from rheostax.training import Task
from rheostax.training.data import Data
from rheostax.training.protocol import first_batch
from rheostax.training.start import load_data, require_loss, start
from rheostax.training.steps import make_evaluate, make_train_step
from rheostax.units import resolve

__all__ = ["peaks", "race_task"]

FORWARD = 1 / 3  # of the computing of an update: the backward pass takes about twice as long as the forward one


def peaks(task: Task, values: Iterable[float], *, epochs: int | None = None) -> dict[str, LearningRate]:
    """Return the task's own learning rate with other peaks, by peak.

    The peak is the largest rate of the run if no metric moves it; the rate is multiplied as a whole, floors included.

    Args:
        task: What to train.
        values: Peaks, > 0.
        epochs: Of the run; the task's own number by default.
    """
    length = task.epochs if epochs is None else epochs
    data = load_data(task)
    own = _resolved(task, task.learning_rate(data.batches_per_epoch, length), data, length)
    counts = np.unique(np.linspace(0, length * data.batches_per_epoch - 1, 10_001).astype(np.int32))
    peak = plain(np.max(own.evaluate(own.init(), jax.numpy.asarray(counts)).high))  # 0.003, and not the float32 beside it
    if not peak > 0:
        raise TaskError(f"The learning rate of {task.name} is never above 0, so it has no peak to change: {own!r}.")
    values = list(values)
    digits = next((few for few in range(3, 17) if len({f"{value:.{few}g}" for value in values}) == len(set(values))), 17)
    return {f"{value:.{digits}g}": own * (value / peak) for value in values}


def race_task(
    task: Task,
    candidates: Iterable[Any] | Mapping[str, Any],
    *,
    epochs: int | None = None,
    seed: int = 0,
    metric: str = "val_loss",
    mode: str | None = None,
    halving: int = 2,
    execution: str = "auto",
    progress: Callable[[int, int], None] | None = None,
) -> Race:
    """Race learning rates on a task: see `rx.race`.

    Candidates are compared by a validation metric, and what they react to is validated after every epoch, as `rheostax train`
    does. A validation is charged a third of an update per batch of the training's size.

    Args:
        task: What to train.
        candidates: Expressions, or a dict of them by label; durations in epochs and fractions of the run are counted for the task.
        epochs: Of a full run; the task's own number by default.
        seed: Of initialization, dropout and the order of the data.
        metric: What decides, such as "val_loss" or the task's goal.
        mode: "min" or "max"; by default that of the task's goal for the goal, and "min" for other metrics.
        halving: How many times fewer candidates go on after each rung, >= 2.
        execution: See `rx.race`.
        progress: See `rx.race`.
    """
    length = task.epochs if epochs is None else epochs
    if not isinstance(length, int) or length < 1:
        raise ArgumentError(f"race: epochs must be a whole number >= 1, got {length!r}.")
    data = load_data(task)
    named: list[tuple[Any, Any]] = list(candidates.items()) if isinstance(candidates, Mapping) else [(None, one) for one in candidates]
    rates = {
        repr(as_learning_rate(one)) if label is None else str(label): _resolved(task, as_learning_rate(one), data, length)
        for label, one in named
    }
    if not rates:
        raise ArgumentError("race: candidates must be at least one learning rate, got none.")
    model, optimizer = start(task, next(iter(rates.values())), seed)
    model.eval()
    require_loss(task, model, data)
    evaluate = make_evaluate(task, nnx.graphdef(model))
    model.train()
    validation, training = list(data.validation()), first_batch(data.train(0, seed), "data.train")
    examples = sum(map(_examples, validation)) / _examples(training)
    update = make_train_step(task)

    def step(model: Any, optimizer: Any, batch: Any) -> jax.Array:
        return update(model, optimizer, batch)[0]

    one_of("race: metric", metric, evaluate(nnx.state(model), validation[:1]))  # said before the race, not after its first rung
    reacts = any(set(monitored(rate)) - {"value"} for rate in rates.values())
    mode = (task.goal[1] if metric == task.goal[0] else "min") if mode is None else mode
    return race(
        (model, optimizer), step, lambda: _epochs(data, length, seed), rates, steps=length * data.batches_per_epoch,
        validate=lambda model: evaluate(nnx.state(model), validation), metric=metric, mode=mode,
        validate_every=data.batches_per_epoch if reacts else None, validation_cost=examples * FORWARD, halving=halving,
        chunk=task.updates_per_dispatch, execution=execution, progress=progress,
    )  # fmt: skip


def _epochs(data: Data, epochs: int, seed: int) -> Iterator[Any]:
    for epoch in range(epochs):
        yield from data.train(epoch, seed)


def _resolved(task: Task, rate: LearningRate, data: Data, epochs: int) -> LearningRate:
    size = {"total_steps": epochs * data.batches_per_epoch, "steps_per_epoch": data.batches_per_epoch}
    return resolve(rate, **size, batch_size=getattr(data, "batch_size", None))


def _examples(batch: Any) -> int:
    return len(jax.tree.leaves(batch)[0])
