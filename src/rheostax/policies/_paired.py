"""How a loss has changed, without the noise of the batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

__all__ = ["paired_change"]


def paired_change(loss: Callable[..., Any], params: Any, before: Any, *batch: Any) -> jax.Array:
    """Return the relative change of the loss on one batch between two sets of parameters.

    `(loss(params, *batch) - loss(before, *batch)) / |loss(before, *batch)|`. Both losses have the noise of the same batch,
    most of which cancels: what a policy with `paired=True` listens to. It costs two forward passes.

    Args:
        loss: Parameters and batch -> loss, a real scalar.
        params: The parameters now.
        before: Those of one window before: a copy that isn't donated to an update.
        *batch: What `loss` takes beside parameters.

    Returns:
        `float32 []`; negative if the loss has fallen, not finite where the loss before was 0.

    Raises:
        Exception: What `loss` raises.

    >>> import jax.numpy as jnp, rheostax as rx
    >>> loss = lambda slope, x, y: jnp.mean((slope * x - y) ** 2)
    >>> x = jnp.arange(3.0)
    >>> print(f"{rx.paired_change(loss, 1.5, 1.0, x, 2 * x):.3f}")
    -0.750
    """
    then = jnp.asarray(loss(before, *batch), jnp.float32)
    return (jnp.asarray(loss(params, *batch), jnp.float32) - then) / jnp.abs(then)
