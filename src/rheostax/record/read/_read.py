"""`read_run`: find out what a path holds, and read it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from rheostax.errors import RunError
from rheostax.record.read._mlflow import is_mlflow_run, read_mlflow
from rheostax.record.read._run_directory import read_json_lines, read_run_directory
from rheostax.record.read._run_log import RunLog
from rheostax.record.read._table import read_table
from rheostax.record.read._tensorboard import is_event_file, read_events
from rheostax.record.run_directory import CONFIG, METRICS

__all__ = ["read_run"]

LIGHTNING = "metrics.csv"  # what Lightning's CSVLogger leaves in its folder


def read_run(path: str | os.PathLike[str], *, count: str | None = None, learning_rate: str | None = None, run: str | None = None) -> RunLog:
    r"""Read what a run left behind: a run directory, a CSV, JSON Lines, TensorBoard's event files, or a run of MLflow.

    A run that was killed, cut or damaged gives what is whole of it; `notes` says in words what is missing or was put in order.
    Empty cells are gaps. A folder of Lightning's CSVLogger is read as its `metrics.csv`, one of
    MLflow's file store (`mlruns/EXPERIMENT/RUN`) with its parameters. A folder with a single run somewhere below it is that run.

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
    if is_mlflow_run(folder):
        return read_mlflow(folder)
    if (folder / LIGHTNING).is_file():
        return read_table(folder / LIGHTNING, **columns)
    found = {file.parent for file in folder.rglob("*") if file.is_file() and _tells_of_a_run(file)}
    below = sorted(one for one in found if not found & set(one.parents))  # what lies in a run, such as a saved model, is no other
    offline = next(folder.rglob("*.wandb"), None)
    if offline is not None and not below:
        _refuse(offline)
    if len(below) == 1:
        return _folder(below[0], columns)
    there = f"; there are runs in {', '.join(str(one.relative_to(folder)) for one in below[:8])}: name one of them" if below else ""
    raise RunError(f"{folder} holds no run: no {CONFIG} or {METRICS}, no {LIGHTNING}, no event file, no run of MLflow{there}.")


def _tells_of_a_run(file: Path) -> bool:
    return is_event_file(file) or file.name in (CONFIG, LIGHTNING) or (file.name == "meta.yaml" and is_mlflow_run(file.parent))


def _refuse(file: Path) -> None:
    """Say of the files of other tools that can't be read what to give in their place."""
    if file.suffix == ".wandb":
        raise RunError(
            f"{file} is an offline run of Weights & Biases, in a binary form that isn't read here. Send it with 'wandb sync {file.parent}' "
            "and give the CSV that its page exports; or let a Recorder write a run directory beside it: [WandB(...), JsonLines(...)]."
        )
    with file.open("rb") as stream:
        if stream.read(16) == b"SQLite format 3\0":
            raise RunError(
                f"{file} is a database, which isn't read here. Of MLflow give a run's folder in mlruns, or a CSV with a step and a column "
                "per metric; or let a Recorder write a run directory beside it: [MLflow(...), JsonLines(...)]."
            )


def _reader(file: Path) -> Callable[..., RunLog]:
    if is_event_file(file):
        return lambda path, **_: read_events(path)
    if file.suffix == ".jsonl":
        return lambda path, **_: read_run_directory(path.parent) if (path.parent / CONFIG).is_file() else read_json_lines(path)
    if file.suffix == ".json" and file.name == CONFIG:
        return lambda path, **_: read_run_directory(path.parent)
    _refuse(file)
    return read_table
