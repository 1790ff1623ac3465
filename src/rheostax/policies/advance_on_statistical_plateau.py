"""Go on to the next learning rate once it is certain that a noisy metric has stopped falling."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rheostax._node import node
from rheostax.policies._actions import Advancing
from rheostax.policies._flatness import Flatness
from rheostax.policies._on_statistical_plateau import OnStatisticalPlateau

__all__ = ["AdvanceOnStatisticalPlateau", "StatisticalAdvanceState"]


class StatisticalAdvanceState(NamedTuple):
    """State of `AdvanceOnStatisticalPlateau`."""

    part: jax.Array  # int32 []: the part in charge
    began: jax.Array  # int32 []: the count at which it began
    advances: jax.Array  # int32 []: how often the metric made it go on
    begun: jax.Array
    found: jax.Array
    distance: jax.Array
    test: Flatness


@node
class AdvanceOnStatisticalPlateau(Advancing, OnStatisticalPlateau):
    """Use one learning rate after another, and go on once there is evidence that a noisy metric has all but stopped falling.

    The value at count k is that of the part in charge at k - b, where b is the count at which it began, as in
    `rx.AdvanceOnPlateau`. What is evidence, and what alpha bounds, is as in `rx.ReduceOnStatisticalPlateau`. The usual use is
    a stable rate, and a decay that begins where the stable rate brings no more. The last part stays.

    Args:
        rates: The parts, in order, two or more: expressions, numbers or optax schedules. A policy in a part hears only what
            is observed while its part is in charge.
        latest: The counts at which part 1, 2, ... begins at the latest, plateau or not: increasing whole numbers >= 1 or
            durations, one fewer than the parts. None to wait for ever.
        monitor: The metric to watch.
        mode: "min" if lower is better, "max" if higher is.
        window: Observations over which progress is measured, a whole number >= blocks, or a duration such as "1ep".
        rtol: Least fall per window that is progress, relative to the value before it, in [0, 1).
        atol: The same in the unit of the metric, >= 0; one of the two must be > 0.
        alpha: Bound of the probability of going on falsely in the whole run, in (0, 1).
        blocks: Means per window, a whole number > 8.
        paired: Whether the metric is a change of the loss on one batch already, as `rx.paired_change` gives it.

    Raises:
        ArgumentError: If an argument breaks its rule.

    >>> import numpy as np
    >>> import rheostax as rx
    >>> rate = rx.AdvanceOnStatisticalPlateau([0.5, rx.Linear(0.5, 0.0, 100)], window=64, rtol=0.01)
    >>> rates = rx.simulate(rate, steps=300, observations={"value": np.ones(300)})
    >>> float(rates[64]), float(rates[-1])
    (0.5, 0.0)
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_action()

    def start(self) -> StatisticalAdvanceState:
        return StatisticalAdvanceState(jnp.int32(0), jnp.int32(0), jnp.int32(0), **self.watching())
