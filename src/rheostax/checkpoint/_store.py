"""Where checkpoints lie: a folder that orbax's `CheckpointManager` manages. Nothing else here knows orbax."""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from rheostax._extras import load
from rheostax.checkpoint._trees import is_key, nested, saved_array
from rheostax.errors import RheostaxError, RunError, StateError

__all__ = ["Store"]

ARRAYS, HEADER = "arrays", "rheostax"


class Store:
    """Save and restore arrays by name, and a header of JSON, at counts.

    Args:
        folder: The folder, or the address of a bucket; it is made when something is saved.
        **options: Of `orbax.checkpoint.CheckpointManagerOptions`.
    """

    def __init__(self, folder: str | os.PathLike[str], **options: Any) -> None:
        self.folder = os.fspath(folder) if "://" in os.fspath(folder) else os.path.abspath(folder)
        self.options = options
        load("orbax.checkpoint", extra="checkpoint")  # said at once, not after the first hour

    @functools.cached_property
    def manager(self) -> Any:
        """Orbax's manager."""
        ocp = load("orbax.checkpoint", extra="checkpoint")
        handlers = {ARRAYS: ocp.PyTreeCheckpointHandler(), HEADER: ocp.JsonCheckpointHandler()}
        return ocp.CheckpointManager(
            self.folder, options=ocp.CheckpointManagerOptions(**self.options), item_handlers=handlers
        )  # fmt: skip

    @property
    def counts(self) -> list[int]:
        """The counts at which there is a checkpoint, in order."""
        there = "manager" in vars(self) or "://" in self.folder or Path(self.folder).is_dir()
        return sorted(self.manager.all_steps()) if there else []

    def save(self, count: int, arrays: Mapping[str, Any], header: Mapping[str, Any], later: list[int]) -> None:
        """Save, in place of what was saved `later`; the arrays are copied before it returns."""
        ocp = load("orbax.checkpoint", extra="checkpoint")
        items = {HEADER: ocp.args.JsonSave(dict(header))}
        flat = {name: saved_array(leaf) for name, leaf in arrays.items() if np.size(leaf)}
        if flat:
            items[ARRAYS] = ocp.args.PyTreeSave(nested(flat))
        with self._writing():
            self._give_up(later)
            self.manager.save(count, args=ocp.args.Composite(**items), force=True)

    def _give_up(self, counts: list[int]) -> None:
        """Remove checkpoints, each in one step: one that is half removed when the process is killed would be taken for the newest."""
        if not counts:
            return
        self.manager.wait_until_finished()
        for count in reversed(counts):
            place = Path(self.folder) / str(count)
            if jax.process_count() == 1 and place.is_dir():
                place.rename(gone := place.with_name(f"{count}.orbax-checkpoint-tmp-given-up"))  # a name that orbax cleans up
                shutil.rmtree(gone)
            else:
                self.manager.delete(count)
        self.manager.reload()

    def header(self, count: int) -> Any:
        """Return the header of a checkpoint."""
        ocp = load("orbax.checkpoint", extra="checkpoint")
        with self._reading(count):
            found = self.manager.restore(count, args=ocp.args.Composite(**{HEADER: ocp.args.JsonRestore()}))[HEADER]
        if found is None:
            raise StateError(f"{self._place(count)} has no header of rheostax: it was saved by something else, or is damaged.")
        return found

    def arrays(self, count: int, like: Mapping[str, Any]) -> dict[str, Any]:
        """Return arrays by name, each with dtype, place and sharding of the one in `like`."""
        ocp = load("orbax.checkpoint", extra="checkpoint")
        found = {name: _empty(leaf) for name, leaf in like.items() if not np.size(leaf)}
        wanted = {name: leaf for name, leaf in like.items() if np.size(leaf)}
        if not wanted:
            return found
        targets = {name: _target(leaf) for name, leaf in wanted.items()}
        kinds = {name: _restore_args(ocp, target, leaf) for (name, leaf), target in zip(wanted.items(), targets.values(), strict=True)}
        with self._reading(count):
            args = ocp.args.PyTreeRestore(item=nested(targets), restore_args=nested(kinds), partial_restore=True)
            tree = self.manager.restore(count, args=ocp.args.Composite(**{ARRAYS: args}))[ARRAYS]
            return found | {name: _as_it_was(_at(tree, name), leaf) for name, leaf in wanted.items()}

    def wait(self) -> None:
        """Wait until what was saved is on disk."""
        if "manager" in vars(self):
            with self._writing():
                self.manager.wait_until_finished()

    def close(self) -> None:
        """Wait, and let go of the folder."""
        if "manager" in vars(self):
            with self._writing():
                self.manager.close()
            del self.manager

    def _place(self, count: int) -> str:
        return f"The checkpoint {os.path.join(self.folder, str(count))}"

    @contextlib.contextmanager
    def _reading(self, count: int) -> Iterator[None]:
        try:
            yield
        except RheostaxError:
            raise
        except Exception as error:  # whatever a damaged file makes orbax, tensorstore and json raise
            others = [other for other in self.counts if other != count]
            advice = f" There are others, at {', '.join(map(str, others))}: restore(..., count={others[-1]})." if others else ""
            why = str(error).strip().partition("\n")[0][:300]
            raise StateError(f"{self._place(count)} can't be read: {type(error).__name__}: {why}.{advice}") from error

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise RunError(f"A checkpoint can't be written into {self.folder}: {error}.") from error


def _target(leaf: Any) -> Any:
    """Return shape and dtype of what orbax reads for a leaf."""
    leaf = leaf if isinstance(leaf, jax.Array | jax.ShapeDtypeStruct) else np.asarray(leaf)
    if is_key(leaf):
        return jax.eval_shape(jax.random.key_data, leaf)
    return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype)


def _restore_args(ocp: Any, target: Any, leaf: Any) -> Any:
    sharding = getattr(leaf, "sharding", None)
    if sharding is None or is_key(leaf) or (isinstance(leaf, jax.Array) and not leaf.committed):
        return ocp.RestoreArgs(restore_type=np.ndarray, dtype=target.dtype)  # it isn't bound to a device, and shall not be
    return ocp.ArrayRestoreArgs(sharding=sharding, global_shape=target.shape, dtype=target.dtype)


def _as_it_was(value: Any, leaf: Any) -> Any:
    """Return what was read as the kind of thing that `leaf` is."""
    if is_key(leaf):
        keys = jax.random.wrap_key_data(jax.numpy.asarray(value), impl=jax.random.key_impl(leaf))
        return jax.device_put(keys, leaf.sharding) if isinstance(leaf, jax.Array) and leaf.committed else keys
    if isinstance(leaf, jax.Array | jax.ShapeDtypeStruct):
        return value if isinstance(value, jax.Array) else jax.numpy.asarray(value)
    if isinstance(leaf, np.ndarray):
        return np.asarray(value)
    return type(leaf)(np.asarray(value)[()])


def _empty(leaf: Any) -> Any:
    return leaf if isinstance(leaf, jax.Array | np.ndarray) else jax.numpy.zeros(leaf.shape, leaf.dtype)


def _at(tree: Any, name: str) -> Any:
    for key in name.split("/"):
        tree = tree[key]
    return tree
