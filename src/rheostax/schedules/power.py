"""Power-law decay."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from rheostax import _check
from rheostax._duration import Steps
from rheostax._node import duration, node
from rheostax._rate import Schedule
from rheostax._twofloat import TwoFloat, product_with_tiny
from rheostax.schedules._progress import falling

__all__ = ["Power"]


@node
class Power(Schedule):
    """Decay with a power of the count.

    `init_value * (1 + max(count - transition_begin, 0) / timescale) ** -power`: exactly `init_value` up to count
    `transition_begin`; it never ends. Where `transition_begin` is the timescale, it is
    `init_value * (max(count, timescale) / timescale) ** -power`, the straight line of a log-log plot.

    The Power scheduler, `min(peak, a * tokens ** b)` and a decay at the end, is this with `power=-b` and both lengths
    `(peak / a) ** (1 / b)` tokens, times an `rx.WarmupStableDecay(1.0, ...)`.

    Args:
        init_value: Value at the beginning, >= 0.
        power: Exponent, > 0; 1/2 is `rx.InverseSqrt`.
        timescale: Updates in which the base doubles, a whole number >= 1.
        transition_begin: Count at which the decay begins, a whole number >= 0.

    Raises:
        ArgumentError: If an argument breaks its rule.

    >>> import rheostax as rx
    >>> [round(float(rx.Power(1.0, 1.0, 10)(count)), 3) for count in (0, 10, 30, 90)]
    [1.0, 0.5, 0.25, 0.1]

    Source: the Power scheduler (arXiv 2408.13359); inverse time decay is the power 1.
    """

    init_value: float
    power: float
    timescale: Steps = duration()
    transition_begin: Steps = duration(default=0)

    def __post_init__(self) -> None:
        _check.number(self, "init_value")
        _check.number(self, "power", low_open=True)
        _check.duration(self, "timescale")
        _check.duration(self, "transition_begin", low=0)

    def at(self, count: jax.Array) -> TwoFloat:
        elapsed = jnp.maximum(count - jnp.int32(self.transition_begin), 0)
        return product_with_tiny(falling(self.power, self.timescale, elapsed), TwoFloat.of(self.init_value))
