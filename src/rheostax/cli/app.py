"""The commands."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from rheostax._version import __version__

app = typer.Typer(
    name="rheostax",
    help="Learning rates for JAX that follow a schedule, react to metrics, and can be seen, changed and explained.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"rheostax {__version__}")
        raise typer.Exit


def _json(content: Any) -> str:
    """Write a result as JSON; NaN and infinities become null."""
    from rheostax.record.run_directory import plain_json  # noqa: PLC0415  (jax starts here; --help needn't wait for it)

    return json.dumps(plain_json(content), allow_nan=False)


def _see(*written: object, silent: bool) -> None:
    """Say which files there are now; not on standard output, which is for the result."""
    for file in () if silent else written:
        if file is not None:
            typer.echo(f"See {file}", err=True)


@app.callback()
def common(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    """Learning rates for JAX that follow a schedule, react to metrics, and can be seen, changed and explained."""


@app.command()
def train(
    task: Annotated[
        str | None, typer.Argument(help="digits (the default), language, diabetes, or your own: mypackage.mymodule:task")
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Epochs at most; the task's own number by default.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of initialization, dropout and data order; 0 by default.")] = None,
    out: Annotated[Path | None, typer.Option(help="Run directory; runs/TASK-DATE-TIME by default.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a run that is there.")] = False,
    resume: Annotated[Path | None, typer.Option(help="Go on with the run in this run directory, from its newest checkpoint.")] = None,
    keep: Annotated[
        str, typer.Option(help="If settings changed since: checkpoint or code, whose go on; error, to be told which.")
    ] = "error",
    checkpoint_every: Annotated[
        int | None, typer.Option(min=1, help="Updates between checkpoints; by default once a minute, at the end of an epoch.")
    ] = None,
    distributed: Annotated[bool, typer.Option("--distributed", help="Train together with the other processes of a cluster.")] = False,
    coordinator: Annotated[str | None, typer.Option(help="HOST:PORT of process 0; found out under SLURM and the like.")] = None,
    processes: Annotated[int | None, typer.Option(help="How many processes there are.")] = None,
    process: Annotated[int | None, typer.Option(help="Which one this is: 0, 1, ...")] = None,
    fully_sharded: Annotated[bool, typer.Option("--fully-sharded", help="Divide parameters and optimizer among the devices.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON on standard output, and nothing else.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print only the result and warnings.")] = False,
) -> None:
    """Train a task with a learning rate that reacts to it, and show what happened.

    Leaves a run directory: config.json, metrics.jsonl, journal.jsonl (every decision and why), run.png, summary.json, checkpoints.
    Ctrl-C (exit code 130) and SIGTERM (143) end the run cleanly, with a checkpoint; --resume goes on with it, also after a kill.
    """
    from rheostax.cli.train import DEFAULT, Cluster, run  # noqa: PLC0415  (jax starts here; --help needn't wait for it)

    if resume is not None and (out is not None or overwrite):
        raise typer.BadParameter("It goes on in its own folder; leave --out and --overwrite away.", param_hint="--resume")
    cluster = Cluster(distributed, coordinator, processes, process, fully_sharded)
    folder = out or Path("runs") / f"{(task or DEFAULT).replace(':', '-').replace('.', '-')}-{datetime.now():%Y%m%d-%H%M%S}"
    result = run(
        task, out=folder, resume=resume, silent=quiet or as_json, cluster=cluster, overwrite=overwrite, seed=seed, epochs=epochs,
        keep=keep, checkpoint_every=checkpoint_every,
    )  # fmt: skip
    if as_json and cluster.speaks:
        typer.echo(_json(result))
    if result["interrupted"] or result["failed"]:
        sys.exit(1 if not result["interrupted"] else 143 if result["reason"] == "terminated" else 130)


@app.command()
def race(
    task: Annotated[str, typer.Argument(help="digits, language, diabetes, or your own: mypackage.mymodule:task")] = "digits",
    learning_rate: Annotated[
        str, typer.Option(help="Peaks of the task's own rate, LOW..HIGH, or an expression with lists of settings.")
    ] = "1e-4..1e-1",
    count: Annotated[int | None, typer.Option(min=1, help="How many peaks of a range; 16 by default.")] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Epochs of a full run; the task's own number by default.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of initialization, dropout and data order.")] = 0,
    metric: Annotated[str, typer.Option(help="The validation metric that decides.")] = "val_loss",
    mode: Annotated[str | None, typer.Option(help="min or max: which way the metric is better.")] = None,
    halving: Annotated[int, typer.Option(min=2, help="How many times fewer candidates go on after each rung.")] = 2,
    execution: Annotated[str, typer.Option(help="auto, sequential, vmap, or sharded over the local devices.")] = "auto",
    plot: Annotated[Path | None, typer.Option(help="Draw the race into this PNG or SVG file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output, and nothing else.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print only the result and warnings.")] = False,
) -> None:
    """Train many learning rates side by side, stop the worse half now and then, and tell the best.

    rheostax race digits --learning-rate 1e-4..1e-1 --count 16

    rheostax race digits --learning-rate 'Cosine([1e-3, 1e-2], "1run") * Warmup(["1ep", "3ep"])'
    """
    from rheostax.cli.race import draw, run  # noqa: PLC0415  (jax starts here; --help needn't wait for it)

    result = run(
        task, learning_rate=learning_rate, count=count, epochs=epochs, seed=seed, metric=metric, mode=mode, halving=halving,
        execution=execution, picture=plot, silent=quiet or as_json,
    )  # fmt: skip
    typer.echo(_json(result.to_json()) if as_json else str(result))
    if plot is not None:  # the result is told already, whatever becomes of the picture
        _see(draw(result, plot), silent=quiet or as_json)


@app.command()
def find(
    task: Annotated[str, typer.Argument(help="digits, language, diabetes, or your own: mypackage.mymodule:task")] = "digits",
    low: Annotated[float, typer.Option("--min", help="First rate.")] = 1e-7,
    high: Annotated[float, typer.Option("--max", help="Last rate.")] = 10.0,
    steps: Annotated[int, typer.Option(help="Updates from the first rate to the last.")] = 100,
    repeats: Annotated[int, typer.Option(help="How many times, each from another seed.")] = 3,
    epochs: Annotated[int | None, typer.Option(min=1, help="Of the run that it is for; the task's own by default.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the first repeat.")] = 0,
    linear: Annotated[bool, typer.Option("--linear", help="Equal differences of rates, not equal ratios.")] = False,
    group: Annotated[str | None, typer.Option(help="Which parameter group, where the task has several.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw losses and suggestions into this PNG or SVG file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON on standard output, and nothing else.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")] = False,
) -> None:
    """Suggest a learning rate for a task: try rates from small to large and look where the loss falls and where it runs away.

    Nothing is trained for good. Exit code 1 if there is nothing to suggest.
    """
    from rheostax.cli.find import draw, run  # noqa: PLC0415  (jax starts here; --help needn't wait for it)

    options = {"min_value": low, "max_value": high, "steps": steps, "repeats": repeats, "spacing": "linear" if linear else "exponential"}
    result = run(task, epochs=epochs, seed=seed, picture=plot, silent=quiet or as_json, group=group, **options)
    typer.echo(_json(result.to_json()) if as_json else str(result))
    if plot is not None:  # the result is told already, whatever becomes of the picture
        _see(draw(task, result, plot), silent=quiet or as_json)
    if result.suggestion is None:
        sys.exit(1)


@app.command()
def recipes(
    name: Annotated[str | None, typer.Argument(help="A recipe; all of them are listed without one.")] = None,
    variant: Annotated[str | None, typer.Option(help="Which of its models or data sets, such as 7B.")] = None,
    total_steps: Annotated[int | None, typer.Option(min=1, help="Updates of the run, where lengths are parts of it.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw the rate into this PNG or SVG file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")] = False,
) -> None:
    """List published schedules, or print and draw one: rheostax recipes gpt3_175b --plot gpt3.png."""
    from rheostax.cli.recipes import listing, show, words  # noqa: PLC0415  (jax starts here; --help needn't wait for it)

    if name is None:
        if variant is not None or total_steps is not None or plot is not None:
            raise typer.BadParameter("Name the recipe that --variant, --total-steps and --plot are for.", param_hint="NAME")
        rows = listing()
        width = max(len(row["name"]) for row in rows)
        typer.echo(_json(rows) if as_json else "\n".join(f"{row['name']:<{width}}  {row['title']}" for row in rows))
        return
    found = show(name, variant=variant, total_steps=total_steps, picture=plot)
    typer.echo(_json(found) if as_json else words(found))
    _see(plot, silent=as_json)


@app.command()
def preview(
    what: Annotated[str, typer.Argument(help="A recipe, mypackage.mymodule:name, a file (JSON, YAML) or run directory, or an expression.")],
    total_steps: Annotated[int | None, typer.Option(min=1, help="Updates of the run; as many as the schedule has by default.")] = None,
    steps_per_epoch: Annotated[float | None, typer.Option(min=0, help="Updates of an epoch, for lengths in epochs.")] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Samples per update, for lengths in samples and tokens.")] = None,
    dataset_size: Annotated[int | None, typer.Option(min=1, help="Samples of an epoch, in place of --steps-per-epoch.")] = None,
    tokens_per_sample: Annotated[int | None, typer.Option(min=1, help="For lengths in tokens.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw the rate into this PNG or SVG file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")] = False,
) -> None:
    """Draw a learning rate and tell its moments, its sum and what looks wrong: rheostax preview 'Warmup(500) * Cosine(3e-4, 20000)'."""
    from rheostax.cli.preview import look, words  # noqa: PLC0415  (jax starts here; --help needn't wait for it)

    found, seen = look(
        what, plot, total_steps=total_steps, steps_per_epoch=steps_per_epoch, batch_size=batch_size, dataset_size=dataset_size,
        tokens_per_sample=tokens_per_sample,
    )  # fmt: skip
    typer.echo(_json(found) if as_json else words(found, seen))
    _see(plot, silent=as_json)


@app.command()
def replay(
    run: Annotated[
        Path, typer.Argument(help="A run directory, CSV, JSON Lines, TensorBoard event file or MLflow run, or a folder with one.")
    ],
    rule: Annotated[
        str | None, typer.Option("--with", help="The rule, such as '0.1 * ReduceOnPlateau(patience=[2, 5])'; the run's own by default.")
    ] = None,
    monitor: Annotated[list[str] | None, typer.Option(help="The run's metric to feed; NAME=METRIC for one of several.")] = None,
    total_steps: Annotated[int | None, typer.Option(min=1, help="Updates of the run; what it made by default.")] = None,
    steps_per_epoch: Annotated[float | None, typer.Option(help="Updates of an epoch, for durations such as 10ep.")] = None,
    count: Annotated[str | None, typer.Option(help="The column of a table that counts the updates.")] = None,
    learning_rate: Annotated[str | None, typer.Option(help="The column of a table with the rate.")] = None,
    name: Annotated[str | None, typer.Option("--run", help="Which run of an export of Weights & Biases.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw the replay into this PNG or SVG file.")] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Tell the decisions of every setting of a grid.")] = False,
    most: Annotated[int, typer.Option(min=0, help="Decisions that are told per setting, at most.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")] = False,
) -> None:
    """Show what another rule would have decided on a run's observations: rheostax replay RUN --with 'ReduceOnPlateau(patience=3)'.

    Lists make a grid. It replays decisions, not the losses that would have followed.
    """
    from rheostax.cli import replay as work  # noqa: PLC0415  (jax starts here; --help needn't wait for it)

    columns = {"count": count, "learning_rate": learning_rate, "run": name}
    found = work.run(run, rule, monitor=monitor or [], total_steps=total_steps, steps_per_epoch=steps_per_epoch, picture=plot, **columns)
    typer.echo(_json(work.to_json(found, most=most)) if as_json else work.words(found, verbose=verbose, most=most))
    _see(plot, silent=as_json)


@app.command()
def forecast(
    runs: Annotated[list[Path], typer.Argument(help="The run, live or finished, and finished runs of the same model beside it.")],
    total: Annotated[int | None, typer.Option("--total", min=1, help="The budget in updates; what the run has made by default.")] = None,
    warmup: Annotated[int | None, typer.Option(min=0, help="Updates of the warm-up; by default, while the rate rises.")] = None,
    expressions: Annotated[list[str] | None, typer.Option("--with", help="A schedule to compare; may be repeated.")] = None,
    law: Annotated[
        str, typer.Option(help="fading_multi_power, multi_power, functional, annealing or minimal_decay.")
    ] = "fading_multi_power",
    loss: Annotated[str | None, typer.Option(help="The metric to predict; the training loss by default.")] = None,
    coverage: Annotated[float, typer.Option(help="Probability that the bands are meant to cover.")] = 0.9,
    count: Annotated[str | None, typer.Option(help="The column of a table that counts the updates.")] = None,
    learning_rate: Annotated[str | None, typer.Option(help="The column of a table with the rate.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw the forecast into this PNG or SVG file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON on standard output, and nothing else.")] = False,
) -> None:
    """Say where a run would land if its decay began now, or later: rheostax forecast RUN FINISHED --total 50000.

    At least one of the runs should have a rate that fell; exit code 1 if nothing can be predicted.
    """
    from rheostax.cli import forecast as work  # noqa: PLC0415  (jax starts here; --help needn't wait for it)

    found = work.run(
        runs,
        total,
        warmup=warmup,
        expressions=expressions or [],
        law=law,
        loss=loss,
        coverage=coverage,
        picture=plot,
        count=count,
        learning_rate=learning_rate,
    )
    typer.echo(_json(work.to_json(found)) if as_json else work.words(found))
    _see(plot, silent=as_json)
    if not found.can_tell:
        sys.exit(1)


@app.command()
def report(
    runs: Annotated[
        list[Path], typer.Argument(help="Run directories, CSV, JSON Lines, TensorBoard event files, MLflow runs.", metavar="RUN...")
    ],
    out: Annotated[Path | None, typer.Option(help="The page; RUN/report.html by default, or report.html for several runs.")] = None,
    png: Annotated[Path | None, typer.Option(help="Draw a picture into this PNG file as well.")] = None,
    svg: Annotated[Path | None, typer.Option(help="Draw a picture into this SVG file as well.")] = None,
    count: Annotated[str | None, typer.Option(help="The column of a table that counts the updates.")] = None,
    learning_rate: Annotated[str | None, typer.Option(help="The column of a table with the rate.")] = None,
    name: Annotated[str | None, typer.Option("--run", help="Which run of an export of Weights & Biases.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what the page says as JSON on standard output.")] = False,
) -> None:
    """Show what the learning rate did in one run or several, and why, as a page that opens from disk: rheostax report runs/*."""
    from rheostax.cli.report import make  # noqa: PLC0415  (numpy and jax start here; --help needn't wait for them)

    made = make(runs, out=out, png=png, svg=svg, count=count, learning_rate=learning_rate, run=name)
    if as_json:
        typer.echo(_json(made))
    _see(*made["files"].values(), silent=as_json)
