"""Tabular regression: disease progression of 442 real patients from ten measurements (scikit-learn's diabetes)."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from rheostax._extras import load
from rheostax._rate import LearningRate
from rheostax.policies import ReduceOnPlateau
from rheostax.schedules import Warmup
from rheostax.training.data import Arrays
from rheostax.training.task import Task

__all__ = ["task"]


class Perceptron(nnx.Module):
    """One hidden layer, with dropout."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        self.hidden = nnx.Linear(10, 32, rngs=rngs)
        self.dropout = nnx.Dropout(0.2, rngs=rngs)
        self.head = nnx.Linear(32, 1, rngs=rngs)

    def __call__(self, measurements: jax.Array) -> jax.Array:
        return self.head(self.dropout(nnx.silu(self.hidden(measurements))))[:, 0]


def data() -> Arrays:
    """Return 342 patients to train on and 100 to validate on; all columns with mean 0 and variance 1."""
    patients = load("sklearn.datasets", extra="train").load_diabetes()
    order = np.random.default_rng(0).permutation(len(patients.target))
    held_out, training = order[:100], order[100:]

    def standardized(column: np.ndarray) -> np.ndarray:  # by the training patients alone
        return ((column - column[training].mean(0)) / column[training].std(0)).astype(np.float32)

    inputs, target = standardized(patients.data), standardized(patients.target)
    pick = lambda rows: {"measurements": inputs[rows], "progression": target[rows]}  # noqa: E731
    return Arrays(pick(training), pick(held_out), batch_size=38)


def loss(model: Any, batch: Any) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Return the mean squared error, and the part of the target's variance that is explained."""
    error = jnp.mean(jnp.square(model(batch["measurements"]) - batch["progression"]))
    return error, {"r2": 1 - error / jnp.var(batch["progression"])}


def learning_rate(updates_per_epoch: int, epochs: int) -> LearningRate:
    """Warm up for two epochs, then halve whenever the explained variance stops growing."""
    plateau = ReduceOnPlateau(monitor="val_r2", mode="max", patience=6, factor=0.5, rtol=0.0, atol=1e-3, cooldown=2)
    return (Warmup(steps=2 * updates_per_epoch) * 3e-3 * plateau).clip(min_value=3e-5)


task = Task("diabetes", Perceptron, data, loss, learning_rate, 200, hyperparameters={"weight_decay": 1e-2}, goal=("val_r2", "max"))
