"""What a training step must return: said once, for all who call steps of a user's."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from rheostax._words import described
from rheostax.errors import ArgumentError

__all__ = ["require_same_state", "scalar_loss", "state_and_loss"]


def state_and_loss(result: Any, what: str = "step") -> tuple[Any, jax.Array]:
    """Return the two that a step of a pure state returns.

    Raises:
        ArgumentError: If it returns something else.
    """
    if not (isinstance(result, tuple) and len(result) == 2):
        raise ArgumentError(f"{what} must return (state, loss), got {described(result)}.")
    return result[0], scalar_loss(result[1], what)


def scalar_loss(result: Any, what: str = "step") -> jax.Array:
    """Return the loss alone, or the first of (loss, metrics).

    Raises:
        ArgumentError: If it is no scalar of floating type.
    """
    loss: Any = result[0] if isinstance(result, tuple) and result else result
    shape: Any = getattr(loss, "shape", None)
    dtype: Any = getattr(loss, "dtype", None)
    if shape != () or not jax.numpy.issubdtype(dtype, jax.numpy.floating):
        raise ArgumentError(
            f"{what} must return the loss, a scalar of floating type, or (loss, metrics); got {described(loss)}. "
            "Reduce it first, for example with .mean()."
        )
    return loss


def require_same_state(old: Any, new: Any, what: str = "step") -> None:
    """Refuse a step that changes the structure, a shape or a dtype of its state: nothing could repeat it."""
    structure: Any = jax.tree.structure(old)
    if structure != jax.tree.structure(new):
        raise ArgumentError(f"{what} must return a state of the structure that it got, but some part comes or goes in an update.")
    places = [path for path, _ in jax.tree_util.tree_flatten_with_path(old)[0]]
    for path, a, b in zip(places, jax.tree.leaves(old), jax.tree.leaves(new), strict=True):
        if (np.shape(a), jax.numpy.result_type(a)) != (b.shape, b.dtype):
            where = jax.tree_util.keystr(path)
            was, now = (f"{jax.numpy.result_type(x)}{list(np.shape(x))}" for x in (a, b))
            raise ArgumentError(
                f"{what} must return a state like the one it got, but state{where} is {was} before an update and {now} after it."
            )
