"""Cosine decay."""

from __future__ import annotations

import jax

from rheostax import _check
from rheostax._duration import Steps
from rheostax._node import duration, node
from rheostax._rate import Schedule
from rheostax._twofloat import TwoFloat
from rheostax.schedules._progress import between
from rheostax.schedules._weights import cosine, delayed

__all__ = ["Cosine"]


@node
class Cosine(Schedule):
    """Decay along half a cosine, then stay.

    `end_value + (init_value - end_value) * (1 + cos(pi * d)) / 2` with `d = (count / decay_steps) ** k_decay`; exactly
    `end_value` from count `decay_steps` on. Computed as squared sines of the parts done and left, which keeps the last updates of a long
    schedule apart where `1 + cos` gives zero.

    Args:
        init_value: Value at count 0, >= 0.
        decay_steps: Length in updates, a whole number >= 1. It doesn't include a warm-up: multiply with `rx.Warmup`, or
            put one before it with `rx.Join`.
        end_value: Value at and after the end, >= 0.
        k_decay: Exponent of the time that has passed, > 0; above 1 the decay comes later. None is 1.

    Raises:
        ArgumentError: If an argument breaks its rule.

    >>> import rheostax as rx
    >>> [round(float(rx.Cosine(1.0, 4)(count)), 3) for count in range(6)]
    [1.0, 0.854, 0.5, 0.146, 0.0, 0.0]

    Source: SGDR (arXiv 1608.03983) without restarts; `optax.cosine_decay_schedule` with an absolute end. k-decay:
    arXiv 2004.05909, as in timm.
    """

    init_value: float
    decay_steps: Steps = duration(ends=True)
    end_value: float = 0.0
    k_decay: float | None = None

    def __post_init__(self) -> None:
        _check.number(self, "init_value")
        _check.duration(self, "decay_steps")
        _check.number(self, "end_value")
        if self.k_decay is not None:
            _check.number(self, "k_decay", low_open=True)

    def at(self, count: jax.Array) -> TwoFloat:
        return between(self.init_value, self.end_value, self.decay_steps, count, delayed(self.k_decay, cosine))

    @property
    def horizon(self) -> int | None:
        return int(self.decay_steps)
