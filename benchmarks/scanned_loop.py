"""Throughput of whole loops: one dispatch per update, as the tutorials have it, against 100 updates per dispatch."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import optax
from flax import nnx

import rheostax as rx
from benchmarks import _workload as work
from benchmarks._measure import Block, Spread, interleave
from benchmarks._report import Row, Target, Topic

SIZES = [2, 64, 3], [work.WIDTH] * (work.LAYERS + 1)

Loop = Callable[[nnx.Module, optax.GradientTransformationExtraArgs, jax.Array, jax.Array], Block]


def run(quick: bool = False) -> Topic:
    updates, rounds, sizes = (10, 3, SIZES[:1]) if quick else (100, 30, SIZES)
    rows = [row for widths in sizes for row in _rows(widths, updates, rounds)]
    return Topic(f"Throughput of a loop of {updates} updates, losses fetched at its end (higher is better)", rows)


def _rows(widths: list[int], updates: int, rounds: int) -> list[Row]:
    label = "MLP " + "-".join(map(str, widths))
    loops: dict[str, tuple[Loop, Any]] = {
        "nnx.jit per update, adam + optax plateau": (_per_update, work.adam_with_optax_plateau),
        "nnx.cached_partial per update, adam + optax plateau": (_cached_partial, work.adam_with_optax_plateau),
        "jax.jit on split state per update, adam + optax plateau": (_split, work.adam_with_optax_plateau),
        "nnx.jit per update, rx.Optimizer, rates recorded": (_per_update_recording, work.controlled_adam),
        "lax.scan of all updates, rx.Optimizer, rates recorded": (_scanned, work.controlled_adam),
    }
    x, y = work.batches(updates, widths[0], widths[-1])
    blocks = {name: loop(work.MLP(*widths, rngs=nnx.Rngs(0)), tx(), x, y) for name, (loop, tx) in loops.items()}
    seconds = interleave(blocks, rounds)
    reference, ours = next(iter(loops)), next(reversed(loops))
    per_update = Spread.of(seconds[reference]).median / updates * 1e6
    return [
        Row.measured(
            f"{label}: {name}",
            Spread.of(seconds[reference] / sample),
            target=Target(">=", 5) if name == ours else None,
            detail=f"{per_update:,.0f} us per update" if name == reference else "",
        )
        for name, sample in seconds.items()
    ]


def _step(model: Any, optimizer: Any, x: jax.Array, y: jax.Array) -> jax.Array:
    loss, grads = nnx.value_and_grad(work.squared_error)(model, x, y)
    optimizer.update(model, grads, value=loss)
    return loss


def _per_batch(step: Callable[[jax.Array, jax.Array], Any], x: jax.Array, y: jax.Array) -> Block:
    """Call `step` once per batch, each batch already an array of its own on the device."""
    pairs = list(zip(x, y, strict=True))
    return lambda: jax.device_get([step(*pair) for pair in pairs])


def _per_update(model: Any, tx: Any, x: jax.Array, y: jax.Array) -> Block:
    optimizer = nnx.Optimizer(model, tx, wrt=nnx.Param)
    step = nnx.jit(_step)
    return _per_batch(lambda x, y: step(model, optimizer, x, y), x, y)


def _per_update_recording(model: Any, tx: Any, x: jax.Array, y: jax.Array) -> Block:
    optimizer = rx.Optimizer(model, tx, wrt=nnx.Param)
    step = nnx.jit(_step)
    return _per_batch(lambda x, y: (step(model, optimizer, x, y), optimizer.learning_rate), x, y)


def _cached_partial(model: Any, tx: Any, x: jax.Array, y: jax.Array) -> Block:
    optimizer = nnx.Optimizer(model, tx, wrt=nnx.Param)
    return _per_batch(nnx.cached_partial(nnx.jit(_step), model, optimizer), x, y)


def _split(model: Any, tx: Any, x: jax.Array, y: jax.Array) -> Block:
    graphdef, state = nnx.split((model, nnx.Optimizer(model, tx, wrt=nnx.Param)))

    @functools.partial(jax.jit, donate_argnums=0)
    def update(state: Any, x: jax.Array, y: jax.Array) -> Any:
        model, optimizer = nnx.merge(graphdef, state)
        loss = _step(model, optimizer, x, y)
        return nnx.state((model, optimizer)), loss

    def step(x: jax.Array, y: jax.Array) -> jax.Array:
        nonlocal state
        state, loss = update(state, x, y)
        return loss

    return _per_batch(step, x, y)


def _scanned(model: Any, tx: Any, x: jax.Array, y: jax.Array) -> Block:
    graphdef, state = nnx.split((model, rx.Optimizer(model, tx, wrt=nnx.Param)))

    def update(state: Any, batch: tuple[jax.Array, jax.Array]) -> Any:
        model, optimizer = nnx.merge(graphdef, state)
        loss = _step(model, optimizer, *batch)
        return nnx.state((model, optimizer)), (loss, optimizer.learning_rate)

    updates = jax.jit(lambda state, batches: jax.lax.scan(update, state, batches), donate_argnums=0)

    def block() -> Any:
        nonlocal state
        state, record = updates(state, (x, y))
        return jax.device_get(record)

    return block
