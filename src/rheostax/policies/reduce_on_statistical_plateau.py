"""Cut the rate once it is certain that a noisy metric has stopped falling."""

from __future__ import annotations

from typing import NamedTuple

import jax

from rheostax._node import node
from rheostax._twofloat import TwoFloat
from rheostax.policies._actions import Reducing
from rheostax.policies._flatness import Flatness
from rheostax.policies._on_statistical_plateau import OnStatisticalPlateau

__all__ = ["ReduceOnStatisticalPlateau", "StatisticalPlateauState"]


class StatisticalPlateauState(NamedTuple):
    """State of `ReduceOnStatisticalPlateau`."""

    scale: TwoFloat  # []: the factor
    begun: jax.Array  # int32 []: how often the test has begun
    found: jax.Array  # float32 []: log evidence at the last plateau
    distance: jax.Array  # int32 []: windows between the blocks that gave it
    test: Flatness


@node
class ReduceOnStatisticalPlateau(Reducing, OnStatisticalPlateau):
    """Multiply the rate by `factor` once there is evidence that a noisy metric has all but stopped falling.

    Made for the loss of every single update. Progress is a fall of at least `rtol * |value| + atol` per `window`
    observations (in "max" mode, a rise). As long as the expected loss makes that progress over every window, the
    probability of any cut in the whole run is at most `alpha`, however long the run is. This holds for noise of any size
    and distribution if the means of `window / blocks` observations are independent of each other; a correlation between
    neighbouring means is measured and allowed for. Once progress is less, a cut comes when the evidence suffices: after one
    window and a third if there is little noise, and the later the more there is.

    The means of blocks are compared with those 1, 2, 4, ..., 128 windows before. After a cut the test begins anew, the k-th
    time with alpha / (k (k + 1)), and the factor becomes `max(factor * scale, min_scale)`. Evidence that the metric has
    risen makes it begin anew too, without a cut. NaN and infinities are left out.

    Args:
        monitor: The metric to watch: "value" is what `update(..., value=loss)` passes.
        mode: "min" if lower is better, "max" if higher is.
        window: Observations over which progress is measured, a whole number >= blocks, or a duration such as "1ep".
        rtol: Least fall per window that is progress, relative to the value before it, in [0, 1).
        atol: The same in the unit of the metric, >= 0; one of the two must be > 0.
        alpha: Bound of the probability of a false cut in the whole run, in (0, 1).
        blocks: Means per window, a whole number > 8. Fewer keep less in the state, and take longer where there
            is little noise.
        paired: Whether the metric is a difference already: the change of the loss on one batch over the last `window`
            updates, as `rx.paired_change` gives it, at most one per window. Then a fall by `rtol + atol` is progress.
        factor: What to multiply with at a cut, in (0, 1).
        min_scale: Lower bound of the factor, in [0, 1]. For a bound of the rate itself use `rate.clip(min_value)`.

    Raises:
        ArgumentError: If an argument breaks its rule.

    >>> import numpy as np
    >>> import rheostax as rx
    >>> count = np.arange(4000)
    >>> noise = np.random.default_rng(0).normal(1.0, 0.03, 4000)
    >>> loss = np.maximum(2.0 - count / 1000, 1.0) * noise  # falls for 1,000 updates
    >>> rate = 0.1 * rx.ReduceOnStatisticalPlateau(window=200, rtol=0.01, factor=0.5)
    >>> rates = rx.simulate(rate, steps=4000, observations={"value": loss})
    >>> bool(1200 < np.argmax(rates < 0.1) < 2000)
    True

    Source: betting and Ville's inequality as in Shafer, 2021 (doi 10.1111/rssa.12647); evidence that begins anew as in the
    procedure of Shiryaev and Roberts.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_action()

    def start(self) -> StatisticalPlateauState:
        return StatisticalPlateauState(TwoFloat.of(1.0), **self.watching())
