"""What races: one training, made pure, that can be begun with any learning rate."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import flax.errors
import jax
import jax.numpy as jnp
from flax import nnx

from rheostax import _purity
from rheostax import state as _state
from rheostax._control_state import ControlState
from rheostax._rate import LearningRate, lower
from rheostax._step import require_same_state, scalar_loss, state_and_loss
from rheostax.errors import ArgumentError, RheostaxError
from rheostax.groups import group_names

__all__ = ["Subject", "require_alike", "require_pure", "subject_of"]

STEP = "race: step"
_NOT_TRACED = (flax.errors.FlaxError, ValueError, TypeError)

_create = jax.jit(ControlState.create)  # candidates of one structure are begun by one compiled call


@dataclasses.dataclass(frozen=True)
class Subject:
    """A training as functions of its state, the control's included."""

    state: Any  # before the first update
    step: Callable[..., Any]  # as it was given
    update: Callable[[Any, Any], tuple[Any, jax.Array]]  # (state, batch) -> (state, loss); the same, pure
    validate: Callable[[Any], Any] | None  # state -> metrics by name
    edit: Callable[[Any, Callable[[Any], Any]], Any]  # (state, change of what holds the control) -> state

    def enter(self, candidate: LearningRate) -> Any:
        """Return a state of its own for a candidate: the same in everything but the learning rate."""
        fresh = _create(lower(candidate))

        def change(_: str, old: ControlState) -> ControlState:
            return fresh._replace(inner=old.inner)

        state = self.edit(self.state, lambda holder: _state.apply(holder, change))
        return jax.tree.map(jnp.copy, state)  # copied, since an update donates its state

    def observe(self, state: Any, metrics: dict[str, Any]) -> Any:
        """Tell the policies of a state what was measured."""
        return self.edit(state, lambda holder: _state.observe(holder, **metrics))

    def control(self, state: Any) -> ControlState:
        """Return the control in a state."""
        found: list[ControlState] = []

        def look(holder: Any) -> Any:
            found.extend(_state.controls(_state.opt_state(holder)).values())
            return holder

        self.edit(state, look)
        if len(found) != 1:
            raise ArgumentError(f"race: the state must hold one rx.control, whose learning rate is raced; it holds {len(found)}.")
        return found[0]


def subject_of(subject: Any, step: Callable[..., Any], validate: Callable[..., Any] | None) -> Subject:
    """Return the training of a pure state, or of a model and its optimizer as Flax NNX has them."""
    pair = isinstance(subject, tuple) and len(subject) == 2 and isinstance(subject[1], nnx.Optimizer)
    made = _of_nnx(subject, step, validate) if pair else _of_pure(subject, step, validate)
    made.control(made.state)
    return made


def _of_pure(state: Any, step: Callable[..., Any], validate: Callable[..., Any] | None) -> Subject:
    def update(state: Any, batch: Any) -> tuple[Any, jax.Array]:
        return state_and_loss(step(state, batch), STEP)

    return Subject(state, step, update, validate, lambda state, change: change(state))


def _of_nnx(subject: tuple[Any, Any], step: Callable[..., Any], validate: Callable[..., Any] | None) -> Subject:
    graphdef, state = nnx.split(subject)

    def merge(state: Any) -> Any:
        return nnx.merge(graphdef, jax.tree.map(lambda leaf: leaf, state))  # with Variables of its own, or it'd change those given

    def update(state: Any, batch: Any) -> tuple[Any, jax.Array]:
        model, optimizer = merge(state)
        loss = scalar_loss(step(model, optimizer, batch), STEP)
        return nnx.state((model, optimizer)), loss

    def edit(state: Any, change: Callable[[Any], Any]) -> Any:
        model, optimizer = merge(state)
        change(optimizer)
        return nnx.state((model, optimizer))

    def valued(state: Any) -> Any:
        return validate(merge(state)[0])  # type: ignore[misc]

    return Subject(state, step, update, valued if validate else None, edit)


def require_pure(subject: Subject, state: Any, batch: Any) -> Any:
    """Try the step without computing anything; say in words what is wrong with it.

    Returns:
        The update as a jaxpr.

    Raises:
        ArgumentError: If it isn't pure, can't be traced, or doesn't return a state like its own and a scalar loss.
    """
    try:
        jaxpr, result = _purity.require_pure(subject.step, subject.update, (state, batch), what=STEP)
    except RheostaxError:
        raise
    except _NOT_TRACED as error:
        first = str(error).strip().partition("\n")[0]
        raise ArgumentError(f"{STEP} must be a function that JAX can trace; trying it gave {type(error).__name__}: {first}") from error
    require_same_state(state, result[0], STEP)
    return jaxpr


def require_alike(subject: Subject, candidate: LearningRate) -> None:
    """Refuse a candidate whose groups the optimizer wasn't made for."""
    own = subject.control(subject.state).groups
    if group_names(candidate) != own:
        raise ArgumentError(f"race: {candidate!r} has the groups {group_names(candidate)}, but the optimizer was made with {own}.")
