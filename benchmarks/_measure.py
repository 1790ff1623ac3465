"""Compare things on a noisy machine.

Candidates take turns within one run, and what counts is the ratio to the reference *of the same round*: what slows the whole
machine down slows both. The median over the rounds and the quartiles around it are reported, never a mean of times.
"""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import time
from collections.abc import Callable, Iterator, Mapping

import jax
import numpy as np

Block = Callable[[], object]  # does a fixed amount of work and returns the arrays that must be ready when it is over


@dataclasses.dataclass(frozen=True)
class Spread:
    """The median of a sample, and its quartiles."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, sample: np.ndarray) -> Spread:
        low, median, high = np.percentile(sample, [25, 50, 75])
        return cls(float(median), float(low), float(high))


def interleave(blocks: Mapping[str, Block], rounds: int, warmup: int = 1, turns: int = 1) -> dict[str, np.ndarray]:
    """Return the seconds of every block in every round, `float64 [rounds]` by name.

    The blocks of a round run one after another in an order that is drawn anew, each in `turns` turns, whose seconds are summed. The
    shorter a block and the more turns, the more alike is the machine to all of them.
    """
    for block in list(blocks.values()) * warmup * turns:
        jax.block_until_ready(block())
    random = np.random.default_rng(0)
    seconds = {name: np.zeros((rounds, turns)) for name in blocks}
    with without_garbage_collection():
        for where in np.ndindex(rounds, turns):
            for name in random.permutation(list(blocks)).tolist():
                begin = time.perf_counter()
                jax.block_until_ready(blocks[name]())
                seconds[name][where] = time.perf_counter() - begin
            gc.collect()
    return {name: sample.sum(axis=1) for name, sample in seconds.items()}


@contextlib.contextmanager
def without_garbage_collection() -> Iterator[None]:
    """Collect garbage before, and not meanwhile."""
    gc.collect()
    gc.freeze()  # or the collections between the rounds would go through all of JAX, and leave nothing of it in the caches
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.unfreeze()


@contextlib.contextmanager
def compilations() -> Iterator[list[str]]:
    """Collect in a list one entry for everything that is compiled meanwhile, by anyone."""
    seen: list[str] = []

    def listen(event: str, duration_secs: float, **_: object) -> None:
        if event.endswith("/backend_compile_duration"):
            seen.append(event)

    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        yield seen
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)
