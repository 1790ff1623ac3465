"""A staircase with steps at given counts."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from rheostax import _check
from rheostax._node import duration, node
from rheostax._rate import Schedule
from rheostax._twofloat import TwoFloat
from rheostax.schedules._progress import decayed

__all__ = ["MultiStep"]


@node
class MultiStep(Schedule):
    """Multiply the value by one factor at each of some counts.

    `init_value * factor ** n`, where n is the number of boundaries <= count. `rx.PiecewiseConstant` takes a value for each part.

    Args:
        init_value: Value before the first boundary, >= 0.
        boundaries: The counts of the cuts, increasing whole numbers >= 1.
        factor: What to multiply with at each, > 0; usually below 1.

    Raises:
        ArgumentError: If an argument breaks its rule.

    >>> import rheostax as rx
    >>> rate = rx.MultiStep(1.0, boundaries=[2, 5], factor=0.5)
    >>> [float(rate(count)) for count in (0, 1, 2, 4, 5, 9)]
    [1.0, 1.0, 0.5, 0.5, 0.25, 0.25]

    Source: `optax.piecewise_constant_schedule` with one scale for all boundaries.
    """

    init_value: float
    boundaries: tuple[int, ...] = duration()
    factor: float

    def __post_init__(self) -> None:
        _check.number(self, "init_value")
        _check.increasing(self, "boundaries")
        _check.number(self, "factor", low_open=True)

    def at(self, count: jax.Array) -> TwoFloat:
        cuts = sum(((count >= jnp.int32(boundary)).astype(jnp.int32) for boundary in self.boundaries), jnp.zeros_like(count))
        return decayed(self.init_value, self.factor, cuts)
