"""Transformers' constant, linear, polynomial and inverse square root schedules, after a warm-up."""

from __future__ import annotations

from typing import Any

from rheostax._rate import Constant, LearningRate
from rheostax.compat._arguments import number
from rheostax.compat.torch._factors import from_the_start, times
from rheostax.compat.transformers._warmup import after_warmup, updates_of
from rheostax.errors import ArgumentError
from rheostax.groups import Groups
from rheostax.schedules import InverseSqrt, Join, Linear, Polynomial, Warmup

__all__ = [
    "get_constant_schedule",
    "get_constant_schedule_with_warmup",
    "get_inverse_sqrt_schedule",
    "get_linear_schedule_with_warmup",
    "get_polynomial_decay_schedule_with_warmup",
]


def get_constant_schedule(learning_rate: Any, last_epoch: int = -1) -> LearningRate:
    """Hold the rate.

    Args:
        learning_rate: The optimizer's `lr`, a number >= 0, or `rx.Groups` of numbers.
        last_epoch: -1.

    Returns:
        An expression.

    Raises:
        ArgumentError: If an argument breaks its rule.

    >>> import rheostax as rx
    >>> float(rx.compat.transformers.get_constant_schedule(0.5)(100))
    0.5
    """
    from_the_start("get_constant_schedule", last_epoch)
    return times("get_constant_schedule", learning_rate, Constant(1.0))


def get_constant_schedule_with_warmup(learning_rate: Any, num_warmup_steps: int, last_epoch: int = -1) -> LearningRate:
    """Rise in a straight line from 0, then hold the rate.

    Args:
        learning_rate: The optimizer's `lr`, a number >= 0, or `rx.Groups` of numbers.
        num_warmup_steps: Updates of warm-up, a whole number >= 0.
        last_epoch: -1.

    Returns:
        An expression.

    Raises:
        ArgumentError: If an argument breaks its rule.

    >>> import rheostax as rx
    >>> rate = rx.compat.transformers.get_constant_schedule_with_warmup(0.5, 4)
    >>> [float(rate(count)) for count in (0, 2, 4, 9)]
    [0.0, 0.25, 0.5, 0.5]
    """
    where = "get_constant_schedule_with_warmup"
    from_the_start(where, last_epoch)
    steps = updates_of(where, "num_warmup_steps", num_warmup_steps)
    return times(where, learning_rate, Warmup(steps) if steps else Constant(1.0))


def get_linear_schedule_with_warmup(
    learning_rate: Any, num_warmup_steps: int, num_training_steps: int, last_epoch: int = -1
) -> LearningRate:
    """Rise in a straight line from 0, then fall in one to 0 at `num_training_steps`.

    Args:
        learning_rate: The optimizer's `lr`, a number >= 0, or `rx.Groups` of numbers.
        num_warmup_steps: Updates of warm-up, a whole number >= 0.
        num_training_steps: Updates of the run, a whole number >= 1.
        last_epoch: -1.

    Returns:
        An expression.

    Raises:
        ArgumentError: If an argument breaks its rule.

    >>> import rheostax as rx
    >>> rate = rx.compat.transformers.get_linear_schedule_with_warmup(1.0, 2, 6)
    >>> [float(rate(count)) for count in (0, 1, 2, 4, 6)]
    [0.0, 0.5, 1.0, 0.5, 0.0]
    """
    where = "get_linear_schedule_with_warmup"
    from_the_start(where, last_epoch)
    warmup, total = updates_of(where, "num_warmup_steps", num_warmup_steps), updates_of(where, "num_training_steps", num_training_steps, 1)
    return times(where, learning_rate, after_warmup(warmup, Linear(1.0, 0.0, total - warmup) if total > warmup else Constant(0.0)))


def get_polynomial_decay_schedule_with_warmup(
    learning_rate: Any, num_warmup_steps: int, num_training_steps: int, lr_end: float = 1e-7, power: float = 1.0, last_epoch: int = -1
) -> LearningRate:
    """Rise in a straight line from 0, then fall to `lr_end` as `(1 - progress) ** power`.

    Args:
        learning_rate: The optimizer's `lr`, a number above lr_end.
        num_warmup_steps: Updates of warm-up, a whole number >= 0.
        num_training_steps: Updates of the run, a whole number above num_warmup_steps.
        lr_end: Rate from there on, >= 0.
        power: Exponent, > 0.
        last_epoch: -1.

    Returns:
        An expression.

    Raises:
        ArgumentError: If an argument breaks its rule.

    >>> import rheostax as rx
    >>> rate = rx.compat.transformers.get_polynomial_decay_schedule_with_warmup(1.0, 2, 6, lr_end=0.5, power=2.0)
    >>> [float(rate(count)) for count in (0, 1, 2, 4, 6)]
    [0.0, 0.5, 1.0, 0.625, 0.5]
    """
    where = "get_polynomial_decay_schedule_with_warmup"
    from_the_start(where, last_epoch)
    warmup, total = updates_of(where, "num_warmup_steps", num_warmup_steps), updates_of(where, "num_training_steps", num_training_steps, 1)
    if isinstance(learning_rate, Groups):
        raise ArgumentError(f"{where}: learning_rate must be a number: lr_end is one rate for all. Make one for each group.")
    rate, end = number(where, "learning_rate", learning_rate), number(where, "lr_end", lr_end)
    if not rate > end:
        raise ArgumentError(f"{where}: lr_end must be below the rate, {rate}; got {end}.")
    if total <= warmup:
        raise ArgumentError(f"{where}: num_training_steps must be above num_warmup_steps, {warmup}; got {total}.")
    decay = Polynomial(rate, end, number(where, "power", power, low_open=True), total - warmup)
    return Join([Linear(0.0, rate, warmup), decay], [warmup]) if warmup else decay


def get_inverse_sqrt_schedule(
    learning_rate: Any, num_warmup_steps: int, timescale: int | None = None, last_epoch: int = -1
) -> LearningRate:
    """Rise in a straight line from 0, then fall as `1 / sqrt((timescale + count - num_warmup_steps) / timescale)`.

    Args:
        learning_rate: The optimizer's `lr`, a number >= 0, or `rx.Groups` of numbers.
        num_warmup_steps: Updates of warm-up, a whole number >= 0.
        timescale: A whole number >= 1; None for num_warmup_steps, or 10,000 if that is 0.
        last_epoch: -1.

    Returns:
        An expression.

    Raises:
        ArgumentError: If an argument breaks its rule.

    >>> import rheostax as rx
    >>> rate = rx.compat.transformers.get_inverse_sqrt_schedule(1.0, 4)
    >>> [float(rate(count)) for count in (0, 2, 4, 16)]
    [0.0, 0.5, 1.0, 0.5]
    """
    where = "get_inverse_sqrt_schedule"
    from_the_start(where, last_epoch)
    warmup = updates_of(where, "num_warmup_steps", num_warmup_steps)
    scale = updates_of(where, "timescale", timescale, 1) if timescale is not None else warmup or 10_000
    return times(where, learning_rate, after_warmup(warmup, InverseSqrt(1.0, scale)))
