"""From value to value, along lines or cosines."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import jax
import jax.numpy as jnp

from rheostax import _check
from rheostax._node import duration, node, static
from rheostax._rate import Schedule
from rheostax._twofloat import TwoFloat, where
from rheostax.schedules._progress import between
from rheostax.schedules._weights import INTERPOLATIONS

__all__ = ["PiecewiseInterpolate"]


@node
class PiecewiseInterpolate(Schedule):
    """Go from value to value, reaching each at a count of its own, then stay.

    With b_0 = 0 and b_i = boundaries[i - 1], the value at b_i is exactly `values[i]`; between b_i and b_{i+1} it is
    `values[i] + (values[i+1] - values[i]) * w(d)`, d = (count - b_i) / (b_{i+1} - b_i), w(d) = d ("linear") or
    (1 - cos(pi d)) / 2 ("cosine"). It is the last of the values from the last boundary on.

    Args:
        values: Learning rates or factors, each >= 0.
        boundaries: The counts at which values[1], values[2], ... are reached; increasing whole numbers >= 1, one fewer than
            values.
        interpolation: "linear" or "cosine".

    Raises:
        ArgumentError: If an argument breaks its rule, or their numbers don't fit.

    >>> import rheostax as rx
    >>> rate = rx.PiecewiseInterpolate([0.0, 1.0, 0.5], boundaries=[2, 6])
    >>> [float(rate(count)) for count in (0, 1, 2, 4, 6, 9)]
    [0.0, 0.5, 1.0, 0.75, 0.5, 0.5]

    Source: `optax.piecewise_interpolate_schedule`, with values in place of scales.
    """

    values: tuple[float, ...]
    boundaries: tuple[int, ...] = duration()
    interpolation: str = static(default="linear")

    def __init__(self, values: Iterable[float], boundaries: Iterable[int], interpolation: str = "linear") -> None:
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "boundaries", boundaries)
        object.__setattr__(self, "interpolation", interpolation)
        self.__post_init__()

    def __post_init__(self) -> None:
        _check.each_number(self, "values")
        _check.increasing(self, "boundaries")
        _check.one_fewer(self, "boundaries", "values")
        _check.choice(self, "interpolation", INTERPOLATIONS)

    def at(self, count: jax.Array) -> TwoFloat:
        bounds, ends = tuple(map(jnp.int32, (0, *self.boundaries))), tuple(map(TwoFloat.of, self.values))
        if len(bounds) == 1:
            return ends[0].broadcast_to(jnp.shape(count))
        # The piece that is in charge is chosen first, so that there is one interpolation however many pieces there are.
        start, steps, begin, end = bounds[0], bounds[1], ends[0], ends[1]
        for i, (left, right) in enumerate(itertools.pairwise(bounds[1:]), start=1):
            inside = count >= left
            start, steps = jnp.where(inside, left, start), jnp.where(inside, right - left, steps)
            begin, end = where(inside, ends[i], begin), where(inside, ends[i + 1], end)
        return between(begin, end, steps, count - start, INTERPOLATIONS[self.interpolation])

    @property
    def horizon(self) -> int | None:
        return int(self.boundaries[-1]) if self.boundaries else None
