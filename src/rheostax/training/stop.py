"""When a run is over before its epochs are."""

from __future__ import annotations

from typing import Any

from rheostax._control_state import ControlState
from rheostax._rate import Clip, walk
from rheostax._words import say
from rheostax.policies._actions import Stopping
from rheostax.policies._policy import policies

__all__ = ["floor_reached", "stop_asked_for"]

ROUNDING = 1 + 1e-5  # a hundred cuts by a float32 factor end within this of the floor that they were meant to hit


def floor_reached(state: ControlState) -> str | None:
    """Say so if policies have brought the rate down to the lowest that the expression allows, else return None.

    The floor is a lower bound of a clip around a policy, or a policy's own `min_scale`; a rate without either has no floor.
    """
    body = state.fetch()
    for part, seen in walk(body.rate, body.observed):
        if not isinstance(part, Clip) or part.min_value == 0:
            continue
        cut = any(_scale(own.own) < 1 for _, own in policies(part.rate, seen[0]))
        if cut and bool((part.rate.evaluate(seen[0], body.count).high <= part.min_value * ROUNDING).all()):
            return f"the learning rate reached its floor, {say(part.min_value)}"
    for policy, own in policies(body.rate, body.observed):
        lowest = float(getattr(policy, "min_scale", 0.0))
        if 0 < lowest < 1 and _scale(own.own) <= lowest * ROUNDING:
            return f"{type(policy).__name__} reached its smallest scale, {say(lowest)}"
    return None


def stop_asked_for(state: ControlState) -> str | None:
    """Say so if a `StopOnPlateau` asks for the training to stop, else return None."""
    body = state.fetch()
    for policy, seen in policies(body.rate, body.observed):
        if isinstance(policy, Stopping) and int(seen.own.stopped):
            return policy.reason(seen.own)
    return None


def _scale(own: Any) -> float:
    """Return a policy's factor, or 1 for one that keeps none."""
    return float(getattr(own, "scale", 1.0))
