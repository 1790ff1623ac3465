"""One value after another."""

from __future__ import annotations

from collections.abc import Iterable

import jax
import jax.numpy as jnp

from rheostax import _check
from rheostax._node import duration, node
from rheostax._rate import Schedule
from rheostax._twofloat import TwoFloat, where

__all__ = ["PiecewiseConstant"]


@node
class PiecewiseConstant(Schedule):
    """Hold one value after another.

    `values[i]`, where i is the number of boundaries <= count.

    Args:
        values: Learning rates or factors, each >= 0.
        boundaries: The counts at which values[1], values[2], ... begin; increasing whole numbers >= 1, one fewer than values.

    Raises:
        ArgumentError: If an argument breaks its rule, or their numbers don't fit.

    >>> import rheostax as rx
    >>> rate = rx.PiecewiseConstant([1.0, 0.25, 0.5], boundaries=[2, 5])
    >>> [float(rate(count)) for count in (0, 1, 2, 4, 5, 9)]
    [1.0, 1.0, 0.25, 0.25, 0.5, 0.5]

    Source: `optax.piecewise_constant_schedule`, with values in place of scales.
    """

    values: tuple[float, ...]
    boundaries: tuple[int, ...] = duration()

    def __init__(self, values: Iterable[float], boundaries: Iterable[int]) -> None:
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "boundaries", boundaries)
        self.__post_init__()

    def __post_init__(self) -> None:
        _check.each_number(self, "values")
        _check.increasing(self, "boundaries")
        _check.one_fewer(self, "boundaries", "values")

    def at(self, count: jax.Array) -> TwoFloat:
        first, *later = map(TwoFloat.of, self.values)
        value = first.broadcast_to(jnp.shape(count))
        for boundary, new in zip(self.boundaries, later, strict=True):
            value = where(count >= jnp.int32(boundary), new, value)
        return value
