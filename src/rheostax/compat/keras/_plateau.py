"""Keras' plateau with its way with NaN."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from rheostax._node import node
from rheostax.policies.plateau_rate import PlateauRate, PlateauRateState

__all__ = ["StrictPlateau"]


@node
class StrictPlateau(PlateauRate):
    """Take the first value as best whatever it is: after a first NaN nothing improves any more.

    A best value of NaN stands for none yet; once NaN was stored, for the value that nothing is better than.
    """

    def start(self) -> PlateauRateState:
        return super().start()._replace(best_value=jnp.float32(jnp.nan))

    def improves(self, value: jax.Array, best: jax.Array) -> jax.Array:
        return jnp.isnan(best) | super().improves(value, best)

    def act(self, own: PlateauRateState, stalled: jax.Array) -> PlateauRateState:
        unbeatable = jnp.float32(-jnp.inf if self.mode == "min" else jnp.inf)
        own = super().act(own, stalled)
        return own._replace(best_value=jnp.where(jnp.isnan(own.best_value), unbeatable, own.best_value))
