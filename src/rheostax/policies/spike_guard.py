"""Lower the rate after a spike, and warm up again."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp

from rheostax import _check
from rheostax._node import node, static
from rheostax._twofloat import TwoFloat, ratio
from rheostax.policies._policy import Observed, Policy

__all__ = ["SpikeGuard", "SpikeState"]


class SpikeState(NamedTuple):
    """State of `SpikeGuard`."""

    mean: jax.Array  # float32 []: running mean of the metric without its spikes
    deviation: jax.Array  # float32 []: running mean of its distance from that
    count: jax.Array  # type: ignore[assignment]  # int32 []: values in both, up to `window`
    since: jax.Array  # int32 []: observations since the last spike, up to `recovery`
    in_a_row: jax.Array  # int32 []: spikes in a row
    spikes: jax.Array  # int32 []: spikes so far


@node
class SpikeGuard(Policy):
    """Multiply the rate by `factor` at a spike of a metric, and raise it back in a straight line over `recovery` observations.

    Let m be the running mean of the metric and d that of `|value - m|`, over about `window` values (each new value
    weighs 1 / min(n, window)). Once there have been `window` values, one with `value - m > threshold * d` is a spike: it
    enters neither m nor d, and the factor becomes `factor`. After it, with s ordinary observations since, the factor is
    `factor + (1 - factor) * min(s / recovery, 1)`. After `max_spikes` spikes in a row the metric has a new level, not a
    spike: m and d are learnt anew. NaN and infinities are left out.

    With the loss passed to `update`, the update of the spike itself is made with the lowered rate; a factor of 0 skips it.

    Args:
        monitor: The metric to watch.
        mode: "min" if a spike goes up, as a loss does; "max" if it goes down.
        threshold: How many times d a spike is away from m, > 0.
        window: Values in the running means, a whole number >= 2.
        factor: What the rate is multiplied with at a spike, in [0, 1).
        recovery: Observations until the rate is back, a whole number >= 1.
        max_spikes: Spikes in a row that make a new level, a whole number >= 1.

    Raises:
        ArgumentError: If an argument breaks its rule.

    >>> import rheostax as rx
    >>> rate = 1.0 * rx.SpikeGuard(window=4, factor=0.0, recovery=2)
    >>> rx.simulate(rate, steps=8, observations={"value": [3.0, 3.1, 2.9, 3.0, 9.0, 3.0, 3.1, 3.0]})
    array([1. , 1. , 1. , 1. , 0. , 0.5, 1. , 1. ], dtype=float32)
    """

    _: dataclasses.KW_ONLY
    monitor: str = static(default="value")
    mode: str = static(default="min")
    threshold: float = 8.0
    window: int = 100
    factor: float = 0.1
    recovery: int = 100
    max_spikes: int = 10

    def __post_init__(self) -> None:
        _check.name(self, "monitor")
        _check.choice(self, "mode", ("min", "max"))
        _check.number(self, "threshold", low_open=True)
        _check.whole(self, "window", low=2)
        _check.number(self, "factor", high=1.0)
        _check.whole(self, "recovery")
        _check.whole(self, "max_spikes")

    def start(self) -> SpikeState:
        nothing = jnp.int32(0)
        return SpikeState(jnp.float32(0.0), jnp.float32(0.0), nothing, jnp.int32(self.recovery), nothing, nothing)

    def react(self, own: SpikeState, value: jax.Array) -> SpikeState:
        window = jnp.int32(self.window)
        away = (value - own.mean) * (1.0 if self.mode == "min" else -1.0)
        spike = (own.count >= window) & (away > jnp.float32(self.threshold) * own.deviation)
        in_a_row = jnp.where(spike, own.in_a_row + 1, 0)
        new_level = in_a_row >= jnp.int32(self.max_spikes)
        count = jnp.minimum(own.count + 1, window)
        distance = jnp.where(own.count > 0, value - own.mean, 0.0)
        weight = 1.0 / count.astype(jnp.float32)
        # The first value has no distance, so the deviation has one value fewer.
        deviation = own.deviation + (jnp.abs(distance) - own.deviation) / jnp.maximum(count - 1, 1).astype(jnp.float32)
        return SpikeState(
            mean=jnp.where(spike, own.mean, jnp.where(own.count > 0, own.mean + distance * weight, value)),
            deviation=jnp.where(spike, own.deviation, deviation),
            count=jnp.where(new_level, 0, jnp.where(spike, own.count, count)),
            since=jnp.where(spike, 0, jnp.minimum(own.since + 1, jnp.int32(self.recovery))),
            in_a_row=jnp.where(new_level, 0, in_a_row),
            spikes=own.spikes + spike.astype(jnp.int32),
        )

    def evaluate(self, state: Observed, count: jax.Array) -> TwoFloat:
        factor, recovery = TwoFloat.of(self.factor), jnp.int32(self.recovery)
        back = ratio(jnp.minimum(state.own.since, recovery), recovery)
        return (factor + (1.0 - factor) * back).broadcast_to(jnp.shape(count))

    def signal(self, own: SpikeState) -> jax.Array:
        return own.spikes

    def status(self, own: SpikeState) -> str:
        words = f"{int(own.spikes)} spikes, mean {float(own.mean):.6g}, deviation {float(own.deviation):.2g}"
        since = int(own.since)
        return words + (f", recovering {since} of {int(self.recovery)}" if since < int(self.recovery) else "")

    def explain(self, before: SpikeState, after: SpikeState, value: float) -> str:
        times = abs(value - float(before.mean)) / max(float(before.deviation), 1e-30)
        return f"{self.monitor} was {value:.6g}, {times:.3g} deviations from its mean {float(before.mean):.6g}"
