"""What it costs to record every update: the same loop with and without a recorder."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path
from typing import Any

import jax
from flax import nnx

import rheostax as rx
from benchmarks import _workload as work
from benchmarks._measure import Block, Spread, interleave
from benchmarks._report import Row, Target, Topic, compared
from rheostax.record import JsonLines, snapshot

WIDTHS = [192] * 5  # an update of about a millisecond


def run(quick: bool = False) -> Topic:
    updates, rounds = (10, 3) if quick else (200, 40)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        ours = {
            "recorded in memory": _block(stack, updates, []),
            "recorded as JSON Lines": _block(stack, updates, [JsonLines(folder / "a")]),
            "recorded as JSON Lines, the step returns a snapshot": _block(stack, updates, [JsonLines(folder / "b")], inside=True),
        }
        again = {"not recorded, another model": _block(stack, updates)}  # what noise alone makes of the ratio
        seconds = interleave({"not recorded": _block(stack, updates), **again, **ours}, rounds)
        alone = interleave(
            {"in memory": _alone(stack, updates, []), "as JSON Lines": _alone(stack, updates, [JsonLines(folder / "c")])}, rounds
        )
    rows = compared(seconds, updates, Target("<=", 1.01), judged=ours)
    for name, sample in alone.items():  # a hundredth of a millisecond; the ratios above can't tell so little from noise
        spread = Spread.of(sample / updates * 1e6)
        rows.append(Row.measured(f"what the host does per update, {name}", spread, "us", Target("<=", 10.0)))
    return Topic("Time of an update under nnx.jit, loss and learning rate recorded at every one", rows)


def _alone(stack: contextlib.ExitStack, updates: int, sinks: Any) -> Block:
    """Make a block that records, fetches and writes `updates` times what is ready, and computes nothing."""
    model = work.MLP(*WIDTHS, rngs=nnx.Rngs(0))
    optimizer = rx.Optimizer(model, work.controlled_adam(), wrt=nnx.Param)
    loss = jax.block_until_ready(jax.random.normal(jax.random.key(0)))
    recorder = stack.enter_context(rx.Recorder(optimizer, sinks, every=2 * updates))
    for _ in range(2):
        optimizer.update(model, nnx.state(model, nnx.Param), value=loss)
        recorder.updated(optimizer, loss=loss)  # sees that nothing is donated

    def block() -> Any:
        for _ in range(updates):
            recorder.updated(optimizer, loss=loss)
        recorder.flush()
        return loss

    return block


def _block(stack: contextlib.ExitStack, updates: int, sinks: Any = None, inside: bool = False) -> Block:
    """Make a block of updates; each sends one batch of `updates` records."""
    model = work.MLP(*WIDTHS, rngs=nnx.Rngs(0))
    optimizer = rx.Optimizer(model, work.controlled_adam(), wrt=nnx.Param)
    x, y = (array[0] for array in work.batches(1, WIDTHS[0], WIDTHS[-1]))
    recorder = None if sinks is None else stack.enter_context(rx.Recorder(optimizer, sinks, every=updates))

    @nnx.jit
    def step(model: Any, optimizer: Any, x: jax.Array, y: jax.Array) -> Any:
        loss, grads = nnx.value_and_grad(work.squared_error)(model, x, y)
        optimizer.update(model, grads, value=loss)
        return (loss, snapshot(optimizer)) if inside else (loss, None)

    def plain() -> Any:
        for _ in range(updates):
            loss, _ = step(model, optimizer, x, y)
        return loss

    def recorded() -> Any:
        assert recorder is not None
        for _ in range(updates):
            loss, seen = step(model, optimizer, x, y)
            recorder.updated(seen if inside else optimizer, loss=loss)
        return loss

    return plain if recorder is None else recorded
