"""Is what the finder suggests a good rate? `python -m benchmarks.finder` compares it with a grid search.

The search trains each embedded task at 20 rates from 5 seeds, with a warm-up over the first tenth of the run and a cosine to zero
after it, one run after the other, and takes the rate whose mean validation loss at the end is lowest. It does so for runs as long as
those of `rheostax train` and for shorter ones, see `RUNS`. The language model is smaller, so that all takes twenty minutes of processor
time. Results are written after every run to the file `--json`, and a second call goes on from there.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
from flax import nnx

import rheostax as rx
from rheostax._loop import make_loop
from rheostax.cli.find import find_task
from rheostax.tasks import language
from rheostax.training import Task, load_task
from rheostax.training.start import batches_of, load_data, start
from rheostax.training.steps import make_evaluate, make_train_step

RUNS: dict[str, tuple[Callable[[], Task], int]] = {  # a task, and how many epochs
    "digits": (lambda: load_task("digits"), 20),  # 440 updates, a quarter of what `rheostax train` makes at most
    "diabetes": (lambda: load_task("diabetes"), 20),  # 180 updates, a tenth
    "language": (lambda: language.make_task(width=48, context=48, batch_size=8), 5),  # 200 updates, a quarter
    "digits, long": (lambda: load_task("digits"), 80),  # 1,760 updates: all of them
    "diabetes, long": (lambda: load_task("diabetes"), 200),  # 1,800
    "language, long": (lambda: language.make_task(width=48, context=48, batch_size=8), 20),  # 800
}
RATES = np.geomspace(1e-4, 1.0, 20)
SEEDS = range(5)
PER_DISPATCH = 40


def make_run(task: Task, updates: int) -> Callable[[float, int], float]:
    """Return `(rate, seed) -> validation loss at the end`, compiled once for all of them."""
    data = load_data(task)
    graphdef = nnx.graphdef(start(task, expression(1.0, updates), 0))
    step = make_train_step(task)

    def update(state: Any, batch: Any) -> tuple[Any, jax.Array]:
        model, optimizer = nnx.merge(graphdef, state)
        loss, _ = step(model, optimizer, batch)
        return nnx.state((model, optimizer)), loss

    model, _ = start(task, 1.0, 0)
    model.eval()
    evaluate = make_evaluate(task, nnx.graphdef(model))
    begin = jax.jit(lambda rate, key: nnx.state(start(task, expression(rate, updates), key)))
    loop = make_loop(update)

    def run(rate: float, seed: int) -> float:
        batches, state = batches_of(data, seed), begin(rate, jax.random.key(seed))
        for first in range(0, updates, PER_DISPATCH):
            several = list(itertools.islice(batches, min(PER_DISPATCH, updates - first)))
            state, losses = loop(state, jax.tree.map(lambda *rows: np.stack(rows), *several))
            if not np.isfinite(losses[-1]):
                return float("nan")
        return evaluate(nnx.state(nnx.merge(graphdef, state)[0]), data.validation())["val_loss"]

    return run


def expression(rate: float, updates: int) -> rx.LearningRate:
    """Warm up for a tenth of the run, then go to zero along a cosine."""
    return rx.Warmup(updates // 10) * rx.Cosine(rate, updates)


def search(name: str, known: dict[str, float], keep: Callable[[], None]) -> dict[str, float]:
    """Train at every rate from every seed, except what is known already; the keys are 'seed rate'."""
    make, epochs = RUNS[name]
    run = make_run(make(), epochs * load_data(make()).batches_per_epoch)
    for seed in SEEDS:
        for rate in RATES:
            key = f"{seed} {rate:.4g}"
            if key not in known:
                known[key] = run(float(rate), seed)
                keep()
    return known


def find(name: str) -> dict[str, Any]:
    """Return what `rheostax find` finds with its own settings for a run of that length."""
    make, epochs = RUNS[name]
    return find_task(make(), epochs=epochs, repeats=3).to_json()


def table(results: dict[str, Any]) -> str:
    """Compare: the best rate of the search, the rates that are as good within the spread of seeds, and each rule's, in Markdown."""
    rules = ("minimum", "steepest", "valley", "slide")
    lines = [f"| task, updates | best of the search | as good | suggestion | {' | '.join(rules)} |", "| --- " * (4 + len(rules)) + "|"]
    for name, (make, epochs) in RUNS.items():
        if name not in results:
            continue
        losses = np.array([[results[name][f"{seed} {rate:.4g}"] for rate in RATES] for seed in SEEDS])
        mean = np.where(np.isfinite(losses).all(0), losses.mean(0), np.inf)
        best = int(mean.argmin())
        good = RATES[mean <= mean[best] + losses[:, best].std(ddof=1)]
        found = results["found"][name]
        values = [found["suggestion"]["value"], *(found["suggestions"][rule]["value"] for rule in rules)]
        cells = [f"{value:.2g} ({value / RATES[best]:.2f}x)" for value in values]
        updates = epochs * load_data(make()).batches_per_epoch
        row = [f"{name.removesuffix(', long')}, {updates:,}", f"{RATES[best]:.2g}", f"{good[0]:.2g} to {good[-1]:.2g}", *cells]
        lines.append(f"| {' | '.join(row)} |")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser("python -m benchmarks.finder", description="The finder's suggestions beside a grid search.")
    parser.add_argument("--only", action="append", choices=RUNS, metavar="TASK", help="one of the tasks; may be repeated")
    parser.add_argument("--json", type=Path, default=Path("finder.json"), metavar="FILE", help="where results are kept")
    options = parser.parse_args(arguments)
    results = json.loads(options.json.read_text()) if options.json.exists() else {}

    def keep() -> None:
        options.json.write_text(json.dumps(results, indent=1) + "\n")

    for name in options.only or RUNS:
        begin = time.process_time()
        search(name, results.setdefault(name, {}), keep)
        print(f"{name}: {time.process_time() - begin:.0f} s of processor time", flush=True)
        results.setdefault("found", {})[name] = find(name)
        keep()
    print(table(results))


if __name__ == "__main__":
    main()
