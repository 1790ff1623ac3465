"""A training step of either kind as one pure function of the rate."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
from flax import nnx

from rheostax._step import scalar_loss, state_and_loss
from rheostax.by_hand import set_learning_rate
from rheostax.errors import ArgumentError

__all__ = ["Pure", "adapt", "is_nnx"]


class Pure(NamedTuple):
    """An update as a pure function, and the state that it starts from."""

    update: Callable[[Any, Any, Any], tuple[Any, jax.Array]]  # (state, batch, rate) -> (state, loss)
    state: Any


def is_nnx(state: Any) -> bool:
    """Tell whether a state is a model and its optimizer, objects of Flax NNX."""
    return isinstance(state, tuple | list) and any(isinstance(part, nnx.Optimizer) for part in state)


def adapt(step: Callable[..., Any], state: Any, group: str | None) -> Pure:
    """Make `step` pure, with the rate as an argument.

    Args:
        step: `(model, optimizer, batch) -> loss`, `(state, batch, learning_rate) -> (state, loss)`, or
            `(state, batch) -> (state, loss)` for a state that holds a control.
        state: What it starts from: (model, optimizer), or any pytree.
        group: Which parameter group to set the rate of.
    """
    if is_nnx(state):
        return _adapt_nnx(step, state, group)
    if isinstance(state, nnx.Module):
        raise ArgumentError("state must be the model together with its optimizer, (model, optimizer), got the model alone.")
    if _takes_rate(step):
        if group is not None:
            raise ArgumentError(f"group must be left out where the step takes the rate as an argument, got {group!r}.")
        return Pure(lambda state, batch, rate: state_and_loss(step(state, batch, rate)), state)
    return Pure(lambda state, batch, rate: state_and_loss(step(set_learning_rate(state, rate, group=group, pin=True), batch)), state)


def _adapt_nnx(step: Callable[..., Any], objects: Any, group: str | None) -> Pure:
    graphdef, state = nnx.split(tuple(objects))

    def update(state: Any, batch: Any, rate: Any) -> tuple[Any, jax.Array]:
        parts = nnx.merge(graphdef, state)
        optimizers = [part for part in parts if isinstance(part, nnx.Optimizer)]
        for optimizer in optimizers:
            set_learning_rate(optimizer, rate, group=group, pin=True)
        loss = scalar_loss(step(*parts, batch))
        return nnx.state(parts), loss

    return Pure(update, state)


def _takes_rate(step: Callable[..., Any]) -> bool:
    try:
        parameters = list(inspect.signature(step).parameters.values())
    except ValueError:  # a built-in without one
        return True
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return True
    needed = [p for p in positional if p.default is p.empty]
    named = len(positional) > 2 and positional[2].name in ("learning_rate", "rate", "lr")
    if len(needed) > 3 or len(positional) < 2:
        raise ArgumentError(
            "step must take (state, batch, learning_rate), or (state, batch) where the state holds a control; it takes "
            f"({', '.join(p.name for p in positional)}). "
            "A model and its optimizer are given as one state: find_learning_rate(step, (model, optimizer), batches)."
        )
    return len(needed) == 3 or named
