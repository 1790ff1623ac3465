"""The folder that a run leaves behind: configuration, metrics, journal, summary.

Whole files are written under a temporary name and renamed, so they are there whole or not at all. Streams (`*.jsonl`) grow by
whole lines that are flushed at once: a killed run keeps every record up to its last one.
"""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, Any

from rheostax.errors import RunError

__all__ = ["RunDirectory", "plain_json"]

CONFIG, METRICS, JOURNAL, SUMMARY, PICTURE = "config.json", "metrics.jsonl", "journal.jsonl", "summary.json", "run.png"
_NO_RUN = f"is not a run directory (it has no {CONFIG} that tells of rheostax)"


class RunDirectory:
    """Write and read a run's files.

    Args:
        path: The folder.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._streams: dict[str, IO[str]] = {}

    @classmethod
    def create(cls, path: str | os.PathLike[str], *, overwrite: bool = False) -> RunDirectory:
        """Make the folder for a new run.

        Args:
            path: Where; its parents are made too.
            overwrite: Whether a run that is there may be replaced. Nothing but a run is ever removed.

        Raises:
            RunError: If something is there and may not or can't be replaced.
        """
        folder = Path(path)
        if folder.exists():
            if not overwrite:
                raise RunError(f"{folder} exists already. Choose another folder with --out, or replace it with --overwrite.")
            if folder.is_symlink() or not (_is_run(folder) or _is_empty(folder)):
                why = "is a link" if folder.is_symlink() else _NO_RUN
                raise RunError(f"{folder} {why}, so --overwrite won't remove it. Choose another folder with --out.")
        try:
            if folder.exists():
                shutil.rmtree(folder)
            folder.mkdir(parents=True)
        except OSError as error:
            raise RunError(f"{folder} can't be made: {error.strerror or error}.") from None
        return cls(folder)

    @classmethod
    def again(cls, path: str | os.PathLike[str]) -> RunDirectory:
        """Return the folder of a run that goes on; its summary, which says how it ended, is taken away.

        Raises:
            RunError: If it isn't a run directory.
        """
        folder = Path(path)
        if not _is_run(folder):
            raise RunError(f"{folder} {_NO_RUN}, so there is nothing to resume.")
        (folder / SUMMARY).unlink(missing_ok=True)
        return cls(folder)

    def marks(self, *names: str) -> dict[str, int]:
        """Return how long JSON Lines files are, in bytes, after everything in them is on the disk."""
        found = {}
        for name in names:
            self.append(name, [])
            os.fsync(self._streams[name].fileno())
            found[name] = (self.path / name).stat().st_size
        return found

    def cut(self, marks: Mapping[str, int]) -> None:
        """Cut JSON Lines files back to what `marks` returned.

        Raises:
            RunError: If one is shorter than that.
        """
        self.close()
        for name, size in marks.items():
            file = self.path / name
            there = file.stat().st_size if file.exists() else 0
            if not isinstance(size, int) or not 0 <= size <= there or Path(name).name != name:
                raise RunError(f"{file} has {there:,} bytes, but had {size!r} when the checkpoint was saved: it was changed since.")
        for name, size in marks.items():
            with (self.path / name).open("ab") as stream:
                stream.truncate(size)

    def write(self, name: str, content: Any) -> Path:
        """Write a JSON file as a whole."""
        return self.write_bytes(name, (json.dumps(plain_json(content), indent=2, allow_nan=False) + "\n").encode())

    def write_bytes(self, name: str, content: bytes) -> Path:
        """Write a file as a whole: under a temporary name first, then renamed."""
        target = self.path / name
        temporary = target.with_name(f".{name}.{os.getpid()}")
        try:
            temporary.write_bytes(content)
            os.replace(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)
        return target

    def append(self, name: str, records: Iterable[Any]) -> None:
        """Add records to a JSON Lines file, and hand them to the operating system."""
        self.append_lines(name, map(_line, records))

    def append_lines(self, name: str, lines: Iterable[str]) -> None:
        """Add lines that are JSON already."""
        if name not in self._streams:
            self._streams[name] = (self.path / name).open("a", encoding="utf-8")
        self._streams[name].writelines(lines)
        self._streams[name].flush()

    def close(self) -> None:
        """Close the streams."""
        while self._streams:
            self._streams.popitem()[1].close()

    def read(self, name: str) -> Any:
        """Return the content of a JSON file.

        Raises:
            RunError: If it is missing or damaged.
        """
        try:
            return json.loads((self.path / name).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise RunError(f"{self.path / name} can't be read: {error}.") from None

    def read_lines(self, name: str) -> list[dict[str, Any]]:
        """Return the records of a JSON Lines file; the last one is left out if a crash cut it.

        Raises:
            RunError: If the file is missing or damaged before its last line.
        """
        try:
            lines = (self.path / name).read_text(encoding="utf-8").splitlines(keepends=True)
            return [json.loads(line) for line in lines if line.endswith("\n")]
        except (OSError, ValueError) as error:
            raise RunError(f"{self.path / name} can't be read: {error}.") from None


def _is_run(folder: Path) -> bool:
    """Tell whether a folder is a run's for certain: other programs leave a config.json too, beside files that nobody could replace."""
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    packages = config.get("packages") if isinstance(config, dict) else None
    return isinstance(packages, dict) and "rheostax" in packages


def _is_empty(folder: Path) -> bool:
    return folder.is_dir() and not any(folder.iterdir())


_encode = json.JSONEncoder(allow_nan=False).encode


def _line(record: Any) -> str:
    try:
        return _encode(record) + "\n"  # a record at every update: most are plain already
    except (TypeError, ValueError):
        return _encode(plain_json(record)) + "\n"


def plain_json(value: Any) -> Any:
    """Make arrays, paths and numbers that JSON doesn't know into ones that it does; NaN and infinities become null."""
    if isinstance(value, dict):
        return {str(key): plain_json(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain_json(one) for one in value]
    if isinstance(value, str | bool | int) or value is None:
        return value
    if hasattr(value, "tolist"):
        return plain_json(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return str(value)
