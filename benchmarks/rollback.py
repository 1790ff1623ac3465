"""A language model through two faults, with a guard and without: `python -m benchmarks.rollback`.

A small transformer learns the source text of the standard library. From update 130 on five batches are labelled at random, and
before update 220 a tenth of the weights is overwritten with noise, as a memory fault would do it. The same data, the same faults:
once with the schedule alone, once with a guard that skips and lowers, once with one that rolls back as well.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

import rheostax as rx
from rheostax.tasks.language import make_task
from rheostax.training.steps import make_evaluate, make_train_step

UPDATES, SPIKE, FAULT, EVERY = 400, range(130, 135), 220, 10
TASK = make_task(width=32, layers=1, heads=4, context=32, batch_size=16)
GUARD = {"window": 30, "threshold": 4.0, "factor": 0.1, "recovery": 20, "max_spikes": 8, "skip": 6}
RUNS = {
    "no faults": None,
    "without a guard": None,
    "skips and lowers": rx.SpikeGuard(**GUARD),
    "and rolls back": rx.SpikeGuard(**GUARD, roll_back=True),
}


def corrupt(model: nnx.Module) -> None:
    """Overwrite a tenth of all weights with noise."""
    random = np.random.default_rng(7)

    def spoil(leaf: jax.Array) -> jax.Array:
        return jnp.where(random.random(leaf.shape) < 0.1, random.normal(size=leaf.shape), leaf).astype(leaf.dtype)

    nnx.update(model, jax.tree.map(spoil, nnx.state(model, nnx.Param)))


def run(name: str) -> dict[str, object]:
    """Train once; return loss and rate of every update, and how it ended."""
    rate = rx.Warmup(30) * rx.Cosine(1e-2, UPDATES, end_value=1e-3)
    guard, faults = RUNS[name], name != "no faults"
    model = TASK.model(nnx.Rngs(0))
    tx = rx.control(TASK.optimizer, rate if guard is None else rate * guard, on_nonfinite="skip", on_skip="advance", **TASK.hyperparameters)
    optimizer = rx.Optimizer(model, tx, wrt=nnx.Param)
    step = nnx.jit(make_train_step(TASK))
    safe = rx.Rollback(factor=0.7) if guard is not None and guard.roll_back else None
    random, losses, rates, rollbacks = np.random.default_rng(3), [], [], []
    batches = (batch for epoch in range(100) for batch in TASK.data().train(epoch, 0))
    for k, batch in zip(range(UPDATES), batches, strict=False):
        if faults and k in SPIKE:
            batch = random.integers(0, 256, batch.shape, dtype=np.int32)  # noqa: PLW2901
        if faults and k == FAULT:
            corrupt(model)
        loss, _ = step(model, optimizer, batch)
        losses.append(float(loss))
        rates.append(float(optimizer.learning_rate))
        if safe is not None and k % EVERY == EVERY - 1:
            before = safe.rollbacks
            safe.check(optimizer, model)
            rollbacks += [k + 1] * (safe.rollbacks - before)
    evaluate = make_evaluate(TASK, nnx.graphdef(model))
    metrics = evaluate(nnx.state(model), TASK.data().validation())
    return {"loss": losses, "learning_rate": rates, "rollbacks": rollbacks, **metrics}


def draw(found: dict[str, dict[str, object]], path: Path) -> None:
    """Draw the losses above each other, and the rates below."""
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=(8, 5), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[2, 1])
    colors = {"no faults": "#9a9a9a", "without a guard": "#b3541e", "skips and lowers": "#1f5fa8", "and rolls back": "#3b7d4f"}
    kernel = np.ones(5) / 5
    for name, one in found.items():
        label = f"{name}: {one['val_loss']:.3f}"
        smooth = np.convolve(np.asarray(one["loss"]), kernel, mode="valid")
        above.plot(np.arange(len(smooth)) + 2, smooth, color=colors[name], linewidth=1.2, label=label)
        below.plot(one["learning_rate"], color=colors[name], linewidth=1.2)
        for count in one["rollbacks"]:  # type: ignore[attr-defined]
            above.axvline(count, color=colors[name], linewidth=0.8, linestyle=(0, (4, 3)))
    above.set(ylabel="training loss, mean of 5", ylim=(1.8, 7.5))
    above.legend(frameon=False, title="validation loss at the end")
    below.set(ylabel="learning rate", xlabel="update")
    for axis in (above, below):
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(color="#e6e6e6", linewidth=0.6)
    figure.savefig(path, dpi=140)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print the end of each run as JSON")
    parser.add_argument("--plot", type=Path, help="draw all runs into a file")
    arguments = parser.parse_args()
    found = {name: run(name) for name in RUNS}
    if arguments.plot:
        draw(found, arguments.plot)
    ends = {name: {"val_loss": one["val_loss"], "rollbacks": one["rollbacks"]} for name, one in found.items()}
    if arguments.json:
        print(json.dumps(ends))
        return
    for name, end in ends.items():
        print(f"{name:18}  validation loss {end['val_loss']:.3f}  rollbacks after updates {end['rollbacks'] or 'none'}")


if __name__ == "__main__":
    main()
