"""`rheostax train`: a progress bar, a line per decision, a picture."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax

from rheostax import parallel
from rheostax._extras import load
from rheostax._words import counted, say
from rheostax.checkpoint import Restored
from rheostax.errors import ArgumentError, TaskError
from rheostax.plot.run import plot_run, save_figure
from rheostax.record.journal import Decision, Rates
from rheostax.record.run_directory import CONFIG, JOURNAL, METRICS, PICTURE, SUMMARY, RunDirectory
from rheostax.training import Plan, Result, Watcher, fit, load_task
from rheostax.training.task import EMBEDDED

__all__ = ["Cluster", "run"]

DEFAULT = "digits"


@dataclasses.dataclass(frozen=True)
class Cluster:
    """With which other processes to train, as the command line says it."""

    distributed: bool = False
    coordinator: str | None = None
    processes: int | None = None
    process: int | None = None
    fully_sharded: bool = False

    def start(self) -> dict[str, Any]:
        """Meet the others; return how to train with them."""
        if not self.distributed:
            if self != Cluster():
                raise ArgumentError("--coordinator, --processes, --process and --fully-sharded are for --distributed; give it too.")
            return {}
        parallel.initialize(self.coordinator, self.processes, self.process)
        return {"mesh": parallel.data_mesh(), "fully_sharded": self.fully_sharded}

    @property
    def speaks(self) -> bool:
        """Whether this is the process that writes and prints."""
        return not self.distributed or jax.process_index() == 0


ALONE = Cluster()


def run(
    task: str | None,
    *,
    out: Path,
    resume: Path | None,
    silent: bool,
    cluster: Cluster = ALONE,
    overwrite: bool = False,
    seed: int | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Train, draw the picture, and return the summary as it is in the run directory."""
    load("matplotlib", extra="train")  # said before the training, not after it
    options |= cluster.start()  # before anything computes
    chosen = load_task(task or (DEFAULT if resume is None else _task_of(resume)))
    options |= {"out": out, "overwrite": overwrite} if resume is None else {"resume": resume}
    watcher = Bar(silent=silent) if cluster.speaks else Mute()
    with _library_output_to_stderr() if cluster.distributed else contextlib.nullcontext():
        result = fit(chosen, seed=seed, watcher=watcher, **options)
    if not cluster.speaks:
        return result.to_json()
    folder = RunDirectory(resume or out)
    config = folder.read(CONFIG)
    title = f"{chosen.name}, seed {config['seed']}: {result.reason}"
    figure = plot_run(folder.read_lines(METRICS), folder.read_lines(JOURNAL), goal=chosen.goal[0], title=title)
    picture = folder.write_bytes(PICTURE, save_figure(figure))
    if not silent:
        sys.stderr.write(f"See {picture}\n")
    return dict(folder.read(SUMMARY))


def _task_of(resume: Path) -> str:
    name = RunDirectory(resume).read(CONFIG).get("task")
    if name not in EMBEDDED:
        raise TaskError(
            f"{resume} is a run of a task of your own, {name!r}; say where it is: rheostax train MODULE:TASK --resume {resume}."
        )
    return str(name)


@contextlib.contextmanager
def _library_output_to_stderr() -> Iterator[None]:
    """Keep standard output for the result: JAX's collectives write there that they have connected."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


class Mute(Watcher):
    """Says nothing; the first process does."""

    def warned(self, text: str) -> None:
        """Leave it to the first process."""


class Bar(Watcher):
    """A live progress bar on standard error, with decisions and warnings above it as they come."""

    def __init__(self, *, silent: bool) -> None:
        rich = load("rich.console", extra="train")
        progress = load("rich.progress", extra="train")
        self.silent = silent
        self.console = rich.Console(stderr=True, highlight=False, soft_wrap=True)
        self.bar = progress.Progress(
            progress.TextColumn("{task.description}"),
            progress.BarColumn(bar_width=12),
            progress.MofNCompleteColumn(),
            progress.TextColumn("{task.fields[shown]}"),
            progress.TimeRemainingColumn(compact=True),
            console=self.console,
            disable=silent,
        )
        self.shown: dict[str, str] = {}

    def __enter__(self) -> Bar:
        self.bar.start()
        return self

    def __exit__(self, *exception: Any) -> None:
        self.bar.stop()

    def begin(self, plan: Plan) -> None:
        self.goal = plan.task.goal[0]
        self._say(f"{plan.task.name}: {plan.learning_rate!r}")
        self.row = self.bar.add_task(plan.task.name, total=plan.updates, shown="compiling")

    def resumed(self, restored: Restored) -> None:
        self._say(str(restored))
        self.bar.update(self.row, completed=restored.count)

    def updated(self, count: int, metrics: dict[str, float], learning_rate: Rates) -> None:
        self._show(count, loss=say(metrics["loss"], 3), rate=say(learning_rate, 3))

    def validated(self, epoch: int, metrics: dict[str, float], learning_rate: Rates) -> None:
        self._show(None, **{self.goal: say(metrics[self.goal], 3)})
        if not self.console.is_terminal:  # no bar in a log file: a line per epoch instead
            told = ", ".join(f"{name} {say(value)}" for name, value in metrics.items())
            self._say(f"epoch {epoch}: {told}, learning_rate {say(learning_rate, 3)}")

    def decided(self, decision: Decision) -> None:
        self._say(str(decision))

    def warned(self, text: str) -> None:
        self.console.print(f"warning: {text}", style="yellow")

    def end(self, result: Result) -> None:
        self.bar.stop()
        best = {name: value for name, value in result.best.items() if name != "epoch"}
        told = "".join(f"; best {name} {say(value)} in epoch {result.best['epoch']}" for name, value in best.items())
        done = f"{counted(result.count, 'update')}, {counted(result.epochs, 'epoch')}, {result.seconds:.1f} s"
        self.console.print(f"{result.reason}: {done}{told}")

    def _show(self, count: int | None, **shown: str) -> None:
        self.shown |= shown
        text = "  ".join(f"{name} {value}" for name, value in self.shown.items())
        self.bar.update(self.row, completed=count, shown=text)

    def _say(self, text: str) -> None:
        if not self.silent:
            self.console.print(text)
