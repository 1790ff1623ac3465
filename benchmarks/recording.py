"""What it costs to record every update: the same loop with and without a recorder.

Under `jax.jit` an update is a millisecond of computing, which the recorder's work on the host goes beside. Under `nnx.jit` it is a
millisecond of Python, to which that work is added.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
from flax import nnx

import rheostax as rx
from benchmarks import _workload as work
from benchmarks._measure import Block, Spread, interleave, without_garbage_collection
from benchmarks._report import Row, Target, Topic, compared
from benchmarks.update_jax import arguments, make_step
from rheostax.record import JsonLines, Snapshots, snapshot

COMPUTING, IN_PYTHON = [320] * 5, [192] * 6  # widths with which an update takes about a millisecond under either
TURNS = 10  # in which the updates of a round are made, so that a slow moment of the machine meets all loops
WAYS = {  # whether JSON Lines are written, and what the step returns in place of the loss
    "recorded in memory": (False, None),
    "recorded as JSON Lines": (True, None),
    "recorded as JSON Lines, the step returns a snapshot": (True, "snapshot"),
    "recorded as JSON Lines, the step collects snapshots": (True, "snapshots"),
}

Step = Callable[[], tuple[Any, Any]]  # makes an update, and returns its loss, or None, and what the recorder is given


def run(quick: bool = False) -> Topic:
    updates, times, rounds = (10, 1, 3) if quick else (500, 6, 8)  # 500: what a recorder sends at once
    rows = _compare("jax.jit", functools.partial(_pure, COMPUTING, updates), updates, times, rounds)
    rows += _compare("nnx.jit", functools.partial(_nnx, IN_PYTHON, updates), updates, times, rounds)
    for inside, name in (None, "in memory"), ("snapshot", "the step returns a snapshot"), ("snapshots", "the step collects snapshots"):
        spread = Spread.of(_calls(_nnx(IN_PYTHON, updates, inside), updates, times + 2))
        rows.append(Row.measured(f"nnx.jit: processor time of the recorder per update, {name}", spread, "us", Target("<=", 10.0)))
    return Topic("Time of an update of about a millisecond, loss and learning rate recorded at every one", rows)


def _compare(label: str, make: Callable[[str | None], tuple[Any, Step]], updates: int, times: int, rounds: int) -> list[Row]:
    """Compare loops that are made anew some times: where their arrays and programs lie in memory alone is a percent of the time."""
    several = [_measure(label, make, updates, rounds) for _ in range(times)]
    seconds = {name: np.concatenate([sample[name] for sample in several]) for name in several[0]}
    judged = [name for name in seconds if "not recorded" not in name]
    return compared(seconds, updates, Target("<=", 1.01), judged)


def _measure(label: str, make: Callable[[str | None], tuple[Any, Step]], updates: int, rounds: int) -> dict[str, np.ndarray]:
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        blocks = {
            f"{label}: not recorded": _block(make(None)[1], updates),
            f"{label}: not recorded, once more": _block(make(None)[1], updates),  # what noise alone makes of the ratio
        }
        for i, (name, (written, inside)) in enumerate(WAYS.items()):
            x, step = make(inside)
            recorder = stack.enter_context(rx.Recorder(x, [JsonLines(folder / str(i))] if written else [], every=updates))
            blocks[f"{label}: {name}"] = _block(step, updates, recorder)
        return interleave(blocks, rounds, warmup=4, turns=TURNS)  # the plateau's decisions, some milliseconds each, are over then


def _block(step: Step, updates: int, recorder: rx.Recorder | None = None) -> Block:
    """Make a block of a part of the updates; all of its turns send one batch of `updates` records."""
    position = itertools.cycle(range(updates))

    def block() -> Any:
        for i in itertools.islice(position, updates // TURNS):
            told = step()
            if recorder is not None:
                record(recorder, *told, last=i == updates - 1)
        return told[1] if told[0] is None else told[0]

    return block


def record(recorder: rx.Recorder, loss: jax.Array | None, seen: Any, last: bool) -> None:
    if loss is not None:
        recorder.updated(seen, loss=loss)
    elif not isinstance(seen, Snapshots):
        recorder.updated(seen)
    elif last:
        recorder.scanned(seen)


def _calls(made: tuple[Any, Step], updates: int, rounds: int) -> np.ndarray:
    """Return the microseconds of the host's processor that the recorder takes of an update within the loop, `[rounds]`."""
    x, step = made
    taken = np.zeros((rounds + 1, updates))
    with rx.Recorder(x, every=updates) as recorder, without_garbage_collection():
        for i in np.ndindex(*taken.shape):
            loss, seen = step()
            begin = time.thread_time()
            record(recorder, loss, seen, last=i[1] == updates - 1)
            taken[i] = time.thread_time() - begin
    clock = [time.thread_time() - time.thread_time() for _ in range(1000)]  # what it takes to ask for the time
    return (taken[1:].mean(1) + np.median(clock)) * 1e6


def _pure(widths: list[int], n: int, inside: str | None) -> tuple[Any, Step]:
    """Return the first state, and updates under jax.jit, donated."""
    tx = work.controlled_adam()
    plain = make_step(tx)
    params, state, x, y = arguments(widths, tx)

    @functools.partial(jax.jit, donate_argnums=(0, 1))
    def telling(*given: Any) -> Any:
        params, state, loss = plain(*given)
        return params, state, snapshot(state, loss=loss)

    @functools.partial(jax.jit, donate_argnums=(0, 1, 2))
    def collecting(params: Any, state: Any, snapshots: Snapshots, *data: Any) -> Any:
        params, state, loss = plain(params, state, *data)
        return params, state, snapshots.add(snapshot(state, loss=loss))

    snapshots, made = Snapshots.empty(snapshot(state, loss=0.0), n), 0

    def step() -> tuple[Any, Any]:
        nonlocal params, state, snapshots, made
        if inside == "snapshot":
            params, state, seen = telling(params, state, x, y)
            return None, seen
        if inside == "snapshots":
            params, state, snapshots = collecting(params, state, snapshots if made % n else snapshots.cleared(), x, y)
            made += 1
            return None, snapshots
        params, state, loss = plain(params, state, x, y)
        return loss, state

    return state, step


def _nnx(widths: list[int], n: int, inside: str | None) -> tuple[Any, Step]:
    """Return the optimizer, and updates under nnx.jit."""
    model = work.MLP(*widths, rngs=nnx.Rngs(0))
    optimizer = rx.Optimizer(model, work.controlled_adam(), wrt=nnx.Param)
    x, y = (array[0] for array in work.batches(1, widths[0], widths[-1]))

    @functools.partial(nnx.jit, donate_argnames="snapshots")  # so that they are changed in place
    def update(model: Any, optimizer: Any, snapshots: Any, x: jax.Array, y: jax.Array) -> Any:
        loss, grads = nnx.value_and_grad(work.squared_error)(model, x, y)
        optimizer.update(model, grads, value=loss)
        if inside is None:
            return loss
        seen = snapshot(optimizer, loss=loss)
        return seen if snapshots is None else snapshots.add(seen)

    snapshots, made = Snapshots.empty(snapshot(optimizer, loss=0.0), n) if inside == "snapshots" else None, 0

    def step() -> tuple[Any, Any]:
        nonlocal snapshots, made
        told = update(model, optimizer, snapshots, x, y)
        if snapshots is not None:
            made += 1
            snapshots = told if made % n else told.cleared()
        return (told, optimizer) if inside is None else (None, told)

    return optimizer, step
