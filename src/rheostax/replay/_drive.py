"""Drive the scan: chunk by chunk, so that the memory is bounded whatever the run's length."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from rheostax.replay._moments import Moments
from rheostax.replay._result import Decided
from rheostax.replay._scan import Family, advance, moved, rates_at

__all__ = ["Outcome", "drive", "inputs_of"]

NUMBERS = 1 << 20  # moments times settings of a chunk
LONGEST = 1 << 14  # moments of a chunk
TOGETHER = 1 << 10  # counts at which rates are computed in one dispatch
KEPT = 1 << 22  # so many rates in all are kept; of more, some evenly spaced ones
POINTS = 2_000  # so many


@dataclasses.dataclass
class Outcome:
    """What was found of one family of settings."""

    counts: np.ndarray  # int64 [n]
    rates: np.ndarray  # float32 [n, settings, ...]
    final: np.ndarray  # float32 [settings, ...]
    total: np.ndarray  # float64 [settings, ...]
    decided: list[Decided]


def drive(family: Family, settings: int, moments: Moments, updates: int) -> Outcome:
    """Let every setting of a family observe every moment, and find its rates and when it decided something."""
    length = chunk_length(settings, len(moments))
    block = min(TOGETHER, 1 << max(updates - 1, 1).bit_length())
    rates, found = _Rates(family, updates, settings, block), _Decisions(family, settings, block)
    begins = list(range(0, max(len(moments), 1), length))
    for begin, before, states in _chunks(family, moments, begins, length):
        part = [np.concatenate([np.asarray(old)[None], np.asarray(new)]) for old, new in zip(before, states, strict=True)]
        counts = moments.count[begin : begin + length]
        found.look(part, counts, begin)
        after = begin + length
        rates.look(part, counts, int(moments.count[after]) if after < len(moments) else updates)
    return Outcome(*rates.result(), found.result(moments))


def chunk_length(settings: int, moments: int) -> int:
    """Return how many moments are scanned in one dispatch: a power of two, so that few shapes are compiled."""
    most = max(min(NUMBERS // settings, LONGEST), 64)
    return min(1 << (most.bit_length() - 1), 1 << max(moments - 1, 1).bit_length())


def inputs_of(moments: Moments, begin: int, length: int) -> Any:
    """Return the inputs of a chunk, the last one filled up: what follows the last moment is never looked at."""

    def part(values: np.ndarray) -> np.ndarray:
        chunk = values[begin : begin + length]
        return np.concatenate([chunk, np.zeros(length - len(chunk), chunk.dtype)])

    return part(moments.count), part(moments.pattern), {name: part(values) for name, values in moments.values.items()}


def _chunks(family: Family, moments: Moments, begins: list[int], length: int) -> Iterator[tuple[int, Any, Any]]:
    """Yield where each chunk begins, the leaves that are read before it, and after each of its moments.

    The next chunk is dispatched before one is yielded, so that the host looks at one while the device computes the other.
    """
    if not len(moments):
        yield 0, [family.start[i] for i in family.read], [np.asarray(family.start[i])[:0, None] for i in family.read]
        return
    state, waiting = family.start, list[tuple[int, Any, Any]]()
    for begin in begins:
        before = [state[i] for i in family.read]
        state, states = advance(family.rate, state, inputs_of(moments, begin, length), moments.patterns, family.read)
        yield from waiting
        waiting = [(begin, before, states)]
    yield from waiting


class _Rates:
    """The rates of all updates: their sum, the last ones, and as many as are kept."""

    def __init__(self, family: Family, updates: int, settings: int, block: int) -> None:
        self.family, self.updates, self.block = family, updates, block
        few = updates * settings <= KEPT
        self.kept = np.arange(updates) if few else np.unique(np.linspace(0, updates - 1, POINTS).astype(np.int64))
        self.done, self.parts = 0, list[np.ndarray]()
        self.total: Any = 0.0
        self.last: Any = None

    def look(self, states: list[np.ndarray], counts: np.ndarray, end: int) -> None:
        """Evaluate the rates from where the last chunk ended up to `end`, which is evaluated with the next one."""
        last = min(end, self.updates)
        for begin in range(self.done, last, self.block):
            wanted = np.arange(begin, min(begin + self.block, last))
            which = np.searchsorted(counts, wanted, side="right")
            self._take(begin, _evaluate(self.family, states, which, wanted, self.block))
        self.done = max(self.done, last)

    def _take(self, begin: int, values: np.ndarray) -> None:
        if np.isnan(values).any():  # a foreign schedule gave no rate: the one before stays in effect
            values = _filled(values, np.zeros_like(values[0]) if self.last is None else self.last)
        self.last = values[-1]
        self.total = self.total + values.sum(axis=0, dtype=np.float64)
        first, after = np.searchsorted(self.kept, [begin, begin + len(values)])
        self.parts.append(values[self.kept[first:after] - begin])

    def result(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        return self.kept, np.concatenate(self.parts), self.last, np.asarray(self.total)


def _filled(values: np.ndarray, before: np.ndarray) -> np.ndarray:
    whole = np.concatenate([before[None], values])
    places = np.where(np.isnan(whole), 0, np.arange(len(whole)).reshape(-1, *[1] * (whole.ndim - 1)))
    return np.take_along_axis(whole, np.maximum.accumulate(places, axis=0), axis=0)[1:]


def _evaluate(family: Family, states: list[np.ndarray], which: np.ndarray, counts: np.ndarray, block: int) -> np.ndarray:
    """Return the rates of all settings at some counts, each with the states of its number; filled up, to compile one shape."""
    number, missing = len(counts), (0, block - len(counts))
    filled = np.pad(which, missing), np.pad(counts, missing).astype(np.int32)
    return np.asarray(rates_at(family.rate, family.start, states, *filled, family.read))[:number]


class _Decisions:
    """The moments at which each setting decided something, with the rates before and after."""

    def __init__(self, family: Family, settings: int, block: int) -> None:
        self.family, self.settings, self.block = family, settings, block
        self.found: list[tuple[np.ndarray, ...]] = []

    def look(self, states: list[np.ndarray], counts: np.ndarray, begin: int) -> None:
        """Find the decisions of a chunk."""
        if not len(counts):
            return
        by_policy = np.asarray(moved(self.family.rate, self.family.start, states, self.family.read))
        any_policy = np.any(by_policy[:, : len(counts)], axis=0)
        eventful = np.flatnonzero(any_policy.any(axis=1))
        for first in range(0, len(eventful), self.block):
            at = eventful[first : first + self.block]
            places, settings = np.nonzero(any_policy[at])
            old, new = (_evaluate(self.family, states, at + after, counts[at], self.block)[places, settings] for after in (0, 1))
            self.found.append((at[places] + begin, settings, np.nan_to_num(old), np.nan_to_num(new)))  # as in the journal

    def result(self, moments: Moments) -> list[Decided]:
        if not self.found:
            nothing = np.zeros(0, np.float32)
            return [Decided(np.zeros(0, np.int64), np.zeros(0, np.int64), nothing, nothing)] * self.settings
        places, settings, old, new = (np.concatenate(parts) for parts in zip(*self.found, strict=True))
        order = np.argsort(settings, kind="stable")
        ends = np.searchsorted(settings[order], np.arange(self.settings + 1))
        mine = [order[a:b] for a, b in itertools.pairwise(ends)]
        return [Decided(places[one], moments.count[places[one]].astype(np.int64), old[one], new[one]) for one in mine]
