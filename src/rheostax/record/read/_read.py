"""`read_run`: find out what a path holds, and read it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from rheostax.errors import RunError
from rheostax.record.read._run_directory import read_json_lines, read_run_directory
from rheostax.record.read._run_log import RunLog
from rheostax.record.read._table import read_table
from rheostax.record.read._tensorboard import is_event_file, read_events
from rheostax.record.run_directory import CONFIG, METRICS

__all__ = ["read_run"]

LIGHTNING = "metrics.csv"  # what Lightning's CSVLogger leaves in its folder


def read_run(path: str | os.PathLike[str], *, count: str | None = None, learning_rate: str | None = None, run: str | None = None) -> RunLog:
    r"""Read what a run left behind: a run directory, a CSV, JSON Lines, or TensorBoard's event files.

    A run that was killed, cut or damaged gives what is whole of it; `notes` says in words what is missing or was put in order.
    Empty cells are gaps. A folder of Lightning's CSVLogger is read as its `metrics.csv`.

    Args:
        path: A folder or a file.
        count: The column of a table that counts the updates; by default step, count, global_step and the like, epoch at last.
        learning_rate: The column with the rate; by default lr, learning_rate, optim/lr and the like, one per group.
        run: Which run, where an export of Weights & Biases holds several.

    Returns:
        The run: `series` and `learning_rate` by name, each with `count` (`int64 [n]`, increasing), `value` (`float64 [n]`)
        and `time` (seconds since the start, or None); `journal`, `config`, `summary`, `notes`; and
        `damage` and `journal_lacks`, what is missing of the files, and of the journal.

    Raises:
        RunError: If nothing can be read there; says what is there.
        MissingExtraError: If it is an event file and tensorboardX isn't installed.

    >>> import pathlib, tempfile, rheostax as rx
    >>> file = pathlib.Path(tempfile.mkdtemp(), "log.csv")
    >>> _ = file.write_text("step,lr,val_loss\n0,0.1,\n10,0.1,2.5\n20,0.05,2.0\n")
    >>> rx.read_run(file).series["val_loss"].value
    array([2.5, 2. ])
    """
    source = Path(path)
    if not source.exists():
        raise RunError(f"There is no run at {source}: no such file or folder.")
    columns = {"count": count, "learning_rate": learning_rate, "run": run}
    try:
        found = _folder(source, columns) if source.is_dir() else _reader(source)(source, **columns)
    except OSError as error:
        raise RunError(f"{source} can't be read: {error.strerror or error}.") from None
    found.notes.extend(_unused(found, columns))
    return found


def _unused(found: RunLog, columns: dict[str, str | None]) -> Iterator[str]:
    """Yield what was said about the columns of a table and couldn't be used."""
    table = found.kind in ("csv", "lightning", "wandb")
    for name, value in columns.items():
        if value is not None and not (table and (name != "run" or found.kind == "wandb")):
            where = "tables" if name != "run" else "exports of Weights & Biases"
            yield f"{name}={value!r} wasn't used: it is for {where}"


def _folder(folder: Path, columns: dict[str, str | None]) -> RunLog:
    if (folder / CONFIG).is_file() or (folder / METRICS).is_file():
        return read_run_directory(folder)
    if any(is_event_file(file) for file in folder.iterdir()):
        return read_events(folder)
    if (folder / LIGHTNING).is_file():
        return read_table(folder / LIGHTNING, **columns)
    below = sorted(
        {file.parent for file in folder.rglob("*") if file.is_file() and (is_event_file(file) or file.name in (CONFIG, LIGHTNING))}
    )
    if len(below) == 1:
        return _folder(below[0], columns)
    there = f"; there are runs in {', '.join(str(one.relative_to(folder)) for one in below[:8])}: name one of them" if below else ""
    raise RunError(f"{folder} holds no run: no {CONFIG} or {METRICS}, no {LIGHTNING}, no event file{there}.")


def _reader(file: Path) -> Callable[..., RunLog]:
    if is_event_file(file):
        return lambda path, **_: read_events(path)
    if file.suffix == ".jsonl":
        return lambda path, **_: read_run_directory(path.parent) if (path.parent / CONFIG).is_file() else read_json_lines(path)
    if file.suffix == ".json" and file.name == CONFIG:
        return lambda path, **_: read_run_directory(path.parent)
    return read_table
