"""The journal: every decision of every policy, with the numbers that it was taken on.

A decision is seen from outside, by comparing the control's state before and after: nothing is computed for it inside the
training step, and a policy needn't know that it is watched. Since the state is two small vectors (see `ControlState`), a
scanned loop can return it for every update, and the decisions are found afterwards on the host.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import jax.numpy as jnp
import numpy as np

from rheostax._control_state import Body, ControlState
from rheostax._rate import LearningRate
from rheostax._words import plain, say
from rheostax.groups import group_names
from rheostax.policies._policy import policies

__all__ = ["WENT_BACK", "Decision", "Rates", "decisions", "decisions_of", "moves", "rate_at"]

WENT_BACK = "went back to the last good copy of weights, optimizer and rate"

Rates = float | dict[str, float]


@dataclasses.dataclass(frozen=True)
class Decision:
    """One move of one policy."""

    count: int  # updates applied when it was taken
    policy: str  # as it is written in Python
    metric: str
    value: float  # the observation that made it
    best: float | None  # the best value before it, for a policy that keeps one
    old_learning_rate: Rates  # the rate at this count without the decision; per group, if there are groups
    new_learning_rate: Rates  # the rate at this count with it
    why: str

    def __str__(self) -> str:
        old, new = _mean(self.old_learning_rate), _mean(self.new_learning_rate)
        if old == new:
            return f"kept {say(self.new_learning_rate, 3)} at update {self.count:,}: {self.why}"
        verb = "cut" if new < old else "raised"
        return f"{verb} {say(self.old_learning_rate, 3)} -> {say(self.new_learning_rate, 3)} at update {self.count:,}: {self.why}"

    def to_json(self) -> dict[str, Any]:
        """Return the fields as plain numbers and text."""
        return dataclasses.asdict(self)


def decisions(before: ControlState, after: ControlState) -> list[Decision]:
    """Return what the policies decided between two states of one control.

    Args:
        before: The state before an observation or update.
        after: The state after it.

    Returns:
        The decisions, in the order in which the policies are written.
    """
    return _compare(before.fetch(), after.fetch())


def decisions_of(before: ControlState, floats: Any, ints: Any) -> list[Decision]:
    """Return what the policies decided in a scanned loop.

    Args:
        before: The state before the loop.
        floats: `ControlState.floats` after each of n updates, `float32 [n, ...]`.
        ints: `ControlState.ints` after each of them, `int32 [n, ...]`.

    Returns:
        The decisions, earliest first.
    """
    floats = np.concatenate([np.asarray(before.floats)[None], np.asarray(floats)])
    ints = np.concatenate([np.asarray(before.ints)[None], np.asarray(ints)])
    history: Body = before.layout.unpack(floats, ints)
    moved = np.zeros(len(floats) - 1, bool)
    for policy, seen in policies(history.rate, history.observed):
        signal = np.asarray(policy.signal(seen.own))
        moved |= signal[1:] != signal[:-1]
    states = ((before._replace(floats=floats[k], ints=ints[k]) for k in (i, i + 1)) for i in np.flatnonzero(moved))
    return [decision for old, new in states for decision in decisions(old, new)]


def _compare(before: Body, after: Body) -> list[Decision]:
    found = moves(before.rate, before.observed, after.observed, int(before.count), 0.0, 0.0)
    if not found:
        return []
    old, new = rate_at(after._replace(observed=before.observed), before.count), rate_at(after, before.count)
    return [dataclasses.replace(one, old_learning_rate=old, new_learning_rate=new) for one in found]


def moves(rate: LearningRate, before: Any, after: Any, count: int, old_rate: Rates, new_rate: Rates) -> list[Decision]:
    """Return what the policies of an expression decided between two of its states, whose rates are known."""
    found = []
    for (policy, old), (_, new) in zip(policies(rate, before), policies(rate, after), strict=True):
        if np.array_equal(policy.signal(old.own), policy.signal(new.own)):
            continue
        best = getattr(old.own, "best_value", None)
        found.append(
            Decision(
                count=count,
                policy=repr(policy),
                metric=policy.monitor,
                value=plain(new.last),
                best=None if best is None or not np.isfinite(best) else plain(best),
                old_learning_rate=old_rate,
                new_learning_rate=new_rate,
                why=policy.explain(old.own, new.own, float(new.last)),
            )
        )
    return found


def rate_at(body: Body, count: Any) -> Rates:
    """Return the rate that the update at `count` uses."""
    names = group_names(body.rate)
    value, _ = body._replace(count=jnp.int32(count)).effective(jnp.float32(0.0))
    return dict(zip(names, plain(value), strict=True)) if names else plain(value)


def _mean(rates: Rates) -> float:
    return sum(rates.values()) / len(rates) if isinstance(rates, dict) else rates
