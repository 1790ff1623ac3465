"""Drive the scan: chunk by chunk, so that the memory is bounded whatever the run's length."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np

from rheostax.replay._moments import Moments
from rheostax.replay._result import Decided
from rheostax.replay._scan import Family, advance, moved, rates_at, rates_of_pairs

__all__ = ["Outcome", "drive", "inputs_of"]

NUMBERS = 1 << 20  # moments times settings of a chunk
LONGEST = 1 << 14  # moments of a chunk
PAIRS = 1 << 10  # decisions whose rates are computed together
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
    rates, found = _Rates(family, updates, settings, length), _Decisions(family, settings)
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
    state, waiting = family.start, None
    for begin in begins:
        before = [state[i] for i in family.read]
        state, states = advance(family.rate, state, inputs_of(moments, begin, length), moments.patterns, family.read)
        if waiting:
            yield waiting
        waiting = begin, before, states
    yield waiting


class _Rates:
    """The rates of all updates: their sum, the last ones, and as many as are kept."""

    def __init__(self, family: Family, updates: int, settings: int, length: int) -> None:
        self.family, self.updates, self.length = family, updates, length
        few = updates * settings <= KEPT
        self.kept = np.arange(updates) if few else np.unique(np.linspace(0, updates - 1, POINTS).astype(np.int64))
        self.done, self.parts, self.total, self.last = 0, [], 0.0, None

    def look(self, states: list[np.ndarray], counts: np.ndarray, end: int) -> None:
        """Evaluate the rates from where the last chunk ended up to `end`, which is evaluated with the next one."""
        size = min(self.length, 1 << max(self.updates - 1, 1).bit_length())
        for begin in range(self.done, min(end, self.updates), size):
            number = min(size, min(end, self.updates) - begin)
            wanted = np.minimum(np.arange(begin, begin + size), begin + number - 1)
            which = np.searchsorted(counts, wanted, side="right")
            values = np.asarray(rates_at(self.family.rate, self.family.start, states, which, wanted.astype(np.int32), self.family.read))
            self._take(begin, values[:number])
        self.done = max(self.done, min(end, self.updates))

    def _take(self, begin: int, values: np.ndarray) -> None:
        if np.isnan(values).any():  # a foreign schedule gave no rate: the one before stays in effect
            values = _filled(values, np.zeros_like(values[0]) if self.last is None else self.last)
        self.last = values[-1]
        self.total = self.total + values.sum(axis=0, dtype=np.float64)
        first, after = np.searchsorted(self.kept, [begin, begin + len(values)])
        self.parts.append(values[self.kept[first:after] - begin])

    def result(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        assert self.last is not None
        return self.kept, np.concatenate(self.parts), self.last, np.asarray(self.total)


def _filled(values: np.ndarray, before: np.ndarray) -> np.ndarray:
    whole = np.concatenate([before[None], values])
    places = np.where(np.isnan(whole), 0, np.arange(len(whole)).reshape(-1, *[1] * (whole.ndim - 1)))
    return np.take_along_axis(whole, np.maximum.accumulate(places, axis=0), axis=0)[1:]


class _Decisions:
    """The moments at which each setting decided something, with the rates before and after."""

    def __init__(self, family: Family, settings: int) -> None:
        self.family, self.settings = family, settings
        self.found: list[tuple[np.ndarray, ...]] = []

    def look(self, states: list[np.ndarray], counts: np.ndarray, begin: int) -> None:
        """Find the decisions of a chunk."""
        if not len(counts):
            return
        any_policy = np.asarray(moved(self.family.rate, self.family.start, states, self.family.read)).any(axis=0)
        places, settings = np.nonzero(any_policy[: len(counts)])
        for first in range(0, len(places), PAIRS):
            pair = places[first : first + PAIRS], settings[first : first + PAIRS]
            full = [np.concatenate([one, np.zeros(PAIRS - len(one), one.dtype)]) for one in pair]  # one shape to compile
            when = counts[full[0]]
            old, new = rates_of_pairs(self.family.rate, self.family.start, states, tuple(full), when, self.family.read)
            number = len(pair[0])
            self.found.append((pair[0] + begin, pair[1], np.asarray(old)[:number], np.asarray(new)[:number]))

    def result(self, moments: Moments) -> list[Decided]:
        if not self.found:
            nothing = np.zeros(0, np.float32)
            return [Decided(np.zeros(0, np.int64), np.zeros(0, np.int64), nothing, nothing)] * self.settings
        places, settings, old, new = (np.concatenate(parts) for parts in zip(*self.found, strict=True))
        order = np.argsort(settings, kind="stable")
        ends = np.searchsorted(settings[order], np.arange(self.settings + 1))
        mine = [order[a:b] for a, b in zip(ends[:-1], ends[1:], strict=True)]
        return [Decided(places[one], moments.count[places[one]].astype(np.int64), old[one], new[one]) for one in mine]
