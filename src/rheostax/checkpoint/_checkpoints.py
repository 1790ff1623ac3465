"""`Checkpoints`: everything that a training needs to go on, saved and restored in one call each."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import jax
import numpy as np

from rheostax._check import one_of
from rheostax.checkpoint import _flax
from rheostax.checkpoint._carry import KEEP, Carried, carry
from rheostax.checkpoint._header import Header, position_of, put_position
from rheostax.checkpoint._match import matched, require_same
from rheostax.checkpoint._restored import Restored
from rheostax.checkpoint._store import Store
from rheostax.checkpoint._trees import Parts, put_together, take_apart
from rheostax.errors import ArgumentError, StateError

__all__ = ["Checkpoints"]


class Checkpoints:
    """Save and restore a training: weights, optimizer, learning rate, recorder, and the position in the data.

    A restored training goes on bit for bit. Each checkpoint is there whole or not at all, whenever the process is killed. Arrays are
    orbax's business; the learning rate is saved by the names of its numbers, with the settings that they belong to, so that it can be
    restored into another expression if you say what is to be kept.

    Args:
        folder: Where; made when something is saved. Needs the extra `checkpoint`.
        max_to_keep: How many of the newest to keep, >= 1; None for all.
        asynchronous: Whether `save` returns when the arrays are copied, and writes them in the background.
        **options: Others of `orbax.checkpoint.CheckpointManagerOptions`, such as `keep_period`.

    Raises:
        MissingExtraError: If orbax isn't installed.

    >>> import jax.numpy as jnp, optax, rheostax as rx, tempfile
    >>> params = {"w": jnp.ones(3)}
    >>> tx = rx.control(optax.adam, rx.Cosine(0.1, 100))
    >>> _, state = tx.update(params, tx.init(params), params)
    >>> with tempfile.TemporaryDirectory() as folder, rx.Checkpoints(folder) as checkpoints:
    ...     saved = checkpoints.save(params=params, opt_state=state)
    ...     restored = checkpoints.restore(params=params, opt_state=tx.init(params))
    >>> restored.count, rx.learning_rate(restored["opt_state"]) == rx.learning_rate(state)
    (1, Array(True, dtype=bool))
    """

    def __init__(self, folder: str | os.PathLike[str], *, max_to_keep: int | None = 3, asynchronous: bool = True, **options: Any) -> None:
        if max_to_keep is not None and (isinstance(max_to_keep, bool) or not isinstance(max_to_keep, int) or max_to_keep < 1):
            raise ArgumentError(f"Checkpoints: max_to_keep must be None or a whole number >= 1, got {max_to_keep!r}.")
        own = {"max_to_keep": max_to_keep, "enable_async_checkpointing": asynchronous, "cleanup_tmp_directories": True}
        self._store = Store(folder, **own | options)
        self._at: int | None = None  # where this object saved or restored last

    @property
    def folder(self) -> str:
        """The folder, as an absolute path."""
        return self._store.folder

    @property
    def counts(self) -> list[int]:
        """The counts at which there are checkpoints, in order."""
        return self._store.counts

    def save(self, *, count: int | None = None, model: Any = None, optimizer: Any = None, recorder: Any = None, data: Any = None,
             **trees: Any) -> int:  # fmt: skip
        """Save a checkpoint.

        After restoring an earlier checkpoint, those that are later belong to a past that is given up: they are removed when the
        next one is saved.

        Args:
            count: What it is called; by default the number of updates applied, as the control counts them.
            model: An NNX module: all its Variables, random streams and statistics too.
            optimizer: An `rx.Optimizer`, or an `nnx.Optimizer`.
            recorder: An `rx.Recorder`: its history, decisions, and how far its sinks are.
            data: Where the data is: what JSON can say, bytes, or an iterator with `get_state` and `set_state`.
            **trees: Pytrees by name: `params=`, `opt_state=`, and any others.

        Returns:
            The count.

        Raises:
            ArgumentError: If the count is no whole number >= 0, or what is given isn't what it has to be.
            StateError: If something can't be saved, or the folder holds the checkpoints of another run.
            RunError: If it can't be written; where it is written in the background, the next call says so.
        """
        if count is not None and not (np.ndim(count) == 0 and np.asarray(count).dtype.kind in "iu" and count >= 0):
            raise ArgumentError(f"Checkpoints: count must be a whole number >= 0, got {count!r}.")
        named = _flax.trees(model, optimizer, trees)
        parts = _parts(named)
        count = _count(parts) if count is None else int(count)
        later = [other for other in self.counts if other >= count]
        if later and self._at is None:
            raise StateError(
                f"{self.folder} has a checkpoint at {later[-1]} already, from another run, and this one is at {count}. "
                "Restore it, or choose another folder."
            )
        told = None
        if recorder is not None:
            told, arrays = recorder.saved()
            parts.arrays |= {f"recorder/{name}": array for name, array in arrays.items()}
        position = None if data is None else position_of(data)
        given = {"recorder": recorder, "data": data}
        names = [*named, *(name for name, value in given.items() if value is not None)]
        self._store.save(count, parts.arrays, Header.write(count, names, parts, position, told), later)
        self._at = count
        return count

    def restore(self, *, count: int | None = None, keep: str = "error", only: Iterable[str] | str | None = None, model: Any = None,
                optimizer: Any = None, recorder: Any = None, data: Any = None, **trees: Any) -> Restored:  # fmt: skip
        """Restore a checkpoint, with the dtypes, devices and shardings of what it is restored into.

        Nothing is changed unless everything can be restored.

        Args:
            count: Which; the newest by default.
            keep: Whose settings hold where the code's differ from the checkpoint's. "error": neither, the error names them.
                "checkpoint": the saved learning rate goes on, whatever the code says. "code": the code's learning rate goes on from
                the saved count, with the state of the policies that are in both; what is only in the code begins anew.
            only: The parts to restore, by name, if not all that were saved: "model" for weights alone.
            model: The module to restore into; it is changed in place.
            optimizer: The optimizer to restore into, likewise.
            recorder: A new recorder, which goes on where the saved one was. Its sinks are cut back, those that can be.
            data: An iterator with `set_state`, if one was saved.
            **trees: Pytrees like the saved ones, by name; they are left as they are.

        Returns:
            The count, the restored trees by name, the position in the data, and what differs and became of it.

        Raises:
            StateError: If there is no such checkpoint; it is damaged, or of a newer version; settings differ; what was saved and what
                is asked for don't fit.
        """
        one_of("restore: keep", keep, KEEP)
        at = self._chosen(count)
        header = Header.read(self._store.header(at))
        named = _flax.trees(model, optimizer, trees)
        given = {**named, **{name: value for name, value in (("recorder", recorder), ("data", data)) if value is not None}}
        _require_parts(header, given, only)
        told, parts = Carried(), _parts(named)
        pairs = matched(header, parts, keep, told)
        rates = {name: carry(header.rates[saved], parts.controls[name], keep, told) for name, saved in pairs.controls.items()}
        require_same(header, parts, pairs, keep, told)
        like = {saved: parts.arrays[name] for name, saved in pairs.arrays.items()}
        if recorder is not None:
            shapes = {name: what for name, what in header.arrays.items() if name.startswith("recorder/")}
            like |= {name: np.empty(shape, dtype) for name, (dtype, shape) in shapes.items()}
        read = self._store.arrays(at, like)
        arrays = {name: read[pairs.arrays[name]] if name in pairs.arrays else leaf for name, leaf in parts.arrays.items()}
        new = {name: put_together(tree, name, arrays, rates) for name, tree in named.items()}
        wanted = header.data is not None and (only is None or "data" in _names(only))
        with _undone(model, optimizer, data if wanted else None, named):
            _flax.put(model, optimizer, new)
            position = put_position(header.data, data) if wanted else None
            if recorder is not None:
                own = {name.removeprefix("recorder/"): array for name, array in read.items() if name.startswith("recorder/")}
                recorder.resume(_recorded(recorder, optimizer, new), header.recorder, own)
        self._at = at
        results = {name: tree for name, tree in new.items() if name in trees}
        return Restored(at, results, position, *map(tuple, (told.differences, told.carried, told.dropped, told.anew)))

    def wait(self) -> None:
        """Wait until everything that was saved is on disk."""
        self._store.wait()

    def close(self) -> None:
        """Wait, and let go of the folder."""
        self._store.close()

    def __enter__(self) -> Checkpoints:
        return self

    def __exit__(self, *exception: Any) -> None:
        self.close()

    def _chosen(self, count: int | None) -> int:
        self.wait()
        counts = self.counts
        if not counts:
            raise StateError(f"There is no checkpoint in {self.folder}.")
        if count is not None and count not in counts:
            raise StateError(f"There is no checkpoint at {count} in {self.folder}; there are those at {', '.join(map(str, counts))}.")
        return counts[-1] if count is None else count


def _parts(named: Mapping[str, Any]) -> Parts:
    parts = Parts()
    for name, tree in named.items():
        one = take_apart(tree, name)
        parts.arrays |= one.arrays
        parts.controls |= one.controls
    return parts


def _count(parts: Parts) -> int:
    counts = [int(np.max(jax.device_get(state.body.count))) for state in parts.controls.values()]
    if not counts:
        raise StateError(
            "There is no learning rate of rheostax in what is saved, which would know the count; say it: save(..., count=step)."
        )
    return max(counts)


@contextlib.contextmanager
def _undone(model: Any, optimizer: Any, data: Any, trees: Mapping[str, Any]) -> Iterator[None]:
    """Put model, optimizer and data back as they were if what is done within fails."""
    before = jax.tree.map(lambda leaf: leaf, trees)  # other containers: those of an nnx.Optimizer are its own
    position = data.get_state() if hasattr(data, "get_state") and hasattr(data, "set_state") else None
    try:
        yield
    except BaseException:
        _flax.put(model, optimizer, before)
        if position is not None:
            data.set_state(position)
        raise


def _recorded(recorder: Any, optimizer: Any, trees: Mapping[str, Any]) -> Any:
    """Return what a recorder records: the optimizer, or the tree with the learning rates that it knows."""
    held = {name: tree for name, tree in trees.items() if take_apart(tree, name).controls}
    if optimizer is not None and "optimizer" in held:
        return optimizer
    known = [tree for tree in held.values() if recorder.records(tree)]
    if not known:
        raise StateError("The recorder was made for none of the states that are restored; make it with the one that it is to record.")
    return known[0]


def _names(only: Iterable[str] | str) -> tuple[str, ...]:
    return (only,) if isinstance(only, str) else tuple(only)


def _require_parts(header: Header, given: Mapping[str, Any], only: Iterable[str] | str | None) -> None:
    """Refuse to restore a part as if it were the whole: what is left out would silently begin anew."""
    for name in given:
        if name not in header.parts:
            raise StateError(f"The checkpoint has no {name}; it has {', '.join(header.parts)}.")
    wanted = [name for name in header.parts if only is None or name in _names(only)]
    unknown = [name for name in _names(only or ()) if name not in header.parts]
    if unknown:
        raise StateError(f"only: the checkpoint has no {unknown[0]}; it has {', '.join(header.parts)}.")
    returned = header.data is not None and not (isinstance(header.data, dict) and header.data.get("moves"))
    missing = [name for name in wanted if name not in given and not (name == "data" and returned)]
    if missing:
        raise StateError(
            f"The checkpoint has {', '.join(header.parts)}, and {', '.join(missing)} would not be restored. Pass "
            f"{', '.join(f'{name}=' for name in missing)}, or say that you want a part: only={tuple(given)!r}."
        )
    if only is not None and (extra := [name for name in given if name not in wanted]):
        raise StateError(f"only={_names(only)!r} leaves out {', '.join(extra)}, which is passed; leave one of them away.")
