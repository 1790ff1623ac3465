"""What Transformers' schedules have in common: lengths in updates, and a warm-up in a straight line."""

from __future__ import annotations

from typing import Any

from rheostax._rate import LearningRate
from rheostax.compat._arguments import whole
from rheostax.errors import ArgumentError
from rheostax.schedules import Join, Linear

__all__ = ["after_warmup", "updates_of"]


def updates_of(where: str, name: str, value: Any, low: int = 0) -> int:
    """Return a number of updates; lengths are subtracted from each other here, so other units can't be taken."""
    steps = whole(where, name, value, low=low)
    if not isinstance(steps, int):
        raise ArgumentError(f"{where}: {name} must be a whole number of updates, got {steps!r}.")
    return steps


def after_warmup(steps: int, rest: LearningRate) -> LearningRate:
    """Rise in a straight line from 0 to 1, then begin the rest at its own count 0."""
    return Join([Linear(0.0, 1.0, steps), rest], [steps]) if steps else rest
