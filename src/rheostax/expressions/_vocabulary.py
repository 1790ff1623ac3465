"""The words of the language: every class that an expression is made of, by name, and the functions that return expressions."""

from __future__ import annotations

import functools
import importlib
import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any

import rheostax.compat
import rheostax.policies
import rheostax.schedules
from rheostax._check import did_you_mean
from rheostax._duration import Duration
from rheostax._rate import Clip, LearningRate, Product
from rheostax.groups import Groups

__all__ = ["UnknownWordError", "arguments", "class_named", "classes", "is_list", "maker", "name_of"]

# What the functions of `rx.compat` return beside the public classes. They are written under these names, so they are read, too.
PEERS = {
    "BrokenStep": "rheostax.compat.timm._steps",
    "CosineFalls": "rheostax.compat.transformers._wave",
    "CosinePower": "rheostax.compat.optax._cosine_power",
    "CosineWave": "rheostax.compat.transformers._wave",
    "CyclePolynomial": "rheostax.compat.keras._decays",
    "Cycles": "rheostax.compat._cycles",
    "InverseTime": "rheostax.compat.keras._decays",
    "Renewed": "rheostax.compat.torch._renewed",
    "StrictReduceOnPlateau": "rheostax.compat.optax._plateau",
    "StrictPlateau": "rheostax.compat.keras._plateau",
}
NOT_MADE_OF_TEXT = ("convert",)  # it takes over from another library's object


class UnknownWordError(LookupError):
    """Tell that there is no such word; the message suggests the nearest."""


@functools.cache
def classes() -> Mapping[str, type[LearningRate]]:
    """Return the public classes, and the two that composition makes."""
    found = {name: getattr(module, name) for module in (rheostax.schedules, rheostax.policies) for name in module.__all__}
    found |= {"Groups": Groups, "Clip": Clip, "Product": Product}
    return {
        name: cls for name, cls in found.items() if isinstance(cls, type) and issubclass(cls, LearningRate) and not inspect.isabstract(cls)
    }


def class_named(name: Any) -> type[LearningRate]:
    """Return a class by its name.

    Raises:
        UnknownWordError: If there is none.
    """
    if name in classes():
        return classes()[name]
    if name in PEERS:
        return getattr(importlib.import_module(PEERS[name]), name)
    raise UnknownWordError(f"{name!r} is not a schedule or policy. {did_you_mean(name, [*classes(), *PEERS])}".rstrip())


def name_of(rate: LearningRate) -> str | None:
    """Return the name under which a node's class is read, or None for a class that isn't rheostax's own."""
    name = type(rate).__name__
    known = name in classes() or PEERS.get(name) == type(rate).__module__
    return name if known and class_named(name) is type(rate) else None


def _recipes() -> Mapping[str, Any]:
    return importlib.import_module("rheostax.recipes").RECIPES  # not before a word may be one: they are many expressions


def maker(name: str) -> Callable[..., Any]:
    """Return the class or function that a name in a text stands for; "rx." before it is left out.

    Raises:
        UnknownWordError: If there is none.
    """
    parts = re.sub(r"^(rx|rheostax)\.", "", name).split(".")
    if parts == ["Duration"]:
        return Duration
    if parts[0] == "recipes" and len(parts) == 2:
        recipes = _recipes()
        if parts[1] in recipes:
            return recipes[parts[1]].function
        raise UnknownWordError(
            f"There is no recipe {parts[1]!r}; `rheostax recipes` lists them. {did_you_mean(parts[1], recipes)}".rstrip()
        )
    if parts[0] == "compat" and len(parts) == 3 and parts[1] in rheostax.compat.__all__:
        module = importlib.import_module(f"rheostax.compat.{parts[1]}")
        known = [one for one in module.__all__ if one not in NOT_MADE_OF_TEXT]
        if parts[2] in known:
            return getattr(module, parts[2])
        raise UnknownWordError(f"rx.compat.{parts[1]} has no {parts[2]!r} that could be written. {did_you_mean(parts[2], known)}".rstrip())
    if len(parts) == 1:
        if parts[0] not in classes() and parts[0] not in PEERS:
            raise UnknownWordError(f"{name!r} is not a schedule or policy. {_nearest(parts[0])}".rstrip())
        return class_named(parts[0])
    if parts[0] == "optax" and len(parts) == 2 and parts[1] in importlib.import_module("rheostax.compat.optax").__all__:
        raise UnknownWordError(f"{name!r} is a function of another library; rheostax's own of that name is compat.{name}.")
    modules = ", ".join(f"compat.{one}" for one in rheostax.compat.__all__)
    raise UnknownWordError(f"There is no {name!r}. Names with dots begin with rx, recipes, or one of {modules}.")


def _nearest(word: str) -> str:
    if word in ("Foreign", "Cumulative"):
        return "It stands for a function, which can't be written; use a schedule of rheostax."
    recipes = _recipes()
    if word in recipes:
        return f"The recipe is recipes.{word}()."
    return did_you_mean(word, classes()) or did_you_mean(word, [*PEERS, *(f"recipes.{name}" for name in recipes)])


def arguments(make: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    """Return the arguments that a class or function takes, by name."""
    return inspect.signature(make).parameters


def is_list(parameter: inspect.Parameter) -> bool:
    """Tell whether an argument is a list by nature (boundaries, values), not one setting."""
    return re.search(r"\b(tuple|list|Iterable|Sequence|Mapping|dict)\b", str(parameter.annotation)) is not None
