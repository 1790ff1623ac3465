"""`rheostax race`: many rates on a task, a table, a picture."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import numpy as np

from rheostax._extras import load
from rheostax._rate import LearningRate
from rheostax.errors import ArgumentError
from rheostax.expressions import parse_grid
from rheostax.plot.race import plot_race
from rheostax.plot.run import save_figure
from rheostax.race import Race, peaks, race_task
from rheostax.training import load_task

__all__ = ["run"]

RANGE = re.compile(r"\s*([^\s.]\S*?|\S*?\d)\s*\.\.\s*(\S+)\s*")


def run(
    name: str, *, learning_rate: str, count: int, epochs: int | None, seed: int, metric: str, mode: str | None, halving: int,
    execution: str, picture: Path | None, silent: bool,
) -> Race:  # fmt: skip
    """Race, draw the picture, and return what was found."""
    load("matplotlib", extra="train")  # said before the race, not after it
    task = load_task(name)
    values = peak_range(learning_rate, count)
    candidates = named(learning_rate) if values is None else peaks(task, values, epochs=epochs)
    with Bar(silent=silent) as bar:
        result = race_task(
            task, candidates, epochs=epochs, seed=seed, metric=metric, mode=mode, halving=halving, execution=execution, progress=bar
        )
    if values is not None and len(values) > 2 and result.standings[0].label in (f"{values[0]:.3g}", f"{values[-1]:.3g}"):
        sys.stderr.write(f"warning: the best is at the end of the range {learning_rate}; a better one may lie beyond\n")
    if picture is not None:
        picture.write_bytes(save_figure(plot_race(result)))
        if not silent:
            sys.stderr.write(f"See {picture}\n")
    return result


def peak_range(text: str, count: int) -> Any:
    """Return `count` peaks from LOW..HIGH, evenly in the logarithm; None if the text is no range."""
    match = RANGE.fullmatch(text)
    if not match:
        return None
    try:
        low, high = map(float, match.groups())
    except ValueError:
        return None
    if not 0 < low < high < np.inf:
        raise ArgumentError(f"--learning-rate: a range LOW..HIGH must have 0 < LOW < HIGH, got {text!r}.")
    if count < 2:
        raise ArgumentError(f"--count must be at least 2 for a range, got {count}.")
    return np.geomspace(low, high, count)


def named(text: str) -> dict[str, LearningRate]:
    """Return the candidates of an expression with lists of settings, by what tells them apart."""
    found = parse_grid(text)
    return {", ".join(f"{name}={value}" for name, value in settings.items()) or repr(rate): rate for settings, rate in found}


class Bar:
    """A progress bar over the updates of all candidates, on standard error."""

    def __init__(self, *, silent: bool) -> None:
        progress = load("rich.progress", extra="train")
        console = load("rich.console", extra="train").Console(stderr=True)
        columns = (progress.TextColumn("race"), progress.BarColumn(), progress.MofNCompleteColumn(), progress.TextColumn("updates"))
        self._bar = progress.Progress(*columns, progress.TimeRemainingColumn(compact=True), console=console, disable=silent)
        self._row: Any = None

    def __enter__(self) -> Bar:
        self._bar.start()
        return self

    def __exit__(self, *exception: Any) -> None:
        self._bar.stop()

    def __call__(self, done: int, total: int) -> None:
        if self._row is None:
            self._row = self._bar.add_task("race", total=total)
        self._bar.update(self._row, completed=done)
