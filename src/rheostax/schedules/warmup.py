"""Warm-up as a factor."""

from __future__ import annotations

import jax

from rheostax import _check
from rheostax._node import duration, node
from rheostax._rate import Schedule
from rheostax._twofloat import TwoFloat
from rheostax.schedules._progress import between, straight

__all__ = ["Warmup"]


@node
class Warmup(Schedule):
    """Rise from a small factor to 1 in a straight line, then stay: multiply a learning rate with it.

    `init_value + (1 - init_value) * min(count / steps, 1)`; exactly 1 from count `steps` on. With the default the first
    update (count 0) has rate 0, as in optax, t5x and Transformers; `init_value=1 / steps` makes the first update count.

    Args:
        steps: Length in updates, a whole number >= 1.
        init_value: Factor at count 0, in [0, 1].

    Raises:
        ArgumentError: If an argument breaks its rule.

    >>> import rheostax as rx
    >>> rate = rx.Warmup(steps=4) * 1e-3
    >>> [round(float(rate(count)), 5) for count in (0, 1, 2, 4, 9)]
    [0.0, 0.00025, 0.0005, 0.001, 0.001]

    Source: the linear warm-up of `optax.warmup_cosine_decay_schedule`, as a factor of its own.
    """

    steps: int = duration()
    init_value: float = 0.0

    def __post_init__(self) -> None:
        _check.duration(self, "steps", advice="For no warm-up, leave the factor out.")
        _check.number(self, "init_value", high=1.0, high_open=False)

    def at(self, count: jax.Array) -> TwoFloat:
        return between(self.init_value, 1.0, self.steps, count, straight)
