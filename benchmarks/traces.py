"""How often a step is traced and compiled while its learning rate changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import optax
from flax import nnx

import rheostax as rx
from benchmarks import _workload as work
from benchmarks._measure import compilations
from benchmarks._report import Row, Target, Topic

Change = Callable[[rx.Optimizer, int], object]


def run(quick: bool = False) -> Topic:
    changes = 50 if quick else 1000
    falling = rx.Linear(init_value=1e-3, end_value=0.0, transition_steps=changes)
    plateau = 1e-3 * rx.ReduceOnPlateau(monitor="val_loss", patience=1, factor=0.99)
    cases: dict[str, tuple[Any, Change]] = {
        "a schedule": (falling, lambda optimizer, k: None),
        "observe, a cut each time": (plateau, lambda optimizer, k: optimizer.observe(val_loss=1.0)),
        "set_learning_rate": (falling, lambda optimizer, k: optimizer.set_learning_rate(1e-3 * (k + 1) / changes, pin=True)),
        "scale_learning_rate": (rx.Constant(1e-3), lambda optimizer, k: optimizer.scale_learning_rate(0.99)),
    }
    rows = [row for name, (rate, change) in cases.items() for row in _rows(name, rate, change, changes)]
    return Topic(f"Traces of an nnx.jit step while the rate changes {changes:,} times", rows)


def _rows(name: str, rate: Any, change: Change, changes: int) -> list[Row]:
    model = work.MLP(2, 64, 3, rngs=nnx.Rngs(0))
    optimizer = rx.Optimizer(model, rx.control(optax.adam, rate), wrt=nnx.Param)
    x, y = (array[0] for array in work.batches(1, 2, 3))
    traces = 0

    @nnx.jit
    def step(model: Any, optimizer: rx.Optimizer, x: jax.Array, y: jax.Array) -> None:
        nonlocal traces
        traces += 1
        _, grads = nnx.value_and_grad(work.squared_error)(model, x, y)
        optimizer.update(model, grads)

    def update(k: int) -> jax.Array:
        change(optimizer, k)
        step(model, optimizer, x, y)
        return optimizer.learning_rate

    rates = [update(0)]
    with compilations() as compiled:
        rates += [update(k) for k in range(1, changes)]
    different = len(np.unique(np.asarray(jax.device_get(rates))))
    return [
        Row(f"by {name}: traces", traces, "", target=Target("==", 1), detail=f"{different:,} different rates in {changes:,} updates"),
        Row(f"by {name}: compilations after the first update", len(compiled), "", target=Target("==", 0)),
    ]
