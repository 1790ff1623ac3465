"""What any training of a task starts with: model, optimizer, and batches without end.

`fit` is one way to train a task; the finder and whoever else tries rates on one start here as well.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import jax
from flax import nnx

from rheostax._rate import RateLike
from rheostax.control import control
from rheostax.errors import TaskError
from rheostax.optimizer import Optimizer
from rheostax.training.data import Data
from rheostax.training.protocol import first_batch, reported_metrics, require_data, require_model
from rheostax.training.task import Task

__all__ = ["batches_of", "load_data", "require_loss", "start"]


def load_data(task: Task) -> Data:
    """Return a task's data, checked."""
    data = task.data()
    require_data(data)
    return data


def start(task: Task, learning_rate: RateLike, seed: int | jax.Array) -> tuple[Any, Optimizer]:
    """Return the model, in training mode, and an optimizer with this rate; everything random comes from the seed, or a key.

    With a rate whose numbers are traced, and a key, it can be compiled and vmapped: `nnx.state(start(...))` is a pure function.
    """
    model = task.model(nnx.Rngs(seed))
    require_model(model)
    model.train()
    return model, Optimizer(
        model, control(task.optimizer, learning_rate, on_nonfinite="skip", on_skip="advance", **task.hyperparameters), wrt=nnx.Param
    )


def require_loss(task: Task, model: Any, data: Data) -> None:
    """Refuse a task whose loss isn't as the protocol wants it, before anything is compiled."""
    reported_metrics(task, model, first_batch(data.validation(), "data.validation()"))


def batches_of(data: Data, seed: int) -> Iterator[Any]:
    """Yield the training batches, epoch after epoch, without end."""
    for epoch in itertools.count():
        one = None
        for one in data.train(epoch, seed):
            yield one
        if one is None:
            raise TaskError(f"data.train({epoch}, {seed}) yields no batch; it must return a new iterator each time.")
