"""The compiled part: an update, many updates in one dispatch, and an evaluation."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import jax
import numpy as np
from flax import nnx

from rheostax._loop import make_loop
from rheostax._purity import in_words
from rheostax.errors import TaskError
from rheostax.state import controls, opt_state
from rheostax.training.protocol import LOSS
from rheostax.training.task import Task

__all__ = ["Trace", "chunks", "make_evaluate", "make_train_step", "make_updates"]


class Trace(NamedTuple):
    """What n updates leave behind, each leaf with n rows. It is fetched once, after all of them."""

    metrics: dict[str, jax.Array]  # float [n]: the loss and the task's other training metrics
    learning_rate: jax.Array  # float32 [n], or [n, groups]: the rates that were used
    floats: jax.Array  # float32 [n, ...]: `ControlState.floats` after each update
    ints: jax.Array  # int32 [n, ...]


def make_train_step(task: Task) -> Callable[[Any, Any, Any], tuple[jax.Array, dict[str, jax.Array]]]:
    """Return a task's update, `(model, optimizer, batch) -> (loss, metrics)`, as it would be written in a loop of one's own."""

    def step(model: Any, optimizer: Any, batch: Any) -> tuple[jax.Array, dict[str, jax.Array]]:
        (loss, metrics), gradients = nnx.value_and_grad(task.loss, has_aux=True)(model, batch)
        optimizer.update(model, gradients, value=loss)
        return loss, metrics

    return step


def make_updates(task: Task, graphdef: Any, shardings: Any = None) -> Callable[[Any, Any], tuple[Any, Trace]]:
    """Compile `(state, batches) -> (state, trace)`: one update per batch of a stack of batches.

    One dispatch for many updates is possible because the rate is controlled inside the graph: nothing has to come back to
    the host in between. The state is donated, so it is never held twice. (With convolutions on a CPU see `make_loop`.) With
    `shardings`, a tree of them, the state stays where they say.
    """

    step = make_train_step(task)

    def update(state: Any, batch: Any) -> tuple[Any, Trace]:
        model, optimizer = nnx.merge(graphdef, state)
        loss, metrics = step(model, optimizer, batch)
        control = next(iter(controls(opt_state(optimizer)).values()))
        trace = Trace({"loss": loss, **metrics}, control.learning_rate, control.floats, control.ints)
        new = nnx.state((model, optimizer))
        return new if shardings is None else jax.lax.with_sharding_constraint(new, shardings), trace

    loop = make_loop(update)

    def updates(state: Any, batches: Any) -> tuple[Any, Trace]:
        with in_words(LOSS, TaskError):
            return loop(state, batches)

    return updates


def make_evaluate(
    task: Task, graphdef: Any, spread: Callable[[Any], Any] = lambda batch: batch
) -> Callable[[Any, Iterable[Any]], dict[str, float]]:
    """Compile `(state of the model, batches) -> metrics`: means over all examples, named `val_...`; `spread` lays a batch out."""

    @jax.jit
    def evaluate(state: Any, batch: Any) -> dict[str, jax.Array]:
        loss, metrics = task.loss(nnx.merge(graphdef, state), batch)
        return {"loss": loss, **metrics}

    def run(state: Any, batches: Iterable[Any]) -> dict[str, float]:
        sizes, results = [], []
        for batch in batches:
            sizes.append(len(jax.tree.leaves(batch)[0]))
            with in_words(LOSS, TaskError):
                results.append(evaluate(state, spread(batch)))
        rows = jax.device_get(results)
        return {f"val_{name}": float(np.average([row[name] for row in rows], weights=sizes)) for name in rows[0]}

    return run


def chunks(batches: Iterator[Any], count: int, most: int, *, skip: int = 0) -> Iterator[Any]:
    """Stack `count` batches into as few, nearly equal chunks of at most `most` as possible: two shapes to compile at most.

    The first `skip` batches are left out, and the chunks are those of all the others: what is compiled for another number of batches may
    round otherwise.
    """
    parts = -(-count // most)
    for i in range(parts):
        begin, end = count * i // parts, count * (i + 1) // parts
        group = list(itertools.islice(batches, end - begin))[max(skip - begin, 0) :]
        if group:
            yield jax.tree.map(lambda *leaves: np.stack(leaves), *group)
