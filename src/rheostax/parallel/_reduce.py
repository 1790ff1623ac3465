"""Reduce metrics across processes, or along an axis within a compiled function."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rheostax._check import as_scalar, one_of
from rheostax._processes import HOWS, reduced, several
from rheostax.errors import ArgumentError

__all__ = ["reduce_metrics"]

Axis = str | Sequence[str]


def reduce_metrics(metrics: Mapping[str, Any], how: str = "mean", *, weight: Any = 1.0, axis: Axis | None = None) -> dict[str, Any]:
    """Return metrics that are the same on all processes, or on all devices of an axis.

    The mean is sum_i w_i x_i / sum_i w_i over the processes i, computed in float32 and never outside of [min_i x_i, max_i x_i]: equal
    values stay as they are, to the last bit. One that is NaN or infinite makes it so, and policies leave it out, on all.

    Args:
        metrics: Real scalars by name, the same names on all; None where this process has no value.
        how: "mean", "min" or "max".
        weight: Of this process's values, a number >= 0: the number of samples, say. 0 is no say at all.
        axis: Inside `jax.shard_map` or `jax.vmap`, the name of the axis (or several) to reduce along. None: over processes, outside of
            `jax.jit`. Under `jax.jit` with global arrays a mean is over all of it already, and needs no reduction.

    Returns:
        Scalars, `float32 []`, by name; without those that no process has. Along an axis a mean of no value is NaN.

    Raises:
        ArgumentError: If `how`, a metric or the weight breaks its rule, or a metric is traced and there is no axis.
        DisagreementError: On all processes, if they give different names or ask for different reductions.

    >>> import rheostax as rx
    >>> print(rx.parallel.reduce_metrics({"val_loss": 0.5}, weight=100)["val_loss"])  # on the only process
    0.5
    """
    one_of("reduce_metrics: how", how, HOWS)
    values = {name: None if value is None else as_scalar(f"The metric {name!r}", value) for name, value in metrics.items()}
    share = as_scalar("reduce_metrics: weight", weight)
    if axis is not None:
        return {name: _along(axis, how, value, share) for name, value in values.items() if value is not None}
    if any(isinstance(value, jax.core.Tracer) for value in (*values.values(), share)):
        raise ArgumentError(
            "reduce_metrics: a traced metric is reduced along an axis of jax.shard_map: name it with axis=...; under jax.jit with global "
            "arrays it is the same everywhere already."
        )
    weigh = float(share)
    if not 0 <= weigh < np.inf:
        raise ArgumentError(f"reduce_metrics: weight must be a finite number >= 0, got {weight!r}.")
    if several():
        return reduced(values, how, weigh)
    return {name: np.asarray(value)[()] for name, value in values.items() if value is not None and weigh > 0}


def _along(axis: Axis, how: str, value: jax.Array, weight: jax.Array) -> jax.Array:
    """Reduce along an axis; in min and max a NaN wins, whichever order the devices are compared in. Of no value a mean is NaN."""
    names: Any = axis if isinstance(axis, str) else tuple(axis)
    there = weight > 0

    def largest(sign: float) -> jax.Array:
        return sign * jax.lax.pmax(jnp.where(there & ~jnp.isnan(value), sign * value, -jnp.inf), names)

    if how == "mean":
        total = jax.lax.psum(weight, names)
        mean = jax.lax.psum(jnp.where(there, value * (weight / total), 0.0), names)
        return jnp.where(total > 0, jnp.where(jnp.isfinite(mean), jnp.clip(mean, largest(-1.0), largest(1.0)), mean), jnp.nan)
    unknown = jax.lax.psum((there & jnp.isnan(value)).astype(jnp.float32), names)
    best = largest(1.0 if how == "max" else -1.0)
    return jnp.where(unknown > 0, jnp.nan, best)
