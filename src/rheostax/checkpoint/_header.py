"""What a checkpoint says of itself: its format, parts and arrays, the learning rates, and where the loop was."""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from rheostax._version import __version__
from rheostax.checkpoint._saved_rate import FORMAT, SavedRate, read_rate, write_rate
from rheostax.checkpoint._trees import Parts
from rheostax.errors import ArgumentError, StateError

__all__ = ["Header", "described", "position_of", "put_position"]

Described = tuple[str, tuple[int, ...]]


@dataclasses.dataclass(frozen=True)
class Header:
    """A header that was read, and checked."""

    count: int
    parts: tuple[str, ...]  # what was saved, by the names of save's arguments
    arrays: dict[str, Described]  # dtype and shape of every array by name
    rates: dict[str, SavedRate]
    data: Any
    recorder: Any

    @classmethod
    def read(cls, found: Any) -> Header:
        """Check what was read.

        Raises:
            StateError: If it is of a newer version, or damaged.
        """
        if not isinstance(found, dict) or "format" not in found:
            raise StateError("The checkpoint's header has no format: it was saved by something else, or is damaged.")
        version = found["format"]
        if isinstance(version, bool) or not isinstance(version, int) or not 1 <= version <= FORMAT:
            raise StateError(
                f"The checkpoint has format {version!r}; this rheostax, {__version__}, reads 1 to {FORMAT}. Install a newer one."
            )
        for field, kind in (("count", int), ("parts", list), ("arrays", dict), ("rates", dict)):
            if not isinstance(found.get(field), kind):
                raise StateError(f"The checkpoint's header has no {field}: it is damaged.")
        try:
            arrays = {name: (str(dtype), tuple(map(int, shape))) for name, (dtype, shape) in found["arrays"].items()}
        except (TypeError, ValueError):
            raise StateError("The checkpoint's header doesn't describe its arrays: it is damaged.") from None
        rates = {name: read_rate(rate, version) for name, rate in found["rates"].items()}
        return cls(found["count"], tuple(map(str, found["parts"])), arrays, rates, found.get("data"), found.get("recorder"))

    @staticmethod
    def write(count: int, names: list[str], parts: Parts, data: Any, recorder: Any) -> dict[str, Any]:
        """Return a header as JSON."""
        return {
            "format": FORMAT,
            "rheostax": __version__,
            "count": count,
            "parts": names,
            "arrays": {name: described(leaf) for name, leaf in parts.arrays.items()},
            "rates": {name: write_rate(state) for name, state in parts.controls.items()},
            "data": data,
            "recorder": recorder,
        }


def described(leaf: Any) -> Described:
    """Return dtype and shape of an array or number."""
    array = leaf if isinstance(leaf, jax.Array | jax.ShapeDtypeStruct) else np.asarray(leaf)
    return str(array.dtype), tuple(array.shape)


def position_of(data: Any) -> dict[str, Any]:
    """Return a position in the data as JSON: that of an iterator with `get_state`, or what is given.

    Raises:
        ArgumentError: If it can't be written.
    """
    moves = hasattr(data, "get_state") and hasattr(data, "set_state")
    state = data.get_state() if moves else data
    if isinstance(state, bytes):
        return {"moves": moves, "bytes": base64.b64encode(state).decode()}
    _require_json(state)
    return {"moves": moves, "json": state}


def _require_json(value: Any) -> None:
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        for one in value.values():
            _require_json(one)
    elif isinstance(value, list | tuple):
        for one in value:
            _require_json(one)
    elif value is not None and not isinstance(value, str | bool | int | float):
        rule = "numbers, texts, lists and dicts of them with texts as keys, bytes, or an iterator with get_state and set_state"
        raise ArgumentError(f"Checkpoints: data must be {rule}; got a {type(value).__name__}.")


def put_position(saved: Any, data: Any) -> Any:
    """Move an iterator to a saved position, and return the position.

    Raises:
        StateError: If it is damaged.
    """
    try:
        state = base64.b64decode(saved["bytes"], validate=True) if "bytes" in saved else saved["json"]
    except (KeyError, TypeError, ValueError):
        raise StateError("The checkpoint's position in the data is damaged.") from None
    if hasattr(data, "set_state"):
        data.set_state(state)
    return state
