"""Raise the rate while a metric improves, cut it when it doesn't."""

from __future__ import annotations

import dataclasses
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rheostax import _check
from rheostax._counter import increment
from rheostax._node import node, static
from rheostax._twofloat import TwoFloat, maximum, minimum, where
from rheostax.errors import ArgumentError
from rheostax.policies._improvement import improves
from rheostax.policies._policy import Policy

__all__ = ["Greedy", "GreedyState"]

ROUNDING = 2.0**-36  # of the lower bound: a thousand raises and cuts in 48 bits end within this of it


class GreedyState(NamedTuple):
    """State of `Greedy`."""

    scale: TwoFloat  # []: the factor
    best_value: jax.Array  # float32 []
    good_count: jax.Array  # int32 []: improvements in a row
    bad_count: jax.Array  # int32 []: values in a row without improvement
    rest_count: jax.Array  # int32 []: values still to be ignored after a move
    low_count: jax.Array  # int32 []: cuts that were due at the lower bound since the last raise


@node
class Greedy(Policy):
    """Divide the rate by `factor` after `patience` improvements in a row, multiply it after as many bad values in a row.

    A value is an improvement if `v < best - (rtol * |best| + atol)` in "min" mode, if `v > best + (rtol * |best| + atol)` in
    "max" mode; the first one always is. The factor stays in [min_scale, max_scale]. After a raise the next `warmup` values
    are ignored, after a cut the next `cooldown` ones; best doesn't change meanwhile. When a cut was due `reset_after` times
    with the factor at min_scale, the policy begins anew, with a factor of 1, after its cooldown. NaN and infinities are left out.

    Args:
        monitor: The metric to watch.
        mode: "min" if lower is better, "max" if higher is.
        factor: What to multiply with at a cut and to divide by at a raise, in (0, 1).
        patience: Improvements, or bad values, in a row that make a move, a whole number >= 1.
        rtol: Relative margin of an improvement, in [0, 1].
        atol: Absolute margin of an improvement, >= 0.
        cooldown: Values that are ignored after a cut, a whole number >= 0.
        warmup: Values that are ignored after a raise, a whole number >= 0.
        min_scale: Lower bound of the factor, in [0, 1].
        max_scale: Upper bound of the factor, >= 1.
        min_change: A cut or raise of the factor by this or less isn't made, >= 0.
        reset_after: Cuts due at the lower bound that make it begin anew, a whole number >= 1; None for never.

    Raises:
        ArgumentError: If an argument breaks its rule.

    >>> import rheostax as rx
    >>> rate = 0.5 * rx.Greedy(patience=2, factor=0.5, max_scale=4.0)
    >>> rx.simulate(rate, steps=7, observations={"value": [9.0, 8.0, 7.0, 6.0, 6.0, 6.0, 6.0]})
    array([0.5, 1. , 1. , 2. , 2. , 1. , 1. ], dtype=float32)

    Source: arXiv 2512.14527, and `GreedyLR` of Transformers, which acts when more than its patience is reached.
    """

    _: dataclasses.KW_ONLY
    monitor: str = static(default="value")
    mode: str = static(default="min")
    factor: float = 0.95
    patience: int = 10
    rtol: float = 0.0
    atol: float = 1e-6
    cooldown: int = 0
    warmup: int = 0
    min_scale: float = 0.1
    max_scale: float = 10.0
    min_change: float = 0.0
    reset_after: int | None = None

    def __post_init__(self) -> None:
        _check.name(self, "monitor")
        _check.choice(self, "mode", ("min", "max"))
        _check.number(self, "factor", high=1.0, low_open=True, advice="The rate is multiplied by it at a cut, divided at a raise.")
        _check.whole(self, "patience")
        _check.number(self, "rtol", high=1.0, high_open=False)
        _check.number(self, "atol")
        _check.whole(self, "cooldown", low=0)
        _check.whole(self, "warmup", low=0)
        _check.number(self, "min_scale", high=1.0, high_open=False)
        _check.number(self, "max_scale", low=1.0)
        _check.number(self, "min_change")
        if self.reset_after is not None:
            _check.whole(self, "reset_after")
            if not isinstance(self.min_scale, jax.core.Tracer) and np.any(np.asarray(self.min_scale) == 0.0):
                raise ArgumentError("Greedy: reset_after needs a min_scale > 0, the lower bound at which cuts are counted.")

    def start(self) -> GreedyState:
        best = jnp.float32(jnp.inf if self.mode == "min" else -jnp.inf)
        return GreedyState(TwoFloat.of(1.0), best, jnp.int32(0), jnp.int32(0), jnp.int32(0), jnp.int32(0))

    def react(self, own: GreedyState, value: jax.Array) -> GreedyState:
        better = improves(value, own.best_value, mode=self.mode, rtol=self.rtol, atol=self.atol)
        judged = own._replace(
            best_value=jnp.where(better, value, own.best_value),
            good_count=jnp.where(better, increment(own.good_count), 0),
            bad_count=jnp.where(better, 0, increment(own.bad_count)),
        )
        nothing = jnp.zeros_like(own.good_count)
        resting = own._replace(rest_count=own.rest_count - 1, good_count=nothing, bad_count=nothing)
        return jax.tree.map(lambda a, b: jnp.where(own.rest_count > 0, a, b), resting, self._move(judged))

    def _move(self, own: GreedyState) -> GreedyState:
        patience = jnp.int32(self.patience)
        up, down = own.good_count >= patience, own.bad_count >= patience
        goal = where(up, minimum(own.scale / self.factor, self.max_scale), maximum(own.scale * self.factor, self.min_scale))
        change = where(up, goal - own.scale, own.scale - goal)
        scale = where((up | down) & ((change - self.min_change).high > 0), goal, own.scale)
        rest = jnp.where(up, jnp.int32(self.warmup), jnp.where(down, jnp.int32(self.cooldown), own.rest_count))
        lowest = TwoFloat.of(self.min_scale)
        # A raise and a cut may end by a rounding above the bound, and what is less than min_change isn't cut any more.
        at_bound = down & ((scale - lowest).high <= ROUNDING * lowest.high)
        moved = own._replace(
            scale=scale,
            good_count=jnp.where(up, 0, own.good_count),
            bad_count=jnp.where(down, 0, own.bad_count),
            rest_count=rest,
            low_count=jnp.where(up, 0, increment(own.low_count, at_bound)),
        )
        if self.reset_after is None:
            return moved
        again = at_bound & (moved.low_count >= jnp.int32(self.reset_after))
        return jax.tree.map(lambda new, old: jnp.where(again, new, old), self.start()._replace(rest_count=rest), moved)

    def status(self, own: GreedyState) -> str:
        in_a_row = f"{int(own.good_count)} good and {int(own.bad_count)} bad of {int(self.patience)} values in a row"
        words = f"best {float(own.best_value):.6g}, {in_a_row}"
        return words + (f", ignoring {int(own.rest_count)}" if int(own.rest_count) else "")

    def explain(self, before: GreedyState, after: GreedyState, value: float) -> str:
        if math.isinf(after.best_value):
            return f"the lower bound was due {int(self.reset_after or 0)} times; it begins anew"
        if float(after.scale) > float(before.scale):
            return f"{self.monitor} had improved {int(self.patience)} times in a row, to {float(after.best_value):.6g}"
        return f"{self.monitor} had not improved on {float(before.best_value):.6g} for {int(self.patience)} observations"
