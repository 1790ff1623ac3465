"""Records as a run directory, the form that every command of rheostax reads."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rheostax.record._chunk import Chunk
from rheostax.record.journal import Decision
from rheostax.record.run_directory import CONFIG, JOURNAL, METRICS, SUMMARY, RunDirectory
from rheostax.record.sinks.sink import Record, Sink

__all__ = ["JsonLines"]


class JsonLines(Sink):
    """Write a run directory: `config.json`, `metrics.jsonl`, `journal.jsonl` and `summary.json`.

    Args:
        path: The folder, which mustn't be there.
        overwrite: Whether a run that is there may be replaced. Nothing but a run is ever removed.
        resume: Whether the run that is there goes on. When `rx.Checkpoints` restores the recorder, the files are cut back to what they
            were at the checkpoint.

    Raises:
        RunError: When it is opened, if the folder can't be made.
    """

    def __init__(self, path: str | os.PathLike[str], *, overwrite: bool = False, resume: bool = False) -> None:
        self.path = Path(path)
        self.overwrite, self.resume = overwrite, resume
        self._folder: RunDirectory | None = None

    def __repr__(self) -> str:
        return f"JsonLines({str(self.path)!r})"

    @property
    def folder(self) -> RunDirectory:
        """The run directory."""
        return self._folder or RunDirectory(self.path)

    def open(self, config: Mapping[str, Any]) -> None:
        self._folder = RunDirectory.again(self.path) if self.resume else RunDirectory.create(self.path, overwrite=self.overwrite)
        self._folder.write(CONFIG, dict(config))
        self._folder.append(METRICS, [])  # there from the start, empty until something is recorded or decided
        self._folder.append(JOURNAL, [])

    def write(self, records: Sequence[Record]) -> None:
        lines = records.lines() if isinstance(records, Chunk) else None
        if lines is None:
            self.folder.append(METRICS, records)
        else:
            self.folder.append_lines(METRICS, lines)

    def decide(self, decisions: Sequence[Decision]) -> None:
        self.folder.append(JOURNAL, [decision.to_json() for decision in decisions])

    def mark(self) -> Any:
        return self.folder.marks(METRICS, JOURNAL)

    def rewind(self, mark: Any) -> None:
        self.folder.cut(mark)

    def close(self, summary: Mapping[str, Any]) -> None:
        self.folder.write(SUMMARY, dict(summary))
        self.folder.close()

    def drop(self) -> None:
        with contextlib.suppress(OSError):  # a full disk refuses the rest of the line again
            self.folder.close()
