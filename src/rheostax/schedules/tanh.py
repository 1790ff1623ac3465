"""Hyperbolic tangent decay."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from rheostax import _check
from rheostax._duration import Steps
from rheostax._node import duration, node
from rheostax._rate import Schedule
from rheostax._twofloat import TwoFloat, where
from rheostax.errors import ArgumentError
from rheostax.schedules._progress import blend, parts
from rheostax.schedules._weights import sigmoid

__all__ = ["Tanh"]


@node
class Tanh(Schedule):
    """Decay along a hyperbolic tangent, then stay.

    `end_value + (init_value - end_value) * (1 - tanh(x)) / 2` with `x = lower * (1 - d) + upper * d`, d = count / decay_steps.
    The tangent reaches neither of its ends: it begins a little below `init_value` (by 8e-7 of the way with the default), and
    comes to `(1 - tanh(upper)) / 2` of the way (0.25%); from count `decay_steps` on the value is exactly `end_value`.

    Args:
        init_value: Value that the beginning is near to, >= 0.
        decay_steps: Length in updates, a whole number >= 1.
        end_value: Value at and after the end, >= 0.
        lower: Argument of the tangent at the beginning, in [-20, 20].
        upper: Argument of the tangent at the end, in [-20, 20], above lower.

    Raises:
        ArgumentError: If an argument breaks its rule.

    >>> import rheostax as rx
    >>> [round(float(rx.Tanh(1.0, 10)(count)), 4) for count in (0, 5, 7, 9, 10)]
    [1.0, 0.982, 0.5, 0.018, 0.0]

    Source: arXiv 1806.01593; timm's `TanhLRScheduler`, whose lb and ub are `lower` and `upper`.
    """

    init_value: float
    decay_steps: Steps = duration(ends=True)
    end_value: float = 0.0
    lower: float = -7.0
    upper: float = 3.0

    def __post_init__(self) -> None:
        _check.number(self, "init_value")
        _check.duration(self, "decay_steps")
        _check.number(self, "end_value")
        _check.number(self, "lower", low=-20.0, high=20.0, high_open=False)
        _check.number(self, "upper", low=-20.0, high=20.0, high_open=False)
        if isinstance(self.lower, float) and isinstance(self.upper, float) and self.lower >= self.upper:
            raise ArgumentError(f"Tanh: upper must be above lower, {self.lower}, got {self.upper}. It is a decay.")

    def at(self, count: jax.Array) -> TwoFloat:
        start, end = TwoFloat.of(self.init_value), TwoFloat.of(self.end_value)
        ways = sigmoid(self.lower, self.upper)(*parts(self.decay_steps, count))
        return where(count >= jnp.int32(self.decay_steps), end, blend(start, end, *ways))

    @property
    def horizon(self) -> int | None:
        return int(self.decay_steps)
