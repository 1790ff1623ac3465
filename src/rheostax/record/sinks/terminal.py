"""Records as lines in the terminal."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from rheostax._extras import load
from rheostax._words import counted, say
from rheostax.record.journal import Decision
from rheostax.record.sinks.sink import Record, Sink, flat

__all__ = ["Terminal"]


class Terminal(Sink):
    """Print a line now and then, one for each decision, and one at the end; needs the extra `train` (for rich).

    Args:
        seconds: At least so long between two lines of metrics, >= 0.
        file: Where to print; None for standard error.

    Raises:
        MissingExtraError: If rich isn't installed.
    """

    def __init__(self, *, seconds: float = 5.0, file: Any = None) -> None:
        self.seconds = seconds
        console = load("rich.console", extra="train").Console
        self.console = console(file=file, stderr=file is None, highlight=False, soft_wrap=True, markup=False)
        self._latest: dict[str, Any] = {}
        self._printed = float("-inf")
        self._shown = True

    def __repr__(self) -> str:
        return "Terminal()"

    def open(self, config: Mapping[str, Any]) -> None:
        self.console.print(f"recording {config.get('learning_rate', '')}")

    def write(self, records: Sequence[Record]) -> None:
        for record in records:
            self._latest.update(record)
        self._shown = False
        if time.monotonic() - self._printed >= self.seconds:
            self._show()

    def _show(self) -> None:
        told = "  ".join(f"{name} {say(value)}" for name, value in flat(self._latest) if name not in ("count", "time"))
        self.console.print(f"update {self._latest['count']:,}  {told}", style="dim")
        self._printed, self._shown = time.monotonic(), True

    def decide(self, decisions: Sequence[Decision]) -> None:
        for decision in decisions:
            self.console.print(str(decision), style="bold")

    def close(self, summary: Mapping[str, Any]) -> None:
        if not self._shown:
            self._show()
        for warning in summary.get("warnings", ()):
            self.console.print(f"warning: {warning}", style="yellow")
        seconds = f", {summary['seconds']:.1f} s" if "seconds" in summary else ""
        self.console.print(f"{summary.get('reason', 'closed')}: {counted(summary.get('count', 0), 'update')}{seconds}")
