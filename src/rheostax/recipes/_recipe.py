"""What a published schedule is, beside its numbers: where it stands, what it was used with, and how long it ran."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable
from typing import Any

from rheostax._duration import parse
from rheostax._rate import LearningRate
from rheostax.errors import ArgumentError
from rheostax.units import RunSize, resolve

__all__ = ["RECIPES", "Recipe", "recipe", "size_of"]

# What a drawing assumes of a run where the source says nothing: it changes the counts, not the shape in epochs or tokens.
ASSUMED = {"total_steps": 10_000, "steps_per_epoch": 1_000, "batch_size": 1_024, "tokens_per_sample": 4_096}


@dataclasses.dataclass(frozen=True)
class Recipe:
    """A published schedule: `function` returns it, with lengths in the units of its source."""

    name: str
    title: str
    source: str
    optimizer: str
    total: str | None  # the whole run, as a duration; None where it isn't published
    size: dict[str, int]  # what is published of the run's size
    function: Callable[..., LearningRate]

    @property
    def summary(self) -> str:
        """The first line of its documentation."""
        return (inspect.getdoc(self.function) or "").partition("\n")[0]

    def resolved(self, rate: LearningRate, **size: Any) -> tuple[LearningRate, dict[str, Any]]:
        """Count a rate of this recipe in updates, for a run of the published size or of an assumed one.

        Returns:
            The rate, and the size of the run that it was counted for.
        """
        known = {**ASSUMED, **self.size, **size}
        if self.total is not None and "total_steps" not in size:
            duration = parse(self.total)
            assert duration is not None
            known["total_steps"] = RunSize(**known).count(duration, f"{self.name}: total")
        return resolve(rate, **known), known


RECIPES: dict[str, Recipe] = {}


def recipe(
    title: str, *, source: str, optimizer: str, total: str | None = None, **size: int
) -> Callable[[Callable[..., LearningRate]], Callable[..., LearningRate]]:
    """Register a function as a recipe under its name."""

    def register(function: Callable[..., LearningRate]) -> Callable[..., LearningRate]:
        RECIPES[function.__name__] = Recipe(function.__name__, title, source, optimizer, total, size, function)
        return function

    return register


def size_of(name: str, model: Any, sizes: dict[Any, Any]) -> Any:
    """Return what a recipe has for one of its models."""
    if model not in sizes:
        raise ArgumentError(f"{name}: it is published for {', '.join(map(repr, sizes))}, got {model!r}.")
    return sizes[model]
