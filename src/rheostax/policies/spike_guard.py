"""Lower the rate after a spike, and warm up again."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp

from rheostax import _check
from rheostax._counter import increment
from rheostax._node import node, static
from rheostax._rate import Metrics
from rheostax._twofloat import TwoFloat, ratio
from rheostax.policies._policy import Observed, Policy

__all__ = ["SpikeGuard", "SpikeState"]

RESOLUTION = 2.0**-22  # of a mean in float32: smaller distances may be those of rounding


class SpikeState(NamedTuple):
    """State of `SpikeGuard`."""

    mean: jax.Array  # float32 []: running mean of the metric without its spikes
    deviation: jax.Array  # float32 []: running mean of its distance from that
    count: jax.Array  # type: ignore[assignment]  # int32 []: values in both, up to `window`
    since: jax.Array  # int32 []: observations since the last spike; the largest int32 before the first
    in_a_row: jax.Array  # int32 []: spikes in a row
    spikes: jax.Array  # int32 []: spikes so far
    unheard: jax.Array  # int32 []: NaN and infinite values in a row, up to `max_spikes`
    lost: jax.Array  # int32 []: 0, or 1 from the time on that it asks for a rollback


@node
class SpikeGuard(Policy):
    """Multiply the rate by `factor` at a spike of a metric, and raise it back in a straight line over `recovery` observations.

    Let m be the running mean of the metric and d that of `|value - m|`, over about `window` values (each new value
    weighs 1 / min(n, window)). Once there have been `window` values, one with `value - m > threshold * d` is a spike: it
    enters neither m nor d, and the factor becomes `factor`. After it, with s ordinary observations since, the factor is
    `factor + (1 - factor) * min(s / recovery, 1)`. After `max_spikes` spikes in a row the metric has a new level, not a
    spike: m and d are learnt anew. NaN and infinities are left out. A d below what float32 can tell of m counts as `2**-22 * |m|`.

    What follows grows with the number of spikes in a row. The first `skip` of them leave the factor as it is, and the updates
    that they came with are skipped, the optimizer's own state included. Those after them lower the rate. With
    `roll_back`, the `max_spikes`-th makes `rx.should_roll_back` true, and so do as many NaN or infinite values in a row;
    `rx.Rollback` then brings back the last good copy of the run.

    With the loss passed to `update`, the update of the spike itself is made with the lowered rate.

    Args:
        monitor: The metric to watch.
        mode: "min" if a spike goes up, as a loss does; "max" if it goes down.
        threshold: How many times d a spike is away from m, > 0.
        window: Values in the running means, a whole number >= 2.
        factor: What the rate is multiplied with at a spike, in [0, 1).
        recovery: Observations until the rate is back, a whole number >= 1.
        max_spikes: Spikes in a row that make a new level, a whole number >= 1.
        skip: Spikes in a row whose updates are skipped, a whole number >= 0. Only an update that the metric is passed to can be.
        roll_back: Whether to ask for a rollback at the `max_spikes`-th spike in a row.

    Raises:
        ArgumentError: If an argument breaks its rule.

    >>> import rheostax as rx
    >>> rate = 1.0 * rx.SpikeGuard(window=4, factor=0.5, recovery=2)
    >>> rx.simulate(rate, steps=8, observations={"value": [3.0, 3.1, 2.9, 3.0, 9.0, 3.0, 3.1, 3.0]})
    array([1.  , 1.  , 1.  , 1.  , 0.5 , 0.75, 1.  , 1.  ], dtype=float32)
    """

    _: dataclasses.KW_ONLY
    monitor: str = static(default="value")
    mode: str = static(default="min")
    threshold: float = 8.0
    window: int = 100
    factor: float = 0.1
    recovery: int = 100
    max_spikes: int = 10
    skip: int = static(default=0)
    roll_back: bool = static(default=False)

    def __post_init__(self) -> None:
        _check.name(self, "monitor")
        _check.choice(self, "mode", ("min", "max"))
        _check.number(self, "threshold", low_open=True)
        _check.whole(self, "window", low=2)
        _check.number(self, "factor", high=1.0)
        _check.whole(self, "recovery")
        _check.whole(self, "max_spikes")
        _check.whole(self, "skip", low=0)
        _check.choice(self, "roll_back", (False, True))

    def start(self) -> SpikeState:
        nothing = jnp.int32(0)
        # Not `recovery`: a run that is resumed with a longer one would recover from a spike that there never was.
        return SpikeState(jnp.float32(0.0), jnp.float32(0.0), nothing, jnp.int32(_check.INT32_MAX), *[nothing] * 4)

    def observe(self, state: Observed, count: jax.Array, metrics: Metrics) -> Observed:
        seen = super().observe(state, count, metrics)
        if not self.roll_back or self.monitor not in metrics:
            return seen
        limit = jnp.int32(self.max_spikes)
        unheard = jnp.where(jnp.isfinite(metrics[self.monitor]), 0, jnp.minimum(increment(state.own.unheard), limit))
        return seen._replace(own=seen.own._replace(unheard=unheard, lost=jnp.where(unheard >= limit, 1, seen.own.lost)))

    def react(self, own: SpikeState, value: jax.Array) -> SpikeState:
        window = jnp.int32(self.window)
        distance = jnp.where(own.count > 0, _difference(value, own.mean), 0.0)
        away = distance if self.mode == "min" else -distance
        least = jnp.maximum(own.deviation, RESOLUTION * jnp.abs(own.mean))  # else a metric that stands still spikes by its rounding
        spike = (own.count >= window) & (away / jnp.float32(self.threshold) > least)
        in_a_row = jnp.where(spike, increment(own.in_a_row), 0)
        new_level = in_a_row >= jnp.int32(self.max_spikes)
        lowered = spike & (in_a_row > self.skip)
        count = jnp.minimum(increment(own.count), window)
        weight = count.astype(jnp.float32)
        # The first value has no distance, so the deviation has one value fewer.
        deviation = own.deviation + (jnp.abs(distance) - own.deviation) / jnp.maximum(weight - 1, 1)
        since = jnp.where(spike, own.since, increment(own.since))
        return own._replace(
            mean=jnp.where(spike, own.mean, jnp.where(own.count > 0, own.mean + distance / weight, value)),
            deviation=jnp.where(spike, own.deviation, deviation),
            count=jnp.where(new_level, 0, jnp.where(spike, own.count, count)),
            since=jnp.where(lowered, 0, since),
            in_a_row=jnp.where(new_level, 0, in_a_row),
            spikes=increment(own.spikes, spike),
            lost=jnp.where(new_level, 1, own.lost) if self.roll_back else own.lost,
        )

    def skips(self, before: SpikeState, after: SpikeState) -> jax.Array | None:
        return (after.spikes > before.spikes) & (before.in_a_row < self.skip) if self.skip else None

    def evaluate(self, state: Observed, count: jax.Array) -> TwoFloat:
        factor, recovery = TwoFloat.of(self.factor), jnp.int32(self.recovery)
        back = ratio(jnp.minimum(state.own.since, recovery), recovery)
        return (factor + (1.0 - factor) * back).broadcast_to(jnp.shape(count))

    def signal(self, own: SpikeState) -> jax.Array:
        return increment(own.spikes, own.lost > 0)

    def status(self, own: SpikeState) -> str:
        words = f"{int(own.spikes)} spikes, mean {float(own.mean):.6g}, deviation {float(own.deviation):.2g}"
        since = int(own.since)
        words += f", recovering {since} of {int(self.recovery)}" if since < int(self.recovery) else ""
        return f"asks for a rollback, {words}" if int(own.lost) else words

    def explain(self, before: SpikeState, after: SpikeState, value: float) -> str:
        rollback = "; training should go back to a good state" if int(after.lost) > int(before.lost) else ""
        if int(after.spikes) == int(before.spikes):
            return f"{self.monitor} was NaN or infinite {int(after.unheard)} times in a row{rollback}"
        times = abs(value - float(before.mean)) / max(float(before.deviation), 1e-30)
        skipped = "; the update is skipped" if int(before.in_a_row) < self.skip else ""
        return f"{self.monitor} was {value:.6g}, {times:.3g} deviations from its mean {float(before.mean):.6g}{skipped}{rollback}"


def _difference(a: jax.Array, b: jax.Array) -> jax.Array:
    """Return `a - b`, the largest float32 where that would be infinite."""
    largest = jnp.finfo(jnp.float32).max
    return jnp.clip(a - b, -largest, largest)
