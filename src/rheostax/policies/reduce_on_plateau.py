"""Cut the rate when a metric has stopped improving."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp

from rheostax import _check
from rheostax._node import node, static
from rheostax.policies._policy import Policy

__all__ = ["PlateauState", "ReduceOnPlateau"]


class PlateauState(NamedTuple):
    """State of `ReduceOnPlateau`; the names are optax's."""

    scale: jax.Array  # float32 []: the factor
    best_value: jax.Array  # float32 []: the best averaged value; +inf (min) or -inf (max) before the first
    plateau_count: jax.Array  # int32 []: averaged values in a row without improvement
    cooldown_count: jax.Array  # int32 []: averaged values still to be ignored after a cut
    count: jax.Array  # type: ignore[assignment]  # int32 []: values in the running average
    avg_value: jax.Array  # float32 []: the running average


@node
class ReduceOnPlateau(Policy):
    """Multiply the rate by `factor` whenever a metric hasn't improved for `patience` observations in a row.

    Every `accumulation_size` observations make one value v, their mean. In "min" mode v is an improvement if
    `v < best - (rtol * |best| + atol)`, in "max" mode if `v > best + (rtol * |best| + atol)`: right for negative values
    and zero too. The first v always is one. An improvement sets best = v and the bad count to 0, any other v adds 1 to it.
    When the bad count reaches `patience`, scale becomes `max(factor * scale, min_scale)`; then the next `cooldown` values
    can improve best but aren't counted as bad. So a flat metric cuts at its (patience + 1)-th value and then every
    `patience + cooldown` values, as in optax. NaN and infinities are left out.

    Args:
        monitor: The metric to watch: "value" is what `update(..., value=loss)` passes; any other name comes by
            `observe(name=...)` or as a keyword of `update`.
        mode: "min" if lower is better, "max" if higher is.
        factor: What to multiply with at a cut, in (0, 1).
        patience: Bad values in a row that make a cut, a whole number >= 1.
        rtol: Relative margin of an improvement, in [0, 1].
        atol: Absolute margin of an improvement, >= 0.
        cooldown: Values after a cut that aren't counted, a whole number >= 0.
        accumulation_size: Observations that are averaged into one value, a whole number >= 1.
        min_scale: Lower bound of the factor, in [0, 1]. For a bound of the rate itself use `rate.clip(min_value)`.

    Raises:
        ArgumentError: If an argument breaks its rule.

    >>> import rheostax as rx
    >>> rate = 0.1 * rx.ReduceOnPlateau(patience=2, factor=0.5)
    >>> rx.simulate(rate, steps=6, observations={"value": [1.0, 0.9, 0.9, 0.9, 0.9, 0.9]})
    array([0.1  , 0.1  , 0.1  , 0.05 , 0.05 , 0.025], dtype=float32)

    Source: `optax.contrib.reduce_on_plateau`, whose counting this keeps; the idea is older (torch, Keras).
    """

    _: dataclasses.KW_ONLY
    monitor: str = static(default="value")
    mode: str = static(default="min")
    factor: float = 0.1
    patience: int = 10
    rtol: float = 1e-4
    atol: float = 0.0
    cooldown: int = 0
    accumulation_size: int = 1
    min_scale: float = 0.0

    def __post_init__(self) -> None:
        _check.name(self, "monitor")
        _check.choice(self, "mode", ("min", "max"))
        _check.number(self, "factor", high=1.0, low_open=True, advice="The rate is multiplied by it at each cut.")
        _check.whole(self, "patience", advice="1 cuts at the first observation that is no improvement; 0 would cut at every one.")
        _check.number(self, "rtol", high=1.0, high_open=False)
        _check.number(self, "atol")
        _check.whole(self, "cooldown", low=0)
        _check.whole(self, "accumulation_size")
        _check.number(self, "min_scale", high=1.0, high_open=False)

    def start(self) -> PlateauState:
        best = jnp.float32(jnp.inf if self.mode == "min" else -jnp.inf)
        return PlateauState(jnp.float32(1.0), best, jnp.int32(0), jnp.int32(0), jnp.int32(0), jnp.float32(0.0))

    def react(self, own: PlateauState, value: jax.Array) -> PlateauState:
        size = own.count + 1
        average = own.avg_value + (value - own.avg_value) / size.astype(jnp.float32)
        # >=, so that a state restored under another accumulation_size can't get stuck behind it
        judged = self._judge(own, average)._replace(count=jnp.zeros_like(size), avg_value=jnp.zeros_like(average))
        waiting = own._replace(count=size, avg_value=average)
        return jax.tree.map(lambda a, b: jnp.where(size >= jnp.int32(self.accumulation_size), a, b), judged, waiting)

    def improves(self, value: jax.Array, best: jax.Array) -> jax.Array:
        """Tell whether a value is better than the best by more than the margin; anything is better than nothing."""
        sign = 1.0 if self.mode == "min" else -1.0
        margin = jnp.float32(self.rtol) * jnp.abs(best) + jnp.float32(self.atol)
        return jnp.isinf(best) | (sign * value < sign * best - margin)

    def _judge(self, own: PlateauState, value: jax.Array) -> PlateauState:
        better = self.improves(value, own.best_value)
        cooling = own.cooldown_count > 0
        bad = jnp.where(better | cooling, 0, own.plateau_count + 1)
        cut = bad >= jnp.int32(self.patience)
        lowered = jnp.maximum(own.scale * jnp.float32(self.factor), jnp.float32(self.min_scale))
        return own._replace(
            scale=jnp.where(cut, jnp.minimum(lowered, own.scale), own.scale),
            best_value=jnp.where(better, value, own.best_value),
            plateau_count=jnp.where(cut, 0, bad),
            cooldown_count=jnp.where(cut, jnp.int32(self.cooldown), jnp.maximum(own.cooldown_count - 1, 0)),
        )

    def status(self, own: PlateauState) -> str:
        words = f"best {float(own.best_value):.6g}, {int(own.plateau_count)} of {int(self.patience)} bad values in a row"
        cooling = int(own.cooldown_count)
        return words + (f", cooling down for {cooling}" if cooling else "")

    def explain(self, before: PlateauState, after: PlateauState, value: float) -> str:
        margin = float(self.rtol) * abs(float(before.best_value)) + float(self.atol)
        what = self.monitor if int(self.accumulation_size) == 1 else f"the mean of {int(self.accumulation_size)} values of {self.monitor}"
        return (
            f"{what} had not improved on {float(before.best_value):.6g} by {margin:.2g} for {int(self.patience)} "
            f"observation{'s' if int(self.patience) > 1 else ''}"
        )
