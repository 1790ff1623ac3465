"""What a race costs, and what it finds: 16 rates of a perceptron on digits, against 16 full runs and against one."""

from __future__ import annotations

import dataclasses
import time
from typing import Any

import jax
import numpy as np
from flax import nnx

import rheostax as rx
from benchmarks._measure import Spread
from benchmarks._report import Row, Target, Topic
from rheostax.race import Race, race_task
from rheostax.tasks import digits
from rheostax.training import Task


class Perceptron(nnx.Module):
    """One hidden layer of 64."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        self.hidden = nnx.Linear(64, 64, rngs=rngs)
        self.head = nnx.Linear(64, 10, rngs=rngs)

    def __call__(self, images: jax.Array) -> jax.Array:
        return self.head(nnx.relu(self.hidden(images.reshape(len(images), -1))))


def rates(count: int) -> dict[str, Any]:
    return {f"{peak:.2g}": rx.Warmup("0.05run") * rx.Cosine(float(peak), "1run") for peak in np.geomspace(1e-4, 1e-1, count)}


def run(quick: bool = False) -> Topic:
    count, epochs, seeds, rounds = (4, 2, 2, 1) if quick else (16, 100, 3, 3)
    task = dataclasses.replace(digits.task, name="digits MLP", model=Perceptron, epochs=epochs)
    candidates = rates(count)
    one = dict(list(candidates.items())[count // 2 : count // 2 + 1])
    seconds: dict[str, list[float]] = {"race": [], "one": []}
    race_task(task, one)  # or the first to be timed would pay for loading and initializing
    for _ in range(rounds):  # in turn, so that what slows the machine slows both
        _timed(seconds["one"], task, one)
        found = _timed(seconds["race"], task, candidates)
    full = [race_task(task, candidates, seed=seed, halving=count, execution="sequential") for seed in range(seeds)]
    losses = np.array([[next(s.score for s in each.standings if s.label == label) for label in candidates] for each in full])
    mean = np.where(np.isfinite(losses).all(0), losses.mean(0), np.inf)  # [candidates]; whoever diverged with any seed is no winner
    best, winner = int(mean.argmin()), list(candidates).index(found.standings[0].label)
    spread = float(losses[:, best].std(ddof=1))
    single = Spread.of(np.array(seconds["one"])).median
    detail = f"rate {found.standings[0].label}: {mean[winner]:.4f}; best of all {list(candidates)[best]}: {mean[best]:.4f} +- {spread:.4f}"
    return Topic(
        f"A race of {count} rates by successive halving, digits MLP, {found.steps:,} updates a run ({found.execution})",
        [
            Row("updates and validations charged, in full runs", found.cost, "x", target=Target("<=", 6)),
            Row.measured(
                "time, in full runs, both with compilation",
                Spread.of(np.array(seconds["race"]) / np.array(seconds["one"])),
                target=Target("<=", 6),
                detail=f"one takes {single:.1f} s",
            ),
            Row("final val_loss of the winner's rate above the best's, in standard deviations over seeds",
                float((mean[winner] - mean[best]) / spread), "sd", target=Target("<=", 1), detail=detail),
        ],
    )  # fmt: skip


def _timed(seconds: list[float], task: Task, candidates: dict[str, Any]) -> Race:
    begin = time.perf_counter()
    found = race_task(task, candidates, execution="sequential")
    seconds.append(time.perf_counter() - begin)
    return found
