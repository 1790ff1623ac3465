"""Ask for the training to stop when a metric has stopped improving."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp

from rheostax._node import node
from rheostax._twofloat import TwoFloat
from rheostax.policies._on_plateau import OnPlateau
from rheostax.policies._policy import Observed

__all__ = ["StopOnPlateau", "StopState"]


class StopState(NamedTuple):
    """State of `StopOnPlateau`."""

    stopped: jax.Array  # int32 []: 0, or 1 for ever
    best_value: jax.Array
    plateau_count: jax.Array
    cooldown_count: jax.Array
    count: jax.Array  # type: ignore[assignment]
    avg_value: jax.Array


@node
class StopOnPlateau(OnPlateau):
    """Signal that training should stop: early stopping. The rate itself stays as it is; the factor is 1.

    Once the metric hasn't improved for `patience` observations in a row, `rx.should_stop` is true, and stays so. The
    signal is in the control's state, so it is saved with it, and every host sees the same. `rheostax train` stops by it.
    What an improvement is, and how observations are counted, is as in `rx.ReduceOnPlateau`.

    Args:
        monitor: The metric to watch.
        mode: "min" if lower is better, "max" if higher is.
        patience: Bad values in a row after which training should stop, a whole number >= 1.
        rtol: Relative margin of an improvement, in [0, 1].
        atol: Absolute margin of an improvement, >= 0.
        accumulation_size: Observations that are averaged into one value, a whole number >= 1 or a duration.

    Raises:
        ArgumentError: If an argument breaks its rule.

    >>> import jax.numpy as jnp, optax, rheostax as rx
    >>> rate = 0.1 * rx.StopOnPlateau(monitor="val_loss", patience=2)
    >>> state = rx.control(optax.sgd, rate).init(jnp.ones(2))
    >>> for loss in (1.0, 0.5, 0.6, 0.7):
    ...     state = rx.observe(state, val_loss=loss)
    >>> bool(rx.should_stop(state))
    True
    """

    cooldown: int = dataclasses.field(default=0, init=False)  # nothing comes after the stop

    def start(self) -> StopState:
        return StopState(jnp.int32(0), **self.watching())

    def act(self, own: StopState, stalled: jax.Array) -> StopState:
        return own._replace(stopped=jnp.where(stalled, 1, own.stopped))

    def evaluate(self, state: Observed, count: jax.Array) -> TwoFloat:
        return TwoFloat.of(1.0).broadcast_to(jnp.shape(count))

    def signal(self, own: StopState) -> jax.Array:
        return own.stopped

    def status(self, own: StopState) -> str:
        return ("asks to stop, " if int(own.stopped) else "") + super().status(own)

    def explain(self, before: StopState, after: StopState, value: float) -> str:
        return f"{super().explain(before, after, value)}; training should stop"
