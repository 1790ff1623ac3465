"""Exponential decay."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from rheostax import _check
from rheostax._duration import Steps
from rheostax._node import duration, node, static
from rheostax._rate import Schedule
from rheostax._twofloat import TwoFloat, ratio, where
from rheostax.schedules._progress import decayed

__all__ = ["Exponential"]


@node
class Exponential(Schedule):
    """Multiply the value by a constant rate every so many updates.

    `init_value * decay_rate ** (max(count - transition_begin, 0) / transition_steps)`, never ending unless `end_value` stops it.
    With `staircase` the exponent is rounded down, and the value falls in steps.

    Args:
        init_value: Value at count 0, >= 0.
        transition_steps: Updates per multiplication, a whole number >= 1.
        decay_rate: Factor per `transition_steps` updates, in (0, 1].
        end_value: Lower bound, >= 0.
        transition_begin: Count at which the decay begins, a whole number >= 0.
        staircase: Whether to decay in steps, once every `transition_steps` updates.

    Raises:
        ArgumentError: If an argument breaks its rule.

    >>> import rheostax as rx
    >>> [round(float(rx.Exponential(1.0, 10, 0.5)(count)), 4) for count in (0, 5, 10, 20)]
    [1.0, 0.7071, 0.5, 0.25]

    Source: `optax.exponential_decay`. A rate close to 1 is taken in float64, since in float32 the rate 0.9999999 is 17%
    off after ten million updates.
    """

    init_value: float
    transition_steps: Steps = duration()
    decay_rate: float
    end_value: float = 0.0
    transition_begin: Steps = duration(default=0)
    staircase: bool = static(default=False)

    def __post_init__(self) -> None:
        _check.number(self, "init_value")
        _check.duration(self, "transition_steps")
        _check.number(self, "decay_rate", high=1.0, low_open=True, high_open=False, advice="A rate above 1 would grow without bound.")
        _check.number(self, "end_value")
        _check.duration(self, "transition_begin", low=0)
        _check.choice(self, "staircase", (True, False))

    def at(self, count: jax.Array) -> TwoFloat:
        end = TwoFloat.of(self.end_value)
        elapsed, steps = jnp.maximum(count - jnp.int32(self.transition_begin), 0), jnp.int32(self.transition_steps)
        periods = TwoFloat.of(elapsed // steps) if self.staircase else ratio(elapsed, steps)
        value = decayed(self.init_value, self.decay_rate, periods)
        return where(value.high < end.high, end, value)
