"""A task of one's own for the command line: `rheostax train my_task:task`, from the folder of this file.

178 real wines, told apart by grower from thirteen chemical measurements.
"""

import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from sklearn.datasets import load_wine

import rheostax as rx
from rheostax.training import Arrays, Task


class Classifier(nnx.Module):
    """One hidden layer."""

    def __init__(self, rngs: nnx.Rngs):
        self.hidden = nnx.Linear(13, 32, rngs=rngs)
        self.head = nnx.Linear(32, 3, rngs=rngs)

    def __call__(self, x):
        return self.head(nnx.relu(self.hidden(x)))


def data() -> Arrays:
    wines = load_wine()
    order = np.random.default_rng(0).permutation(178)
    held_out, training = order[:48], order[48:]
    x = (wines.data - wines.data[training].mean(0)) / wines.data[training].std(0)
    pick = lambda rows: {"x": x[rows].astype(np.float32), "y": wines.target[rows]}  # noqa: E731
    return Arrays(pick(training), pick(held_out), batch_size=26)


def loss(model, batch):
    logits = model(batch["x"])
    losses = optax.softmax_cross_entropy_with_integer_labels(logits, batch["y"])
    return losses.mean(), {"accuracy": jnp.mean(logits.argmax(-1) == batch["y"])}


def learning_rate(updates_per_epoch: int, epochs: int):
    plateau = rx.ReduceOnPlateau(monitor="val_loss", patience=3, factor=0.5, rtol=1e-2)
    return (rx.Warmup(steps=updates_per_epoch) * 1e-2 * plateau).clip(min_value=1e-4)


task = Task("wine", Classifier, data, loss, learning_rate, epochs=60, goal=("val_accuracy", "max"))
