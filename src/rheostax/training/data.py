"""Batches: what a task trains on."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any, Protocol

import jax
import numpy as np

from rheostax.errors import TaskError

__all__ = ["Arrays", "Data"]

Batch = Any  # a pytree of arrays with a common leading axis


class Data(Protocol):
    """What a task's `data()` returns. Loaders such as grain fit behind it in a few lines."""

    @property
    def batches_per_epoch(self) -> int:
        """How many batches `train` yields."""

    def train(self, epoch: int, seed: int) -> Iterator[Batch]:
        """Yield the batches of an epoch (0, 1, ...), all of one shape; the same again for the same epoch and seed."""

    def validation(self) -> Iterator[Batch]:
        """Yield the validation batches, the same each time; the last may be smaller."""


@dataclasses.dataclass(frozen=True)
class Arrays:
    """Data that fits in memory: shuffled anew each epoch; a last batch that isn't full is left out of training.

    Args:
        training: A dict (or any pytree) of arrays with the examples along the first axis.
        held_out: The same for validation.
        batch_size: Examples per batch, from 1 to the number of training examples.
    """

    training: Any
    held_out: Any
    batch_size: int

    def __post_init__(self) -> None:
        size = _length(self.training)
        if not 1 <= self.batch_size <= size:
            raise TaskError(f"batch_size must be between 1 and the number of training examples, {size:,}, got {self.batch_size:,}.")

    @property
    def batches_per_epoch(self) -> int:
        return _length(self.training) // self.batch_size

    def train(self, epoch: int, seed: int) -> Iterator[Batch]:
        order = np.random.default_rng([seed, epoch]).permutation(_length(self.training))
        for chosen in order[: self.batches_per_epoch * self.batch_size].reshape(-1, self.batch_size):
            yield jax.tree.map(lambda array, rows=chosen: array[rows], self.training)

    def validation(self) -> Iterator[Batch]:
        size = max(self.batch_size, 256)  # nothing is kept for a backward pass, so larger batches fit
        for start in range(0, _length(self.held_out), size):
            yield jax.tree.map(lambda array, rows=slice(start, start + size): array[rows], self.held_out)


def _length(tree: Any) -> int:
    return len(jax.tree.leaves(tree)[0])
