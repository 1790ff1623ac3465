"""What a recorder takes at every update: as little work as possible, and nothing that waits for the device."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rheostax._words import counted
from rheostax.errors import ArgumentError, RheostaxWarning
from rheostax.record._chunk import OWN, Column, labelled
from rheostax.record._entries import Bare, Entry, columns_of
from rheostax.record.snapshot import SINGLE, Reader, pack
from rheostax.record.snapshots import Snapshots

__all__ = ["Handed", "Intake"]


class Handed(NamedTuple):
    """What a loop hands over of many updates; until it is fetched, on the device."""

    snapshots: Any  # int32 [n, m], or Snapshots
    metrics: dict[str, Any]  # [n] each
    shapes: Any  # of all this where it is on the device
    time: float


class Intake:
    """Check what comes, and keep it from being deleted.

    A jitted function that donates its arguments deletes their arrays, so they are copied. On a CPU that costs tens of microseconds of an
    update, since the copy has to wait for the update in another thread. Whether the loop donates shows at the second update; if it
    doesn't, the arrays themselves are kept.
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._names: set[str] = set()  # metrics seen so far
        self._single: dict[str, Any] = {}  # those of them that go into the vector, and the shape and dtype that they had last
        self._deleted: set[str] = set()
        self._array: Any = None  # the type of a metric on the device
        self._copies: bool | None = None  # whether to copy; None as long as it isn't known
        self._before: Any = None  # an array of the state that came before
        self.kind: Any = None  # of the last snapshot
        self.vector: Any = None  # its shape and dtype
        self._vectors: set[Any] = set()  # and of all that have come, and of what was handed over

    def take(self, x: Any, metrics: dict[str, Any]) -> tuple[tuple[Any, ...], tuple[str, ...], dict[str, Any]]:
        """Return the first three fields of an entry."""
        single: list[str] = []
        values: list[Any] = []
        others: dict[str, Any] = {}
        for name, value in metrics.items():
            if type(value) is self._array and (value.aval is self._single.get(name) or self._goes_in(name, value)):
                single.append(name)
                values.append(value)
            elif type(value) is float and name in self._names:
                others[name] = value
            elif value is not None:
                others[name] = self._admit(name, value)
        if type(x) is not self._reader.kind and isinstance(x, jax.Array):
            self._require_snapshot(x, metrics)
            return (x, *values), tuple(single), others
        parts = self._reader.parts(x)
        if not self._must_copy(parts[1]):
            return (*parts, *values), tuple(single), others
        try:
            return (pack(*parts, *values),), tuple(single), others
        except ValueError:  # metrics on other devices than the state
            return (pack(*parts),), (), others | {name: jnp.copy(metrics[name]) for name in single}

    def _goes_in(self, name: str, value: Any) -> bool:
        """Tell whether an array goes into the vector. To look takes longer than to see that it is of one type with the last."""
        if name not in self._single or value.shape != () or value.dtype not in SINGLE:
            return False
        self._single[name] = value.aval
        return True

    def _must_copy(self, array: Any) -> bool:
        if self._copies is None:
            if self._before is not None and array is not self._before:
                self._copies = self._before.is_deleted() or next(iter(array.devices())).platform != "cpu"
            self._before = array
            return True
        if not self._copies:
            self._copies = self._before.is_deleted()  # a loop that begins to donate later
            self._before = array
        return self._copies

    def _admit(self, name: str, value: Any) -> Any:
        """Check a metric of which nothing is known yet, or which is neither of the usual kinds."""
        if name in OWN:
            raise ArgumentError(f"Recorder: {name!r} is a field of every record; give the metric another name.")
        if isinstance(value, jax.core.Tracer):
            raise ArgumentError(f"Recorder: the metric {name!r} is a tracer; call the recorder outside of jax.jit.")
        if hasattr(value, "get_raw_value"):  # a Flax Variable
            value = value.get_raw_value()
        array = value if isinstance(value, jax.Array) else np.asarray(value)
        if array.shape != () or not _is_real(array):
            raise ArgumentError(f"Recorder: the metric {name!r} must be a real scalar, got {array.dtype} {list(array.shape)}.")
        self._names.add(name)
        if not isinstance(array, jax.Array):
            return float(array)
        if array.dtype in SINGLE:
            self._array = type(array)
            self._single[name] = array.aval  # from the next time on it goes into the vector
        return jnp.copy(array)

    def _require_snapshot(self, x: jax.Array, metrics: dict[str, Any]) -> None:
        """Look into the first snapshot of a shape, for which that waits. Where metrics are told later by both, what is given counts."""
        if isinstance(x, jax.core.Tracer):
            raise ArgumentError("Recorder: x is a tracer; call the recorder outside of jax.jit.")
        if x.aval not in self._vectors:
            if x.ndim != 1 or (told := told_in(np.asarray(x)[None], self._reader.size)) is None:
                rule = f"the optimizer, its state, or what rheostax.record.snapshot returned: int32 [{self._reader.size}] without metrics"
                raise ArgumentError(f"Recorder: x must be {rule}; got {x.dtype} {list(x.shape)}.")
            require_once("Recorder", told, metrics)
            self._vectors.add(x.aval)
        self._array = self.kind = type(x)
        self.vector = x.aval

    def fetch(self, entries: Sequence[Entry | Bare]) -> tuple[Sequence[Entry | Bare], np.ndarray, list[Column]]:
        """Return the entries without those that were deleted, and what `columns_of` makes of them. It waits for the device."""
        told = [entry.others for entry in entries if isinstance(entry, Entry)]
        waiting = [(others, name, value) for others in told for name, value in others.items() if isinstance(value, jax.Array)]
        first = next((array for entry in entries for array in _arrays(entry) if not array.is_deleted()), None)
        if first is not None and next(iter(first.devices())).platform != "cpu":  # there they needn't be copied
            for array in [array for entry in entries for array in _arrays(entry)] + [value for _, _, value in waiting]:
                if not array.is_deleted():
                    array.copy_to_host_async()
        for others, name, value in waiting:
            others[name] = np.float32(value) if value.dtype in SINGLE else float(value)
        try:
            return entries, *columns_of(entries, self._reader.size)
        except RuntimeError:  # what jax raises where an array was deleted
            whole = [kept for entry in entries for kept in self._rescued(entry)]
            return whole, *columns_of(whole, self._reader.size)

    def _rescued(self, entry: Entry | Bare) -> list[Entry | Bare]:
        """Return an entry with NaN for metrics that were deleted, or nothing if the state was."""
        if not isinstance(entry, Entry):  # among the others, where shapes are told apart: the first of a shape may be gone
            entry = Entry(entry[:1], (), {}, True, None, entry[1])
        own = len(entry.arrays) - len(entry.names)
        if own <= 0:  # one vector, a copy
            return [entry]
        if any(array.is_deleted() for array in entry.arrays[:own]):
            self._deleted.add("learning_rate")
            return []
        gone = [name for name, array in zip(entry.names, entry.arrays[own:], strict=True) if array.is_deleted()]
        self._deleted.update(gone)
        kept = {name: array for name, array in zip(entry.names, entry.arrays[own:], strict=True) if name not in gone}
        arrays = (*entry.arrays[:own], *kept.values())
        return [entry._replace(arrays=arrays, names=tuple(kept), others=entry.others | dict.fromkeys(gone, float("nan")))]

    def hand(self, snapshots: Any, metrics: Mapping[str, Any], time: float) -> Handed:
        """Keep what a loop hands over from being deleted."""
        given = {name: value for name, value in metrics.items() if value is not None}
        arrays = [snapshots.table if isinstance(snapshots, Snapshots) else snapshots, *given.values()]
        shapes, kept = None, (snapshots, given)
        if all(isinstance(array, jax.Array) for array in arrays):
            shapes = (tuple(array.aval for array in arrays), tuple(given))
            kept = jax.tree.map(jnp.copy, kept)
        if any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves((arrays, kept))):
            raise ArgumentError("Recorder.scanned: it was given tracers; call the recorder outside of jax.jit.")
        return Handed(*kept, shapes, time)

    def knows(self, handed: Handed) -> bool:
        """Tell whether something of the same shapes has been looked at."""
        return handed.shapes in self._vectors

    def fetch_handed(self, handed: Handed) -> tuple[np.ndarray, list[Column]]:
        """Check what a loop handed over, and take it apart as `columns_of` does. It waits for the device."""
        size = self._reader.size
        rows = handed.snapshots.in_order() if isinstance(handed.snapshots, Snapshots) else np.asarray(handed.snapshots)
        if (told := told_in(rows, size)) is None:
            rule = f"what rheostax.record.snapshot returned, stacked by scan: int32 [n, {size}] without metrics"
            raise ArgumentError(f"Recorder.scanned: snapshots must be {rule}; got {rows.dtype} {list(rows.shape)}.")
        require_once("Recorder.scanned", told, handed.metrics)
        given = {name: scanned_metric(name, value, len(rows)) for name, value in handed.metrics.items()}
        if handed.shapes is not None:
            self._vectors.add(handed.shapes)
        return rows[:, :size], told + [Column(name, np.arange(len(rows)), value) for name, value in given.items()]

    def warn_of_deleted(self) -> None:
        """Say which arrays were gone before they were fetched."""
        for name in self._deleted:
            told = f"{name!r} was deleted before it was fetched, since a jitted function donated it; that record "
            told += "is left out." if name == "learning_rate" else f"has NaN. Hand over a copy: jnp.copy({name})."
            warnings.warn(told, RheostaxWarning, stacklevel=5)
        self._deleted.clear()


