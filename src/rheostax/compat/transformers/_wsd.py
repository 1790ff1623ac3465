"""Transformers' warm-up, stable part and decay."""

from __future__ import annotations

import itertools
from typing import Any

from rheostax._rate import Constant, LearningRate
from rheostax.compat._arguments import choice, number
from rheostax.compat.torch._factors import from_the_start, times
from rheostax.compat.transformers._cosines import waves_of
from rheostax.compat.transformers._warmup import updates_of
from rheostax.errors import ArgumentError
from rheostax.schedules import Join, Warmup, WarmupStableDecay

__all__ = ["get_wsd_schedule"]


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
    warmup, decay = updates_of(where, "num_warmup_steps", num_warmup_steps), updates_of(where, "num_decay_steps", num_decay_steps)
    if (num_training_steps is None) == (num_stable_steps is None):
        given = f"got num_training_steps={num_training_steps!r}, num_stable_steps={num_stable_steps!r}"
        raise ArgumentError(f"{where}: either num_training_steps or num_stable_steps must be given, {given}.")
    if num_stable_steps is not None:
        stable = updates_of(where, "num_stable_steps", num_stable_steps)
    else:
        stable = updates_of(where, "num_training_steps", num_training_steps, 1) - warmup - decay
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
        falls = waves_of(cycles, decay, low) if decay_type == "cosine" else WarmupStableDecay(1.0, 0, decay, decay, low, decay_type)
        stages.append((falls, decay))
    return times(where, learning_rate, _in_turn(stages, Constant(low)))


def _in_turn(stages: list[tuple[LearningRate, int]], last: LearningRate) -> LearningRate:
    """Join stages, each with its length, and what comes after them."""
    ends = list(itertools.accumulate(length for _, length in stages))
    return Join([*(rate for rate, _ in stages), last], ends) if stages else last
