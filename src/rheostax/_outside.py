"""What a function refers to outside of itself, and whether that changes.

Looked at are the function's own variables and globals, those of the functions that it uses, and what containers and objects among
them hold. Libraries are left out: what they keep for themselves is no affair of a training step.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import sysconfig
import types
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

__all__ = ["Outside"]

LIBRARIES = (sysconfig.get_path("stdlib"), str(Path(__file__).parent))
MANY = 100  # things in a container; what the containers in a larger one hold isn't looked at, or a data set would be
DEEP = 3  # containers within containers


class Outside:
    """What is outside of a function, as it is when this is made."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._before = {place: (value, _contents(value)) for place, value in _outside(function).items()}

    def changed(self, *, memos: bool = True) -> dict[str, list[Any]]:
        """Return what is new in what holds something else than before, by the name of what holds it.

        Without `memos`, what has lost nothing is left out: a dict or an object that remembers what was asked for.
        """
        found: dict[str, list[Any]] = {}
        for place, value in _outside(self._function).items():
            before, old = self._before.get(place, (None, []))
            now = _contents(value)
            if value is not before or len(now) != len(old) or any(a is not b for a, b in zip(now, old, strict=True)):
                known, kept = set(map(id, old)), set(map(id, now))
                if not memos and value is before and not isinstance(value, list | deque) and known <= kept:
                    continue
                found.setdefault(place[1], []).extend(part for part in now if id(part) not in known)
        return found


Place = tuple[int, str]  # which namespace, and the name in it


def _outside(root: Callable[..., Any]) -> dict[Place, Any]:
    """Return the data that a function and the functions that it uses refer to."""
    found: dict[Place, Any] = {}
    seen: dict[int, Any] = {}  # kept, so that no other takes its place in memory
    waiting: list[Any] = [root]
    while waiting:
        one = _unwrapped(waiting.pop())
        if id(one) in seen or (seen and _is_library(one)):
            continue
        seen[id(one)] = one
        for place, value in _references(one):
            if isinstance(value, types.ModuleType | type):
                continue
            if not isinstance(value, types.FunctionType | types.MethodType) and not _keeps_for_itself(value):
                found[place] = value
            waiting += [part for part in (value, *_contents(value)) if callable(part) and not isinstance(part, type)]
    return found


def _unwrapped(one: Any) -> Any:
    """Return the function that a decorated one was; of a method not, whose object would be lost."""
    if isinstance(one, types.MethodType):
        return one
    with contextlib.suppress(ValueError):  # an object that has an attribute of any name
        return inspect.unwrap(one)
    return one


def _keeps_for_itself(value: Any) -> bool:
    """Tell whether what an object keeps is its own affair: a logger's cache, what a mock was asked for."""
    return type(value).__module__.partition(".")[0] in ("logging", "threading", "unittest")


def _references(one: Any) -> Iterator[tuple[Place, Any]]:
    """Yield what a function, a method, a partial call or a callable object refers to."""
    if isinstance(one, functools.partial):
        for name, value in (("func", one.func), ("args", one.args), ("keywords", one.keywords)):
            yield (id(one), name), value
    elif isinstance(one, types.MethodType):
        yield (id(one.__self__), "self"), one.__self__
        yield (id(one.__self__), getattr(one, "__name__", "")), one.__func__
    elif not isinstance(one, types.FunctionType):
        if isinstance(inspect.getattr_static(type(one), "__call__", None), types.FunctionType):
            yield (id(one), "__call__"), one.__call__
    else:
        names = _names(one.__code__)
        for name, cell in zip(one.__code__.co_freevars, one.__closure__ or (), strict=True):
            with contextlib.suppress(ValueError):  # it is empty until its variable is set
                yield from _with_module((id(cell), name), cell.cell_contents, names)
        for name in sorted(names & one.__globals__.keys()):
            yield from _with_module((id(one.__globals__), name), one.__globals__[name], names)


def _names(code: types.CodeType) -> set[str]:
    """Return the names in a function's code, and in the functions written inside of it."""
    inner = [_names(constant) for constant in code.co_consts if isinstance(constant, types.CodeType)]
    return set(code.co_names).union(*inner)


def _with_module(place: Place, value: Any, names: set[str]) -> Iterator[tuple[Place, Any]]:
    """Yield a value; of a module that is no library, what of it is named as well."""
    yield place, value
    if isinstance(value, types.ModuleType) and not _is_library(value):
        yield from (((id(vars(value)), name), vars(value)[name]) for name in sorted(names & vars(value).keys()))


def _is_library(one: Any) -> bool:
    """Tell whether code is Python's own, installed, or ours; of a built-in nothing can be seen, so it counts as such."""
    if isinstance(one, functools.partial):
        return False  # what it calls is looked at by itself
    function = one if hasattr(one, "__code__") else inspect.getattr_static(type(one), "__call__", None)
    is_module = isinstance(one, types.ModuleType)
    file = getattr(one, "__file__", None) if is_module else getattr(getattr(function, "__code__", None), "co_filename", None)
    return file is None or file.startswith(LIBRARIES) or "site-packages" in file or "dist-packages" in file


def _contents(value: Any, depth: int = DEEP) -> list[Any]:
    """Return what a container or object holds, itself a container or not, and what containers in it hold."""
    if isinstance(value, dict):
        parts = [*value.keys(), *value.values()]
    elif isinstance(value, list | set | tuple | deque):
        parts = list(value)
    elif isinstance(value, types.FunctionType) or not hasattr(value, "__dict__"):
        return [value]
    else:
        parts = list(vars(value).values())
    if depth and len(parts) <= MANY:
        return parts + [
            inner for part in parts if isinstance(part, dict | list | set | tuple | deque) for inner in _contents(part, depth - 1)
        ]
    return parts
