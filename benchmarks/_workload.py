"""What is trained, and the optimizers that are compared: one model, one loss, the same settings for everyone."""

from __future__ import annotations

import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

import rheostax as rx

WIDTH, LAYERS, BATCH = 128, 3, 32

# A lower bound of the scale, because hundreds of cuts would end in denormal numbers, on which processors are slow.
PLATEAU = {"factor": 0.5, "patience": 10, "rtol": 1e-5, "cooldown": 1, "min_scale": 1e-3}


class MLP(nnx.Module):
    """A chain of Linear layers with relu between them."""

    def __init__(self, *widths: int, rngs: nnx.Rngs) -> None:
        self.layers = nnx.List([nnx.Linear(i, o, rngs=rngs) for i, o in itertools.pairwise(widths)])

    def __call__(self, x: jax.Array) -> jax.Array:
        for layer in self.layers[:-1]:
            x = nnx.relu(layer(x))
        return self.layers[-1](x)


def small_mlp() -> MLP:
    return MLP(*[WIDTH] * (LAYERS + 1), rngs=nnx.Rngs(0))


def squared_error(model: Any, x: jax.Array, y: jax.Array) -> jax.Array:
    return ((model(x) - y) ** 2).mean()


def batches(n: int, inputs: int, outputs: int) -> tuple[jax.Array, jax.Array]:
    """Return n batches of a regression onto noise, on the device: `[n, BATCH, inputs]` and `[n, BATCH, outputs]`."""
    random = np.random.default_rng(0)
    shapes = (n, BATCH, inputs), (n, BATCH, outputs)
    return tuple(jnp.asarray(random.standard_normal(shape), jnp.float32) for shape in shapes)  # type: ignore[return-value]


def adam() -> optax.GradientTransformationExtraArgs:
    return optax.with_extra_args_support(optax.adam(1e-3))


def adam_with_optax_plateau() -> optax.GradientTransformationExtraArgs:
    return optax.chain(optax.adam(1e-3), optax.contrib.reduce_on_plateau(**PLATEAU))


def injected_adam() -> optax.GradientTransformationExtraArgs:
    schedule = optax.warmup_cosine_decay_schedule(init_value=0.0, peak_value=1e-3, warmup_steps=500, decay_steps=20_000)
    return optax.with_extra_args_support(optax.inject_hyperparams(optax.adam)(learning_rate=schedule))


def controlled_adam(**rules: str) -> optax.GradientTransformationExtraArgs:
    rate = rx.Warmup(500) * rx.Cosine(init_value=1e-3, decay_steps=20_000) * rx.ReduceOnPlateau(**PLATEAU)
    return rx.control(optax.adam, rate, **rules)


def constant_controlled_adam() -> optax.GradientTransformationExtraArgs:
    return rx.control(optax.adam, 1e-3)
