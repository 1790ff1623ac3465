"""Transformers' schedules: the optimizer's rate times a factor of the count, mostly after a warm-up."""

from __future__ import annotations

import itertools
from typing import Any

from rheostax._rate import Constant, LearningRate
from rheostax.compat._arguments import choice, number, whole
from rheostax.compat.torch._factors import from_the_start, times
from rheostax.compat.transformers._wave import CosineFalls, CosineWave
from rheostax.errors import ArgumentError
from rheostax.groups import Groups
from rheostax.schedules import Cyclic, InverseSqrt, Join, Linear, Polynomial, Shift, Warmup, WarmupStableDecay

__all__ = [
    "get_constant_schedule",
    "get_constant_schedule_with_warmup",
    "get_cosine_schedule_with_warmup",
    "get_cosine_with_hard_restarts_schedule_with_warmup",
    "get_cosine_with_min_lr_schedule_with_warmup",
    "get_cosine_with_min_lr_schedule_with_warmup_lr_rate",
    "get_inverse_sqrt_schedule",
    "get_linear_schedule_with_warmup",
    "get_polynomial_decay_schedule_with_warmup",
    "get_wsd_schedule",
]


def _steps(where: str, name: str, value: Any, low: int = 0) -> int:
    """Return a number of updates; lengths are subtracted from each other here, so other units can't be taken."""
    steps = whole(where, name, value, low=low)
    if not isinstance(steps, int):
        raise ArgumentError(f"{where}: {name} must be a whole number of updates, got {steps!r}.")
    return steps


def _after_warmup(steps: int, rest: LearningRate) -> LearningRate:
    """Rise in a straight line from 0 to 1, then begin the rest at its own count 0."""
    return Join([Linear(0.0, 1.0, steps), rest], [steps]) if steps else rest


def _waves(cycles: float, steps: int, low: float) -> LearningRate:
    """Return the cosine that Transformers doesn't stop at the end: it goes on, and rises again."""
    return Cyclic(1.0, low, steps, interpolation="cosine") if cycles == 0.5 else CosineWave(cycles, steps, low)


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
    steps = _steps(where, "num_warmup_steps", num_warmup_steps)
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
    warmup, total = _steps(where, "num_warmup_steps", num_warmup_steps), _steps(where, "num_training_steps", num_training_steps, 1)
    return times(where, learning_rate, _after_warmup(warmup, Linear(1.0, 0.0, total - warmup) if total > warmup else Constant(0.0)))


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
    warmup, total = _steps(where, "num_warmup_steps", warmup), _steps(where, "num_training_steps", total, 1)
    waves = _waves(number(where, "num_cycles", cycles, low_open=True), max(1, total - warmup), low)
    return times(where, learning_rate, _after_warmup(warmup, waves))


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
    warmup, total = _steps(where, "num_warmup_steps", num_warmup_steps), _steps(where, "num_training_steps", num_training_steps, 1)
    cycles = _steps(where, "num_cycles", num_cycles, 1)
    if total <= warmup:
        raise ArgumentError(f"{where}: num_training_steps must be above num_warmup_steps, {warmup}; got {total}.")
    falls = CosineFalls(cycles, total - warmup)
    return times(where, learning_rate, _after_warmup(warmup, falls))


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
    warmup, total = _steps(where, "num_warmup_steps", num_warmup_steps), _steps(where, "num_training_steps", num_training_steps, 1)
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
    warmup = _steps(where, "num_warmup_steps", num_warmup_steps)
    scale = _steps(where, "timescale", timescale, 1) if timescale is not None else warmup or 10_000
    return times(where, learning_rate, _after_warmup(warmup, InverseSqrt(1.0, scale)))


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
    warmup, total = _steps(where, "num_warmup_steps", num_warmup_steps), _steps(where, "num_training_steps", num_training_steps, 1)
    low = _lowest(where, learning_rate, min_lr, min_lr_rate)
    waves = Shift(_waves(number(where, "num_cycles", num_cycles, low_open=True), max(1, total - warmup), low), 1)
    if warmup_lr_rate is not None:
        first = number(where, "warmup_lr_rate", warmup_lr_rate, high=1.0, high_open=False)
        rise: LearningRate = Warmup(warmup - 1, init_value=first) if warmup > 1 else Constant(first)
    else:
        rise = Shift(Warmup(warmup), 1) if warmup else Constant(1.0)
    return times(where, learning_rate, Join([rise, waves], [warmup]) if warmup else waves)


