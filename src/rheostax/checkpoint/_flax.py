"""NNX modules and optimizers as pytrees of arrays, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flax import nnx

from rheostax import state as _state
from rheostax.errors import ArgumentError, StateError
from rheostax.optimizer import Optimizer

__all__ = ["put", "trees"]

RESERVED = ("recorder", "data", "model", "optimizer")


def trees(model: Any, optimizer: Any, others: Mapping[str, Any]) -> dict[str, Any]:
    """Return everything that is to be saved or restored as pytrees by name."""
    found: dict[str, Any] = {}
    if model is not None:
        if not isinstance(model, nnx.Module):
            raise ArgumentError(f"Checkpoints: model must be an NNX module, got {type(model).__name__}; pass a pytree as params=.")
        found["model"] = nnx.as_pure(nnx.state(model))
    if optimizer is not None:
        if not isinstance(optimizer, nnx.Optimizer):
            raise ArgumentError(
                f"Checkpoints: optimizer must be an rx.Optimizer or nnx.Optimizer, got {type(optimizer).__name__}; "
                "pass an optax state as opt_state=."
            )
        found["optimizer"] = {"step": _step(optimizer), "state": _state.opt_state(optimizer)}
    for name, tree in others.items():
        if not name.isidentifier() or name in RESERVED:
            raise ArgumentError(f"Checkpoints: {name!r} can't be the name of a pytree.")
        if tree is not None:
            found[name] = tree
    if not found:
        raise ArgumentError("Checkpoints: there is nothing to save or restore; pass model= and optimizer=, or params= and opt_state=.")
    return found


def _step(optimizer: Any) -> Any:
    step = optimizer.step
    return step.get_value() if isinstance(step, nnx.Variable) else step


def put(model: Any, optimizer: Any, new: Mapping[str, Any]) -> None:
    """Put restored arrays into a model and an optimizer."""
    if isinstance(optimizer, nnx.Optimizer) and not isinstance(optimizer, Optimizer):
        _require_same_layout(optimizer, new["optimizer"]["state"])
    if model is not None:
        nnx.update(model, new["model"])
    if optimizer is None:
        return
    step, state = new["optimizer"]["step"], new["optimizer"]["state"]
    if isinstance(optimizer, Optimizer):
        optimizer._store(step, state)
    else:
        optimizer.step.set_value(step)
        nnx.update(optimizer.opt_state, nnx.state(state))


def _require_same_layout(optimizer: Any, new: Any) -> None:
    pairs = zip(_state.controls(_state.opt_state(optimizer)).values(), _state.controls(new).values(), strict=True)
    if any(old.layout != one.layout for old, one in pairs):
        raise StateError("An nnx.Optimizer can't take a learning rate of another structure; use rx.Optimizer.")
