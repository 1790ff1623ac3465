"""What the functions of all peers need: checks under the peer's names, a rate or one per group, and refusals."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from rheostax import _check
from rheostax._rate import Constant, LearningRate, is_reactive, walk
from rheostax.errors import ArgumentError
from rheostax.groups import Groups

__all__ = ["by_group", "choice", "each", "made_as", "marked", "number", "pick", "refuse", "updates", "whole"]


MARK = "_stands_for"


def refuse(where: str, argument: str, value: Any, *, unless: Any, why: str) -> None:
    """Refuse an option of the peer that isn't supported, by its name; `unless` is the value that doesn't use it."""
    if value is not unless and value != unless:
        raise ArgumentError(f"{where}: {argument} must be {unless!r}, got {value!r}. {why}")


def by_group(where: str, learning_rate: Any, make: Callable[[Any, int, int], LearningRate]) -> LearningRate:
    """Return `make(rate, 0, 1)` for a number; for `rx.Groups` of numbers, groups of `make(rate, i, how many)`."""
    if not isinstance(learning_rate, Groups):
        if isinstance(learning_rate, LearningRate) or callable(learning_rate):
            kind = "a policy" if isinstance(learning_rate, LearningRate) and is_reactive(learning_rate) else "a schedule"
            raise ArgumentError(
                f"{where}: learning_rate must be a number, or rx.Groups of numbers, got {kind}: {learning_rate!r}. "
                "To combine expressions, multiply them."
            )
        return make(learning_rate, 0, 1)
    numbers = iter(enumerate(learning_rate.rates))

    def one(rate: LearningRate) -> LearningRate:
        i, _ = next(numbers)
        if not isinstance(rate, Constant):
            raise ArgumentError(f"{where}: learning_rate must be a number in each group, got {rate!r}.")
        return make(rate.value, i, len(learning_rate.rates))

    return learning_rate.rebuild(lambda _, value: value, one)


def marked(name: str, rate: LearningRate) -> LearningRate:
    """Return an expression that remembers which of a peer's classes it stands for, as long as it is the very same object."""
    own = copy.copy(rate)
    object.__setattr__(own, MARK, name)
    return own


def made_as(rate: LearningRate) -> set[str]:
    """Return the peer's classes that an expression and what is in it were marked as."""
    return {getattr(node, MARK) for node, _ in walk(rate) if hasattr(node, MARK)}


def pick(where: str, argument: str, value: Any, i: int, groups: int) -> Any:
    """Return what an argument that may be a list with one value per group says for group i."""
    if not isinstance(value, list | tuple):
        return value
    if len(value) != groups:
        raise ArgumentError(
            f"{where}: {argument} must have one value for each of {groups} group{'s' * (groups > 1)}, got {len(value)}. "
            "Groups are made by learning_rate=rx.Groups({...})."
        )
    return value[i]


def _named(where: str, argument: str, value: Any) -> Any:
    """Make an object for the rules in `_check`: they quote the name of its class and that of the field."""
    holder = type(where, (), {})()
    setattr(holder, argument, value)
    return holder


def number(where: str, argument: str, value: Any, **limits: Any) -> Any:
    """Return a number, checked under the peer's name for it."""
    _check.number(holder := _named(where, argument, value), argument, **limits)
    return getattr(holder, argument)


def whole(where: str, argument: str, value: Any, **limits: Any) -> Any:
    """Return a whole number or a duration, checked under the peer's name for it."""
    _check.duration(holder := _named(where, argument, value), argument, **limits)
    return getattr(holder, argument)


def updates(where: str, argument: str, value: Any, **limits: Any) -> Any:
    """Return a whole number that has to be known at once, so that a duration in other units won't do."""
    _check.whole(holder := _named(where, argument, value), argument, **limits)
    return getattr(holder, argument)


def each(where: str, argument: str, value: Any, of: str) -> list[Any]:
    """Return the members of what must be a list; `of` says what of."""
    if isinstance(value, str | Mapping) or not isinstance(value, Iterable):
        raise ArgumentError(f"{where}: {argument} must be a list of {of}, got {value!r}.")
    return list(value)


def choice(where: str, argument: str, value: Any, choices: tuple[Any, ...]) -> None:
    """Check that a value is one of some, under the peer's name for it."""
    _check.choice(_named(where, argument, value), argument, choices)
