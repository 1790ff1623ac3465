"""Settings as a flat table of names and plain values: what two runs are compared by, whatever their pytrees look like."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import math
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np

from rheostax._rate import LearningRate
from rheostax._twofloat import TwoFloat

__all__ = ["Settings", "nodes", "table"]


@jax.tree_util.register_static
@dataclasses.dataclass(frozen=True)
class Settings:
    """The settings that a control was made with beside its rate: names and plain values, as a static part of its state."""

    items: tuple[tuple[str, Any], ...] = ()


def table(name: str, value: Any) -> dict[str, Any]:
    """Return a value and everything in it as `{path: number, text or None}`.

    A learning rate gives the name of its class, and under it its fields; a function its name, and under it the plain values
    that it was made with, as far as they can be seen. A number is rounded to the 14 digits that a control's state is sure of.
    """
    return dict(_entries(name, value, 0))


def nodes(name: str, value: Any) -> Iterator[tuple[str, LearningRate]]:
    """Yield every node of an expression with its path, as `table` names it."""
    if isinstance(value, LearningRate):
        yield name, value
        for field in dataclasses.fields(value):  # type: ignore[arg-type]  # every node is a dataclass
            yield from nodes(f"{name}.{field.name}", getattr(value, field.name))
    elif isinstance(value, tuple):
        for i, one in enumerate(value):
            yield from nodes(f"{name}[{i}]", one)


def _entries(name: str, value: Any, depth: int) -> Iterator[tuple[str, Any]]:
    if isinstance(value, LearningRate):
        yield name, _name_of(type(value))
        for field in dataclasses.fields(value):  # type: ignore[arg-type]  # every node is a dataclass
            yield from _entries(f"{name}.{field.name}", getattr(value, field.name), depth)
    elif isinstance(value, tuple | list):
        for i, one in enumerate(value):
            yield from _entries(f"{name}[{i}]", one, depth)
        if not value:
            yield name, "()"
    elif isinstance(value, functools.partial):
        yield from _entries(name, value.func, depth)
        yield from _entries(f"{name}.args", tuple(value.args), depth)
        for key, one in value.keywords.items():
            yield from _entries(f"{name}.{key}", one, depth)
    elif isinstance(value, type | np.dtype):
        yield name, _name_of(value) if isinstance(value, type) else str(value)
    elif callable(value) and not isinstance(value, jax.Array):
        yield name, _name_of(value if hasattr(value, "__qualname__") else type(value))
        if depth < 3:  # a schedule within a schedule is as deep as it gets
            for key, one in _made_with(value).items():
                yield from _entries(f"{name}.{key}", one, depth + 1)
    else:
        yield name, _plain(value)


def _made_with(function: Any) -> dict[str, Any]:
    """Return what a function closes over: an optax schedule keeps its numbers there."""
    found = {}
    names = getattr(getattr(function, "__code__", None), "co_freevars", ())
    for name, cell in zip(names, getattr(function, "__closure__", None) or (), strict=False):
        with contextlib.suppress(ValueError):  # a variable that isn't set
            found[name] = cell.cell_contents
    return found


def _name_of(value: Any) -> str:
    module = getattr(value, "__module__", None) or ""
    short = module.partition(".")[0] in ("rheostax", "builtins") or not module
    return value.__qualname__ if short else f"{module.partition('.')[0]}.{value.__qualname__}"  # modules move, packages stay


def _plain(value: Any) -> Any:
    if isinstance(value, jax.core.Tracer):
        return "a traced number"
    if isinstance(value, TwoFloat):
        value = np.asarray(value.high, np.float64) + np.asarray(value.low, np.float64)
    if isinstance(value, jax.Array | np.ndarray | np.generic):
        if not jax.numpy.issubdtype(value.dtype, jax.numpy.number) and value.dtype != bool:
            return str(value.dtype)
        if np.ndim(value):
            return (
                str([_number(float(one)) for one in np.asarray(value).reshape(-1)]) if value.size <= 64 else f"{value.dtype} {value.shape}"
            )
        value = np.asarray(value).item()
    if isinstance(value, float):
        return _number(value)
    return value if value is None or isinstance(value, bool | int | str) else f"a {type(value).__qualname__}"


def _number(value: float) -> Any:
    return float(f"{value:.14g}") if math.isfinite(value) else str(value)
