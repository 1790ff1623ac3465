"""Optax's schedules that are others in turn."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from rheostax._rate import LearningRate
from rheostax.compat._arguments import each, number, whole
from rheostax.compat.optax._decays import cosine_decay, exponential_decay
from rheostax.errors import ArgumentError
from rheostax.schedules import Join, Linear

__all__ = [
    "join_schedules",
    "sgdr_schedule",
    "warmup_constant_schedule",
    "warmup_cosine_decay_schedule",
    "warmup_exponential_decay_schedule",
]


def warmup_constant_schedule(init_value: float, peak_value: float, warmup_steps: int) -> LearningRate:
    """Go in a straight line to the peak, and stay there.

    Args:
        init_value: Value at count 0, >= 0.
        peak_value: Value from count warmup_steps on, >= 0.
        warmup_steps: Updates of warm-up, a whole number >= 1.

    Returns:
        An expression.

    Raises:
        ArgumentError: If an argument breaks its rule.
    """
    return Linear(init_value, peak_value, warmup_steps)


def warmup_cosine_decay_schedule(
    init_value: float, peak_value: float, warmup_steps: int, decay_steps: int, end_value: float = 0.0, exponent: float = 1.0
) -> LearningRate:
    """Go in a straight line to the peak, then fall along half a cosine, or a power of it.

    Args:
        init_value: Value at count 0, >= 0.
        peak_value: Value at count warmup_steps, >= 0.
        warmup_steps: Updates of warm-up, a whole number >= 1.
        decay_steps: Length of the whole, warm-up included, a whole number above warmup_steps.
        end_value: Value at and after the end, >= 0.
        exponent: Exponent of the cosine, > 0.

    Returns:
        An expression.

    Raises:
        ArgumentError: If an argument breaks its rule.

    >>> import rheostax as rx
    >>> rate = rx.compat.optax.warmup_cosine_decay_schedule(0.0, 1.0, warmup_steps=2, decay_steps=6)
    >>> [float(rate(count)) for count in (0, 1, 2, 4, 6)]
    [0.0, 0.5, 1.0, 0.5, 0.0]
    """
    where = "warmup_cosine_decay_schedule"
    warmup, total = whole(where, "warmup_steps", warmup_steps), whole(where, "decay_steps", decay_steps)
    if not (isinstance(warmup, int) and isinstance(total, int) and total > warmup):
        raise ArgumentError(f"{where}: decay_steps must be above warmup_steps, {warmup!r}, which it includes; got {total!r}.")
    decay = cosine_decay(peak_value, total - warmup, end_value, number(where, "exponent", exponent, low_open=True))
    return Join([Linear(init_value, peak_value, warmup), decay], [warmup])


def warmup_exponential_decay_schedule(
    init_value: float,
    peak_value: float,
    warmup_steps: int,
    transition_steps: int,
    decay_rate: float,
    transition_begin: int = 0,
    staircase: bool = False,
    end_value: float | None = None,
) -> LearningRate:
    """Go in a straight line to the peak, then decay exponentially.

    Args:
        init_value: Value at count 0, >= 0.
        peak_value: Value at count warmup_steps, >= 0.
        warmup_steps: Updates of warm-up, a whole number >= 1.
        transition_steps: Updates per multiplication, a whole number >= 1.
        decay_rate: Factor, in (0, 1].
        transition_begin: Updates after the warm-up at which the decay begins, a whole number >= 0.
        staircase: Whether to fall in steps.
        end_value: Lower bound, >= 0; None for none.

    Returns:
        An expression.

    Raises:
        ArgumentError: If an argument breaks its rule.
    """
    decay = exponential_decay(peak_value, transition_steps, decay_rate, transition_begin, staircase, end_value)
    return Join([Linear(init_value, peak_value, warmup_steps), decay], [warmup_steps])


def sgdr_schedule(cosine_kwargs: Iterable[Mapping[str, Any]]) -> LearningRate:
    """Join several `warmup_cosine_decay_schedule`.

    Args:
        cosine_kwargs: The arguments of each.

    Returns:
        An expression.

    Raises:
        ArgumentError: If there are none, or an argument breaks its rule.
    """
    given = each("sgdr_schedule", "cosine_kwargs", cosine_kwargs, "dicts of arguments")
    if not given:
        raise ArgumentError("sgdr_schedule: cosine_kwargs must hold the arguments of at least one cycle, got none.")
    cycles = [_cycle(i, one) for i, one in enumerate(given)]
    ends = list(itertools.accumulate(one["decay_steps"] for one in given))
    return Join(cycles, ends[:-1]) if len(cycles) > 1 else cycles[0]


def join_schedules(schedules: Sequence[LearningRate | Callable[[Any], Any] | float], boundaries: Sequence[int]) -> LearningRate:
    """Use one schedule after another, each from its own count 0: `rx.Join`.

    Args:
        schedules: Expressions, numbers or optax schedules.
        boundaries: The counts at which the second, third, ... begins; increasing whole numbers >= 1.

    Returns:
        An expression.

    Raises:
        ArgumentError: If an argument breaks its rule.
    """
    return Join(schedules, boundaries)


def _cycle(i: int, arguments: Any) -> LearningRate:
    try:
        inspect.signature(warmup_cosine_decay_schedule).bind(**arguments)
    except TypeError as error:
        rule = "must hold the arguments of a warmup_cosine_decay_schedule"
        raise ArgumentError(f"sgdr_schedule: cosine_kwargs[{i}] {rule}, got {arguments!r}: {error}.") from None
    return warmup_cosine_decay_schedule(**arguments)
