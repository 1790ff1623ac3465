"""Transformers' cosines, after a warm-up."""

from __future__ import annotations

from typing import Any

from rheostax._rate import Constant, LearningRate
from rheostax.compat._arguments import number
from rheostax.compat.torch._factors import from_the_start, times
from rheostax.compat.transformers._warmup import after_warmup, updates_of
from rheostax.compat.transformers._wave import CosineFalls, CosineWave
from rheostax.errors import ArgumentError
from rheostax.groups import Groups
from rheostax.schedules import Cyclic, Join, Shift, Warmup

__all__ = [
    "get_cosine_schedule_with_warmup",
    "get_cosine_with_hard_restarts_schedule_with_warmup",
    "get_cosine_with_min_lr_schedule_with_warmup",
    "get_cosine_with_min_lr_schedule_with_warmup_lr_rate",
    "waves_of",
]


def waves_of(cycles: float, steps: int, low: float) -> LearningRate:
    """Return the cosine that Transformers doesn't stop at the end: it goes on, and rises again."""
    return Cyclic(1.0, low, steps, interpolation="cosine") if cycles == 0.5 else CosineWave(cycles, steps, low)


def get_cosine_schedule_with_warmup(
    learning_rate: Any, num_warmup_steps: int, num_training_steps: int, num_cycles: float = 0.5, last_epoch: int = -1
) -> LearningRate:
    """Rise in a straight line from 0, then follow a cosine; half a wave by default.

    Past `num_training_steps` the cosine goes on as in Transformers: the rate rises again. Multiply with a schedule that ends,
    or use `rx.Cosine`, if a run may be longer than planned.

    Args:
        learning_rate: The optimizer's `lr`, a number >= 0, or `rx.Groups` of numbers.
        num_warmup_steps: Updates of warm-up, a whole number >= 0.
        num_training_steps: Updates of the run, a whole number >= 1.
        num_cycles: Waves from the end of the warm-up to the end of the run, > 0.
        last_epoch: -1.

    Returns:
        An expression.

    Raises:
        ArgumentError: If an argument breaks its rule.

    >>> import rheostax as rx
    >>> rate = rx.compat.transformers.get_cosine_schedule_with_warmup(1.0, 2, 6)
    >>> [float(rate(count)) for count in (0, 1, 2, 4, 6, 8)]
    [0.0, 0.5, 1.0, 0.5, 0.0, 0.5]
    """
    where = "get_cosine_schedule_with_warmup"
    return _cosine(where, learning_rate, num_warmup_steps, num_training_steps, num_cycles, last_epoch, 0.0)


def _cosine(where: str, learning_rate: Any, warmup: Any, total: Any, cycles: Any, last_epoch: Any, low: Any) -> LearningRate:
    from_the_start(where, last_epoch)
    warmup, total = updates_of(where, "num_warmup_steps", warmup), updates_of(where, "num_training_steps", total, 1)
    waves = waves_of(number(where, "num_cycles", cycles, low_open=True), max(1, total - warmup), low)
    return times(where, learning_rate, after_warmup(warmup, waves))


def get_cosine_with_hard_restarts_schedule_with_warmup(
    learning_rate: Any, num_warmup_steps: int, num_training_steps: int, num_cycles: int = 1, last_epoch: int = -1
) -> LearningRate:
    """Rise in a straight line from 0, then fall to 0 along half a cosine, `num_cycles` times; 0 from the end on.

    Args:
        learning_rate: The optimizer's `lr`, a number >= 0, or `rx.Groups` of numbers.
        num_warmup_steps: Updates of warm-up, a whole number >= 0.
        num_training_steps: Updates of the run, a whole number above num_warmup_steps.
        num_cycles: How often it falls, a whole number >= 1.
        last_epoch: -1.

    Returns:
        An expression.

    Raises:
        ArgumentError: If an argument breaks its rule.

    >>> import rheostax as rx
    >>> rate = rx.compat.transformers.get_cosine_with_hard_restarts_schedule_with_warmup(1.0, 0, 8, num_cycles=2)
    >>> [float(rate(count)) for count in (0, 2, 4, 6, 8)]
    [1.0, 0.5, 1.0, 0.5, 0.0]
    """
    where = "get_cosine_with_hard_restarts_schedule_with_warmup"
    from_the_start(where, last_epoch)
    warmup, total = updates_of(where, "num_warmup_steps", num_warmup_steps), updates_of(where, "num_training_steps", num_training_steps, 1)
    cycles = updates_of(where, "num_cycles", num_cycles, 1)
    if total <= warmup:
        raise ArgumentError(f"{where}: num_training_steps must be above num_warmup_steps, {warmup}; got {total}.")
    falls = CosineFalls(cycles, total - warmup)
    return times(where, learning_rate, after_warmup(warmup, falls))


