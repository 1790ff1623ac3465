"""Cut the rate when a metric has stopped improving."""

from __future__ import annotations

from typing import NamedTuple

import jax

from rheostax._node import node
from rheostax._twofloat import TwoFloat
from rheostax.policies._actions import Reducing
from rheostax.policies._on_plateau import OnPlateau

__all__ = ["PlateauState", "ReduceOnPlateau"]


class PlateauState(NamedTuple):
    """State of `ReduceOnPlateau`; the names are optax's."""

    scale: TwoFloat  # []: the factor
    best_value: jax.Array  # float32 []: the best averaged value; +inf (min) or -inf (max) before the first
    plateau_count: jax.Array  # int32 []: averaged values in a row without improvement
    cooldown_count: jax.Array  # int32 []: averaged values still to be ignored after a cut
    count: jax.Array  # type: ignore[assignment]  # int32 []: values in the running average
    avg_value: jax.Array  # float32 []: the running average


@node
class ReduceOnPlateau(Reducing, OnPlateau):
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
        patience: Bad values in a row that make a cut, a whole number >= 1.
        rtol: Relative margin of an improvement, in [0, 1].
        atol: Absolute margin of an improvement, >= 0.
        cooldown: Values after a cut that aren't counted, a whole number >= 0.
        accumulation_size: Observations that are averaged into one value, a whole number >= 1, or a duration: with "1ep",
            and a metric observed at every update, patience counts epochs.
        factor: What to multiply with at a cut, in (0, 1).
        min_scale: Lower bound of the factor, in [0, 1]. For a bound of the rate itself use `rate.clip(min_value)`.

    Raises:
        ArgumentError: If an argument breaks its rule.

    >>> import rheostax as rx
    >>> rate = 0.1 * rx.ReduceOnPlateau(patience=2, factor=0.5)
    >>> rx.simulate(rate, steps=6, observations={"value": [1.0, 0.9, 0.9, 0.9, 0.9, 0.9]})
    array([0.1  , 0.1  , 0.1  , 0.05 , 0.05 , 0.025], dtype=float32)

    Source: `optax.contrib.reduce_on_plateau`, whose counting this keeps; the idea is older (torch, Keras).
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_action()

    def start(self) -> PlateauState:
        return PlateauState(TwoFloat.of(1.0), **self.watching())
