"""Rows of results, and how they are written down."""

from __future__ import annotations

import dataclasses
import operator
import shutil
import sys
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks._measure import Spread

try:
    import rich.box
    import rich.console
    import rich.table
except ModuleNotFoundError:
    rich = None  # type: ignore[assignment]

_RELATIONS = {"<=": operator.le, ">=": operator.ge, "==": operator.eq}


@dataclasses.dataclass(frozen=True)
class Target:
    """What a value has to reach: `Target("<=", 0.75)`."""

    relation: str
    bound: float

    def __str__(self) -> str:
        return f"{self.relation} {self.bound:g}"

    def met(self, value: float) -> bool:
        return bool(_RELATIONS[self.relation](value, self.bound))


@dataclasses.dataclass(frozen=True)
class Row:
    """One figure. An exact one has no spread."""

    name: str
    value: float
    unit: str  # "x" for a ratio
    low: float | None = None
    high: float | None = None
    target: Target | None = None
    detail: str = ""

    @classmethod
    def measured(cls, name: str, spread: Spread, unit: str = "x", target: Target | None = None, detail: str = "") -> Row:
        return cls(name, spread.median, unit, spread.low, spread.high, target, detail)

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None without one."""
        return None if self.target is None else self.target.met(self.value)

    def cells(self) -> tuple[str, str, str, str, str, str]:
        number = f"{self.value:,.0f}" if isinstance(self.value, int) else f"{self.value:.3f}"
        spread = "" if self.low is None or self.high is None else f"{self.low:.3f} to {self.high:.3f}"
        verdict = "" if self.met is None else ("pass" if self.met else "MISS")
        return self.name, f"{number} {self.unit}".strip(), spread, str(self.target or ""), verdict, self.detail

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self) | {"target": None if self.target is None else str(self.target), "met": self.met}


def compared(seconds: Mapping[str, np.ndarray], updates: int, target: Target | None = None, judged: Collection[str] = ()) -> list[Row]:
    """Make a row of each block of `updates` updates: its time relative to the first one's. The judged ones have the target."""
    reference = next(iter(seconds))
    per_update = Spread.of(seconds[reference]).median / updates
    return [
        Row.measured(
            name,
            Spread.of(sample / seconds[reference]),
            target=target if name in judged else None,
            detail=f"{per_update * 1e6:,.0f} us per update" if name == reference else "",
        )
        for name, sample in seconds.items()
    ]


@dataclasses.dataclass(frozen=True)
class Topic:
    """The results of one file."""

    title: str
    rows: list[Row]


_HEADER = ("", "median", "quartiles", "target", "", "")


def show(topic: Topic) -> None:
    """Print a topic as a table."""
    print_table(topic.title, _HEADER, [row.cells() for row in topic.rows])


def print_table(title: str, header: Sequence[str], lines: Sequence[Sequence[str]]) -> None:
    """Print a table, with rich where it is installed; cells that say pass or MISS in colour."""
    if rich is None:
        _print_plain(title, [header, *lines])
        return
    table = rich.table.Table(*header, title=title, title_justify="left", title_style="bold", box=rich.box.SIMPLE_HEAD)
    styles = {"pass": "green", "MISS": "bold red"}
    for line in lines:
        table.add_row(*(f"[{styles[cell]}]{cell}[/]" if cell in styles else cell for cell in line))
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 160
    rich.console.Console(width=width).print(table)


def _print_plain(title: str, lines: Sequence[Sequence[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    print(f"\n{title}")
    for line in lines:
        print("  " + "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def summary(topics: Mapping[str, Topic]) -> str:
    """Say how many targets are met, and name those that aren't."""
    judged = [(key, row) for key, topic in topics.items() for row in topic.rows if row.met is not None]
    missed = [f"{key}: {row.name} ({row.cells()[1]}, target {row.target})" for key, row in judged if not row.met]
    return "\n  ".join([f"{len(judged) - len(missed)} of {len(judged)} targets met." + (" Missed:" if missed else ""), *missed])
