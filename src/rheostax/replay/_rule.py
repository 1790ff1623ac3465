"""Which rule is replayed: what was asked for, and what of it goes without saying.

A text is short for what is compared with the run: it hears the metric that the run's own plateau policy hears, and a policy
without a rate stands in the place of the run's own. Expressions are taken as they are.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax

from rheostax._rate import LearningRate, Product, as_learning_rate, walk
from rheostax.errors import ArgumentError, RunError
from rheostax.expressions import parse, parse_grid
from rheostax.policies import PlateauRate, Policy
from rheostax.policies._actions import Reducing
from rheostax.policies._on_plateau import OnPlateau
from rheostax.record.read import RunLog

__all__ = ["Settings", "is_factor", "settings_of"]

Settings = list[tuple[dict[str, Any], LearningRate]]  # each with the values that tell it from the others
DEFAULT = "value"  # what a policy hears that names no metric


def settings_of(run: RunLog, learning_rate: Any, *, chosen_metric: bool) -> tuple[Settings, list[str]]:
    """Return the settings that are asked for, and what to know of them; with `chosen_metric` the metric isn't left to the text."""
    if learning_rate is None:
        return [({}, _own(run))], []
    if isinstance(learning_rate, str):
        return _completed(run, learning_rate, chosen_metric)
    if not isinstance(learning_rate, list | tuple):
        return [({}, as_learning_rate(learning_rate))], []
    if not learning_rate:
        raise ArgumentError("replay: learning_rate must be at least one expression, got an empty list.")
    pairs = [one if isinstance(one, tuple) else ({"setting": i}, one) for i, one in enumerate(learning_rate)]
    return [(dict(values), as_learning_rate(rate)) for values, rate in pairs], []


def is_factor(rate: LearningRate) -> bool:
    """Tell whether an expression is made of policies alone that change a factor, which begins at 1."""
    parts = [part for part, _ in walk(rate)]
    return all(isinstance(part, Product | Policy) and not isinstance(part, PlateauRate) for part in parts)


def _own(run: RunLog) -> LearningRate:
    text = run.config.get("learning_rate")
    if not isinstance(text, str):
        raise RunError(f"{run.path} doesn't tell the rule that it was trained with. Say which to replay: learning_rate=..., or --with.")
    try:
        return parse(text)
    except ArgumentError as error:
        raise RunError(f"The rule of {run.path} can't be read back: {error} Say which to replay: learning_rate=..., or --with.") from None


def _completed(run: RunLog, text: str, chosen_metric: bool) -> tuple[Settings, list[str]]:
    """Read a text, and take from the run's own rule what it leaves unsaid."""
    found, notes = parse_grid(text), list[str]()
    try:
        own = _own(run)
    except RunError:
        return found, notes
    heard = {(part.monitor, part.mode) for part in _parts(own, OnPlateau)}
    if len(heard) == 1 and not chosen_metric and "monitor" not in text and any(_parts(rate, OnPlateau) for _, rate in found):
        ((metric, mode),) = heard
        given = {"monitor": metric} | ({} if "mode" in text else {"mode": mode})
        found = [(values, _replaced(rate, OnPlateau, lambda part: dataclasses.replace(part, **given))) for values, rate in found]
        if metric != DEFAULT:
            notes.append(f"the rule names no metric, so it hears {metric!r}, as the run's own does; monitor='value' is the training loss")
    if all(is_factor(rate) for _, rate in found) and len(_parts(own, Policy)) == len(_parts(own, Reducing)) == 1:
        found = [(values, _in_place(own, rate)) for values, rate in found]
        notes.append("the rule has no rate of its own, so it stands in the place of the run's own policy")
    return found, notes


def _in_place(own: LearningRate, rule: LearningRate) -> LearningRate:
    return _replaced(own, Reducing, lambda _: rule)


def _parts(rate: LearningRate, kind: type[Any]) -> list[Any]:
    return [part for part, _ in walk(rate) if isinstance(part, kind)]


def _replaced(rate: LearningRate, kind: type[Any], by: Callable[[Any], LearningRate]) -> LearningRate:
    """Return an expression with its parts of a kind replaced."""

    def is_one(part: Any) -> bool:
        return isinstance(part, kind)

    found: LearningRate = jax.tree.map(lambda part: by(part) if is_one(part) else part, rate, is_leaf=is_one)
    return found
