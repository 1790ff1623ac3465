"""Warm-up as a factor."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from rheostax import _check
from rheostax._duration import Steps
from rheostax._node import duration, node, static
from rheostax._rate import Schedule
from rheostax._twofloat import TwoFloat, exp, log, where
from rheostax.schedules._progress import between, parts
from rheostax.schedules._weights import cosine, mirrored, one_minus_sqrt, straight, to_power

__all__ = ["Warmup"]

_SHAPES = ("linear", "cosine", "polynomial", "1-sqrt", "exponential")


@node
class Warmup(Schedule):
    """Rise from a small factor to 1, then stay: multiply a learning rate with it.

    `init_value + (1 - init_value) * w` with w = t ("linear"), (1 - cos(pi t)) / 2 ("cosine"), t ** power ("polynomial") or
    1 - sqrt(1 - t) ("1-sqrt"), where t = count / steps; or `init_value ** (1 - t)` ("exponential"). Exactly 1 from count
    `steps` on. With the default the first update (count 0) has rate 0, as in optax, t5x and Transformers;
    `init_value=1 / steps` makes the first update count.

    Args:
        steps: Length in updates, a whole number >= 1.
        init_value: Factor at count 0, in [0, 1]; above 0 for "exponential".
        shape: "linear", "cosine", "polynomial", "1-sqrt" or "exponential".
        power: Exponent of "polynomial", > 0: above 1 it begins slowly, below 1 fast (1/2 is a square root).

    Raises:
        ArgumentError: If an argument breaks its rule.

    >>> import rheostax as rx
    >>> rate = rx.Warmup(steps=4) * 1e-3
    >>> [round(float(rate(count)), 5) for count in (0, 1, 2, 4, 9)]
    [0.0, 0.00025, 0.0005, 0.001, 0.001]

    Source: the linear warm-up of `optax.warmup_cosine_decay_schedule`, as a factor of its own; "1-sqrt" is from Transformers'
    `get_wsd_schedule`, "exponential" from mmengine.
    """

    steps: Steps = duration()
    init_value: float = 0.0
    shape: str = static(default="linear")
    power: float = 2.0

    def __post_init__(self) -> None:
        _check.duration(self, "steps", advice="For no warm-up, leave the factor out.")
        _check.choice(self, "shape", _SHAPES)
        geometric = self.shape == "exponential"
        advice = "An exponential multiplies, so it can't begin at 0." if geometric else ""
        _check.number(self, "init_value", low_open=geometric, high=1.0, high_open=False, advice=advice)
        _check.number(self, "power", low_open=True)

    def at(self, count: jax.Array) -> TwoFloat:
        if self.shape == "exponential":
            start = TwoFloat.of(self.init_value)
            _, left = parts(self.steps, count)
            return where(count >= jnp.int32(self.steps), 1.0, where(count == 0, start, exp(left * log(start))))
        weights = {
            "linear": straight,
            "cosine": cosine,
            "polynomial": mirrored(to_power(self.power)),
            "1-sqrt": mirrored(one_minus_sqrt),
        }[self.shape]
        return between(self.init_value, 1.0, self.steps, count, weights)
