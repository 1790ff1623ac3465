"""`rheostax find`: a range test of a task, with a progress bar."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rheostax.cli import files
from rheostax.cli.progress import Bar
from rheostax.finder import Finding, find_learning_rate
from rheostax.plot.finder import plot_finding
from rheostax.training import Task, load_task
from rheostax.training.start import batches_of, load_data, require_loss, start
from rheostax.training.steps import make_train_step
from rheostax.units import resolve

__all__ = ["draw", "find_task", "run"]


def run(name: str, *, picture: Path | None, silent: bool, **options: Any) -> Finding:
    """Test a task's rates; `picture` is where the result will be drawn, if it can be."""
    files.require_picture(picture)
    task = load_task(name)
    with Bar(task.name, silent=silent) as bar:
        return find_task(task, progress=bar, **options)


def draw(name: str, found: Finding, picture: Path) -> Path:
    """Draw a range test."""
    return files.draw(plot_finding(found, title=f"{name}: range test"), picture)


def find_task(task: Task, *, seed: int = 0, epochs: int | None = None, **options: Any) -> Finding:
    """Return the finding for a task: repeat i starts from seed + i, with its model, its random streams and its order of the data."""
    data, epochs = load_data(task), task.epochs if epochs is None else epochs
    updates = {"total_steps": epochs * data.batches_per_epoch, "steps_per_epoch": data.batches_per_epoch}
    expression = task.learning_rate(data.batches_per_epoch, epochs)  # its groups count; its values are left aside
    rate = resolve(expression, **updates, batch_size=getattr(data, "batch_size", None))
    first = start(task, rate, seed)
    first[0].eval()
    require_loss(task, first[0], data)
    options["total_steps"] = updates["total_steps"]
    return find_learning_rate(make_train_step(task), lambda i: start(task, rate, seed + i), lambda i: batches_of(data, seed + i), **options)
