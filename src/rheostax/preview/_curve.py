"""The rates of many counts at once: a curve's points, and the sum of a whole run, without holding it in memory."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Iterator
from typing import Any

import jax
import numpy as np

from rheostax._rate import LearningRate, as_count, lower

__all__ = ["EXACT", "Total", "rates_at", "total"]

CHUNK = 1 << 14  # counts that are evaluated at once; all calls have this shape, so there is one compilation
EXACT = 1 << 24  # the longest run whose every update is evaluated
BLOCKS = 1 << 18  # of a longer one

_evaluate = jax.jit(lambda rate, counts: jax.vmap(lambda count: rate.evaluate(rate.init(), count).high)(counts))


def rates_at(rate: LearningRate, counts: Any) -> np.ndarray:
    """Return the rates at some counts, if no metric moves them: `float32 [counts, groups]`, or `[counts, 1]` without groups."""
    counts, lowered = np.asarray(counts), lower(rate)
    return np.concatenate(list(_chunks(lowered, counts))) if counts.size else np.zeros((0, 1), np.float32)


def _chunks(lowered: LearningRate, counts: np.ndarray) -> Iterator[np.ndarray]:
    for begin in range(0, counts.size, CHUNK):
        part = counts[begin : begin + CHUNK]
        padded = np.pad(part, (0, CHUNK - part.size), mode="edge")
        values = np.asarray(_evaluate(lowered, as_count(padded)))
        yield values.reshape(CHUNK, -1)[: part.size]


@dataclasses.dataclass(frozen=True)
class Total:
    """A whole run in a few numbers, one per group."""

    sum: np.ndarray  # float64
    exact: bool  # whether every update was evaluated
    evaluated: int  # how many rates were
    peak: np.ndarray  # float32
    peak_count: np.ndarray  # int64: the first count with it


def total(rate: LearningRate, steps: int, moments: Iterable[int] = (), exact: int = EXACT) -> Total:
    """Return the sum of the rates of a run in float64, and the largest.

    Up to `exact` updates every rate is added. A longer run is cut into blocks between its moments, and a block counts as a straight
    line from its first to its last update.
    """
    lowered = lower(rate)
    parts: Iterable[tuple[np.ndarray, np.ndarray | None]]
    parts = _every(steps) if steps <= exact else _blocks(steps, moments)
    sums, evaluated = np.zeros(1), 0
    peaks, places = [], []
    for counts, weights in parts:
        values = next(_chunks(lowered, counts))
        doubles = values.astype(np.float64)
        sums, evaluated = sums + (doubles.sum(0) if weights is None else weights @ doubles), evaluated + counts.size
        peaks.append(values.max(0))
        places.append(counts[values.argmax(0)])
    first = np.argmax(peaks, axis=0)  # the first of equals
    columns = np.arange(first.size)
    return Total(sums, steps <= exact, evaluated, np.asarray(peaks)[first, columns], np.asarray(places)[first, columns])


def _every(steps: int) -> Iterator[tuple[np.ndarray, None]]:
    for begin in range(0, steps, CHUNK):
        yield np.arange(begin, min(begin + CHUNK, steps)), None


def _blocks(steps: int, moments: Iterable[int]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the first and last counts of blocks that cover a run, with half of each block's length as their weights."""
    cuts = np.unique([0, steps, *(one for one in moments if 0 < one < steps)])
    edges = []
    for begin, end in itertools.pairwise(cuts.tolist()):
        many = int(min(end - begin, max(BLOCKS * (end - begin) // steps, 512)))
        edges.append(np.unique(np.linspace(begin, end, many + 1).astype(np.int64))[:-1])
    begins = np.concatenate(edges)
    lengths = np.diff([*begins, steps])
    for i in range(0, begins.size, CHUNK // 2):
        first, length = begins[i : i + CHUNK // 2], lengths[i : i + CHUNK // 2]
        yield np.concatenate([first, first + length - 1]), np.concatenate([length, length]) / 2.0
