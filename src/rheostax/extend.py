"""Move the end of a schedule that is running."""

from __future__ import annotations

from typing import Any

import jax

from rheostax._check import is_whole, one_of
from rheostax._control_state import ControlState
from rheostax._node import end_of
from rheostax._rate import LearningRate
from rheostax.errors import ArgumentError
from rheostax.schedules.extended import Extended
from rheostax.schedules.join import Join
from rheostax.schedules.shift import Shift
from rheostax.schedules.staircase import Staircase
from rheostax.state import apply

__all__ = ["extend"]

HOW = ("continuous", "rewarm")


def extend(x: Any, steps: int, *, how: str = "continuous", rewarm_steps: int | None = None, at: int | None = None) -> Any:
    """Move the end of a decay that is running, without a jump of the rate.

    Putting a longer schedule in place of a shorter one makes the rate jump: a cosine that goes on from update 900 of 1,000
    as one of 2,000 is more than 20 times higher from one update to the next. Instead, from now on

    - "continuous": the rate is that of the longer schedule, times what makes it start where the rate is now;
    - "rewarm": the rate rises in a straight line to the longer schedule, in `rewarm_steps` updates, and follows it.

    Policies and changes by hand stay as they are. Since the state has another structure afterwards, jitted functions are
    traced once more.

    Args:
        x: An optax state that holds a `control`, an `nnx.Optimizer`, or an expression.
        steps: The new end: updates of the whole schedule, counted from its beginning; a whole number above the count now.
        how: "continuous" or "rewarm".
        rewarm_steps: Updates of the rise, a whole number >= 1; for "rewarm" only.
        at: The count now, >= 0: for an expression only; a state knows it.

    Returns:
        The new state, the optimizer itself, or the new expression.

    Raises:
        ArgumentError: If an argument breaks its rule, or nothing in the expression ends.
        StateError: If there is no control in it.

    >>> import rheostax as rx
    >>> rate = rx.extend(rx.Cosine(1.0, 1_000), 2_000, at=900)
    >>> [round(float(rate(count)), 4) for count in (899, 900, 901, 1_500, 2_000)]
    [0.025, 0.0245, 0.0244, 0.0062, 0.0]
    """
    one_of("extend: how", how, HOW)
    if (rewarm_steps is None) == (how == "rewarm"):
        rule = "is needed for how='rewarm'" if how == "rewarm" else "is for how='rewarm' only"
        raise ArgumentError(f"extend: rewarm_steps {rule}, got {rewarm_steps!r}.")
    if isinstance(x, LearningRate):
        if at is None:
            raise ArgumentError("extend: at is needed for an expression: the count from which the new end holds.")
        return _extend(x, steps, at, rewarm_steps or 0)
    if at is not None:
        raise ArgumentError(f"extend: at is for an expression only, a state knows its count; got {at!r}.")
    return apply(x, lambda _, state: _extend_state(state, steps, rewarm_steps or 0))


def _extend_state(state: ControlState, steps: int, rewarm_steps: int) -> ControlState:
    body = state.fetch()
    rate = _extend(body.rate, steps, int(body.count), rewarm_steps)
    new = ControlState.create(rate)
    # Schedules keep nothing in the state, so what the policies keep has the same leaves in the same order.
    observed = jax.tree.unflatten(jax.tree.structure(new.body.observed), jax.tree.leaves(state.body.observed))
    kept = state.body._replace(observed=observed, rate=new.body.rate)
    return new.replace(kept, learning_rate=state.learning_rate, inner=state.inner, settings=state.settings)


def _extend(rate: LearningRate, steps: int, at: int, rewarm_steps: int) -> LearningRate:
    """Extend every part of an expression that ends when the whole does."""
    horizon = rate.horizon
    if horizon is None:
        raise ArgumentError(f"extend: there must be a decay that ends, got {rate!r}.")
    if not is_whole(steps, at + 1):
        raise ArgumentError(
            f"extend: steps must be a whole number above the count now, {at:,}; got {steps!r}. It counts from the beginning."
        )
    last = rate.after if isinstance(rate, Extended) else rate
    name = end_of(last)
    if name is not None:
        longer = last.rebuild(lambda field, value: value + steps - horizon if field == name else value, lambda child: child)
        return Extended(rate, longer, at, rewarm_steps)
    if isinstance(rate, Join) and at >= rate.boundaries[-1]:
        begin = rate.boundaries[-1]
        return Join([*rate.rates[:-1], _extend(rate.rates[-1], steps - begin, at - begin, rewarm_steps)], rate.boundaries)
    if isinstance(rate, Shift):
        return Shift(_extend(rate.rate, steps + rate.steps, at + rate.steps, rewarm_steps), rate.steps)
    if isinstance(rate, Staircase):
        raise ArgumentError(f"extend: what is inside {rate!r} isn't counted in updates; make a new one with another inner expression.")
    if all(child.horizon != horizon for child in rate.children()):
        raise ArgumentError(f"extend: {rate!r} has no part whose end could be moved. Make it anew, with the lengths that it is to have.")
    return rate.rebuild(
        lambda _, value: value, lambda child: _extend(child, steps, at, rewarm_steps) if child.horizon == horizon else child
    )
