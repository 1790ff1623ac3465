"""Frozen dataclasses that are pytrees: the material that expressions are made of.

Fields are children (hyperparameters, so that `jax.vmap` and `jax.jit` see them) unless declared with `static()`.
`jax.tree_util.register_dataclass` isn't used because it rebuilds a node through its constructor, where the arguments' checks
would run on tracers, on placeholders and, with a host sync, on every output of a jitted function.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any, TypeVar, dataclass_transform

import jax
import numpy as np

__all__ = ["counts_observations", "duration", "durations", "end_of", "node", "static"]

_T = TypeVar("_T")


def static(**options: Any) -> Any:
    """Declare a field that is part of the structure (a name, a mode), not a hyperparameter.

    Args:
        **options: As for `dataclasses.field`, such as `default="min"`.

    Returns:
        The field.

    Raises:
        TypeError: If `dataclasses.field` refuses the options.
    """
    return dataclasses.field(metadata={"static": True}, **options)


def duration(*, ends: bool = False, observations: bool = False, **options: Any) -> Any:
    """Declare a field that is a length of time in updates (or a tuple of them): it takes units, and can be stretched.

    Args:
        ends: Whether it is the count at which the schedule is over, which `rx.extend` can move.
        observations: Whether it is a number of observations, one per update: `rx.stretch` leaves it.
        **options: As for `dataclasses.field`, such as `default=0`.

    Returns:
        The field.

    Raises:
        TypeError: If `dataclasses.field` refuses the options.
    """
    return dataclasses.field(metadata={"duration": True, "ends": ends, "observations": observations}, **options)


def end_of(value: Any) -> str | None:
    """Return the name of the field that says when a node is over, or None."""
    return next((field.name for field in dataclasses.fields(value) if field.metadata.get("ends")), None)


def counts_observations(value: Any, name: str) -> bool:
    """Tell whether a duration of a node is a number of observations."""
    return any(field.name == name and field.metadata.get("observations") for field in dataclasses.fields(value))


def durations(value: Any) -> list[tuple[str, Any]]:
    """Return the durations of one node with their names, those in a tuple one by one."""
    found: list[tuple[str, Any]] = []
    for field in dataclasses.fields(value):
        content = getattr(value, field.name)
        if field.metadata.get("duration") and content is not None:
            several = isinstance(content, tuple)
            found += [(f"{field.name}[{i}]", one) for i, one in enumerate(content)] if several else [(field.name, content)]
    return found


@dataclass_transform(frozen_default=True, field_specifiers=(dataclasses.field, duration, static))
def node(cls: type[_T]) -> type[_T]:
    """Make a class a frozen dataclass and a pytree: what every learning rate is.

    Args:
        cls: The class. Its fields are hyperparameters, the pytree's leaves, unless declared with `rx.static()`. A
            constructor and a `__repr__` of its own are kept; checks belong into `__post_init__`.

    Returns:
        The class.

    Raises:
        TypeError: If it isn't a class that `dataclasses.dataclass` can work on.
    """
    own_init = "__init__" in cls.__dict__
    data_class = dataclasses.dataclass(frozen=True, init=not own_init, repr=False)(cls)
    fields = dataclasses.fields(data_class)  # type: ignore[arg-type]
    meta = tuple(f.name for f in fields if f.metadata.get("static"))
    data = tuple(f.name for f in fields if not f.metadata.get("static"))
    keys = tuple(jax.tree_util.GetAttrKey(name) for name in data)

    def flatten(value: Any) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        return tuple(getattr(value, name) for name in data), tuple(getattr(value, name) for name in meta)

    def flatten_with_keys(value: Any) -> tuple[tuple[tuple[Any, Any], ...], tuple[Any, ...]]:
        children, structure = flatten(value)
        return tuple(zip(keys, children, strict=True)), structure

    def unflatten(structure: tuple[Any, ...], children: Iterable[Any]) -> Any:
        value = object.__new__(data_class)
        for name, child in zip(meta + data, tuple(structure) + tuple(children), strict=True):
            object.__setattr__(value, name, child)
        return value

    jax.tree_util.register_pytree_with_keys(data_class, flatten_with_keys, unflatten, flatten)
    if "__repr__" not in cls.__dict__:
        data_class.__repr__ = _repr  # type: ignore[method-assign]
    return data_class


def _repr(value: Any) -> str:
    """Write the call that makes this node, leaving out the arguments that have their default."""
    shown = []
    for field in sorted((f for f in dataclasses.fields(value) if f.init), key=lambda field: bool(field.kw_only)):
        content = getattr(value, field.name)
        if not (field.default is not dataclasses.MISSING and same(content, field.default)):
            shown.append(f"{field.name}={show(content)}")
    return f"{type(value).__name__}({', '.join(shown)})"


def same(content: Any, default: Any) -> bool:
    """Tell whether a hyperparameter is the default: a Python number exactly, the float32 in a state as such."""
    if isinstance(content, jax.core.Tracer) or np.ndim(content) > 0:
        return False
    if isinstance(default, float) and content is not None and not isinstance(content, float):
        return bool(np.float32(content) == np.float32(default))  # as it is in a state
    return bool(content == default)


def show(content: Any) -> str:
    """Write a hyperparameter with the shortest digits that give the same number back."""
    if isinstance(content, tuple):
        return f"({', '.join(map(show, content))}{',' * (len(content) == 1)})"
    if isinstance(content, jax.Array | np.ndarray | np.generic) and not isinstance(content, jax.core.Tracer):
        if np.ndim(content) == 0:
            scalar = np.asarray(content)[()]
            return str(scalar) if scalar.dtype.kind in "fiub" else repr(content)
        return np.array2string(np.asarray(content), separator=", ", threshold=6)
    if type(content) is tuple:
        return f"({', '.join(map(show, content))}{',' * (len(content) == 1)})"
    return repr(content)
