"""What is trained: the embedded tasks, and others that are small enough to be trained some thousands of times."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from rheostax.tasks import diabetes, digits, language
from rheostax.training import Task

__all__ = ["PROBLEMS", "Problem"]


@dataclasses.dataclass(frozen=True)
class Problem:
    """A task and the length of its runs, in updates. There are `evaluations` at equal distances, the last at the end."""

    make: Callable[[], Task]
    updates: int
    evaluations: int = 20

    @property
    def every(self) -> int:
        return self.updates // self.evaluations

    @property
    def warmup(self) -> int:
        return self.updates // 20

    @property
    def stable(self) -> int:
        """At which count a decay begins that takes the last four tenths."""
        return 3 * self.updates // 5


def _unused(updates_per_epoch: int, epochs: int) -> Any:
    raise NotImplementedError("A rule decides on the rate here.")


def _task(name: str, model: Any, data: Any, loss: Any, **hyperparameters: float) -> Task:
    return Task(name, model, data, lambda model, batch: (loss(model, batch), {}), _unused, 1, hyperparameters=hyperparameters)


# Regression on features whose variances fall with a power law: the least possible loss is known, so what is validated is the exact
# distance to it.
WIDTH, NOISE = 128, 0.1


@functools.cache
def _power_law() -> tuple[np.ndarray, np.ndarray]:
    """Return the mixing of independent features, with variances i ** -1.5 along random directions, and the true weights."""
    random = np.random.default_rng(0)
    directions = np.linalg.qr(random.normal(size=(WIDTH, WIDTH)))[0]
    scales = np.arange(1.0, WIDTH + 1) ** -0.75
    weights = directions @ (random.choice([-1.0, 1.0], WIDTH) * np.arange(1.0, WIDTH + 1) ** 0.125)
    return (scales[:, None] * directions.T).astype(np.float32), weights.astype(np.float32)


class Sampled:
    """Batches without end, never the same twice; validation is on the features' exact covariance, without noise."""

    batches_per_epoch, batch_size = 100, 16

    def train(self, epoch: int, seed: int) -> Iterator[dict[str, np.ndarray]]:
        mixing, weights = _power_law()
        random = np.random.default_rng([seed, epoch])
        for _ in range(self.batches_per_epoch):
            x = random.standard_normal((self.batch_size, WIDTH), np.float32) @ mixing
            noise = NOISE * random.standard_normal(self.batch_size, np.float32)
            yield {"x": x, "y": x @ weights + noise}

    def validation(self) -> Iterator[dict[str, np.ndarray]]:
        mixing, weights = _power_law()
        x = mixing * np.sqrt(np.float32(WIDTH))  # the mean square over its rows is that over the distribution
        yield {"x": x, "y": x @ weights}


class Weights(nnx.Module):
    """A linear function that begins at 0."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        self.weights = nnx.Param(jnp.zeros(WIDTH))

    def __call__(self, x: jax.Array) -> jax.Array:
        return x @ self.weights[...]


def _halved_square(model: Any, batch: Any) -> jax.Array:
    return jnp.mean(jnp.square(model(batch["x"]) - batch["y"])) / 2


class Perceptron(nnx.Module):
    """One hidden layer."""

    def __init__(self, rngs: nnx.Rngs, *, inputs: int, hidden: int, outputs: int) -> None:
        self.hidden = nnx.Linear(inputs, hidden, rngs=rngs)
        self.head = nnx.Linear(hidden, outputs, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.head(nnx.silu(self.hidden(x.reshape(len(x), -1))))


class Recurrent(nnx.Module):
    """Reads an image row by row."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        self.cell = nnx.GRUCell(8, 48, rngs=rngs)
        self.head = nnx.Linear(48, 10, rngs=rngs)

    def __call__(self, images: jax.Array) -> jax.Array:
        carry = jnp.zeros((len(images), 48))
        for row in range(8):
            carry, _ = self.cell(carry, images[:, row, :, 0])
        return self.head(carry)


def _cross_entropy(model: Any, batch: Any) -> jax.Array:
    return optax.softmax_cross_entropy_with_integer_labels(model(batch["image"]), batch["label"]).mean()


class Autoencoder(nnx.Module):
    """A variational autoencoder; what it gives is the bound on minus the log density of an image, which can be negative."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        self.encoder = Perceptron(rngs, inputs=64, hidden=64, outputs=16)
        self.decoder = Perceptron(rngs, inputs=8, hidden=64, outputs=64)
        self.log_scale = nnx.Param(jnp.zeros(()))
        self.rngs = nnx.Rngs(rngs.params())

    def __call__(self, images: jax.Array) -> jax.Array:
        mean, log_variance = jnp.split(self.encoder(images), 2, axis=1)
        sample = mean + jnp.exp(log_variance / 2) * jax.random.normal(self.rngs(), mean.shape)
        scale = self.log_scale[...]
        error = jnp.square((images.reshape(len(images), -1) - self.decoder(sample)) * jnp.exp(-scale))
        likelihood = -jnp.sum(error / 2 + scale + jnp.log(2 * jnp.pi) / 2, axis=1)
        divergence = jnp.sum(jnp.exp(log_variance) + jnp.square(mean) - 1 - log_variance, axis=1) / 2
        return (divergence - likelihood) / 64


def _density(model: Any, batch: Any) -> jax.Array:
    """Return minus the log density of a progression whose mean and variance both depend on the patient."""
    mean, log_scale = jnp.split(model(batch["measurements"]), 2, axis=1)
    error = (batch["progression"] - mean[:, 0]) * jnp.exp(-log_scale[:, 0])
    return jnp.mean(jnp.square(error) / 2 + log_scale[:, 0])


def _perceptron(**sizes: int) -> Callable[[nnx.Rngs], Perceptron]:
    return functools.partial(Perceptron, **sizes)


PROBLEMS: dict[str, Problem] = {
    "power law": Problem(lambda: _task("power law", Weights, Sampled, _halved_square), 1000),
    "digits, perceptron": Problem(
        lambda: _task("digits", _perceptron(inputs=64, hidden=128, outputs=10), digits.data, _cross_entropy, weight_decay=1e-3), 660
    ),
    "digits, recurrent": Problem(lambda: _task("digits", Recurrent, digits.data, _cross_entropy, weight_decay=1e-3), 660),
    "digits, autoencoder": Problem(lambda: _task("digits", Autoencoder, digits.data, lambda m, b: m(b["image"]).mean()), 660),
    "diabetes": Problem(lambda: diabetes.task, 360),
    "diabetes, density": Problem(
        lambda: _task("diabetes", _perceptron(inputs=10, hidden=32, outputs=2), diabetes.data, _density, weight_decay=1e-2), 360
    ),
    "digits": Problem(lambda: digits.task, 220),
    "language": Problem(lambda: language.make_task(width=32, layers=1, heads=4, context=32, batch_size=16), 400),
}
