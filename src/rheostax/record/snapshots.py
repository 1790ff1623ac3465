"""Snapshots that a loop collects on the device, to hand over many at a time."""

from __future__ import annotations

from typing import Any, NamedTuple, Self

import jax
import jax.numpy as jnp
import numpy as np

from rheostax import _check
from rheostax._counter import increment
from rheostax.errors import ArgumentError

__all__ = ["Snapshots"]


class Snapshots(NamedTuple):
    """The last n snapshots of a loop.

    Carry it through a jitted training step and `add` each update's snapshot there; after every n updates hand it to
    `Recorder.scanned`, and go on with what `cleared` returns. Then the host has nothing to do for a record at the other updates.
    Donate it, so that it is changed in place. Where more than n were added, the oldest are lost, and the run's warnings say how many.

    Attributes:
        table: `int32 [n, 1 + m]`: a row's number (1, 2, ...; 0 for an empty one), and a snapshot of m numbers. It is one array, since a
            jitted call takes some microseconds for each that goes in and out; and XLA copies none that is written in one place only.

    >>> import functools, jax, jax.numpy as jnp, optax, rheostax as rx
    >>> from rheostax.record import Snapshots, snapshot
    >>> tx = rx.control(optax.sgd, rx.Linear(1.0, 0.0, 8))
    >>> params = jnp.ones(2)
    >>> state = tx.init(params)
    >>> @functools.partial(jax.jit, donate_argnames="snapshots")
    ... def step(params, state, snapshots):
    ...     updates, state = tx.update(params, state, params)
    ...     params = optax.apply_updates(params, updates)
    ...     return params, state, snapshots.add(snapshot(state, loss=params.sum()))
    >>> snapshots = Snapshots.empty(snapshot(state, loss=0.0), 4)
    >>> with rx.Recorder(state) as recorder:
    ...     for i in range(8):
    ...         params, state, snapshots = step(params, state, snapshots)
    ...         if i % 4 == 3:
    ...             recorder.scanned(snapshots)
    ...             snapshots = snapshots.cleared()
    >>> print(recorder.history["learning_rate"])
    [1.    0.875 0.75  0.625 0.5   0.375 0.25  0.125]
    """

    table: jax.Array

    @classmethod
    def empty(cls, snapshot: Any, n: int) -> Self:
        """Return an empty collection.

        Args:
            snapshot: One that is like those to come, with metrics of the same names; it isn't added.
            n: How many it holds, a whole number >= 1.

        Raises:
            ArgumentError: If an argument breaks its rule.
        """
        _check.single(holder := type("Snapshots.empty", (), {"n": n})(), "n")
        _check.whole(holder, "n")
        like = jax.eval_shape(lambda: snapshot)
        if getattr(like, "ndim", None) != 1 or like.dtype != jnp.int32:
            raise ArgumentError(f"Snapshots.empty: snapshot must be what rheostax.record.snapshot returns, got {like!r}.")
        return cls(jnp.zeros((holder.n, 1 + like.shape[0]), jnp.int32))

    def add(self, snapshot: jax.Array) -> Self:
        """Return the collection with one more; inside or outside `jax.jit`.

        Raises:
            ArgumentError: If it isn't like those before.
        """
        n, width = self._shape()
        shape, dtype = np.shape(snapshot), getattr(snapshot, "dtype", type(snapshot).__name__)
        if shape != (width - 1,) or dtype != jnp.int32:
            rule = f"like the one that the collection was made for, int32 [{width - 1}]"
            raise ArgumentError(f"Snapshots.add: snapshot must be {rule}; got {dtype} {list(shape)}.")
        added = self.table[:, 0].max()
        row = jnp.concatenate([increment(added)[None], snapshot])
        return self._replace(table=jax.lax.dynamic_update_index_in_dim(self.table, row, added % n, 0))

    def cleared(self) -> Self:
        """Return the collection as it was before the first."""
        return self._replace(table=jnp.asarray(self.table).at[..., 0].set(0))

    def in_order(self) -> np.ndarray:
        """Return what is in it, the oldest first, `int32 [k, m]`. It waits for the device.

        Raises:
            ArgumentError: If it is a batch of collections.
        """
        self._shape()
        table = np.asarray(self.table)
        table = table[table[:, 0] > 0]
        return table[table[:, 0].argsort(), 1:]

    def _shape(self) -> tuple[int, int]:
        if np.ndim(self.table) != 2:
            one = "take one of it: jax.tree.map(lambda x: x[i], snapshots)"
            raise ArgumentError(f"Snapshots: this is a batch of them, int32 {list(np.shape(self.table))}; {one}.")
        n, width = np.shape(self.table)
        return n, width
