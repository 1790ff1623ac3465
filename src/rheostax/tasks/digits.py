"""Handwritten digits: a small convolutional network on scikit-learn's 1,797 real 8x8 images."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from rheostax._extras import load
from rheostax._rate import LearningRate
from rheostax.policies import ReduceOnPlateau
from rheostax.schedules import Warmup
from rheostax.training.data import Arrays
from rheostax.training.task import Task

__all__ = ["task"]


class ConvNet(nnx.Module):
    """Two convolutions, one pooling, dropout, two dense layers."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        self.first = nnx.Conv(1, 16, (3, 3), rngs=rngs)
        self.second = nnx.Conv(16, 32, (3, 3), rngs=rngs)
        self.hidden = nnx.Linear(4 * 4 * 32, 64, rngs=rngs)
        self.dropout = nnx.Dropout(0.3, rngs=rngs)
        self.head = nnx.Linear(64, 10, rngs=rngs)

    def __call__(self, images: jax.Array) -> jax.Array:
        x = nnx.relu(self.first(images))
        x = nnx.max_pool(nnx.relu(self.second(x)), (2, 2), (2, 2))
        x = nnx.relu(self.hidden(x.reshape(len(x), -1)))
        return self.head(self.dropout(x))


def data() -> Arrays:
    """Return 1,437 images to train on and 360 to validate on, split once and for all."""
    digits = load("sklearn.datasets", extra="train").load_digits()
    images = (digits.images[..., None] / 16).astype(np.float32)
    order = np.random.default_rng(0).permutation(len(images))
    held_out, training = order[:360], order[360:]
    labels = digits.target.astype(np.int32)
    pick = lambda rows: {"image": images[rows], "label": labels[rows]}  # noqa: E731
    return Arrays(pick(training), pick(held_out), batch_size=64)


def loss(model: Any, batch: Any) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Return the mean cross-entropy and the accuracy."""
    logits = model(batch["image"])
    losses = optax.softmax_cross_entropy_with_integer_labels(logits, batch["label"])
    return losses.mean(), {"accuracy": jnp.mean(logits.argmax(-1) == batch["label"])}


def learning_rate(updates_per_epoch: int, epochs: int) -> LearningRate:
    """Warm up for one epoch, then cut whenever the validation loss stalls, down to a floor."""
    plateau = ReduceOnPlateau(monitor="val_loss", patience=4, factor=0.3, rtol=1e-3)
    return (Warmup(steps=updates_per_epoch) * 3e-3 * plateau).clip(min_value=1e-5)


task = Task("digits", ConvNet, data, loss, learning_rate, 80, hyperparameters={"weight_decay": 1e-3}, goal=("val_accuracy", "max"))