def _arrays(entry: Entry | Bare) -> tuple[Any, ...]:
    return entry.arrays if isinstance(entry, Entry) else entry[:1]


def told_in(snapshots: Any, size: int) -> list[Column] | None:
    """Return the metrics that snapshots carry, `int32 [n, m]`; None if they are something else."""
    if snapshots.ndim != 2 or snapshots.shape[1] < size or snapshots.dtype != np.int32:
        return None
    try:
        return list(labelled(np.asarray(snapshots)[:, size:]))
    except ArgumentError:
        return None


def require_once(who: str, told: Sequence[Column], metrics: Mapping[str, Any]) -> None:
    """Refuse metrics that are in a snapshot and are given beside it too."""
    if twice := [column.name for column in told if metrics.get(column.name) is not None]:
        raise ArgumentError(f"{who}: the snapshot carries {twice[0]!r} already; don't give it again.")


def scanned_metric(name: str, values: Any, n: int) -> np.ndarray:
    """Return the values of a metric in a scanned loop, float32 or float64 `[n]`."""
    array = np.asarray(values)
    if name in OWN or array.shape != (n,) or not _is_real(array):
        rule = f"one real number for each of {counted(n, 'update')}, under a name other than {', '.join(OWN)}"
        raise ArgumentError(f"Recorder.scanned: the metric {name!r} must be {rule}; got {array.dtype} {list(array.shape)}.")
    return array.astype(np.float32 if array.dtype in SINGLE else np.float64)


def _is_real(array: Any) -> bool:
    return bool(jnp.issubdtype(array.dtype, jnp.floating) or jnp.issubdtype(array.dtype, jnp.integer))
