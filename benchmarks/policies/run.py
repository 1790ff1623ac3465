"""One training: a problem, a rule, its number and a seed."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from optax.contrib import ReduceLROnPlateauState

from benchmarks.policies.problems import Problem
from benchmarks.policies.rules import Rule
from rheostax._loop import make_loop
from rheostax.state import opt_state
from rheostax.training.start import batches_of, load_data, start
from rheostax.training.steps import make_evaluate, make_train_step

__all__ = ["Outcome", "make_run"]


class Outcome(NamedTuple):
    """What a run leaves: validation losses before it and at every evaluation, and when a metric first lowered the rate."""

    start: float
    losses: list[float]
    cut: int | None


def make_run(problem: Problem, rule: Rule) -> Callable[[float, int], Outcome]:
    """Return `(number, seed) -> outcome`, compiled once for all numbers and seeds."""
    task = problem.make()
    kept = {name: value for name, value in task.hyperparameters.items() if name in rule.keeps}
    task = dataclasses.replace(task, optimizer=rule.optimizer(problem), hyperparameters=kept)
    data, step = load_data(task), make_train_step(task)
    graphdef = nnx.graphdef(start(task, rule.expression(rule.numbers[0], problem), 0))
    begin = jax.jit(lambda number, key: nnx.state(start(task, rule.expression(number, problem), key)))

    def update(state: Any, batch: Any) -> tuple[Any, jax.Array]:
        model, optimizer = nnx.merge(graphdef, state)
        step(model, optimizer, batch)
        return nnx.state((model, optimizer)), optimizer.learning_rate * _scale(opt_state(optimizer))

    @jax.jit
    def judged(state: Any) -> Any:
        model, optimizer = nnx.merge(graphdef, state)
        nnx.update(model, rule.weights(opt_state(optimizer).inner, nnx.as_pure(nnx.state(model, nnx.Param))))
        return nnx.state(model)

    @jax.jit
    def tell(state: Any, loss: jax.Array) -> Any:
        model, optimizer = nnx.merge(graphdef, state)
        optimizer.observe(val_loss=loss)
        return nnx.state((model, optimizer))

    model, optimizer = start(task, rule.expression(rule.numbers[0], problem), 0)
    told = "val_loss" in opt_state(optimizer).monitored
    model.eval()
    evaluate, loop, validation = make_evaluate(task, nnx.graphdef(model)), make_loop(update), list(data.validation())

    def run(number: float, seed: int) -> Outcome:
        state, batches = begin(number, jax.random.key(seed)), batches_of(data, seed)
        losses, rates = [evaluate(judged(state), validation)["val_loss"]], []
        for _ in range(problem.evaluations):
            several = list(itertools.islice(batches, problem.every))
            state, used = loop(state, jax.tree.map(lambda *rows: np.stack(rows), *several))
            losses.append(evaluate(judged(state), validation)["val_loss"])
            rates.append(np.asarray(used))
            if told:
                state = tell(state, np.float32(losses[-1]))
        return Outcome(losses[0], losses[1:], _cut(np.concatenate(rates), number, problem, rule))

    return run


def _scale(state: Any) -> jax.Array:
    """Return what optax's plateau multiplies updates with; 1 without it."""
    found = jax.tree.leaves(state, is_leaf=lambda leaf: isinstance(leaf, ReduceLROnPlateauState))
    return next((leaf.scale for leaf in found if isinstance(leaf, ReduceLROnPlateauState)), jnp.float32(1.0))


def _cut(rates: np.ndarray, number: float, problem: Problem, rule: Rule) -> int | None:
    """Return the count at which a metric lowered the rate for the first time."""
    lower = np.flatnonzero(rates[problem.warmup :] < 0.999 * number) + problem.warmup
    if not rule.cuts or not len(lower) or (rule.forced and lower[0] >= problem.stable):
        return None
    return int(lower[0])
