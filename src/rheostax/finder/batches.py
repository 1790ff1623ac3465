"""Where the batches of a sweep come from."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rheostax.errors import ArgumentError

__all__ = ["Source", "stacked"]

WANTED = "a list of batches, an array with a row per batch, a loader, an iterator, or a function that makes one of these"


class Source:
    """Gives each repeat its batches, and counts how many were taken.

    What can be read again (a list, an array, a loader) is, pass after pass; a list and an array are reordered for each pass but
    the first of the first repeat. An iterator is read on, by every repeat: it isn't wound back. A function is called with the
    repeat (0, 1, ...).
    """

    def __init__(self, batches: Any) -> None:
        function = callable(batches) and not hasattr(batches, "__iter__")
        if not function and (isinstance(batches, Mapping | str | bytes) or not isinstance(batches, Iterable)):
            advice = " One batch alone is [batch]." if isinstance(batches, Mapping) else ""
            raise ArgumentError(f"batches must be {WANTED}, got {type(batches).__name__}.{advice}")
        self.batches = batches
        self.taken = 0
        self.function = function

    @property
    def is_iterator(self) -> bool:
        """Whether what is taken is gone."""
        return isinstance(self.batches, Iterator)

    def stream(self, repeat: int) -> Iterator[Any]:
        """Yield the batches of one repeat, without end where that is possible."""
        found = self.batches(repeat) if self.function else self.batches
        if not isinstance(found, Iterable):
            raise ArgumentError(f"batches({repeat}) must return {WANTED.rpartition(', or')[0]}, got {type(found).__name__}.")
        for batch in itertools.chain.from_iterable(_passes(found, 0 if self.function else repeat)):
            self.taken += 1
            yield batch

    def streams(self, repeats: int) -> Iterator[Any]:
        """Yield a batch of every repeat at a time, stacked."""
        together = zip(*map(self.stream, range(repeats)), strict=False)  # who misses some says so
        return (stacked(list(several)) for several in together)


def _passes(found: Iterable[Any], repeat: int) -> Iterator[Iterable[Any]]:
    if isinstance(found, Iterator):
        yield found
        return
    if isinstance(found, list | tuple | np.ndarray | jax.Array):
        if len(found) == 0:
            raise ArgumentError("batches must hold at least one batch, got none.")
        for number in itertools.count():
            order = np.arange(len(found))
            if repeat or number:
                order = np.random.default_rng([repeat, number]).permutation(len(found))
            yield (found[i] for i in order)
    while True:
        several = iter(found)
        if several is found:
            raise ArgumentError("batches can be read only once though it is no iterator; give a function that makes a new one.")
        try:
            first = next(several)
        except StopIteration:
            raise ArgumentError("batches must yield at least one batch, got none.") from None
        yield itertools.chain((first,), several)


def stacked(batches: list[Any]) -> Any:
    """Stack batches, which must be alike; those on a device stay there."""
    first: Any = jax.tree.structure(batches[0])
    shapes = _shapes(batches[0])
    for i, batch in enumerate(batches):
        if jax.tree.structure(batch) != first:
            raise ArgumentError(f"batches must have one structure, but one is {first} and another {jax.tree.structure(batch)}.")
        if _shapes(batch) != shapes:
            raise ArgumentError(
                f"batches must have one shape, but one has {shapes} and another, {i} after it, {_shapes(batch)}. "
                "Leave out a last batch that isn't full."
            )
    return jax.tree.map(lambda *rows: (jnp if isinstance(rows[0], jax.Array) else np).stack(rows), *batches)


def _shapes(batch: Any) -> list[tuple[int, ...]]:
    return [tuple(np.shape(leaf)) for leaf in jax.tree.leaves(batch)]
