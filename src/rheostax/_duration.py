"""Lengths of time in the units that people plan in."""

from __future__ import annotations

import dataclasses
import math
import re
from typing import Any, TypeAlias

import numpy as np

from rheostax._words import shown
from rheostax.errors import ArgumentError

__all__ = ["UNITS", "Duration", "Steps", "as_duration", "parse"]

# A length of time as an argument: a whole number of updates, a text such as "10ep", or a `Duration`. It is an int, or in a
# state an array, wherever something is computed with it.
Steps: TypeAlias = Any

# Per suffix: the name of one, and what has to be known of a run to count it in updates.
UNITS = {
    "st": ("step", ()),
    "ep": ("epoch", ("steps_per_epoch",)),
    "sa": ("sample", ("batch_size",)),
    "tok": ("token", ("batch_size", "tokens_per_sample")),
    "run": ("run", ("total_steps",)),
}


@dataclasses.dataclass(frozen=True, order=False)
class Duration:
    """A length of time: so many epochs, samples, tokens or runs. `rx.resolve` counts it in updates.

    Args:
        value: How many, a finite number >= 0.
        unit: "st" (steps, that is updates), "ep" (epochs), "sa" (samples), "tok" (tokens) or "run" (fractions of the run).

    Raises:
        ArgumentError: If the value is no such number, or the unit unknown.

    >>> import rheostax as rx
    >>> rx.Duration(10, "ep")
    '10ep'
    >>> rx.resolve(rx.Warmup(rx.Duration(0.05, "run")), total_steps=2_000)
    Warmup(steps=100)
    """

    value: float
    unit: str

    def __post_init__(self) -> None:
        if self.unit not in UNITS:
            raise ArgumentError(f"Duration: unit must be one of {', '.join(map(repr, UNITS))}, got {self.unit!r}.")
        try:
            good = not isinstance(self.value, bool | str) and math.isfinite(self.value) and self.value >= 0
        except (TypeError, OverflowError):
            good = False
        if not good:
            raise ArgumentError(f"Duration: value must be a finite number >= 0, got {shown(self.value)}.")

    def __mul__(self, factor: float) -> Duration:
        return Duration(self.value * factor, self.unit)

    def __int__(self) -> int:
        raise ArgumentError(f"{self!r} is not counted in updates yet: rx.resolve(rate, {UNITS[self.unit][1][-1]}=...).")

    def __str__(self) -> str:
        plain = repr(float(self.value)).removesuffix(".0").replace("e+", "e")  # the fewest digits that give the number back
        short = np.format_float_scientific(float(self.value), trim="-", exp_digits=1).replace("e+", "e")
        return (short if self.value >= 1e5 and len(short) < len(plain) else plain) + self.unit

    def __repr__(self) -> str:
        return repr(str(self))  # as it can be written in an argument


def parse(text: str) -> Duration | None:
    """Return the duration that a text such as "10ep" or "1.5e9tok" stands for, or None if it stands for none."""
    found = re.fullmatch(rf"\s*(\d+(?:_\d+)*(?:\.\d*)?(?:[eE][+-]?\d+)?)\s*({'|'.join(UNITS)})\s*", text)
    return Duration(float(found[1]), found[2]) if found else None


def as_duration(value: Any) -> Any:
    """Return a text that is a duration as one, steps as a number, and anything else as it is."""
    if isinstance(value, str):
        value = parse(value) or value
    return value.value if isinstance(value, Duration) and value.unit == "st" else value
