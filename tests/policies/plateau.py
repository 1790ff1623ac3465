"""Run `ReduceOnPlateau` over a stream of observations, compiled once per length and mode."""

import jax
import jax.numpy as jnp
import numpy as np

import rheostax as rx
from rheostax._rate import lower


@jax.jit
def _states(policy, state, values):
    def observe(state, value):
        state = policy.observe(state, jnp.int32(0), {policy.monitor: value})
        return state, state

    return jax.lax.scan(observe, state, values)[1]


def states(values, own=None, **settings):
    """Return the state after every observation, as numpy; `own` is the plateau state to begin with."""
    policy = rx.ReduceOnPlateau(**settings)
    start = policy.init() if own is None else policy.init()._replace(own=own)
    return jax.device_get(_states(lower(policy), start, jnp.asarray(values, jnp.float32)))


def scales(values, **settings):
    """Return the factor after every observation."""
    return np.asarray(states(values, **settings).own.scale)


def cuts(values, **settings):
    """Return the number, from 1, of every observation that cut the rate."""
    trajectory = np.concatenate([[1.0], scales(values, **settings)])
    return (np.flatnonzero(np.diff(trajectory) < 0) + 1).tolist()
