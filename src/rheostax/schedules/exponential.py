"""Exponential decay."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rheostax import _check
from rheostax._node import node
from rheostax._rate import Schedule

__all__ = ["Exponential"]


@node
class Exponential(Schedule):
    """Multiply the value by a constant rate every so many updates.

    `init_value * decay_rate ** (count / transition_steps)`, never ending unless `end_value` stops it.

    Args:
        init_value: Value at count 0, >= 0.
        transition_steps: Updates per multiplication, a whole number >= 1.
        decay_rate: Factor per `transition_steps` updates, in (0, 1].
        end_value: Lower bound, >= 0.

    Raises:
        ArgumentError: If an argument breaks its rule.

    >>> import rheostax as rx
    >>> [round(float(rx.Exponential(1.0, 10, 0.5)(count)), 4) for count in (0, 5, 10, 20)]
    [1.0, 0.7071, 0.5, 0.25]

    Source: `optax.exponential_decay`. A rate close to 1 is taken in float64, since in float32 the rate 0.9999999 is 17%
    off after ten million updates.
    """

    init_value: float
    transition_steps: int
    decay_rate: float
    end_value: float = 0.0
    log_rate: tuple[Any, Any] = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        _check.number(self, "init_value")
        _check.whole(self, "transition_steps")
        _check.number(self, "decay_rate", high=1.0, low_open=True, high_open=False, advice="A rate above 1 would grow without bound.")
        _check.number(self, "end_value")
        object.__setattr__(self, "log_rate", _log(self.decay_rate))

    def at(self, count: jax.Array) -> jax.Array:
        high, low = self.log_rate
        periods = count.astype(jnp.float32) / jnp.float32(self.transition_steps)
        value = jnp.float32(self.init_value) * jnp.exp(periods * jnp.float32(high) + periods * jnp.float32(low))
        return jnp.maximum(value, jnp.float32(self.end_value))


def _log(rate: Any) -> tuple[Any, Any]:
    """Return log(rate) as a sum of two float32, so that float64 precision survives in a float32 state."""
    if isinstance(rate, jax.core.Tracer):
        return jnp.log(rate), jnp.zeros_like(rate)
    log = np.log(np.asarray(rate, np.float64))
    high = log.astype(np.float32)
    low = (log - high).astype(np.float32)
    return (float(high), float(low)) if log.ndim == 0 else (jnp.asarray(high), jnp.asarray(low))
