"""`optax.contrib.reduce_on_plateau`, as an expression."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from rheostax._node import node
from rheostax.policies.reduce_on_plateau import PlateauState, ReduceOnPlateau

__all__ = ["StrictReduceOnPlateau", "reduce_on_plateau"]


def reduce_on_plateau(
    factor: float = 0.1,
    patience: int = 10,
    rtol: float = 1e-4,
    atol: float = 0.0,
    cooldown: int = 0,
    accumulation_size: int = 1,
    min_scale: float = 0.0,
    *,
    monitor: str = "value",
    strict: bool = False,
) -> ReduceOnPlateau:
    """Return the factor that optax's transformation multiplies updates with, to be multiplied with a rate.

    `rx.reduce_on_plateau` is the same as a transformation, for a chain. Two things are different on purpose, unless `strict` is
    set: the margin is taken from the best metric's size, so that a negative metric that doesn't move counts as bad; and NaN
    and infinities are left out, where optax counts them as bad, and one of them spoils the mean that it is in.

    Args:
        factor: What to multiply with at a cut, in (0, 1).
        patience: Bad values in a row that make a cut, a whole number >= 1; optax's 0 cuts where the metric improves.
        rtol: Relative margin of an improvement, in [0, 1].
        atol: Absolute margin of an improvement, >= 0.
        cooldown: Values after a cut that aren't counted, a whole number >= 0.
        accumulation_size: Observations that are averaged into one value, a whole number >= 1.
        min_scale: Lower bound of the factor, in [0, 1].
        monitor: The metric, by its name in `observe` or `update`; optax has `update(..., value=loss)` alone.
        strict: Whether to judge negative metrics, NaN and infinities as optax does.

    Returns:
        A policy.

    Raises:
        ArgumentError: If an argument breaks its rule.

    >>> import rheostax as rx
    >>> rate = 0.5 * rx.compat.optax.reduce_on_plateau(factor=0.5, patience=2)
    >>> [float(value) for value in rx.simulate(rate, steps=6, observations={"value": [1.0] * 6})]
    [0.5, 0.5, 0.25, 0.25, 0.125, 0.125]
    """
    kind = StrictReduceOnPlateau if strict else ReduceOnPlateau
    return kind(
        monitor=monitor,
        factor=factor,
        patience=patience,
        rtol=rtol,
        atol=atol,
        cooldown=cooldown,
        accumulation_size=accumulation_size,
        min_scale=min_scale,
    )


@node
class StrictReduceOnPlateau(ReduceOnPlateau):
    """Judge as optax does: the margin changes sides below zero, and what isn't finite is heard, and spoils the mean that it is in."""

    @property
    def strict(self) -> bool:
        return True

    def hears(self, value: jax.Array) -> jax.Array:
        return jnp.ones_like(value, bool)

    def react(self, own: PlateauState, value: jax.Array) -> PlateauState:
        return super().react(own, jnp.where(jnp.isfinite(own.avg_value), value, own.avg_value + value))
