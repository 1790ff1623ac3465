"""Save, restore and go on, for every schedule and policy, and compare with the run that was never interrupted, to the last bit.

    python -m benchmarks.drills.resume --cuts 4

Every example of the conformance suite trains with Adam: as a Flax module and as a plain tree of weights, with float32 and with
bfloat16 weights, with x64 off and on. Each of these runs is saved by `rx.Checkpoints` at some of its updates, restored into a new
training, and goes on to its end. Weights, optimizer and learning rate are compared at every update after the cut. Exit code 1 if
anything differs.
"""

from __future__ import annotations

import argparse
import dataclasses
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import nnx

import rheostax as rx
from rheostax._rate import LearningRate
from tests.conformance.catalogue import EXAMPLES, observations
from tests.support import bits

UPDATES = 40
GROUPS = ("head", "body", "norm")  # what the examples with groups know
X = jnp.linspace(-1.0, 1.0, 12).reshape(6, 2)


class Model(nnx.Module):
    """A layer per group."""

    def __init__(self, dtype: Any) -> None:
        rngs = nnx.Rngs(0)
        for name in GROUPS:
            setattr(self, name, nnx.Linear(2, 2, rngs=rngs, param_dtype=dtype))

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.norm(jnp.tanh(self.body(jnp.tanh(self.head(x)))))


class OfModules:
    """A Flax training."""

    def __init__(self, rate: LearningRate, dtype: Any) -> None:
        self.rate, self.dtype = rate, dtype

        @nnx.jit
        def step(model: Model, optimizer: rx.Optimizer[Model], metrics: dict[str, jax.Array]) -> None:
            gradients = nnx.grad(lambda model: jnp.mean(jnp.square(model(X).astype(jnp.float32) - 1.0)))(model)
            optimizer.update(model, gradients, **metrics)

        self._step = step

    def begin(self) -> dict[str, Any]:
        model = Model(self.dtype)
        return {"model": model, "optimizer": rx.Optimizer(model, rx.control(optax.adam, self.rate), wrt=nnx.Param)}

    def update(self, training: dict[str, Any], metrics: dict[str, Any]) -> dict[str, Any]:
        self._step(training["model"], training["optimizer"], metrics)
        return training

    def restored(self, checkpoints: rx.Checkpoints, count: int) -> dict[str, Any]:
        training = self.begin()
        checkpoints.restore(count=count, **training)
        return training

    def bits(self, training: dict[str, Any]) -> Any:
        return bits(nnx.state((training["model"], training["optimizer"])))


class OfTrees:
    """A plain Optax training."""

    def __init__(self, rate: LearningRate, dtype: Any) -> None:
        self.tx = rx.control(optax.adam, rate)
        self.params = {name: {"w": jnp.linspace(-1.0, 1.0, 5, dtype=dtype)} for name in GROUPS}

        @jax.jit
        def step(params: Any, state: Any, metrics: dict[str, jax.Array]) -> tuple[Any, Any]:
            updates, state = self.tx.update(jax.tree.map(jnp.sin, params), state, params, **metrics)
            return optax.apply_updates(params, updates), state

        self._step = step

    def begin(self) -> dict[str, Any]:
        return {"params": self.params, "opt_state": self.tx.init(self.params)}

    def update(self, training: dict[str, Any], metrics: dict[str, Any]) -> dict[str, Any]:
        params, state = self._step(training["params"], training["opt_state"], metrics)
        return {"params": params, "opt_state": state}

    def restored(self, checkpoints: rx.Checkpoints, count: int) -> dict[str, Any]:
        found = checkpoints.restore(count=count, **self.begin())
        return {name: found[name] for name in ("params", "opt_state")}

    def bits(self, training: dict[str, Any]) -> Any:
        return bits(training)


KINDS: dict[str, type[OfModules] | type[OfTrees]] = {"module": OfModules, "tree": OfTrees}
DTYPES = {"float32": jnp.float32, "bfloat16": jnp.bfloat16}


