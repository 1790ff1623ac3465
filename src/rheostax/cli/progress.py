"""A progress bar over updates, for work that calls `progress(done, total)`."""

from __future__ import annotations

from typing import Any

from rheostax._extras import load

__all__ = ["Bar"]


class Bar:
    """A progress bar on standard error; nothing where that is no terminal.

    Args:
        name: What stands before it.
        silent: Whether it isn't wanted.
    """

    def __init__(self, name: str, *, silent: bool) -> None:
        rich, progress = load("rich.console", extra="train"), load("rich.progress", extra="train")
        console = rich.Console(stderr=True)
        self._bar = progress.Progress(
            progress.TextColumn("{task.description}"),
            progress.BarColumn(bar_width=20),
            progress.MofNCompleteColumn(),
            progress.TextColumn("updates"),
            progress.TimeRemainingColumn(compact=True),
            console=console,
            disable=silent or not console.is_terminal,
        )
        self._row = self._bar.add_task(name, total=None)

    def __enter__(self) -> Bar:
        self._bar.start()
        return self

    def __exit__(self, *exception: Any) -> None:
        self._bar.stop()

    def __call__(self, done: int, total: int) -> None:
        """Move it."""
        self._bar.update(self._row, completed=done, total=total)
