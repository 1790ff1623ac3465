"""Go on to the next learning rate when a metric has stopped improving."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rheostax._node import node
from rheostax.policies._actions import Advancing
from rheostax.policies._on_plateau import OnPlateau

__all__ = ["AdvanceOnPlateau", "AdvanceState"]


class AdvanceState(NamedTuple):
    """State of `AdvanceOnPlateau`."""

    part: jax.Array  # int32 []: the part in charge
    began: jax.Array  # int32 []: the count at which it began
    advances: jax.Array  # int32 []: how often the metric made it go on
    best_value: jax.Array
    plateau_count: jax.Array
    cooldown_count: jax.Array
    count: jax.Array  # type: ignore[assignment]
    avg_value: jax.Array


@node
class AdvanceOnPlateau(Advancing, OnPlateau):
    """Use one learning rate after another, and go on whenever a metric hasn't improved for `patience` observations in a row.

    The value at count k is that of the part in charge at k - b, where b is the count at which it began: as in `rx.Join`,
    but the boundaries come from the metric. The usual use is a stable rate until the plateau, and a decay after it.
    What an improvement is, and how observations are counted, is as in `rx.ReduceOnPlateau`. The last part stays.

    Args:
        rates: The parts, in order, two or more: expressions, numbers or optax schedules. A policy in a part hears only what
            is observed while its part is in charge.
        latest: The counts at which part 1, 2, ... begins at the latest, plateau or not: increasing whole numbers >= 1 or
            durations, one fewer than the parts. None to wait for ever.
        monitor: The metric to watch.
        mode: "min" if lower is better, "max" if higher is.
        patience: Bad values in a row after which the next part begins, a whole number >= 1.
        rtol: Relative margin of an improvement, in [0, 1].
        atol: Absolute margin of an improvement, >= 0.
        cooldown: Values after going on that aren't counted, a whole number >= 0.
        accumulation_size: Observations that are averaged into one value, a whole number >= 1 or a duration.

    Raises:
        ArgumentError: If an argument breaks its rule.

    >>> import rheostax as rx
    >>> rate = rx.AdvanceOnPlateau([0.5, rx.Linear(0.5, 0.0, 4)], patience=2)
    >>> rx.simulate(rate, steps=8, observations={"value": [3.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0]})
    array([0.5  , 0.5  , 0.5  , 0.5  , 0.375, 0.25 , 0.125, 0.   ], dtype=float32)
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_action()

    def start(self) -> AdvanceState:
        return AdvanceState(jnp.int32(0), jnp.int32(0), jnp.int32(0), **self.watching())
