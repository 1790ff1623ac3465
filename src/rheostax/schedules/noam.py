"""The schedule of the first transformer."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from rheostax import _check
from rheostax._duration import Steps
from rheostax._node import duration, node
from rheostax._rate import Schedule
from rheostax._twofloat import TwoFloat, product_with_tiny, ratio, sqrt, where

__all__ = ["Noam"]


@node
class Noam(Schedule):
    """Rise in a straight line, then decay with the inverse square root, at a height that falls with the model's width.

    `factor * d_model ** -0.5 * min(n ** -0.5, n * warmup_steps ** -1.5)` with `n = count + 1`: the paper numbers its steps from 1.
    The peak, `factor / sqrt(d_model * warmup_steps)`, is at count `warmup_steps - 1`. It never ends.

    Args:
        d_model: Width of the model, a whole number >= 1.
        warmup_steps: Steps of warm-up, a whole number >= 1.
        factor: What to multiply with, >= 0.

    Raises:
        ArgumentError: If an argument breaks its rule.

    >>> import rheostax as rx
    >>> [round(float(rx.Noam(512, 4_000)(count)), 6) for count in (0, 1_999, 3_999, 15_999)]
    [0.0, 0.000349, 0.000699, 0.000349]

    Source: Attention is all you need (arXiv 1706.03762), equation 3; `factor` is The Annotated Transformer's.
    """

    d_model: int
    warmup_steps: Steps = duration()
    factor: float = 1.0

    def __post_init__(self) -> None:
        _check.whole(self, "d_model")
        _check.duration(self, "warmup_steps")
        _check.number(self, "factor")

    def at(self, count: jax.Array) -> TwoFloat:
        number, warmup_steps = jnp.minimum(count, _check.INT32_MAX - 1) + 1, jnp.int32(self.warmup_steps)
        peak = sqrt(1.0 / (TwoFloat.of(jnp.int32(self.d_model)) * TwoFloat.of(warmup_steps)))
        shape = where(number < warmup_steps, ratio(number, warmup_steps), sqrt(ratio(warmup_steps, number)))
        return product_with_tiny(peak * shape, TwoFloat.of(self.factor))
