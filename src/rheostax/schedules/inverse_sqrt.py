"""Inverse square root decay."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from rheostax import _check
from rheostax._duration import Steps
from rheostax._node import duration, node
from rheostax._rate import Schedule
from rheostax._twofloat import TwoFloat, product_with_tiny
from rheostax.schedules._progress import falling

__all__ = ["InverseSqrt"]


@node
class InverseSqrt(Schedule):
    """Decay with the inverse square root of the count.

    `init_value * sqrt(timescale / (timescale + max(count - transition_begin, 0)))`: exactly `init_value` up to count
    `transition_begin`, half of it `3 * timescale` updates later; it never ends.

    - After a warm-up, as Transformers has it: `rx.Warmup(w) * rx.InverseSqrt(init_value, timescale, transition_begin=w)`.
    - Where `transition_begin` is the timescale it is `init_value * sqrt(timescale / max(count, timescale))`; T5's
      `1 / sqrt(max(count, 10_000))` is `rx.InverseSqrt(0.01, 10_000, transition_begin=10_000)`.

    Args:
        init_value: Value at the beginning, >= 0.
        timescale: Updates in which the square of the value halves, a whole number >= 1.
        transition_begin: Count at which the decay begins, a whole number >= 0.

    Raises:
        ArgumentError: If an argument breaks its rule.

    >>> import rheostax as rx
    >>> [round(float(rx.InverseSqrt(1.0, 4, transition_begin=4)(count)), 3) for count in (0, 4, 8, 16)]
    [1.0, 1.0, 0.707, 0.5]

    Source: T5 (arXiv 1910.10683); `get_inverse_sqrt_schedule` of Transformers, after big_vision.
    """

    init_value: float
    timescale: Steps = duration()
    transition_begin: Steps = duration(default=0)

    def __post_init__(self) -> None:
        _check.number(self, "init_value")
        _check.duration(self, "timescale")
        _check.duration(self, "transition_begin", low=0)

    def at(self, count: jax.Array) -> TwoFloat:
        elapsed = jnp.maximum(count - jnp.int32(self.transition_begin), 0)
        return product_with_tiny(falling(None, self.timescale, elapsed), TwoFloat.of(self.init_value))
