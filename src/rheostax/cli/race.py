"""`rheostax race`: many rates on a task, a table, a picture."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import numpy as np

from rheostax._rate import LearningRate
from rheostax.cli import files
from rheostax.cli.progress import Bar
from rheostax.errors import ArgumentError
from rheostax.expressions import parse_grid
from rheostax.plot.race import plot_race
from rheostax.race import Race, peaks, race_task
from rheostax.training import load_task

__all__ = ["draw", "run"]

RANGE = re.compile(r"\s*([^\s.]\S*?|\S*?\d)\s*\.\.\s*(\S+)\s*")
COUNT = 16  # peaks of a range


def run(
    name: str, *, learning_rate: str, count: int | None, epochs: int | None, seed: int, metric: str, mode: str | None, halving: int,
    execution: str, picture: Path | None, silent: bool,
) -> Race:  # fmt: skip
    """Race, and return what was found; `picture` is where it will be drawn, if it can be."""
    files.require_picture(picture)
    task = load_task(name)
    values = peak_range(learning_rate, COUNT if count is None else count)
    if values is None and count is not None:
        raise ArgumentError("--count is for a range LOW..HIGH; the lists in an expression say how many candidates there are.")
    candidates = named(learning_rate) if values is None else peaks(task, values, epochs=epochs)
    with Bar(task.name, silent=silent) as bar:
        result = race_task(
            task, candidates, epochs=epochs, seed=seed, metric=metric, mode=mode, halving=halving, execution=execution, progress=bar
        )
    labels = list(candidates)
    if values is not None and len(values) > 2 and result.standings[0].label in (labels[0], labels[-1]):
        warning = f"the best is at the end of the range {learning_rate}; a better one may lie beyond"
        return dataclasses.replace(result, warnings=(*result.warnings, warning))
    return result


def draw(result: Race, picture: Path) -> Path:
    """Draw a race."""
    return files.draw(plot_race(result), picture)


def peak_range(text: str, count: int) -> Any:
    """Return `count` peaks from LOW..HIGH, evenly in the logarithm; None if the text is no range."""
    if ".." not in text or "(" in text:  # 1..clip(...) is an expression
        return None
    match = RANGE.fullmatch(text)
    try:
        low, high = map(float, match.groups() if match else ())
    except ValueError:
        raise ArgumentError(f"--learning-rate: a range must be two numbers, such as 1e-4..1e-1, got {text!r}.") from None
    if not 0 < low < high < np.inf:
        raise ArgumentError(f"--learning-rate: a range LOW..HIGH must have 0 < LOW < HIGH, got {text!r}.")
    if count < 2:
        raise ArgumentError(f"--count must be at least 2 for a range, got {count}.")
    return np.geomspace(low, high, count)


def named(text: str) -> dict[str, LearningRate]:
    """Return the candidates of an expression with lists of settings, by what tells them apart."""
    found = parse_grid(text)
    return {", ".join(f"{name}={value}" for name, value in settings.items()) or repr(rate): rate for settings, rate in found}
