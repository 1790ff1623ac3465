"""A rate that is cut when a metric has stopped improving, down to an absolute floor."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp

from rheostax import _check
from rheostax._counter import increment
from rheostax._node import node, static
from rheostax._twofloat import TwoFloat, where
from rheostax.errors import ArgumentError
from rheostax.policies._on_plateau import OnPlateau
from rheostax.policies._policy import Observed
from rheostax.schedules._progress import decayed

__all__ = ["PlateauRate", "PlateauRateState"]


class PlateauRateState(NamedTuple):
    """State of `PlateauRate`."""

    scale: jax.Array  # float32 []: the rate, as a factor of the one at the start
    cuts: jax.Array  # int32 []: cuts so far; the rate is made of it, so that nothing accumulates
    best_value: jax.Array  # float32 []: the best value; +inf (min) or -inf (max) before the first
    plateau_count: jax.Array
    cooldown_count: jax.Array
    count: jax.Array  # type: ignore[assignment]
    avg_value: jax.Array


@node
class PlateauRate(OnPlateau):
    """Hold a rate and multiply it by `factor` whenever a metric hasn't improved for `patience` observations in a row.

    It counts as `rx.ReduceOnPlateau` does, which is a factor; this is the rate itself. So it can have a floor in the rate's
    own unit, and leave out cuts that hardly move it: at a cut the rate r becomes `max(factor * r, min_value)`, provided that
    this is less than `r - min_change`. A value v is an improvement if `v < best - (rtol * |best| + atol)`, in "max" mode if
    `v > best + (rtol * |best| + atol)`; the first v always is one.

    Args:
        init_value: The rate before the first cut, >= 0.
        monitor: The metric to watch: "value" is what `update(..., value=loss)` passes; any other name comes by
            `observe(name=...)` or as a keyword of `update`.
        mode: "min" if lower is better, "max" if higher is.
        factor: What to multiply with at a cut, in [0, 1).
        patience: Bad values in a row that make a cut, a whole number >= 1.
        rtol: Relative margin of an improvement, in [0, 1].
        atol: Absolute margin of an improvement, >= 0.
        cooldown: Values after a cut that aren't counted, a whole number >= 0.
        accumulation_size: Observations that are averaged into one value, a whole number >= 1 or a duration.
        min_value: Lower bound that cuts respect, >= 0; a rate that starts below it stays.
        min_change: A cut that would change the rate by no more than this is left out, >= 0.
        strict: Judge as PyTorch does: the relative margin is `rtol * best`, whatever its sign, so that a negative metric that
            stays the same improves forever; and NaN counts as a value, a bad one.
        best_value: The best value so far, to go on with another run; None for none.
        plateau_count: Bad values in a row so far, a whole number >= 0.
        cooldown_count: Values still to be ignored, a whole number >= 0.

    Raises:
        ArgumentError: If an argument breaks its rule.

    >>> import rheostax as rx
    >>> rate = rx.PlateauRate(0.1, patience=2, factor=0.5, min_value=0.03)
    >>> rx.simulate(rate, steps=8, observations={"value": [1.0, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9]})
    array([0.1 , 0.1 , 0.1 , 0.05, 0.05, 0.03, 0.03, 0.03], dtype=float32)

    Source: `torch.optim.lr_scheduler.ReduceLROnPlateau`, whose patience is one less than this.
    """

    init_value: float
    _: dataclasses.KW_ONLY
    factor: float = 0.1
    min_value: float = 0.0
    min_change: float = 0.0
    strict: bool = static(default=False)
    best_value: float | None = None
    plateau_count: int = 0
    cooldown_count: int = 0

    def __post_init__(self) -> None:
        _check.number(self, "init_value")
        super().__post_init__()
        _check.number(self, "factor", high=1.0, advice="The rate is multiplied by it at each cut.")
        _check.number(self, "min_value")
        _check.number(self, "min_change")
        if not isinstance(self.strict, bool):
            raise ArgumentError(f"PlateauRate: strict must be True or False, got {self.strict!r}.")
        if self.best_value is not None:
            _check.number(self, "best_value", low=-float("inf"))
        _check.whole(self, "plateau_count", low=0)
        _check.whole(self, "cooldown_count", low=0)

    def hears(self, value: jax.Array) -> jax.Array:
        return jnp.ones_like(value, bool) if self.strict else jnp.isfinite(value)

    def start(self) -> PlateauRateState:
        begun = {"plateau_count": jnp.int32(self.plateau_count), "cooldown_count": jnp.int32(self.cooldown_count)}
        if self.best_value is not None:
            begun["best_value"] = jnp.float32(self.best_value)
        return PlateauRateState(jnp.float32(1.0), jnp.int32(0), **{**self.watching(), **begun})

    def after(self, cuts: jax.Array) -> TwoFloat:
        """Return the rate after a number of cuts."""
        factor, floor = TwoFloat.of(self.factor), TwoFloat.of(self.min_value)
        lowered = where(factor.high > 0, decayed(self.init_value, where(factor.high > 0, factor, 1.0), cuts), 0.0)
        return where(cuts == 0, self.init_value, where((lowered - floor).high < 0, floor, lowered))

    def act(self, own: PlateauRateState, stalled: jax.Array) -> PlateauRateState:
        old, new, first = self.after(own.cuts), self.after(increment(own.cuts)), TwoFloat.of(self.init_value)
        # Once a cut is left out, so is every later one: the number of cuts is all there is to know about the rate.
        cut = stalled & ((old - new - self.min_change).high > 0)
        scale = (new / where(first.high > 0, first, 1.0)).high
        return own._replace(scale=jnp.where(cut, scale, own.scale), cuts=increment(own.cuts, cut))

    def evaluate(self, state: Observed, count: jax.Array) -> TwoFloat:
        return self.after(state.own.cuts).broadcast_to(jnp.shape(count))