def get_cosine_with_min_lr_schedule_with_warmup(
    learning_rate: Any,
    num_warmup_steps: int,
    num_training_steps: int,
    num_cycles: float = 0.5,
    last_epoch: int = -1,
    min_lr: float | None = None,
    min_lr_rate: float | None = None,
) -> LearningRate:
    """Rise in a straight line from 0, then follow a cosine down to a lower rate, half a wave by default; it rises again past the end.

    Args:
        learning_rate: The optimizer's `lr`, a number > 0; with min_lr_rate also `rx.Groups` of numbers.
        num_warmup_steps: Updates of warm-up, a whole number >= 0.
        num_training_steps: Updates of the run, a whole number >= 1.
        num_cycles: Waves from the end of the warm-up to the end of the run, > 0.
        last_epoch: -1.
        min_lr: The lowest rate, from 0 to the rate itself. This or the next has to be given.
        min_lr_rate: The lowest rate as a part of the rate, in [0, 1].

    Returns:
        An expression.

    Raises:
        ArgumentError: If an argument breaks its rule.

    >>> import rheostax as rx
    >>> rate = rx.compat.transformers.get_cosine_with_min_lr_schedule_with_warmup(1.0, 2, 6, min_lr=0.5)
    >>> [float(rate(count)) for count in (0, 1, 2, 4, 6)]
    [0.0, 0.5, 1.0, 0.75, 0.5]
    """
    where = "get_cosine_with_min_lr_schedule_with_warmup"
    low = _lowest(where, learning_rate, min_lr, min_lr_rate)
    return _cosine(where, learning_rate, num_warmup_steps, num_training_steps, num_cycles, last_epoch, low)


def _lowest(where: str, learning_rate: Any, min_lr: Any, min_lr_rate: Any) -> float:
    if (min_lr is None) == (min_lr_rate is None):
        raise ArgumentError(f"{where}: either min_lr or min_lr_rate must be given, got min_lr={min_lr!r}, min_lr_rate={min_lr_rate!r}.")
    if min_lr is None:
        return float(number(where, "min_lr_rate", min_lr_rate, high=1.0, high_open=False))
    if isinstance(learning_rate, Groups):
        raise ArgumentError(f"{where}: min_lr is one rate for all groups; give min_lr_rate with rx.Groups.")
    rate = number(where, "learning_rate", learning_rate, low_open=True)
    return float(number(where, "min_lr", min_lr, high=rate, high_open=False) / rate)


def get_cosine_with_min_lr_schedule_with_warmup_lr_rate(
    learning_rate: Any,
    num_warmup_steps: int,
    num_training_steps: int,
    num_cycles: float = 0.5,
    last_epoch: int = -1,
    min_lr: float | None = None,
    min_lr_rate: float | None = None,
    warmup_lr_rate: float | None = None,
) -> LearningRate:
    """The same, counted otherwise: the warm-up begins above 0, and the cosine is one update ahead.

    Without `warmup_lr_rate` the warm-up is `(count + 1) / num_warmup_steps`; with it, a line from that part of the rate to
    the rate at count num_warmup_steps - 1. The cosine is at `(count - num_warmup_steps + 1) / (num_training_steps -
    num_warmup_steps)` of its way.

    Args:
        learning_rate: The optimizer's `lr`, a number > 0; with min_lr_rate also `rx.Groups` of numbers.
        num_warmup_steps: Updates of warm-up, a whole number >= 0.
        num_training_steps: Updates of the run, a whole number >= 1.
        num_cycles: Waves from the end of the warm-up to the end of the run, > 0.
        last_epoch: -1.
        min_lr: The lowest rate, from 0 to the rate itself. This or the next has to be given.
        min_lr_rate: The lowest rate as a part of the rate, in [0, 1].
        warmup_lr_rate: Where the warm-up begins, as a part of the rate, in [0, 1]; None for 1 / num_warmup_steps.

    Returns:
        An expression.

    Raises:
        ArgumentError: If an argument breaks its rule.

    >>> import rheostax as rx
    >>> rate = rx.compat.transformers.get_cosine_with_min_lr_schedule_with_warmup_lr_rate(1.0, 2, 6, min_lr=0.5)
    >>> [round(float(rate(count)), 3) for count in (0, 1, 2, 5)]
    [0.5, 1.0, 0.927, 0.5]
    """
    where = "get_cosine_with_min_lr_schedule_with_warmup_lr_rate"
    from_the_start(where, last_epoch)
    warmup, total = updates_of(where, "num_warmup_steps", num_warmup_steps), updates_of(where, "num_training_steps", num_training_steps, 1)
    low = _lowest(where, learning_rate, min_lr, min_lr_rate)
    waves = Shift(waves_of(number(where, "num_cycles", num_cycles, low_open=True), max(1, total - warmup), low), 1)
    if warmup_lr_rate is not None:
        first = number(where, "warmup_lr_rate", warmup_lr_rate, high=1.0, high_open=False)
        rise: LearningRate = Warmup(warmup - 1, init_value=first) if warmup > 1 else Constant(first)
    else:
        rise = Shift(Warmup(warmup), 1) if warmup else Constant(1.0)
    return times(where, learning_rate, Join([rise, waves], [warmup]) if warmup else waves)
