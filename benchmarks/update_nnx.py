"""Time of one update under `nnx.jit`, as most Flax users write it."""

from __future__ import annotations

from typing import Any

import jax
import optax
from flax import nnx

import rheostax as rx
from benchmarks import _workload as work
from benchmarks._measure import Block, interleave
from benchmarks._report import Target, Topic, compared


def run(quick: bool = False) -> Topic:
    updates, rounds = (10, 3) if quick else (100, 40)
    ours = {
        "rx.Optimizer, schedule x plateau": _block(rx.Optimizer, work.controlled_adam(), updates),
        "same, recording the rate that the step returns": _block(rx.Optimizer, work.controlled_adam(), updates, record="inside"),
        "same, recording optimizer.learning_rate": _block(rx.Optimizer, work.controlled_adam(), updates, record="outside"),
    }
    blocks = {
        "nnx.Optimizer, optax.adam, constant rate": _block(nnx.Optimizer, work.adam(), updates),
        "nnx.Optimizer, adam + optax plateau": _block(nnx.Optimizer, work.adam_with_optax_plateau(), updates),
        "nnx.Optimizer, inject_hyperparams(adam), schedule": _block(nnx.Optimizer, work.injected_adam(), updates),
        "nnx.Optimizer, rx.control: schedule x plateau": _block(nnx.Optimizer, work.controlled_adam(), updates),
        "rx.Optimizer, optax.adam, constant rate": _block(rx.Optimizer, work.adam(), updates),
        **ours,
    }
    rows = compared(interleave(blocks, rounds), updates, Target("<=", 0.75), judged=ours)
    return Topic(f"Time of an update under nnx.jit, MLP of {work.LAYERS} layers of width {work.WIDTH}", rows)


def _block(kind: Any, tx: optax.GradientTransformation, updates: int, record: str = "") -> Block:
    """Make a block of updates. Recorded rates stay on the device until its end and are fetched together."""
    model = work.small_mlp()
    optimizer = kind(model, tx, wrt=nnx.Param)
    x, y = (array[0] for array in work.batches(1, work.WIDTH, work.WIDTH))

    @nnx.jit
    def step(model: Any, optimizer: Any, x: jax.Array, y: jax.Array) -> Any:
        loss, grads = nnx.value_and_grad(work.squared_error)(model, x, y)
        optimizer.update(model, grads, value=loss)
        return (loss, optimizer.learning_rate) if record == "inside" else (loss,)

    def block() -> Any:
        rates = []
        for _ in range(updates):
            results = step(model, optimizer, x, y)
            if record:
                rates.append(results[1] if record == "inside" else optimizer.learning_rate)
        jax.device_get(rates)
        return results

    return block
