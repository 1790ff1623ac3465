"""Up and down, again and again."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from rheostax import _check
from rheostax._node import duration, node, static
from rheostax._rate import Schedule
from rheostax._twofloat import TwoFloat, exp, log, product_with_tiny, where
from rheostax.errors import ArgumentError
from rheostax.schedules._progress import between
from rheostax.schedules._weights import INTERPOLATIONS

__all__ = ["Cyclic"]


@node
class Cyclic(Schedule):
    """Go from one value to another and back, in cycles whose amplitude may shrink.

    A cycle takes up_steps + down_steps updates. In cycle i (0, 1, ...) the value is
    `init_value + (peak_value - init_value) * w * amplitude_factor ** i * decay_rate ** count`, where w goes from 0 to 1 in
    `up_steps` updates and back to 0 in `down_steps`, along straight lines or half cosines. The names elsewhere:
    "triangular" is the default, "triangular2" is `amplitude_factor=0.5`, "exp_range" is `decay_rate=gamma`.

    Args:
        init_value: Value at the ends of the cycles, >= 0.
        peak_value: Value within the first cycle at `up_steps`, >= 0; it may be the lower one.
        up_steps: Updates from init_value to peak_value, a whole number >= 1.
        down_steps: Updates back, a whole number >= 1; None for as many as up_steps.
        amplitude_factor: What the amplitude is multiplied with at each new cycle, in (0, 1].
        decay_rate: What the amplitude is multiplied with at each update, in (0, 1].
        interpolation: "linear" or "cosine".

    Raises:
        ArgumentError: If an argument breaks its rule.

    >>> import rheostax as rx
    >>> rate = rx.Cyclic(0.0, 1.0, up_steps=2, amplitude_factor=0.5)
    >>> [float(rate(count)) for count in range(8)]
    [0.0, 0.5, 1.0, 0.5, 0.0, 0.25, 0.5, 0.25]

    Source: Smith (arXiv 1506.01186).
    """

    init_value: float
    peak_value: float
    up_steps: int = duration()
    down_steps: int | None = duration(default=None)
    amplitude_factor: float = 1.0
    decay_rate: float = 1.0
    interpolation: str = static(default="linear")

    def __post_init__(self) -> None:
        _check.number(self, "init_value")
        _check.number(self, "peak_value")
        _check.duration(self, "up_steps")
        if self.down_steps is None:
            object.__setattr__(self, "down_steps", self.up_steps)
        _check.duration(self, "down_steps")
        _check.number(self, "amplitude_factor", high=1.0, low_open=True, high_open=False)
        _check.number(self, "decay_rate", high=1.0, low_open=True, high_open=False)
        _check.choice(self, "interpolation", INTERPOLATIONS)
        cycle = (self.up_steps, self.down_steps)
        if all(isinstance(part, int) for part in cycle) and sum(cycle) > _check.INT32_MAX:  # type: ignore[arg-type]
            raise ArgumentError(f"Cyclic: up_steps + down_steps must be at most {_check.INT32_MAX:,} (counts are int32), got {cycle}.")

    def at(self, count: jax.Array) -> TwoFloat:
        up_steps, down_steps = jnp.int32(self.up_steps), jnp.int32(self.down_steps)
        cycle, place = count // (up_steps + down_steps), count % (up_steps + down_steps)
        rising = place < up_steps
        low, peak = TwoFloat.of(self.init_value), TwoFloat.of(self.peak_value)
        shrinking = TwoFloat.of(cycle) * log(TwoFloat.of(self.amplitude_factor)) + TwoFloat.of(count) * log(TwoFloat.of(self.decay_rate))
        high = where(shrinking.high == 0, peak, low + product_with_tiny(peak - low, exp(shrinking)))
        steps, done = jnp.where(rising, up_steps, down_steps), jnp.where(rising, place, place - up_steps)
        return between(where(rising, low, high), where(rising, high, low), steps, done, INTERPOLATIONS[self.interpolation])
