"""Whether the averaged weights tell what a decay would bring: `python -m benchmarks.averaged`.

A small transformer learns the source text of the standard library at three constant rates. Compared is the validation loss of the last
weights, of their means over several horizons, and of a run that went linearly to zero over its last fifth, to end at the same count.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

import rheostax as rx
from benchmarks._report import print_table
from rheostax._loop import make_loop
from rheostax._words import counted
from rheostax.tasks.language import make_task
from rheostax.training.steps import make_evaluate

RATES, FRACTIONS = (1e-3, 4e-3, 1.6e-2), (0.05, 0.1, 0.2)
WARMUP, EVERY, ENDS, DECAY = 100, 100, (500, 1000, 2000, 4000), 5  # a decay takes a fifth of the updates
TASK = make_task(width=32, layers=1, heads=4, context=32, batch_size=16)
GRAPHDEF = nnx.graphdef(TASK.model(nnx.Rngs(0)))


def control(rate: rx.LearningRate) -> optax.GradientTransformationExtraArgs:
    return rx.control(TASK.optimizer, rate, **TASK.hyperparameters)


def watched(rate: rx.LearningRate) -> optax.GradientTransformationExtraArgs:
    """Drive the optimizer with a rate, and keep a mean of the weights for each fraction: the first lies outermost."""
    tx = control(rate)
    for fraction in reversed(FRACTIONS):
        tx = rx.average_weights(tx, fraction)
    return tx


def make_train(tx: optax.GradientTransformationExtraArgs) -> Callable[[Any, Any], Any]:
    """Compile an update per batch. What the rates are is in the state, so that it serves all of them."""

    def update(state: Any, batch: Any) -> tuple[Any, jax.Array]:
        params, opt_state = state
        loss, gradients = jax.value_and_grad(lambda params: TASK.loss(nnx.merge(GRAPHDEF, params), batch)[0])(params)
        updates, opt_state = tx.update(gradients, opt_state, params, value=loss)
        return (optax.apply_updates(params, updates), opt_state), loss

    return make_loop(update)


def make_loss() -> Callable[[Any], float]:
    batches = list(dataclasses.replace(TASK.data(), batch_size=64).validation())
    evaluate = make_evaluate(TASK, GRAPHDEF)
    return lambda params: evaluate(params, batches)["val_loss"]


class Compiled(NamedTuple):
    """What is compiled once for all seeds."""

    train: Callable[[Any, Any], Any]
    finish: Callable[[Any, Any], Any]
    loss_of: Callable[[Any], float]


def make() -> Compiled:
    one = rx.Warmup(WARMUP) * rx.Constant(RATES[0])
    return Compiled(make_train(watched(one)), make_train(control(rx.Linear(RATES[0], 0.0, 1))), make_loss())


def experiment(compiled: Compiled, seed: int) -> list[dict[str, Any]]:
    """Train at every rate, from the weights and on the text in the order of a seed; return the losses at every count, by rate."""
    (train, finish, loss_of), first = compiled, nnx.state(TASK.model(nnx.Rngs(seed)))
    stream = itertools.chain.from_iterable(TASK.data().train(epoch, seed) for epoch in itertools.count())
    text = np.stack(list(itertools.islice(stream, ENDS[-1])))
    begins = {end - end // DECAY: end for end in ENDS}
    found = []
    for rate in RATES:
        state = (jax.tree.map(jnp.copy, first), watched(rx.Warmup(WARMUP) * rx.Constant(rate)).init(first))
        curve: dict[str, Any] = {"learning_rate": rate, "updates": [], "last": [], "annealed": {}} | {str(f): [] for f in FRACTIONS}
        for count in range(0, ENDS[-1], EVERY):
            state, _ = train(state, text[count : count + EVERY])
            curve["updates"].append(done := count + EVERY)
            curve["last"].append(loss_of(state[0]))
            nest = state[1]
            for fraction in FRACTIONS:
                curve[str(fraction)].append(loss_of(rx.averaged(nest, state[0])))
                nest = nest.inner
            if done in begins:
                end = begins[done]
                branch = control(rx.Linear(rate, 0.0, end - done)).init(first)._replace(inner=nest.inner)
                params, branch = jax.tree.map(jnp.copy, (state[0], branch))
                (params, _), _ = finish((params, branch), text[done:end])
                curve["annealed"][end] = loss_of(params)
        found.append(curve)
    return found


def rows(found: list[dict[str, Any]]) -> list[tuple[str, ...]]:
    kinds = ("last", *map(str, FRACTIONS))
    return [
        (f"{curve['learning_rate']:g}", str(end), *(f"{curve[kind][end // EVERY - 1]:.3f}" for kind in kinds), f"{loss:.3f}")
        for curve in found
        for end, loss in curve["annealed"].items()
    ]


def agreement(found: list[dict[str, Any]], kind: str) -> dict[str, float]:
    """Return the mean distance to the annealed loss of one seed, and in how many pairs of rates the better one is the same."""
    losses = np.array([[curve[kind][end // EVERY - 1] for end in ENDS] for curve in found])
    annealed = np.array([[curve["annealed"][end] for end in ENDS] for curve in found])
    pairs = list(itertools.combinations(range(len(found)), 2))
    same = sum(((losses[i] < losses[j]) == (annealed[i] < annealed[j])).sum() for i, j in pairs)
    return {
        "mean_difference": float((losses - annealed).mean()),
        "mean_distance": float(abs(losses - annealed).mean()),
        "pairs_in_order": int(same),
        "pairs": len(pairs) * len(ENDS),
    }


def draw(found: list[dict[str, Any]], path: Path) -> None:
    """Draw a panel per rate: the losses of the last and the averaged weights, and after a decay."""
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=(9, 3.4), layout="constrained")
    for axis, curve in zip(figure.subplots(1, len(found), sharey=True), found, strict=True):
        axis.plot(curve["updates"], curve["last"], color="#9a9a9a", linewidth=1.2, label="last weights")
        for fraction, color in zip(FRACTIONS, ("#8fbce6", "#1f5fa8", "#0f2f54"), strict=True):
            axis.plot(curve["updates"], curve[str(fraction)], color=color, linewidth=1.2, label=f"averaged, fraction {fraction}")
        axis.plot(list(curve["annealed"]), list(curve["annealed"].values()), "o", color="#b3541e", label="after a decay that ends here")
        axis.set(title=f"constant rate {curve['learning_rate']:g}", xlabel="update", xscale="log", xlim=(220, 4500), ylim=(1.65, 2.6))
        axis.set_xticks(ENDS, map(str, ENDS))
        axis.minorticks_off()
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(color="#e6e6e6", linewidth=0.6)
    figure.axes[0].set(ylabel="validation loss")
    figure.axes[1].legend(frameon=False, fontsize=8)
    figure.savefig(path, dpi=140)


def main() -> None:
    parser = argparse.ArgumentParser("python -m benchmarks.averaged", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1, help="how many; the table of losses and the plot are of the first")
    parser.add_argument("--json", action="store_true", help="print all losses as JSON, a list per seed")
    parser.add_argument("--plot", type=Path, help="draw them into a file")
    arguments = parser.parse_args()
    if arguments.seeds < 1:
        parser.error(f"--seeds must be at least 1, got {arguments.seeds}")
    compiled = make()
    found = [experiment(compiled, seed) for seed in range(arguments.seeds)]
    if arguments.plot:
        draw(found[0], arguments.plot)
    if arguments.json:
        print(json.dumps(found))
        return
    kinds = ("last", *map(str, FRACTIONS))
    print_table("Validation loss", ("rate", "updates", "last weights", *map(str, FRACTIONS), "annealed"), rows(found[0]))
    lines = []
    for kind in kinds:
        told = [agreement(one, kind) for one in found]
        means = (_spread([one[name] for one in told]) for name in ("mean_difference", "mean_distance"))
        pairs = f"{sum(one['pairs_in_order'] for one in told)} of {sum(one['pairs'] for one in told)}"
        lines.append((kind, *means, pairs))
    columns = ("weights", "mean difference", "mean distance", "pairs of rates in its order")
    print_table(f"Beside the annealed, {counted(len(found), 'seed')}", columns, lines)


def _spread(values: list[float]) -> str:
    return f"{np.mean(values):.3f}" + (f" ({min(values):.3f} to {max(values):.3f})" if len(values) > 1 else "")


if __name__ == "__main__":
    main()
