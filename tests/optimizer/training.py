"""A small regression with everything that a model may have: parameters, statistics, random numbers."""

import jax
import jax.numpy as jnp
import optax
from flax import nnx

import rheostax as rx

X = jnp.asarray([[0.1, 0.2, 0.3, 0.4], [1.0, -1.0, 0.5, 0.0], [0.3, 0.3, -0.9, 0.2], [-0.5, 0.7, 0.1, 1.0]])
Y = jnp.asarray([[0.5], [-0.25], [1.0], [0.0]])
PLATEAU = rx.ReduceOnPlateau(monitor="val_loss", patience=1, factor=0.5)
CLASSES = [nnx.Optimizer, rx.Optimizer]


class Model(nnx.Module):
    def __init__(self, rngs):
        self.body = nnx.Linear(4, 8, rngs=rngs)
        self.norm = nnx.BatchNorm(8, rngs=rngs)
        self.drop = nnx.Dropout(0.25, rngs=rngs)
        self.head = nnx.Linear(8, 1, rngs=rngs)

    def __call__(self, x):
        return self.head(self.drop(jnp.tanh(self.norm(self.body(x)))))


def loss_fn(model, x, y):
    return ((model(x) - y) ** 2).mean()


def step(model, optimizer, x, y, **metrics):
    loss, grads = nnx.value_and_grad(loss_fn)(model, x, y)
    optimizer.update(model, grads, value=loss, **metrics)
    return loss


def make(cls=rx.Optimizer, tx=None, wrt=nnx.Param):
    """Return a new model, always with the same numbers, and its optimizer."""
    model = Model(nnx.Rngs(0))
    tx = rx.control(optax.adam, rx.Constant(0.125) * PLATEAU) if tx is None else tx
    return model, cls(model, optax.with_extra_args_support(tx), wrt=wrt)


def weights(model):
    return nnx.to_pure_dict(nnx.state(model, nnx.Param))


def arrays(*nodes):
    """Return every number of models and optimizers, random keys as their data."""
    leaves = jax.tree.leaves([nnx.as_pure(nnx.state(node)) for node in nodes])
    return [jax.random.key_data(leaf) if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf for leaf in leaves]
