"""Warm-up, a constant stretch, and a decay that ends the run."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from rheostax import _check
from rheostax._node import duration, node, static
from rheostax._rate import Schedule
from rheostax._twofloat import TwoFloat, sqrt, where
from rheostax.errors import ArgumentError
from rheostax.schedules._progress import Weights, between, cosine, straight

__all__ = ["WarmupStableDecay"]


def _one_minus_sqrt(done: TwoFloat, left: TwoFloat) -> tuple[TwoFloat, TwoFloat]:
    root = sqrt(done)
    return root, left / (root + 1.0)  # 1 - root without cancellation


_SHAPES: dict[str, Weights] = {"linear": straight, "cosine": cosine, "1-sqrt": _one_minus_sqrt}


@node
class WarmupStableDecay(Schedule):
    """Warm up, hold the peak, and decay at the end of the run.

    With d = (count - (total_steps - decay_steps)) / decay_steps, the part of the decay that is done:

    - `peak_value * count / warmup_steps` for count < warmup_steps,
    - `peak_value` until count = total_steps - decay_steps,
    - `end_value + (peak_value - end_value) * w` after it, w = 1 - d ("linear"), (1 + cos(pi d)) / 2 ("cosine") or
      1 - sqrt(d) ("1-sqrt"); exactly `end_value` from count `total_steps` on.

    Args:
        peak_value: Value of the stable part, >= 0.
        warmup_steps: Updates of warm-up, a whole number >= 0.
        decay_steps: Updates of decay, a whole number >= 1.
        total_steps: Updates of the run, warm-up and decay included; at least their sum.
        end_value: Value at and after the end, >= 0.
        decay: "linear", "cosine" or "1-sqrt".

    Raises:
        ArgumentError: If an argument breaks its rule, or warm-up and decay don't fit into total_steps.

    >>> import rheostax as rx
    >>> rate = rx.WarmupStableDecay(peak_value=1.0, warmup_steps=2, decay_steps=4, total_steps=10)
    >>> [float(rate(count)) for count in (0, 1, 2, 6, 8, 10, 11)]
    [0.0, 0.5, 1.0, 1.0, 0.5, 0.0, 0.0]

    Source: MiniCPM (arXiv 2404.06395); linear to zero: arXiv 2502.15938; 1 - sqrt: arXiv 2405.18392.
    """

    peak_value: float
    warmup_steps: int = duration()
    decay_steps: int = duration()
    total_steps: int = duration(ends=True)
    end_value: float = 0.0
    decay: str = static(default="linear")

    def __post_init__(self) -> None:
        _check.number(self, "peak_value")
        _check.duration(self, "warmup_steps", low=0)
        _check.duration(self, "decay_steps")
        _check.duration(self, "total_steps")
        _check.number(self, "end_value")
        _check.choice(self, "decay", _SHAPES)
        parts = (self.warmup_steps, self.decay_steps, self.total_steps)
        if all(isinstance(part, int) for part in parts) and self.warmup_steps + self.decay_steps > self.total_steps:
            raise ArgumentError(
                f"WarmupStableDecay: total_steps must be at least warmup_steps + decay_steps = {parts[0]} + {parts[1]}, "
                f"got {parts[2]}. total_steps includes both."
            )

    def at(self, count: jax.Array) -> TwoFloat:
        warmup_steps, decay_steps = jnp.int32(self.warmup_steps), jnp.int32(self.decay_steps)
        warming = between(0.0, self.peak_value, jnp.maximum(warmup_steps, 1), count, straight)
        decay_count = jnp.maximum(count - (jnp.int32(self.total_steps) - decay_steps), 0)
        decaying = between(self.peak_value, self.end_value, decay_steps, decay_count, _SHAPES[self.decay])
        return where(count < warmup_steps, warming, decaying)

    @property
    def horizon(self) -> int | None:
        return int(self.total_steps)
