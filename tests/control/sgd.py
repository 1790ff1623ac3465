"""Measure the learning rate that was applied: with plain SGD and a gradient of 1, a parameter of 0 moves by minus the rate."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax

import rheostax as rx
from tests.support import counting


class Run:
    """A run of SGD under control, one jitted update at a time; `applied` is what the parameters really moved by."""

    def __init__(self, rate, names=("w",), wrap=lambda tx: tx):
        self.tx = wrap(rx.control(optax.sgd, rate))
        self.params = {name: jnp.zeros(()) for name in names}
        self.ones = jax.tree.map(jnp.ones_like, self.params)
        self.state = self.tx.init(self.params)
        self.trace = counting(self._step)
        self._jitted = jax.jit(self.trace)
        self.applied = {}

    def _step(self, state, metrics):
        updates, state = self.tx.update(self.ones, state, self.params, **metrics)
        return optax.apply_updates(self.params, updates), state

    def update(self, **metrics):
        """Update, and return the rate measured: one number, or a dict by parameter."""
        moved, self.state = self._jitted(self.state, {name: jnp.float32(value) for name, value in metrics.items()})
        self.applied = {name: -np.asarray(value) for name, value in moved.items()}
        return self.applied["w"] if tuple(self.applied) == ("w",) else self.applied

    def change(self, function, *arguments, **keywords):
        """Apply one of rheostax's functions to the state."""
        self.state = function(self.state, *arguments, **keywords)

    observe = functools.partialmethod(change, rx.observe)
    set = functools.partialmethod(change, rx.set_learning_rate)
    scale = functools.partialmethod(change, rx.scale_learning_rate)
    reset = functools.partialmethod(change, rx.reset_learning_rate)

    @property
    def faults(self):
        """How often a rate was left out because it was none."""
        faults = int(self.state.body.faults)
        assert ("a rate was NaN, infinite or negative" in str(rx.describe(self.state))) == (faults > 0)
        return faults

    @property
    def read(self):
        return rx.learning_rate(self.state)
