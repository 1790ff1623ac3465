"""Ask for the training to stop once it is certain that a noisy metric has stopped falling."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rheostax._node import node
from rheostax.policies._actions import Stopping
from rheostax.policies._flatness import Flatness
from rheostax.policies._on_statistical_plateau import OnStatisticalPlateau

__all__ = ["StatisticalStopState", "StopOnStatisticalPlateau"]


class StatisticalStopState(NamedTuple):
    """State of `StopOnStatisticalPlateau`."""

    stopped: jax.Array  # int32 []: 0, or 1 for ever
    begun: jax.Array
    found: jax.Array
    distance: jax.Array
    test: Flatness


@node
class StopOnStatisticalPlateau(Stopping, OnStatisticalPlateau):
    """Signal that training should stop once there is evidence that a noisy metric has all but stopped falling.

    `rx.should_stop` is true from then on, as with `rx.StopOnPlateau`; the rate itself stays as it is. What is evidence, and
    what alpha bounds, is as in `rx.ReduceOnStatisticalPlateau`.

    Args:
        monitor: The metric to watch.
        mode: "min" if lower is better, "max" if higher is.
        window: Observations over which progress is measured, a whole number >= blocks, or a duration such as "1ep".
        rtol: Least fall per window that is progress, relative to the value before it, in [0, 1).
        atol: The same in the unit of the metric, >= 0; one of the two must be > 0.
        alpha: Bound of the probability of stopping falsely in the whole run, in (0, 1).
        blocks: Means per window, a whole number > 8.
        paired: Whether the metric is a change of the loss on one batch already, as `rx.paired_change` gives it.

    Raises:
        ArgumentError: If an argument breaks its rule.

    >>> import jax.numpy as jnp, optax, rheostax as rx
    >>> rate = 0.1 * rx.StopOnStatisticalPlateau(window=100, rtol=0.01, paired=True)
    >>> state = rx.control(optax.sgd, rate).init(jnp.ones(2))
    >>> for change in 30 * [0.001, -0.002]:  # per 100 updates, relative to the loss
    ...     state = rx.observe(state, value=change)
    >>> bool(rx.should_stop(state))
    True
    """

    def start(self) -> StatisticalStopState:
        return StatisticalStopState(jnp.int32(0), **self.watching())

    def reason(self, own: StatisticalStopState) -> str:
        return self.finding(own)