def get_wsd_schedule(
    learning_rate: Any,
    num_warmup_steps: int,
    num_decay_steps: int,
    num_training_steps: int | None = None,
    num_stable_steps: int | None = None,
    warmup_type: str = "linear",
    decay_type: str = "cosine",
    min_lr_ratio: float = 0,
    num_cycles: float = 0.5,
    last_epoch: int = -1,
) -> LearningRate:
    """Warm up, hold, decay; the warm-up begins, and the decay ends, at `min_lr_ratio` of the rate, which stays.

    Args:
        learning_rate: The optimizer's `lr`, a number >= 0, or `rx.Groups` of numbers.
        num_warmup_steps: Updates of warm-up, a whole number >= 0.
        num_decay_steps: Updates of decay, a whole number >= 0.
        num_training_steps: Updates of the run, at least the sum of warm-up and decay. Either this or the next has to be given.
        num_stable_steps: Updates between warm-up and decay, a whole number >= 0.
        warmup_type: "linear", "cosine" or "1-sqrt".
        decay_type: "linear", "cosine" or "1-sqrt".
        min_lr_ratio: The lowest rate as a part of the rate, in [0, 1].
        num_cycles: Waves of a decay of type "cosine", > 0.
        last_epoch: -1.

    Returns:
        An expression.

    Raises:
        ArgumentError: If an argument breaks its rule; also if both lengths are given, where Transformers warns.

    >>> import rheostax as rx
    >>> rate = rx.compat.transformers.get_wsd_schedule(1.0, 2, 4, num_stable_steps=2, decay_type="linear")
    >>> [float(rate(count)) for count in (0, 1, 2, 4, 6, 8, 9)]
    [0.0, 0.5, 1.0, 1.0, 0.5, 0.0, 0.0]
    """
    where = "get_wsd_schedule"
    from_the_start(where, last_epoch)
    warmup, decay = _steps(where, "num_warmup_steps", num_warmup_steps), _steps(where, "num_decay_steps", num_decay_steps)
    if (num_training_steps is None) == (num_stable_steps is None):
        given = f"got num_training_steps={num_training_steps!r}, num_stable_steps={num_stable_steps!r}"
        raise ArgumentError(f"{where}: either num_training_steps or num_stable_steps must be given, {given}.")
    if num_stable_steps is not None:
        stable = _steps(where, "num_stable_steps", num_stable_steps)
    else:
        stable = _steps(where, "num_training_steps", num_training_steps, 1) - warmup - decay
        if stable < 0:
            raise ArgumentError(
                f"{where}: num_training_steps must be at least the warm-up and the decay, {warmup} + {decay}; got {num_training_steps}."
            )
    choice(where, "warmup_type", warmup_type, ("linear", "cosine", "1-sqrt"))
    choice(where, "decay_type", decay_type, ("linear", "cosine", "1-sqrt"))
    low = number(where, "min_lr_ratio", min_lr_ratio, high=1.0, high_open=False)
    cycles = number(where, "num_cycles", num_cycles, low_open=True)
    stages: list[tuple[LearningRate, int]] = [(Warmup(warmup, init_value=low, shape=warmup_type), warmup)] if warmup else []
    stages += [(Constant(1.0), stable)] if stable else []
    if decay:
        falls = _waves(cycles, decay, low) if decay_type == "cosine" else WarmupStableDecay(1.0, 0, decay, decay, low, decay_type)
        stages.append((falls, decay))
    return times(where, learning_rate, _in_turn(stages, Constant(low)))


def _in_turn(stages: list[tuple[LearningRate, int]], last: LearningRate) -> LearningRate:
    """Join stages, each with its length, and what comes after them."""
    ends = list(itertools.accumulate(length for _, length in stages))
    return Join([*(rate for rate, _ in stages), last], ends) if stages else last