@dataclasses.dataclass
class Told:
    """What has been done."""

    runs: int = 0
    restores: int = 0
    updates: int = 0  # after a restore
    moved: int = 0  # rates that aren't the same throughout their run
    differences: list[str] = dataclasses.field(default_factory=list)


def check(kind: str, name: str, dtype: str, cuts: Sequence[int], told: Told) -> None:
    """Train one example without interruption, saved on the way, and go on from each of the cuts."""
    rate, done = EXAMPLES[name], KINDS[kind](EXAMPLES[name], DTYPES[dtype])
    streams = observations(rate, UPDATES)
    given = [{metric: jnp.float32(values[k]) for metric, values in streams.items()} for k in range(UPDATES)]
    what = f"{name}, {kind} of {dtype}, x64 {'on' if jax.config.jax_enable_x64 else 'off'}"  # type: ignore[attr-defined]
    with tempfile.TemporaryDirectory() as folder, rx.Checkpoints(folder, max_to_keep=None) as checkpoints:
        training, seen, rates = done.begin(), [], set()
        for k in range(UPDATES + 1):
            if k in cuts:
                checkpoints.save(count=k, **training)  # an update that is skipped has the count of the one before
            seen.append(done.bits(training))
            if k < UPDATES:
                training = done.update(training, given[k])
                rates.add(str(rx.learning_rate(training.get("optimizer", training.get("opt_state")))))
        for cut in cuts:
            training = done.restored(checkpoints, cut)
            for k in range(cut, UPDATES + 1):
                if done.bits(training) != seen[k]:
                    told.differences.append(f"{what}: cut at {cut}, after {k} updates")
                    break
                if k < UPDATES:
                    training = done.update(training, given[k])
                    told.updates += 1
            told.restores += 1
    told.runs += 1
    told.moved += len(rates) > 1


def drill(names: Sequence[str], cuts: int, seed: int, told: Told) -> Told:
    """Run the drill on some examples.

    Args:
        names: Of the examples.
        cuts: How many per run, at random updates; the beginning and the end can be among them.
        seed: Of the updates.
        told: Where it counts what it does.
    """
    chance = random.Random(seed)
    for name in names:
        for x64 in (False, True):
            with jax.enable_x64(x64):
                for dtype in DTYPES:
                    for kind in KINDS:
                        check(kind, name, dtype, sorted(chance.sample(range(UPDATES + 1), cuts)), told)
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cuts", type=int, default=4, help="restores of each run")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", default=list(EXAMPLES), metavar="NAME", help="examples, as the conformance suite calls them")
    given = parser.parse_args()
    if unknown := sorted(set(given.only) - set(EXAMPLES)):
        parser.error(f"--only: there are no examples {', '.join(unknown)}; there are {', '.join(EXAMPLES)}")
    if not 1 <= given.cuts <= UPDATES + 1:
        parser.error(f"--cuts must be from 1 to {UPDATES + 1}, got {given.cuts}")
    began, told = time.perf_counter(), Told()
    with tempfile.TemporaryDirectory() as compiled:
        jax.config.update("jax_compilation_cache_dir", compiled)
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
        for i, name in enumerate(given.only):
            print(f"\r{i + 1:3} of {len(given.only)}  {name[:60]:60}", end="", file=sys.stderr, flush=True)
            drill([name], given.cuts, given.seed + i, told)
            jax.clear_caches()  # each is compiled for itself; together they would take all memory
    print(file=sys.stderr)
    print(f"runs                {told.runs}, 8 for each of {len(given.only)} learning rates; in {told.moved} the rate moves; ", end="")
    print(f"{time.perf_counter() - began:.0f} s")
    print(f"restores            {told.restores}, and {told.updates:,} updates after them")
    print(f"differences         {len(told.differences)}")
    print("\n".join(f"  {one}" for one in told.differences[:20]))
    sys.exit(bool(told.differences))


if __name__ == "__main__":
    main()
