"""What consecutive moments of the controls in a state tell: rates by name, and decisions."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from rheostax.record.journal import Decision, Rates, decisions_of
from rheostax.record.snapshot import Seen

__all__ = ["decisions_in", "rates_by_group"]


def rates_by_group(seen: Sequence[Seen]) -> dict[str, np.ndarray]:
    """Return the rates by group, as `rates_by_group` names them, without the first moment of several."""
    rates: dict[str, np.ndarray] = {}
    for one in seen:
        used, prefix = one.learning_rate[-max(len(one.learning_rate) - 1, 1) :], f"{one.name}/" if len(seen) > 1 else ""
        groups = one.state.groups
        rates |= {prefix[:-1]: used} if groups is None else {prefix + group: used[:, i] for i, group in enumerate(groups)}
    return rates


def decisions_in(seen: Seen) -> list[Decision]:
    found = decisions_of(seen.state, seen.floats[1:], seen.ints[1:])
    if not seen.name:
        return found
    return [
        dataclasses.replace(
            decision,
            old_learning_rate=_named(seen.name, decision.old_learning_rate),
            new_learning_rate=_named(seen.name, decision.new_learning_rate),
        )
        for decision in found
    ]


def _named(name: str, rate: Rates) -> Rates:
    return {f"{name}/{group}": one for group, one in rate.items()} if isinstance(rate, dict) else {name: rate}
