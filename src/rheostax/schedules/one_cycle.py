"""One cycle: up to a peak, and down to far below the start."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from rheostax import _check
from rheostax._node import duration, node, static
from rheostax._rate import Schedule
from rheostax._twofloat import TwoFloat, where
from rheostax.errors import ArgumentError
from rheostax.schedules._progress import blend
from rheostax.schedules._weights import INTERPOLATIONS

__all__ = ["OneCycle"]


@node
class OneCycle(Schedule):
    """Rise from `init_value` to a peak and fall to `end_value`, in two phases or, by way of `init_value`, in three.

    With p = pct_start * total_steps, which needn't be whole: from `init_value` at count 0 to `peak_value` at p, and to
    `end_value` at `total_steps`; in three phases it is at `init_value` again at 2p. Each phase goes along a straight line or
    half a cosine. With p = 0 it begins at the peak. Exactly `end_value` from count `total_steps` on.

    Args:
        init_value: Value at count 0, >= 0.
        peak_value: Value at the peak, >= 0.
        end_value: Value at and after the end, >= 0.
        total_steps: Length in updates, a whole number >= 1.
        pct_start: Where the peak is, as a part of total_steps, in [0, 1); at most 0.5 in three phases. Negative, down to -1:
            the peak lies before the start, and only the rest of the fall is left.
        three_phase: Whether to pass through `init_value` between peak and end.
        interpolation: "cosine" or "linear".

    Raises:
        ArgumentError: If an argument breaks its rule.

    >>> import rheostax as rx
    >>> rate = rx.OneCycle(0.25, 1.0, 0.0, total_steps=10, pct_start=0.2, interpolation="linear")
    >>> [float(rate(count)) for count in (0, 1, 2, 6, 10, 11)]
    [0.25, 0.625, 1.0, 0.5, 0.0, 0.0]

    Source: Smith and Topin (arXiv 1708.07120); `optax.cosine_onecycle_schedule` rounds the peak down to a whole count.
    """

    init_value: float
    peak_value: float
    end_value: float
    total_steps: int = duration(ends=True)
    pct_start: float = 0.3
    three_phase: bool = static(default=False)
    interpolation: str = static(default="cosine")

    def __post_init__(self) -> None:
        _check.number(self, "init_value")
        _check.number(self, "peak_value")
        _check.number(self, "end_value")
        _check.duration(self, "total_steps")
        _check.choice(self, "interpolation", INTERPOLATIONS)
        if not isinstance(self.three_phase, bool):
            raise ArgumentError(f"OneCycle: three_phase must be True or False, got {self.three_phase!r}.")
        limit = {"high": 0.5, "high_open": False} if self.three_phase else {"high": 1.0}
        _check.number(self, "pct_start", low=-1.0, **limit)  # type: ignore[arg-type]

    def at(self, count: jax.Array) -> TwoFloat:
        weights, steps, here = INTERPOLATIONS[self.interpolation], jnp.int32(self.total_steps), TwoFloat.of(count)
        init, peak, end = map(TwoFloat.of, (self.init_value, self.peak_value, self.end_value))
        top = TwoFloat.of(self.pct_start) * TwoFloat.of(steps)
        rise = where(top.high > 0, top, 1.0)
        value = blend(init, peak, *weights(*_parts(here / rise, (top - here) / rise)))
        if self.three_phase:
            back = blend(peak, init, *weights(*_parts((here - top) / rise, (top + top - here) / rise)))
            value, top, peak = where((here - top).high > 0, back, value), top + top, init
        fall = TwoFloat.of(steps) - top
        fall = where(fall.high > 0, fall, 1.0)
        left = TwoFloat.of(jnp.maximum(steps - count, 0)) / fall
        falling = blend(peak, end, *weights(*_parts((here - top) / fall, left)))
        return where(count >= steps, end, where((here - top).high >= 0, falling, value))

    @property
    def horizon(self) -> int | None:
        return int(self.total_steps)


def _parts(done: TwoFloat, left: TwoFloat) -> tuple[TwoFloat, TwoFloat]:
    """Keep what is done and what is left of a phase in [0, 1], where the count is in another phase, too."""

    def bounded(part: TwoFloat) -> TwoFloat:
        return where(part.high < 0, 0.0, where(part.high > 1, 1.0, part))

    return bounded(done), bounded(left)
