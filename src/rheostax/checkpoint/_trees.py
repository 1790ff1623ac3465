"""Pytrees as arrays by name: what is saved and restored by orbax depends on no container's type.

A control's own scalars are taken out (they have a saved form of their own); the state of its optimizer stays.
"""

from __future__ import annotations

import dataclasses
import re
import urllib.parse
from collections.abc import Iterable, Mapping
from typing import Any

import jax
import numpy as np

from rheostax._control_state import ControlState
from rheostax.errors import StateError

__all__ = ["Parts", "nested", "put_together", "renamed", "saved_array", "take_apart"]

MOST = 10  # names in a message


@dataclasses.dataclass
class Parts:
    """What a tree is made of."""

    arrays: dict[str, Any] = dataclasses.field(default_factory=dict)  # arrays and numbers by name: hidden/kernel
    controls: dict[str, ControlState] = dataclasses.field(default_factory=dict)


def take_apart(tree: Any, name: str) -> Parts:
    """Return the arrays and the controls of a tree, by name, each beginning with `name`.

    Raises:
        StateError: If a leaf is neither an array nor a number.
    """
    parts = Parts()
    _visit(tree, name, parts)
    return parts


def _visit(tree: Any, prefix: str, parts: Parts) -> None:
    for path, leaf in _leaves(tree):
        name = _joined(prefix, path)
        if name in parts.arrays or name in parts.controls:
            raise StateError(f"Two leaves of the tree have the name {name}; give one of them another.")
        if isinstance(leaf, ControlState):
            parts.controls[name] = leaf
            _visit(leaf.inner, f"{name}/inner", parts)
        elif isinstance(leaf, jax.Array | jax.ShapeDtypeStruct | np.ndarray | np.generic | bool | int | float | complex):
            parts.arrays[name] = leaf
        else:
            raise StateError(f"{name} is a {type(leaf).__name__}; only arrays and numbers can be saved.")


def put_together(tree: Any, name: str, arrays: Mapping[str, Any], controls: Mapping[str, ControlState]) -> Any:
    """Return a tree like `tree`, with other arrays and controls in their places."""

    def visit(path: Any, leaf: Any) -> Any:
        found = _joined(name, path)
        if not isinstance(leaf, ControlState):
            return arrays[found]
        return controls[found]._replace(inner=put_together(leaf.inner, f"{found}/inner", arrays, controls))

    return jax.tree_util.tree_map_with_path(visit, tree, is_leaf=_is_control)


def _leaves(tree: Any) -> list[tuple[Any, Any]]:
    return jax.tree_util.tree_flatten_with_path(tree, is_leaf=_is_control)[0]


def _is_control(leaf: Any) -> bool:
    return isinstance(leaf, ControlState)


def _joined(prefix: str, path: Iterable[Any]) -> str:
    return "/".join([prefix, *(urllib.parse.quote(_key(entry), safe="") for entry in path)])


def _key(entry: Any) -> str:
    return str(next((getattr(entry, kind) for kind in ("key", "name", "idx") if hasattr(entry, kind)), entry))


def nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Return arrays by name as dicts in dicts, which is what orbax shows of a checkpoint."""
    tree: dict[str, Any] = {}
    for name, value in flat.items():
        *above, last = name.split("/")
        place = tree
        for key in above:
            place = place.setdefault(key, {})
        place[last] = value
    return tree


def saved_array(leaf: Any) -> Any:
    """Return what orbax saves of a leaf: random keys as their numbers."""
    if isinstance(leaf, jax.Array):
        return jax.random.key_data(leaf) if is_key(leaf) else leaf
    return np.asarray(leaf)


def is_key(leaf: Any) -> bool:
    """Tell whether a leaf is an array of random keys, or stands for one."""
    return jax.numpy.issubdtype(getattr(leaf, "dtype", np.float32), jax.dtypes.prng_key)


_GROUP = re.compile(r"^(.*?/inner)/inner_states/[^/]+/inner_state(?=/|$)")


def renamed(wanted: Iterable[str], there: Iterable[str]) -> dict[str, str]:
    """Return under which name each wanted array was saved, where groups of parameters came, went, or changed.

    `optax.partition` keeps a state for each group, with the state of its parameters alone. The name without the group tells which
    is which; what a group has for itself, such as a count, comes from the first that has it.
    """
    groupless: dict[str, str] = {}
    for name in there:
        groupless.setdefault(_GROUP.sub(r"\1", name), name)
    known = set(there)
    pairs = ((name, name if name in known else groupless.get(_GROUP.sub(r"\1", name))) for name in wanted)
    return {name: found for name, found in pairs if found is not None}
