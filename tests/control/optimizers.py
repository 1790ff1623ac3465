"""Every optimizer that optax has, found by its argument `learning_rate`."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import optax
import optax.contrib
import pytest

import rheostax as rx

# What `update` must be given besides gradients.
NEEDS = {"momo": ("value",), "momo_adam": ("value",), "sophia": ("obj_fn",)}

# Hyperparameters that are not defaults, and why.
HYPERPARAMETERS = {
    "dpsgd": {"l2_norm_clip": 1.0, "noise_multiplier": 0.0, "seed": 0},  # required
    "lbfgs": {"linesearch": None},  # a line search finds a step of its own, and takes seconds to compile
    "noisy_sgd": {"key": 0},  # soon required
}

# It reads the learning rate when it is made and keeps it in its state.
REFUSED = {"rprop", "scale_by_rprop"}


def _schedule_free(learning_rate):
    """It wraps an optimizer that has the same learning rate."""
    return optax.contrib.schedule_free(optax.sgd(learning_rate), learning_rate)


def _takes_learning_rate(value):
    try:
        return "learning_rate" in inspect.signature(value).parameters
    except (TypeError, ValueError):
        return False


def discover():
    """Return the optimizers of optax and optax.contrib by name."""
    found = {}
    for module in (optax, optax.contrib):
        for name, value in vars(module).items():
            if not name.startswith("_") and not isinstance(value, type) and callable(value) and _takes_learning_rate(value):
                found[name] = value
    return {**found, "schedule_free": _schedule_free}


FOUND = discover()
# What optax says of its own arguments is no concern of these tests.
ignore_deprecations = pytest.mark.filterwarnings("ignore::DeprecationWarning:optax", "ignore:Specifying a key:UserWarning")

OPTIMIZERS = {name: value for name, value in sorted(FOUND.items()) if name not in REFUSED}


def usual_rate(name):
    """Return the default learning rate, or one at which every optimizer moves."""
    default = inspect.signature(OPTIMIZERS[name]).parameters["learning_rate"].default
    adaptive = name.startswith("momo")  # the rate is an upper bound there
    return default if isinstance(default, float) and not adaptive else 1e-2


def alone(name, rate):
    """Return the optimizer as optax makes it."""
    return OPTIMIZERS[name](learning_rate=rate, **HYPERPARAMETERS.get(name, {}))


def controlled(name, rate):
    """Return the same optimizer under control."""
    return rx.control(OPTIMIZERS[name], rate, **HYPERPARAMETERS.get(name, {}))


def loss(params):
    return sum(jnp.sum(jnp.sin(3 * leaf.astype(jnp.float32)) ** 2) for leaf in jax.tree.leaves(params))


def parameters(*dtypes):
    """Return a tree with one leaf of each dtype, and one vector of the first."""
    matrix = jnp.asarray(np.random.default_rng(0).normal(size=(4, 3)), jnp.float32)
    leaves = {f"w{i}": matrix.astype(dtype) for i, dtype in enumerate(dtypes)}
    return {**leaves, "b": jnp.ones(3, dtypes[0])}


def train(name, tx, params, updates=3, *, jit=False):
    """Return the parameters after a few updates, and the states on the way."""

    def step(params, state):
        value, gradients = jax.value_and_grad(loss)(params)
        extra = {key: {"value": value, "obj_fn": loss}[key] for key in NEEDS.get(name, ())}
        if name == "dpsgd":  # gradients per example
            gradients = jax.tree.map(lambda g: jnp.stack([g, g]), gradients)
        updates, state = tx.update(gradients, state, params, **extra)
        return updates, optax.apply_updates(params, updates), state

    run = jax.jit(step) if jit else step
    states = [tx.init(params)]
    for _ in range(updates):
        changes, params, state = run(params, states[-1])
        assert jax.tree.map(jnp.result_type, changes) == jax.tree.map(jnp.result_type, params)
        states.append(state)
    return params, states
