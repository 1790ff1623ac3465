"""The files of a command: what those lack that it reads, and those that it is asked for, there whole or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer

from rheostax._extras import load
from rheostax.errors import RunError
from rheostax.plot.run import save_figure
from rheostax.record.run_directory import RunDirectory

__all__ = ["draw", "require_picture", "require_place", "warn", "write"]

PICTURES = (".png", ".svg")


def require_place(option: str, file: Path, endings: tuple[str, ...]) -> None:
    """Refuse a file whose name ends wrongly, or whose folder isn't there."""
    if file.suffix.lower() not in endings:
        raise RunError(f"{option} must name a file that ends with {' or '.join(endings)}, got {file}.")
    if not file.absolute().parent.is_dir():
        raise RunError(f"{option}: there is no folder {file.parent}.")


def require_picture(file: Path | None) -> None:
    """Refuse a `--plot` that can't be drawn: said before the work, not after it."""
    if file is not None:
        require_place("--plot", file, PICTURES)
        load("matplotlib", extra="plot")


def warn(damage: Sequence[str], whose: str = "") -> None:
    """Say what is missing, cut or damaged in the files that were read; not on standard output, which is for the result."""
    for note in damage:
        typer.echo(f"warning: {whose}{note}", err=True)


def write(file: Path, content: bytes) -> Path:
    """Write a file as a whole."""
    try:
        return RunDirectory(file.parent).write_bytes(file.name, content)
    except OSError as error:
        raise RunError(f"{file} can't be written: {error.strerror}.") from None


def draw(figure: Any, file: Path) -> Path:
    """Write a figure as PNG or SVG, whichever the file's name says."""
    return write(file, save_figure(figure, kind=file.suffix[1:].lower()))
