"""A control's state in its saved form: numbers by name, as JSON, with the settings that they belong to.

The form depends on no pytree. What it promises: a file of any version up to `FORMAT` can be read.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from rheostax._control_state import ControlState
from rheostax._settings import nodes, table
from rheostax.errors import ExpressionError, StateError
from rheostax.expressions import to_json
from rheostax.policies._policy import policies

__all__ = ["FORMAT", "Policy", "SavedRate", "read_rate", "settings_of", "slots_of", "write_rate"]

FORMAT = 1
RATE = "learning_rate"


@dataclasses.dataclass(frozen=True)
class Policy:
    """Where a policy is in an expression, what it is, and where its numbers are."""

    path: str  # learning_rate.factors[1]
    kind: str  # the name of its class, and its words (metric, mode)
    state: str  # observed[1]: what the names of its numbers begin with


@dataclasses.dataclass(frozen=True)
class SavedRate:
    """A control's state as it is in a file."""

    settings: dict[str, Any]
    expression: Any  # what `from_json` reads, or None where it can't be written
    text: str  # the expression in words
    groups: tuple[str, ...] | None
    learning_rate: Any
    numbers: dict[str, Any]  # by `Layout.names`: a number, a text for what is no number, or nested lists of them
    policies: tuple[Policy, ...]


def settings_of(state: ControlState) -> dict[str, Any]:
    """Return everything that was set, by name: the expression, and what is known of the optimizer."""
    return table(RATE, jax.device_get(state.body.rate)) | dict(state.settings.items)


def slots_of(state: ControlState) -> dict[str, tuple[str, int, tuple[int, ...]]]:
    """Return kind, offset and shape of every number by its name."""
    return dict(zip(state.layout.names(), state.layout.slots, strict=True))


def write_rate(state: ControlState) -> dict[str, Any]:
    """Return the saved form: what `json.dumps` takes. It waits for the device."""
    rates, floats, ints = jax.device_get((state.learning_rate, state.floats, state.ints))
    state = state._replace(learning_rate=rates, floats=floats, ints=ints)
    leaves = jax.tree.leaves(state.layout.unpack(floats, ints))
    numbers = dict(zip(state.layout.names(), map(_written, leaves), strict=True))
    single = floats.ndim == 1
    rate = state.fetch().rate if single else state.layout.skeleton.rate
    return {
        "settings": settings_of(state),
        "expression": _expression(rate) if single else None,
        "text": repr(rate) if single else "a batch of rates",
        "groups": None if state.groups is None else list(state.groups),
        "learning_rate": _written(rates),
        "numbers": numbers,
        "policies": [dataclasses.asdict(one) for one in policies_of(state)],
    }


def policies_of(state: ControlState) -> list[Policy]:
    """Return the policies of a control's expression."""
    names = jax.tree.unflatten(state.layout.treedef, state.layout.names())
    paths = {id(node): path for path, node in nodes(RATE, names.rate)}
    found = []
    for policy, seen in policies(names.rate, names.observed):
        words = [getattr(policy, f.name) for f in dataclasses.fields(policy) if f.metadata.get("static")]  # type: ignore[arg-type]
        kind = f"{type(policy).__name__}({', '.join(map(str, words))})"
        found.append(Policy(paths[id(policy)], kind, str(seen.observations).removesuffix(".observations")))
    return found


def _expression(rate: Any) -> Any:
    try:
        return to_json(rate)
    except ExpressionError:
        return None


def _written(array: Any) -> Any:
    """Return numbers with the fewest digits that give them back to the last bit; what is no number as text."""
    array = np.asarray(array)
    if array.ndim:
        return [_written(one) for one in array]
    if array.dtype.kind != "f":
        return int(array)
    if np.isfinite(array):
        return float(str(array[()]))
    usual = {"nan": np.float32(np.nan), "inf": np.float32(np.inf), "-inf": np.float32(-np.inf)}
    text = next((text for text, value in usual.items() if value.tobytes() == array.tobytes()), None)
    return text or f"0x{array.view(np.uint32):08x}"  # a NaN by its bits, since there are many


def read_numbers(name: str, value: Any, kind: str, shape: tuple[int, ...]) -> np.ndarray:
    """Return what `_written` wrote, as a float32 ("f") or int32 ("i") array of a shape.

    Raises:
        StateError: If it is something else.
    """
    array = np.array([_one(name, one, kind) for one in _flat(name, value, shape)], np.float32 if kind == "f" else np.int32)
    return array.reshape(shape)


def _flat(name: str, value: Any, shape: tuple[int, ...]) -> list[Any]:
    if not shape:
        return [value]
    if not isinstance(value, list) or len(value) != shape[0]:
        raise StateError(f"The saved number {name} must be a list of {shape[0]}, got {value!r:.60}.")
    return [leaf for one in value for leaf in _flat(name, one, shape[1:])]


def _one(name: str, value: Any, kind: str) -> Any:
    wrong = StateError(f"The saved number {name} must be {'a float32' if kind == 'f' else 'an int32'}, got {value!r:.60}.")
    if kind == "i":
        if isinstance(value, bool) or not isinstance(value, int) or not -(2**31) <= value < 2**31:
            raise wrong
        return value
    if isinstance(value, str):
        if value in ("nan", "inf", "-inf"):
            return np.float32(value)
        if len(value) == 10 and value.startswith("0x") and all(digit in "0123456789abcdef" for digit in value[2:]):
            return np.uint32(int(value, 16)).view(np.float32)
        raise wrong
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= float(np.finfo(np.float32).max):
        raise wrong
    return np.float32(value)


def read_rate(saved: Any, version: int) -> SavedRate:
    """Check a saved form of any version, and return it.

    Raises:
        StateError: If it isn't one.
    """
    if version != 1:  # older forms are brought to the newest here, one version after the other
        raise StateError(f"The learning rate was saved in format {version!r}; this rheostax reads 1 to {FORMAT}. Install a newer one.")
    _require(saved, dict, "the learning rate")
    for field, kinds in _FIELDS.items():
        if field not in saved:
            raise StateError(f"The saved learning rate has no field {field!r}: it is damaged.")
        _require(saved[field], kinds, field)
    settings = {name: value for name, value in saved["settings"].items() if value is None or isinstance(value, str | int | float)}
    found = []
    for one in saved["policies"]:
        if not isinstance(one, dict) or set(one) != {"path", "kind", "state"} or not all(isinstance(text, str) for text in one.values()):
            raise StateError(f"The saved learning rate has no policy {one!r:.60}: it is damaged.")
        found.append(Policy(**one))
    groups = None if saved["groups"] is None else tuple(map(str, saved["groups"]))
    return SavedRate(
        settings, saved["expression"], saved["text"], groups, saved["learning_rate"], dict(saved["numbers"]), tuple(found)
    )  # fmt: skip


_FIELDS: Mapping[str, Any] = {
    "settings": dict,
    "expression": dict | None,
    "text": str,
    "groups": list | None,
    "learning_rate": int | float | str | list,
    "numbers": dict,
    "policies": list,
}


def _require(value: Any, kinds: Any, what: str) -> None:
    if not isinstance(value, kinds):
        raise StateError(f"The saved learning rate's {what} is a {type(value).__name__}: it is damaged.")
