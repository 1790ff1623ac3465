"""What a task must keep to, checked before anything is trained."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import jax.numpy as jnp
from flax import nnx

from rheostax._check import did_you_mean
from rheostax._control_state import monitored
from rheostax._purity import require_pure
from rheostax._words import described
from rheostax.errors import TaskError, UnknownMetricError
from rheostax.training.plan import Plan
from rheostax.training.task import Task

__all__ = ["LOSS", "first_batch", "reported_metrics", "require_data", "require_metrics", "require_model"]

LOSS = "loss(model, batch)"


def require_data(data: Any) -> None:
    """Refuse what isn't a `Data`, or has no batches."""
    if not all(hasattr(data, name) for name in ("batches_per_epoch", "train", "validation")):
        raise TaskError(f"data() must return a rheostax.training.Data, such as Arrays(training, held_out, batch_size); got {type(data)}.")
    count = data.batches_per_epoch
    if not isinstance(count, int) or count < 1:
        raise TaskError(f"batches_per_epoch must be a whole number >= 1, got {count!r}.")


def require_model(model: Any) -> None:
    """Refuse a model that isn't a module."""
    if not isinstance(model, nnx.Module):
        raise TaskError(f"model(rngs) must return a flax.nnx.Module, got {model!r}.")


def first_batch(batches: Iterable[Any], what: str) -> Any:
    """Return the first of the batches that `what` yields, or say that there is none."""
    for batch in batches:
        return batch
    raise TaskError(f"{what} yields no batch; it must yield at least one.")


def reported_metrics(task: Task, model: Any, batch: Any) -> list[str]:
    """Return what a validation will report, without computing it; refuse a loss that isn't pure."""
    _, found = require_pure(task.loss, task.loss, (model, batch), what=LOSS, kind=TaskError)
    if not (isinstance(found, tuple) and len(found) == 2 and isinstance(found[1], dict)):
        raise TaskError(f"{LOSS} must return a scalar and a dict of other scalars, which may be empty: (loss, {{}}).")
    loss, metrics = found
    if "loss" in metrics:
        raise TaskError(f"{LOSS} returns a metric named 'loss', which is the name of the loss itself. Give it another.")
    _require_scalar("the loss", loss, jnp.floating)
    for name, metric in metrics.items():
        _require_scalar(f"the metric {name!r}", metric, jnp.number)
    return ["val_loss", *(f"val_{name}" for name in metrics)]


def _require_scalar(what: str, value: Any, kind: Any) -> None:
    shape: Any = getattr(value, "shape", None)
    dtype: Any = getattr(value, "dtype", None)
    if shape != () or not jnp.issubdtype(dtype, kind) or jnp.issubdtype(dtype, jnp.complexfloating):
        rule = "a real scalar" if kind is jnp.number else "a scalar of floating type"
        raise TaskError(f"{LOSS}: {what} must be {rule}, got {described(value)}. Reduce it first, for example with .mean().")


def require_metrics(plan: Plan, reported: list[str]) -> None:
    """Refuse a policy that would wait in vain, and a goal that nothing reports."""
    known = ["value", *reported]
    for name in monitored(plan.learning_rate):
        if name not in known:
            hint = did_you_mean(name, known)
            raise UnknownMetricError(f"A policy monitors {name!r}, but this task reports {', '.join(known)}. {hint}".rstrip())
    if plan.task.goal[0] not in reported:
        raise TaskError(f"goal must be one of the validation metrics {', '.join(reported)}, got {plan.task.goal[0]!r}.")
