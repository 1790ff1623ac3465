"""Begin the decay when waiting no longer pays, or the budget forces it."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rheostax import _check
from rheostax._duration import Steps
from rheostax._node import duration, node, static
from rheostax._rate import Metrics
from rheostax._twofloat import TwoFloat
from rheostax._words import counted
from rheostax.policies._policy import Observed, Policy
from rheostax.schedules._progress import between
from rheostax.schedules._weights import straight

__all__ = ["AnnealState", "AnnealWhenWorthIt"]

BLOCKS = 32  # means of the metric that are kept, each over about 14% more updates than the one before
FEWEST = 6  # blocks, below which no law is fitted
EARLIEST = 8  # a part of total_steps: from less than an eighth of the budget a law isn't extrapolated to its end
SPAN = 64.0  # the blocks lie between total_steps / SPAN and total_steps
EXPONENTS = np.geomspace(0.05, 2.0, 16).astype(np.float32)  # of the power law, tried one beside the other
STARTS = np.linspace(0.0, 0.98, 50).astype(np.float32)  # parts of what is left of the budget


class AnnealState(NamedTuple):
    """State of `AnnealWhenWorthIt`."""

    planned: jax.Array  # int32 []: the count at which the decay begins or began; -1 for half the budget, whatever that is by then
    began: jax.Array  # int32 []: 1 once a value has come at or after it
    at: jax.Array  # int32 []: the count of the last value
    block: jax.Array  # int32 []: which block it lies in; -1 before the first
    number: jax.Array  # int32 [BLOCKS]: values in each block
    mean: jax.Array  # float32 [BLOCKS]: their mean
    time: jax.Array  # float32 [BLOCKS]: the mean of their counts


@node
class AnnealWhenWorthIt(Policy):
    """Keep the rate, and begin a linear decay to 0 that ends with the budget when waiting no longer pays.

    The factor is 1 up to the count s, and then `(total_steps - count) / (total_steps - s)`. For every s the loss at the end is predicted
    by the minimal decay law

    `L(s) = f + A * (s - w + d / 2) ** -a - gain * (1 - (1 + d / timescale) ** -power)`, d = total_steps - s, w = warmup_steps / 2,

    whose first two terms are fitted to the metric so far: to its means over 32 blocks that grow with the count, for 16 exponents a at
    once, which are weighed by their likelihood. The decay begins at half the budget, unless another s is predicted to end lower by
    more than `confidence` standard deviations of the difference: of the fit, over the exponents, and `doubt`. It is planned anew
    whenever a block is full, from an eighth of the budget until it begins. Without a `gain` nothing can be told of
    a decay, and half the budget it is.

    Of a run that is resumed with other `total_steps` before the decay has begun, half the budget is half of the new one.

    Multiply it with a rate that is constant after its warm-up. The numbers of the last term come from runs of which one has a rate that
    fell: `rx.forecast.decay_of(outlook)` gives them. State: 3 vectors of 32 numbers, 4 scalars.

    Args:
        total_steps: The budget in updates, a whole number >= 1 or a duration.
        monitor: The metric to watch, a loss: lower is better. The loss of every update will do.
        warmup_steps: Updates of the warm-up, whose metrics are left out, a whole number >= 0 or a duration.
        gain: By how much an endless decay would lower the metric, >= 0; 0 if it isn't known.
        timescale: Updates of decay after which a good part of that is gained, > 0.
        power: How fast the rest comes, > 0.
        doubt: Relative error of what a decay gains, in [0, 1].
        confidence: How many standard deviations of a predicted gain count as its error, >= 0.

    Raises:
        ArgumentError: If an argument breaks its rule.

    >>> import rheostax as rx
    >>> rate = 0.5 * rx.AnnealWhenWorthIt(total_steps=8)
    >>> rx.simulate(rate, steps=9, observations={"value": [3.0, 2.5, 2.2, 2.1, 2.0, 2.0, 1.9, 1.8, 1.8]})
    array([0.5  , 0.5  , 0.5  , 0.5  , 0.5  , 0.375, 0.25 , 0.125, 0.   ],
          dtype=float32)
    """

    total_steps: Steps = duration()
    _: dataclasses.KW_ONLY
    monitor: str = static(default="value")
    warmup_steps: Steps = duration(default=0)
    gain: float = 0.0
    timescale: float = 1_000.0
    power: float = 0.5
    doubt: float = 0.2
    confidence: float = 1.64

    def __post_init__(self) -> None:
        _check.name(self, "monitor")
        _check.duration(self, "total_steps")
        _check.duration(self, "warmup_steps", low=0)
        for name in ("gain", "confidence"):
            _check.number(self, name)
        for name in ("timescale", "power"):
            _check.number(self, name, low_open=True)
        _check.number(self, "doubt", high=1.0, high_open=False)

    def start(self) -> AnnealState:
        none, empty = jnp.int32(0), jnp.zeros(BLOCKS, jnp.float32)
        return AnnealState(jnp.int32(-1), none, none, jnp.int32(-1), jnp.zeros(BLOCKS, jnp.int32), empty, empty)

    def observe(self, state: Observed, count: jax.Array, metrics: Metrics) -> Observed:
        return super().observe(state._replace(own=state.own._replace(at=jnp.asarray(count, jnp.int32))), count, metrics)

    def react(self, own: AnnealState, value: jax.Array) -> AnnealState:
        block = self._block(own.at)
        looks = (block > own.block) & (own.at < self._begin(own)) & (jnp.float32(self.gain) > 0)
        own = jax.lax.cond(looks, self._plan, lambda same: same, own)
        begin = self._begin(own)
        begun = own.at >= begin
        own = own._replace(
            planned=jnp.where(begun, begin, own.planned),  # from now on it is that, whatever half the budget will be
            began=jnp.where(begun, 1, own.began),
            block=jnp.maximum(block, own.block),
        )
        here = (jnp.arange(BLOCKS) == block) & (own.began == 0)
        number = own.number + here.astype(jnp.int32)
        part = jnp.where(here, 1.0 / jnp.maximum(number, 1).astype(jnp.float32), 0.0)
        return own._replace(
            number=number,
            mean=own.mean + (part * value - part * own.mean),  # the difference of two finite numbers may overflow
            time=own.time + part * (own.at.astype(jnp.float32) - own.time),
        )

    def _begin(self, own: AnnealState) -> jax.Array:
        return jnp.where(own.planned < 0, jnp.int32(self.total_steps) // 2, own.planned)

    def _block(self, count: jax.Array) -> jax.Array:
        """Return which block a count lies in; -1 for one that is too early."""
        total, late = jnp.float32(self.total_steps), jnp.maximum(jnp.float32(self.warmup_steps), 1.0)
        first = jnp.maximum(total / SPAN, late)
        time = jnp.maximum(count.astype(jnp.float32), 1.0)
        place = jnp.floor(BLOCKS * jnp.log(time / first) / jnp.log(jnp.maximum(total / first, 1.0 + 1e-3)))
        return jnp.where(time < first, -1, jnp.clip(place, 0, BLOCKS - 1).astype(jnp.int32))

    def _plan(self, own: AnnealState) -> AnnealState:
        """Return the state with the start that is predicted to be best, if the blocks so far can tell, or half the budget."""
        total, now = jnp.int32(self.total_steps), own.at
        usual = jnp.maximum(now, total // 2)
        left = (total - now).astype(jnp.float32)
        starts = now + jnp.floor(STARTS * left).astype(jnp.int32)
        gain, error = self._gains(own, starts, usual)
        told = (jnp.sum(own.number > 0) >= FEWEST) & (now >= total // EARLIEST)
        clear = (starts != usual) & (gain > error) & told
        best = jnp.argmax(jnp.where(clear, gain, -jnp.inf))
        return own._replace(planned=jnp.where(clear[best], starts[best], jnp.where(now <= total // 2, -1, now)))

    def _gains(self, own: AnnealState, starts: jax.Array, usual: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Return by how much each start is predicted to end lower than the usual one, and the error of that, `float32 [starts]`."""
        total = jnp.float32(self.total_steps)
        used = (own.number > 0).astype(jnp.float32)
        size = jnp.maximum(jnp.sum(used), 3.0)
        level = own.mean - jnp.sum(used * own.mean) / size
        basis = self._powers(own.time) - (jnp.sum(used * self._powers(own.time), -1) / size)[:, None]
        spread = jnp.maximum(jnp.sum(used * basis**2, -1), 1e-12)
        slope = jnp.maximum(jnp.sum(used * basis * level, -1) / spread, 0.0)
        floor = jnp.float32(1e-12) + 1e-14 * jnp.max(jnp.abs(used * own.mean)) ** 2 * size  # what float32 can't tell apart
        rest = jnp.sum(used * (level - slope[:, None] * basis) ** 2, -1) + floor
        weight = jax.nn.softmax(-0.5 * (size - 2.0) * jnp.log(rest))[:, None]

        def end(start: jax.Array) -> jax.Array:
            return self._powers((start.astype(jnp.float32) + total) / 2)  # half of the decay counts, as a sum of rates

        step = end(usual) - end(starts)  # [exponents, starts]
        progress = slope[:, None] * step
        mean = jnp.sum(weight * progress, 0)
        variance = jnp.sum(weight * ((progress - mean) ** 2 + step**2 * (rest / (size - 2.0) / spread)[:, None]), 0)
        decay = self._decay(total - starts.astype(jnp.float32)) - self._decay(total - usual.astype(jnp.float32))
        deviation = jnp.sqrt(variance + (jnp.float32(self.doubt) * decay) ** 2)
        return mean + decay, jnp.float32(self.confidence) * deviation

    def _powers(self, count: Any) -> jax.Array:
        """Return the progress at counts of a constant rate, in parts of the budget, to the power of each exponent, `[exponents, ...]`."""
        total, warmup = jnp.float32(self.total_steps), jnp.float32(self.warmup_steps)
        time = jnp.atleast_1d(jnp.maximum(count - warmup / 2, 0.5) / total)
        return jnp.exp(-EXPONENTS[:, None] * jnp.log(time)[None, :])

    def _decay(self, steps: jax.Array) -> jax.Array:
        """Return what a decay over so many updates gains."""
        return -jnp.float32(self.gain) * jnp.expm1(-jnp.float32(self.power) * jnp.log1p(steps / jnp.float32(self.timescale)))

    def evaluate(self, state: Observed, count: jax.Array) -> TwoFloat:
        total = jnp.int32(self.total_steps)
        begin = jnp.minimum(self._begin(state.own), total - 1)  # a resumed run may have less budget than it was planned with
        return between(1.0, 0.0, total - begin, jnp.maximum(count - begin, 0), straight)

    @property
    def horizon(self) -> int | None:
        return int(self.total_steps)

    def signal(self, own: AnnealState) -> jax.Array:
        return own.began

    def status(self, own: AnnealState) -> str:
        blocks = int((np.asarray(own.number) > 0).sum())
        when = f"the decay {'began' if int(own.began) else 'begins'} at count {int(self._begin(own)):,}"
        return f"{when}, {self._why(own)}; {counted(blocks, 'block')} of {self.monitor}"

    def explain(self, before: AnnealState, after: AnnealState, value: float) -> str:
        return f"began the decay at count {int(self._begin(after)):,}: {self._why(after)}"

    def _why(self, own: AnnealState) -> str:
        half = int(self._begin(own)) == int(self.total_steps) // 2
        if not float(self.gain) > 0:
            return f"{'half the budget' if half else 'as it was'}, since it isn't known what a decay gains"
        if half:
            return "half the budget, on which no other start is predicted to gain more than the error of that"
        gain, error = self._gains(own, jnp.atleast_1d(own.planned), jnp.int32(self.total_steps) // 2)
        return f"which is predicted to gain {float(gain[0]):.2g} +- {float(error[0]):.2g} on half the budget"
