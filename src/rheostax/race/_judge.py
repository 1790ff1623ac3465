"""Who races, and how good they are."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from rheostax._check import did_you_mean
from rheostax._purity import watched
from rheostax._rate import LearningRate
from rheostax._words import described
from rheostax.errors import ArgumentError
from rheostax.race._subject import Subject

__all__ = ["Entrant", "Judge"]


@dataclasses.dataclass
class Entrant:
    """A candidate on its way."""

    label: str
    learning_rate: LearningRate
    losses: list[np.ndarray] = dataclasses.field(default_factory=list)
    scores: list[tuple[int, float]] = dataclasses.field(default_factory=list)
    diverged: bool = False
    state: Any = None  # after its last update, once it is out

    @property
    def updates(self) -> int:
        return sum(map(len, self.losses))


class Judge:
    """Says how good a candidate is."""

    def __init__(self, subject: Subject, metric: str | None, sign: float) -> None:
        self.subject, self.metric, self.sign = subject, metric, sign
        self.validations = 0

    def metrics(self, state: Any) -> dict[str, float]:
        self.validations += 1
        validate: Any = self.subject.validate
        with watched(validate, "race: validate"):
            found = validate(state)
        named = found if isinstance(found, Mapping) else {self.metric or "validation": found}
        self.metric = self.metric or next(iter(named))
        if self.metric not in named:
            hint = did_you_mean(self.metric, named)
            raise ArgumentError(f"race: validate must return the metric {self.metric!r}, got {', '.join(named)}. {hint}".rstrip())
        return {name: _number(name, value) for name, value in jax.device_get(dict(named)).items()}

    def score(self, entrant: Entrant, state: Any) -> float:
        if self.subject.validate is None:
            losses = np.concatenate(entrant.losses)
            return float(losses[-max(1, len(losses) // 10) :].mean(dtype=np.float64))
        return self.metrics(state)[self.metric]  # type: ignore[index]

    def key(self, entrant: Entrant) -> tuple[bool, float]:
        score = entrant.scores[-1][1] if entrant.scores else np.nan
        bad = entrant.diverged or not np.isfinite(score)
        return bad, 0.0 if bad else self.sign * score


def _number(name: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise ArgumentError(
            f"race: validate must return a number, or a dict of numbers by name, got {described(value)} for {name!r}."
        ) from None
