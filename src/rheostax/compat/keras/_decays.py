"""Decays that only Keras has."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from rheostax import _check
from rheostax._duration import Steps
from rheostax._node import duration, node, static
from rheostax._rate import Schedule
from rheostax._twofloat import TwoFloat, product_with_tiny, ratio, where
from rheostax.schedules._progress import blend
from rheostax.schedules._weights import to_power

__all__ = ["CyclePolynomial", "InverseTime"]


@node
class CyclePolynomial(Schedule):
    """Decay along a power to `end_value` at every multiple of `transition_steps`, each time from the beginning of the run."""

    init_value: float
    end_value: float
    power: float
    transition_steps: Steps = duration()

    def __post_init__(self) -> None:
        _check.number(self, "init_value")
        _check.number(self, "end_value")
        _check.number(self, "power", low_open=True)
        _check.duration(self, "transition_steps")

    def at(self, count: jax.Array) -> TwoFloat:
        start, end, steps = TwoFloat.of(self.init_value), TwoFloat.of(self.end_value), jnp.int32(self.transition_steps)
        missing = jnp.where(count % steps > 0, steps - count % steps, 0)  # counts to the next multiple
        cycles = count // steps + (missing > 0)
        length = TwoFloat.of(jnp.maximum(cycles, 1)) * TwoFloat.of(steps)
        value = blend(start, end, *to_power(self.power)(TwoFloat.of(count) / length, TwoFloat.of(missing) / length))
        return where(count == 0, start, where(missing == 0, end, value))


@node
class InverseTime(Schedule):
    """Decay as `init_value / (1 + decay_rate * count / transition_steps)`."""

    init_value: float
    transition_steps: Steps = duration()
    decay_rate: float
    staircase: bool = static(default=False)

    def __post_init__(self) -> None:
        _check.number(self, "init_value")
        _check.duration(self, "transition_steps")
        _check.number(self, "decay_rate")
        _check.choice(self, "staircase", (True, False))

    def at(self, count: jax.Array) -> TwoFloat:
        steps = jnp.int32(self.transition_steps)
        periods = TwoFloat.of(count // steps) if self.staircase else ratio(count, steps)
        return product_with_tiny(1.0 / (periods * self.decay_rate + 1.0), TwoFloat.of(self.init_value))
