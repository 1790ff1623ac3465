"""Warm-up, a constant stretch, and a decay that ends the run."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp

from rheostax import _check
from rheostax._duration import Steps
from rheostax._node import duration, node, static
from rheostax._rate import Schedule
from rheostax._twofloat import TwoFloat, exp, product_with_tiny, ratio, where
from rheostax.errors import ArgumentError
from rheostax.schedules._progress import between, falling
from rheostax.schedules._weights import cosine, decaying, mirrored, one_minus_sqrt, straight, to_power

__all__ = ["WarmupStableDecay"]

_STABLE = ("constant", "inverse_sqrt", "power")
_DECAY = ("linear", "cosine", "1-sqrt", "power", "exponential", "half-life")


@node
class WarmupStableDecay(Schedule):
    """Warm up, hold the peak, and decay at the end of the run.

    With s = count - warmup_steps and d = (count - (total_steps - decay_steps)) / decay_steps, the part of the decay that is done:

    - `init_value + (peak_value - init_value) * count / warmup_steps` for count < warmup_steps,
    - `p = peak_value` from there on ("constant"); or `p = peak_value * (1 + s / stable_timescale) ** -stable_power`, but not
      below end_value ("power"; "inverse_sqrt" is the power 1/2),
    - `end_value + (p - end_value) * w` after count total_steps - decay_steps, with w = 1 - d ("linear"), (1 + cos(pi d)) / 2
      ("cosine"), 1 - sqrt(d) ("1-sqrt"), 1 - d ** decay_power ("power") or (r ** d - r) / (1 - r), r = decay_rate
      ("exponential"); exactly `end_value` from count `total_steps` on. Or `p / 2 ** (d * decay_steps / half_life)`
      ("half-life"), but not below end_value, staying from count `total_steps` on where it is.

    Args:
        peak_value: Value at the end of the warm-up, >= 0.
        warmup_steps: Updates of warm-up, a whole number >= 0.
        decay_steps: Updates of decay, a whole number >= 1.
        total_steps: Updates of the run, warm-up and decay included; at least their sum.
        end_value: Value at and after the end, >= 0.
        decay: "linear", "cosine", "1-sqrt", "power", "exponential" or "half-life".
        init_value: Value at count 0, where the warm-up begins, >= 0. With "constant" and "linear" that is a trapezoid.
        stable: "constant", "inverse_sqrt" or "power".
        stable_timescale: Updates in which the base of the power doubles, a whole number >= 1; None for warmup_steps.
        stable_power: Exponent of stable="power", > 0.
        decay_power: Exponent of decay="power", > 0.
        decay_rate: Where the exponential of decay="exponential" is cut off, in (0, 1): 0.5 is Megatron's, 0.1 timm's.
        half_life: Updates in which decay="half-life" halves the value, a whole number >= 1; needed for that.

    Raises:
        ArgumentError: If an argument breaks its rule, or warm-up and decay don't fit into total_steps.

    >>> import rheostax as rx
    >>> rate = rx.WarmupStableDecay(peak_value=1.0, warmup_steps=2, decay_steps=4, total_steps=10)
    >>> [float(rate(count)) for count in (0, 1, 2, 6, 8, 10, 11)]
    [0.0, 0.5, 1.0, 1.0, 0.5, 0.0, 0.0]

    Source: MiniCPM (arXiv 2404.06395), whose decay is "half-life"; linear to zero: arXiv 2502.15938; 1 - sqrt: arXiv
    2405.18392; the choices are those of timm's `WSDLRScheduler` and Megatron.
    """

    peak_value: float
    warmup_steps: Steps = duration()
    decay_steps: Steps = duration()
    total_steps: Steps = duration(ends=True)
    end_value: float = 0.0
    decay: str = static(default="linear")
    init_value: float = 0.0
    stable: str = static(default="constant")
    stable_timescale: Steps | None = duration(default=None)
    stable_power: float = 0.5
    decay_power: float = 0.5
    decay_rate: float = 0.5
    half_life: Steps | None = duration(default=None)

    def __post_init__(self) -> None:
        for name in ("peak_value", "end_value", "init_value"):
            _check.number(self, name)
        for name in ("stable_power", "decay_power"):
            _check.number(self, name, low_open=True)
        _check.number(self, "decay_rate", high=1.0, low_open=True)
        _check.duration(self, "warmup_steps", low=0)
        _check.duration(self, "decay_steps")
        _check.duration(self, "total_steps")
        _check.choice(self, "decay", _DECAY)
        _check.choice(self, "stable", _STABLE)
        for name in ("stable_timescale", "half_life"):
            if getattr(self, name) is not None:
                _check.duration(self, name)
        self._check_together()

    def _check_together(self) -> None:
        """Check the rules on several arguments."""
        parts = (self.warmup_steps, self.decay_steps, self.total_steps)
        if all(isinstance(part, int) for part in parts) and self.warmup_steps + self.decay_steps > self.total_steps:
            raise ArgumentError(
                f"WarmupStableDecay: total_steps must be at least warmup_steps + decay_steps = {parts[0]} + {parts[1]}, "
                f"got {parts[2]}. total_steps includes both."
            )
        if self.decay == "half-life" and self.half_life is None:
            raise ArgumentError("WarmupStableDecay: half_life must be a whole number >= 1 for decay='half-life', got None.")
        if self.stable != "constant" and self.stable_timescale is None and isinstance(self.warmup_steps, int) and self.warmup_steps == 0:
            raise ArgumentError(
                f"WarmupStableDecay: stable_timescale must be a whole number >= 1 for stable={self.stable!r} without warm-up, got None."
            )

    def at(self, count: jax.Array) -> TwoFloat:
        warmup_steps, decay_steps, total_steps = (jnp.int32(n) for n in (self.warmup_steps, self.decay_steps, self.total_steps))
        count = jnp.minimum(count, total_steps)
        warming = between(self.init_value, self.peak_value, jnp.maximum(warmup_steps, 1), count, straight)
        decay_count = jnp.maximum(count - (total_steps - decay_steps), 0)
        decayed = self._decayed(self._stable(jnp.maximum(count - warmup_steps, 0)), decay_count)
        return where(count < warmup_steps, warming, decayed)

    def _stable(self, elapsed: jax.Array) -> TwoFloat:
        """Return the value of the stable part, as it is and as the decay goes out from it."""
        peak, end = TwoFloat.of(self.peak_value), TwoFloat.of(self.end_value)
        if self.stable == "constant":
            return peak
        timescale = self.warmup_steps if self.stable_timescale is None else self.stable_timescale
        exponent = None if self.stable == "inverse_sqrt" else self.stable_power
        value = product_with_tiny(falling(exponent, timescale, elapsed), peak)
        return where((value - end).high < 0, end, value)

    def _decayed(self, stable: TwoFloat, count: jax.Array) -> TwoFloat:
        """Return the value when `count` updates of the decay are done."""
        end = TwoFloat.of(self.end_value)
        if self.decay == "half-life":
            factor = exp(ratio(count, jnp.int32(self.half_life)) * math.log(0.5))
            value = where(count == 0, stable, product_with_tiny(factor, stable))
            return where((value - end).high < 0, end, value)
        weights = {
            "linear": straight,
            "cosine": cosine,
            "1-sqrt": one_minus_sqrt,
            "power": mirrored(to_power(self.decay_power)),
            "exponential": decaying(self.decay_rate),
        }[self.decay]
        return between(stable, end, self.decay_steps, count, weights)

    @property
    def horizon(self) -> int | None:
        return int(self.total_steps)
