"""Ask for the training to stop when a metric has stopped improving."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp

from rheostax._node import node
from rheostax._words import say
from rheostax.policies._actions import Stopping
from rheostax.policies._on_plateau import OnPlateau

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
class StopOnPlateau(Stopping, OnPlateau):
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

    def reason(self, own: StopState) -> str:
        return f"{self.monitor} had not improved on {say(float(own.best_value))} for {int(self.patience)} observations"
