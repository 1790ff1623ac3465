"""What all of timm's schedulers have: the options of the base class, and a warm-up."""

from __future__ import annotations

from typing import Any

from rheostax._rate import LearningRate
from rheostax.compat._arguments import choice, number, refuse, whole
from rheostax.schedules.join import Join
from rheostax.schedules.linear import Linear
from rheostax.schedules.shift import Shift

__all__ = ["Warm", "common"]


def common(where: str, t_in_epochs: Any, noise_range_t: Any, initialize: Any) -> None:
    """Check the options of the base class."""
    choice(where, "t_in_epochs", t_in_epochs, (True, False))
    noisy = "timm's random numbers are PyTorch's, which aren't made here; multiply with rx.Noise(seed, ...) for others."
    refuse(where, "noise_range_t", noise_range_t, unless=None, why=noisy)
    refuse(where, "initialize", initialize, unless=True, why="There is no optimizer here that knows an initial rate; give the rate itself.")


class Warm:
    """The warm-up that was asked for: in a straight line from `start`, in `steps` counts, before a schedule or over its beginning.

    Args:
        where: The scheduler's name.
        warmup_t: Its length, >= 0.
        warmup_lr_init: Where it begins, >= 0.
        warmup_prefix: Whether the schedule begins when it is over; else the schedule is joined where it would have been.
    """

    def __init__(self, where: str, warmup_t: Any, warmup_lr_init: Any, warmup_prefix: Any) -> None:
        choice(where, "warmup_prefix", warmup_prefix, (True, False))
        self.steps = whole(where, "warmup_t", warmup_t, low=0)
        self.start, self.prefix = number(where, "warmup_lr_init", warmup_lr_init), warmup_prefix

    @property
    def none(self) -> bool:
        """Tell whether there is no warm-up."""
        return isinstance(self.steps, int) and self.steps == 0

    def before(self, rate: LearningRate, top: Any) -> LearningRate:
        """Return the rate after a warm-up that rises to `top`."""
        if self.none:
            return rate
        return Join([Linear(self.start, top, self.steps), rate if self.prefix else Shift(rate, self.steps)], [self.steps])
