"""`OnStatisticalPlateau`: do something once it is certain that a noisy metric has stopped falling. What is done is a policy's own."""

from __future__ import annotations

import abc
import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rheostax import _check
from rheostax._counter import increment
from rheostax._duration import Steps
from rheostax._node import duration, node, show, static
from rheostax._words import counted
from rheostax.errors import ArgumentError
from rheostax.policies._flatness import LONG, Flatness, add_block, begin, evidence
from rheostax.policies._policy import Policy

__all__ = ["OnStatisticalPlateau"]

RISE = 1.0  # the evidence of a rise, all that its bets began with, at which what was known about a plateau isn't any more
LARGEST = 1e37  # so that no difference of values overflows


@node
class OnStatisticalPlateau(Policy):
    """Watch for evidence that a metric falls by less than `rtol * |value| + atol` per `window` observations.

    Values are averaged in blocks, `blocks` of them per window, and each block is compared with the one a window before, two
    windows, four, up to 128. As long as the metric falls by that much over every window, whether it was less than that is a
    coin's toss at worst; the evidence bets on it, with stakes that make its probability of ever reaching 1 / alpha at most
    alpha. Subclasses say in `act` what follows. After it the test begins anew, the k-th time with alpha / (k (k + 1)), so
    that all of a run's false decisions together have a probability of at most alpha. It begins anew as well when there is
    evidence that the metric has risen, as when the data change. A subclass's state has the fields that `watching` gives.
    """

    _: dataclasses.KW_ONLY
    monitor: str = static(default="value")
    mode: str = static(default="min")
    window: Steps = duration(observations=True, default=1000)
    rtol: float = 1e-3
    atol: float = 0.0
    alpha: float = 0.01
    blocks: int = static(default=64)
    paired: bool = static(default=False)

    def __post_init__(self) -> None:
        _check.name(self, "monitor")
        _check.choice(self, "mode", ("min", "max"))
        _check.choice(self, "paired", (False, True))
        least = 2 * LONG
        if isinstance(self.blocks, bool) or not isinstance(self.blocks, int) or self.blocks <= least:
            raise ArgumentError(f"{type(self).__name__}: blocks must be a whole number > {least}, got {self.blocks!r}.")
        few = "A window has at least one observation per block; a metric that is observed less often is for rx.ReduceOnPlateau."
        _check.duration(self, "window", low=1 if self.paired else self.blocks, advice=few)
        _check.number(self, "rtol", high=1.0)
        _check.number(self, "atol")
        _check.number(self, "alpha", high=1.0, low_open=True)
        known = [np.asarray(value) for value in (self.rtol, self.atol) if not isinstance(value, jax.core.Tracer)]
        if len(known) == 2 and np.any((known[0] == 0) & (known[1] == 0)):
            raise ArgumentError(
                f"{type(self).__name__}: rtol or atol must be > 0, got 0 for both. Without a least fall that counts as progress, "
                "no number of values can tell a plateau from a very slow fall."
            )

    @abc.abstractmethod
    def act(self, own: Any, stalled: jax.Array) -> Any:
        """Return the state after the action, where `stalled`; as it is, where not."""

    def watching(self) -> dict[str, Any]:
        """Return what every policy of this kind keeps, before any observation."""
        return {
            "begun": jnp.int32(1),  # how often the test has begun
            "found": jnp.float32(-jnp.inf),  # log evidence at the last plateau
            "distance": jnp.int32(0),  # windows between the blocks that gave it
            "test": begin(self.blocks, self.paired),
        }

    def react(self, own: Any, value: jax.Array) -> Any:
        test: Flatness = own.test
        size = increment(test.size)
        signed = jnp.clip(value if self.mode == "min" else -value, -LARGEST, LARGEST)
        waiting = own._replace(test=test._replace(size=size, mean=test.mean + (signed - test.mean) / size.astype(jnp.float32)))
        return jax.lax.cond(size >= self._length(), self._judge, lambda own: own, waiting)

    def _length(self) -> jax.Array:
        """Return the observations per block."""
        return jnp.int32(1) if self.paired else (jnp.int32(self.window) + (self.blocks - 1)) // self.blocks

    def _margins(self, before: jax.Array) -> jax.Array:
        """Return what counts as a fall from a value, over the distance of each level."""
        rtol, atol = jnp.float32(self.rtol), jnp.float32(self.atol)
        if self.paired:
            return jnp.broadcast_to(rtol + atol, before.shape)
        one = (self.blocks * self._length()).astype(jnp.float32) / jnp.int32(self.window).astype(jnp.float32)  # 1, but for rounding
        windows = one * (2.0 ** np.arange(len(before), dtype=np.float32))
        return -jnp.expm1(windows * jnp.log1p(-rtol)) * jnp.abs(before) + windows * atol

    def _judge(self, own: Any) -> Any:
        test = add_block(own.test, self._margins)
        flat, risen = evidence(test)
        level = jnp.argmax(flat).astype(jnp.int32)
        stalled = flat[level] >= self._needed(own.begun)
        again = stalled | (risen.max() >= math.log(RISE))
        judged = own._replace(
            begun=increment(own.begun, again),
            found=jnp.where(stalled, flat[level], own.found),
            distance=jnp.where(stalled, jnp.int32(1) << level, own.distance),
            test=jax.tree.map(lambda new, old: jnp.where(again, new, old), begin(self.blocks, self.paired), test),
        )
        return self.act(judged, stalled)

    def _needed(self, begun: jax.Array) -> jax.Array:
        """Return the log evidence that a plateau takes the k-th time: (k (k + 1)) / alpha."""
        k = begun.astype(jnp.float32)
        return jnp.log(k) + jnp.log1p(k) - jnp.log(jnp.float32(self.alpha))

    def status(self, own: Any) -> str:
        strength, needed = float(evidence(own.test)[0].max()), float(self._needed(own.begun))
        return f"evidence {math.exp(strength):.2g} of {math.exp(needed):.3g} for a plateau, {int(own.test.blocks):,} blocks since it began"

    def finding(self, own: Any) -> str:
        """Say what was found at the last plateau."""
        where = "" if self.paired else f", by blocks {counted(int(own.distance), 'window')} apart"
        least = [f"{show(self.rtol)} of itself"] * bool(self.rtol) + [show(self.atol)] * bool(self.atol)
        verb = "fallen" if self.mode == "min" else "risen"
        return (
            f"{self.monitor} had {verb} by less than {' + '.join(least)} per {int(self.window):,} observations"
            f" (evidence {math.exp(min(float(own.found), 600.0)):.3g}{where})"
        )

    def explain(self, before: Any, after: Any, value: float) -> str:
        return f"{self.finding(after)}; {math.exp(float(self._needed(before.begun))):,.3g} was needed"
