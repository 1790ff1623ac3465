"""Records as one CSV file."""

from __future__ import annotations

import contextlib
import csv
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from rheostax.errors import RunError
from rheostax.record.sinks.sink import Record, Sink, flat

__all__ = ["Csv"]


class Csv(Sink):
    """Write a CSV file: a column per quantity, a row per record.

    The columns are `count`, `learning_rate` (or `learning_rate/GROUP` for each group), metrics and `time`, in the order in which
    they come. What wasn't observed is empty; NaN and infinities are `nan`, `inf` and `-inf`. When a new column appears, the file is
    written again with it at the right, under a temporary name first, then renamed; so a file that is there is always whole up to its
    last row. Decisions aren't written.

    Args:
        path: The file; folders above it are made.
        overwrite: Whether a file that is there may be replaced.

    Raises:
        RunError: When it is opened, if the file is there already or can't be made.
    """

    def __init__(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        self.path = Path(path)
        self.overwrite = overwrite
        self.columns: list[str] = []
        self._file: IO[str] | None = None

    def __repr__(self) -> str:
        return f"Csv({str(self.path)!r})"

    def open(self, config: Mapping[str, Any]) -> None:
        if self.path.exists() and not self.overwrite:
            raise RunError(f"{self.path} exists already. Choose another file, or replace it with overwrite=True.")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("w", newline="", encoding="utf-8")
        except OSError as error:
            raise RunError(f"{self.path} can't be made: {error.strerror}.") from None

    def write(self, records: Sequence[Record]) -> None:
        rows = [dict(flat(record)) for record in records]
        new = [name for name in dict.fromkeys(name for row in rows for name in row) if name not in self.columns]
        if new:
            self._widen(self.columns + new)
        stream = self._stream()
        csv.writer(stream, lineterminator="\n").writerows([row.get(name, "") for name in self.columns] for row in rows)
        stream.flush()

    def _widen(self, columns: list[str]) -> None:
        """Write the file again with more columns."""
        stream = self._stream()
        stream.close()
        temporary = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        try:
            with self.path.open(newline="", encoding="utf-8") as old, temporary.open("w", newline="", encoding="utf-8") as new:
                writer = csv.writer(new, lineterminator="\n")
                writer.writerow(columns)
                added = [""] * (len(columns) - len(self.columns))
                writer.writerows(row + added for i, row in enumerate(csv.reader(old)) if i > 0)
            os.replace(temporary, self.path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
        self.columns = columns
        self._file = self.path.open("a", newline="", encoding="utf-8")

    def _stream(self) -> IO[str]:
        if self._file is None:
            raise RunError(f"{self!r} isn't open.")
        return self._file

    def close(self, summary: Mapping[str, Any]) -> None:
        self._stream().close()

    def drop(self) -> None:
        with contextlib.suppress(OSError):  # a full disk refuses the rest of the row again
            self._stream().close()
