"""The rules that are compared, each with one number to tune."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import optax
from optax.contrib import dog, prodigy, reduce_on_plateau, schedule_free_adamw, schedule_free_eval_params

import rheostax as rx
from benchmarks.policies.problems import Problem

__all__ = ["RULES", "Rule"]

RATES = tuple(float(f"{rate:.3g}") for rate in np.geomspace(3e-4, 3e-1, 7))  # of AdamW
FACTORS = tuple(float(f"{rate:.3g}") for rate in np.geomspace(1 / 30, 30, 7))  # of optimizers that find a rate themselves
PATIENCE, FACTOR, RTOL = 3, 0.5, 1e-3  # of the plateaus that look once per evaluation


@dataclasses.dataclass(frozen=True)
class Rule:
    """How the rate goes, and which optimizer it drives.

    Attributes:
        shape: `shape(rate, problem)`: the expression; there is a warm-up before it.
        numbers: What is tried for `rate`.
        optimizer: `optimizer(problem)`: an optax optimizer, not called.
        cuts: Whether it may lower the rate when a metric tells it to.
        forced: Whether it lowers the rate at `problem.stable` if no metric has told it to before.
        weights: `weights(optimizer's state, parameters)`: those to validate.
        keeps: Which of a task's hyperparameters the optimizer takes.
    """

    shape: Callable[[Any, Problem], Any]
    numbers: tuple[float, ...] = RATES
    optimizer: Callable[[Problem], Callable[..., Any]] = lambda problem: optax.adamw
    cuts: bool = False
    forced: bool = False
    weights: Callable[[Any, Any], Any] = lambda state, params: params
    keeps: tuple[str, ...] = ("weight_decay", "b2")

    def expression(self, rate: Any, problem: Problem) -> rx.LearningRate:
        return rx.Warmup(problem.warmup, init_value=1 / problem.warmup) * self.shape(rate, problem)


def _adamw_with_plateau(**arguments: Any) -> Callable[..., Any]:
    def factory(learning_rate: Any, **hyperparameters: Any) -> Any:
        return optax.chain(optax.adamw(learning_rate, **hyperparameters), reduce_on_plateau(**arguments))

    return factory


def _constant(rate: Any, problem: Problem) -> rx.LearningRate:
    return rx.Constant(rate)


def _cosine(rate: Any, problem: Problem) -> rx.LearningRate:
    return rx.Cosine(rate, problem.updates)


def _parts(rate: Any, problem: Problem) -> list[rx.LearningRate]:
    return [rx.Constant(rate), rx.Linear(rate, 0.0, problem.updates - problem.stable)]


TEST = {"window": 64, "rtol": 0.02, "alpha": 0.05}  # of the statistical plateaus: a fall by 2% in 64 updates is progress
AUTOMATIC = {"numbers": FACTORS, "keeps": ("weight_decay",)}

RULES: dict[str, Rule] = {
    "constant": Rule(_constant),
    "cosine to zero": Rule(_cosine),
    "linear to zero": Rule(lambda rate, problem: rx.Linear(rate, 0.0, problem.updates)),
    "stable, then linear to zero": Rule(lambda rate, problem: rx.Join(_parts(rate, problem), [problem.stable])),
    "optax's plateau, every loss": Rule(_constant, optimizer=lambda problem: _adamw_with_plateau(), cuts=True),
    "optax's plateau, means": Rule(
        _constant,
        optimizer=lambda problem: _adamw_with_plateau(patience=PATIENCE, factor=FACTOR, rtol=RTOL, accumulation_size=problem.every),
        cuts=True,
    ),
    "ReduceOnPlateau, validation": Rule(
        lambda rate, problem: rate * rx.ReduceOnPlateau(monitor="val_loss", patience=PATIENCE, factor=FACTOR, rtol=RTOL), cuts=True
    ),
    "ReduceOnStatisticalPlateau": Rule(lambda rate, problem: rate * rx.ReduceOnStatisticalPlateau(factor=FACTOR, **TEST), cuts=True),
    "AdvanceOnStatisticalPlateau": Rule(
        lambda rate, problem: rx.AdvanceOnStatisticalPlateau(_parts(rate, problem), latest=[problem.stable], **TEST), cuts=True, forced=True
    ),
    "AnnealWhenWorthIt": Rule(lambda rate, problem: rate * rx.AnnealWhenWorthIt(problem.updates, warmup_steps=problem.warmup)),
    "Schedule-Free": Rule(_constant, optimizer=lambda problem: schedule_free_adamw, weights=schedule_free_eval_params),
    "Prodigy": Rule(_constant, optimizer=lambda problem: prodigy, **AUTOMATIC),
    "Prodigy, cosine to zero": Rule(_cosine, optimizer=lambda problem: prodigy, **AUTOMATIC),
    "DoG": Rule(_constant, optimizer=lambda problem: dog, **AUTOMATIC),
}
