"""Optax's schedules of several pieces, given by their values: staircases, polylines, one cycle."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from typing import Any

from rheostax._rate import Constant, LearningRate
from rheostax.compat._arguments import number, whole
from rheostax.errors import ArgumentError
from rheostax.schedules import PiecewiseConstant, PiecewiseInterpolate

__all__ = ["cosine_onecycle_schedule", "linear_onecycle_schedule", "piecewise_constant_schedule", "piecewise_interpolate_schedule"]


def _scaled(where: str, init_value: Any, boundaries_and_scales: Mapping[int, float] | None) -> tuple[list[float], list[int]]:
    """Return the values, each the one before times a scale, and the counts of all but the first."""
    if not isinstance(boundaries_and_scales, Mapping | None):
        raise ArgumentError(f"{where}: boundaries_and_scales must be a dict from count to scale, got {boundaries_and_scales!r}.")
    given = sorted((boundaries_and_scales or {}).items())
    scales = [number(where, "boundaries_and_scales", scale) for _, scale in given]
    return list(itertools.accumulate([number(where, "init_value", init_value), *scales], float.__mul__)), [count for count, _ in given]


def piecewise_constant_schedule(init_value: float, boundaries_and_scales: Mapping[int, float] | None = None) -> LearningRate:
    """Multiply by a scale at each of some counts.

    Args:
        init_value: Value before the first of them, >= 0.
        boundaries_and_scales: From count, a whole number >= 1, to scale, >= 0.

    Returns:
        An expression.

    Raises:
        ArgumentError: If an argument breaks its rule.

    >>> import rheostax as rx
    >>> rate = rx.compat.optax.piecewise_constant_schedule(1.0, {5: 0.5, 8: 0.5})
    >>> [float(rate(count)) for count in (4, 5, 8)]
    [1.0, 0.5, 0.25]
    """
    values, counts = _scaled("piecewise_constant_schedule", init_value, boundaries_and_scales)
    return PiecewiseConstant(values, counts) if counts else Constant(values[0])


def piecewise_interpolate_schedule(
    interpolate_type: str, init_value: float, boundaries_and_scales: Mapping[int, float] | None = None
) -> LearningRate:
    """Go from value to value, each the one before times a scale.

    Args:
        interpolate_type: "linear" or "cosine".
        init_value: Value at count 0, >= 0.
        boundaries_and_scales: From the count at which a value is reached, a whole number >= 1, to its scale, >= 0.

    Returns:
        An expression.

    Raises:
        ArgumentError: If an argument breaks its rule.
    """
    values, counts = _scaled("piecewise_interpolate_schedule", init_value, boundaries_and_scales)
    return PiecewiseInterpolate(values, counts, interpolate_type) if counts else Constant(values[0])


def linear_onecycle_schedule(
    transition_steps: int,
    peak_value: float,
    pct_start: float = 0.3,
    pct_final: float = 0.85,
    div_factor: float = 25.0,
    final_div_factor: float = 1e4,
) -> LearningRate:
    """Rise in a straight line to the peak, fall back, and fall on to the end: three phases.

    Args:
        transition_steps: Length in updates, a whole number >= 1.
        peak_value: Value at the peak, >= 0.
        pct_start: Where the peak is, as a part of the length, in (0, 1]; rounded down to a count, which must be 1 or more.
        pct_final: Where the last phase begins, above pct_start.
        div_factor: Peak over first value, > 0.
        final_div_factor: First value over last, > 0.

    Returns:
        An expression.

    Raises:
        ArgumentError: If an argument breaks its rule; two phases can't end at the same count.
    """
    where = "linear_onecycle_schedule"
    steps, first = _one_cycle(where, transition_steps, peak_value, div_factor)
    middle = [_count(where, "pct_start", pct_start, steps), _count(where, "pct_final", pct_final, steps)]
    end = first / number(where, "final_div_factor", final_div_factor, low_open=True)
    return PiecewiseInterpolate([first, peak_value, first, end], [*middle, steps])


def cosine_onecycle_schedule(
    transition_steps: int, peak_value: float, pct_start: float = 0.3, div_factor: float = 25.0, final_div_factor: float = 1e4
) -> LearningRate:
    """Rise along half a cosine to the peak, and fall along one to the end.

    Args:
        transition_steps: Length in updates, a whole number >= 1.
        peak_value: Value at the peak, >= 0.
        pct_start: Where the peak is, as a part of the length, in (0, 1); rounded down to a count, which must be 1 or more.
        div_factor: Peak over first value, > 0.
        final_div_factor: First value over last, > 0.

    Returns:
        An expression.

    Raises:
        ArgumentError: If an argument breaks its rule.
    """
    where = "cosine_onecycle_schedule"
    steps, first = _one_cycle(where, transition_steps, peak_value, div_factor)
    end = first / number(where, "final_div_factor", final_div_factor, low_open=True)
    return PiecewiseInterpolate([first, peak_value, end], [_count(where, "pct_start", pct_start, steps), steps], "cosine")


def _one_cycle(where: str, transition_steps: Any, peak_value: Any, div_factor: Any) -> tuple[int, float]:
    steps = whole(where, "transition_steps", transition_steps)
    if not isinstance(steps, int):
        raise ArgumentError(f"{where}: transition_steps must be a whole number of updates, got {steps!r}.")
    return steps, number(where, "peak_value", peak_value) / number(where, "div_factor", div_factor, low_open=True)


def _count(where: str, name: str, part: Any, steps: int) -> int:
    count = math.floor(number(where, name, part, high=1.0, high_open=False) * steps)
    if count < 1:
        raise ArgumentError(f"{where}: {name} must be at least one update of {steps}, got {part!r}.")
    return count
