"""The batches of a race: one stream for all candidates, from a list, a function or an iterator."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import jax
import numpy as np

from rheostax.errors import ArgumentError

__all__ = ["Batches", "Feed"]

Batches = Iterable[Any] | Callable[[], Iterable[Any]]


class Feed:
    """Batches as stacks."""

    def __init__(self, batches: Batches, steps: int) -> None:
        self._make = batches if callable(batches) else None
        self._steps = steps
        source = itertools.cycle(batches) if isinstance(batches, Sequence) else batches
        self._iterator = self._epochs() if self._make else iter(source)  # type: ignore[arg-type]
        self._taken = 0
        self.first = self._next()
        self._waiting = [self.first]

    def _epochs(self) -> Iterator[Any]:
        while True:
            before = self._taken
            for batch in self._make():  # type: ignore[misc]
                self._taken += 1
                yield batch
            if self._taken == before:
                raise ArgumentError("race: batches() gave no batch; it must return a new iterator each time.")

    def _next(self) -> Any:
        try:
            return next(self._iterator)
        except StopIteration:
            raise ArgumentError(
                f"race: batches must last for steps={self._steps:,} updates and ended before. Give a list, which is cycled through, "
                "or a function that makes an iterator."
            ) from None

    def take(self, count: int) -> Any:
        """Return the next `count` batches, stacked."""
        found = [self._waiting.pop() if self._waiting else self._next() for _ in range(count)]
        try:
            return jax.tree.map(lambda *leaves: np.stack(leaves), *found)
        except ValueError as error:
            raise ArgumentError(
                f"race: batches must all have the same structure and shapes, since one compiled update takes them: {error}. "
                "Leave out a last one that is smaller."
            ) from None
