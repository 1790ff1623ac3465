"""What a learning rate would do, without training."""

from __future__ import annotations

import functools
import reprlib
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rheostax._control_state import monitored, require_known
from rheostax._rate import LearningRate, RateLike, as_learning_rate, lower
from rheostax._words import shown
from rheostax.errors import ArgumentError

__all__ = ["simulate"]


def simulate(learning_rate: RateLike, steps: int, observations: Mapping[str, Any] | None = None) -> np.ndarray:
    """Return the rate of every update of a run, given what would be observed.

    An observation at update k is used before the rate of update k is evaluated, as in training.

    Args:
        learning_rate: A number, any optax schedule, or a rheostax expression.
        steps: Number of updates, >= 1.
        observations: Per metric one value for each update (an array `[steps]`, NaN where there is none), or a dict from
            the update's count to the value.

    Returns:
        `float32 [steps]`; with parameter groups `float32 [steps, groups]`.

    Raises:
        ArgumentError: If steps is no whole number >= 1, or observations don't fit it.
        UnknownMetricError: If no policy monitors any of the metrics.

    >>> import rheostax as rx
    >>> rate = rx.Constant(1.0) * rx.ReduceOnPlateau(monitor="val_loss", patience=1, factor=0.5)
    >>> rx.simulate(rate, steps=6, observations={"val_loss": {1: 0.3, 4: 0.3}})
    array([1. , 1. , 1. , 1. , 0.5, 0.5], dtype=float32)
    """
    rate = as_learning_rate(learning_rate)
    if isinstance(steps, bool) or not isinstance(steps, int | np.integer) or steps < 1:
        raise ArgumentError(f"simulate: steps must be a whole number >= 1, got {shown(steps)}.")
    known, observations = monitored(rate), {} if observations is None else observations
    if not isinstance(observations, Mapping):
        raise ArgumentError(f"simulate: observations must map a metric's name to its values, got {type(observations).__name__}.")
    require_known(observations, known)
    streams = {name: _stream(name, observations[name], int(steps)) for name in known if name in observations}
    return np.asarray(_scan(lower(rate), int(steps), streams))


def _stream(name: str, values: Any, steps: int) -> np.ndarray:
    """Make a dense float32 stream, NaN where nothing is observed."""
    if isinstance(values, Mapping):
        for count in values:
            if not (isinstance(count, int | np.integer) and 0 <= count < steps):
                raise ArgumentError(f"simulate: observations[{name!r}] must have whole counts in [0, {steps}), got {count!r}.")
        stream = np.full(steps, np.nan, np.float32)
        stream[list(values)] = _numbers(name, list(values.values()))
        return stream
    stream = _numbers(name, values)
    if stream.shape != (steps,):
        raise ArgumentError(f"simulate: observations[{name!r}] must have one value per update, shape ({steps},), got {stream.shape}.")
    return stream


@np.errstate(over="ignore")  # what is too large for float32 is infinite, and left out as such
def _numbers(name: str, values: Any) -> np.ndarray:
    try:
        return np.asarray(values, np.float32)
    except (TypeError, ValueError):
        raise ArgumentError(f"simulate: observations[{name!r}] must be real numbers, got {reprlib.repr(values)}.") from None


@functools.partial(jax.jit, static_argnames="steps")
def _scan(rate: LearningRate, steps: int, streams: dict[str, jax.Array]) -> jax.Array:
    def update(state: Any, inputs: tuple[jax.Array, dict[str, jax.Array]]) -> tuple[Any, jax.Array]:
        count, metrics = inputs
        for name, value in metrics.items():
            seen = rate.observe(state, count, {name: value})
            state = jax.tree.map(functools.partial(jnp.where, ~jnp.isnan(value)), seen, state)
        return state, rate.evaluate(state, count).high

    return jax.lax.scan(update, rate.init(), (jnp.arange(steps, dtype=jnp.int32), streams))[1]
