"""Updates that aren't made: because gradients are no numbers, or because a policy asks for it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from rheostax._rate import LearningRate
from rheostax.policies._policy import policies

__all__ = ["all_finite", "any_nonzero", "asked_to_skip", "make_or_skip"]


def all_finite(gradients: Any) -> jax.Array:
    """Tell whether there is neither NaN nor infinity in a tree, `bool []`.

    Under `jax.shard_map`, where gradients may be shards that differ from device to device, the answer is one for all devices:
    otherwise they would part.
    """
    leaves = [leaf for leaf in jax.tree.leaves(gradients) if jnp.issubdtype(jnp.result_type(leaf), jnp.inexact)]
    # 0 * x is NaN where x is NaN or infinite. (Not the largest |x|: a compiled maximum of 4,096 numbers or more loses NaN on a CPU.)
    good = functools.reduce(jnp.logical_and, (jnp.sum(leaf * 0) == 0 for leaf in leaves), jnp.bool_(True))
    axes = _axes(jax.typeof(good))
    return jax.lax.pmin(good.astype(jnp.int32), axes) > 0 if axes else good


def any_nonzero(updates: Any) -> jax.Array:
    """Tell whether updates change anything, `bool []`: those of a skipped update don't. One answer for all devices, as above."""
    found = functools.reduce(jnp.logical_or, (jnp.any(leaf != 0) for leaf in jax.tree.leaves(updates)), jnp.bool_(False))
    axes = _axes(jax.typeof(found))
    return jax.lax.pmax(found.astype(jnp.int32), axes) > 0 if axes else found


def asked_to_skip(rate: LearningRate, before: Any, after: Any) -> jax.Array | None:
    """Tell whether a policy wants the update skipped that came with these observations; None where none ever does."""
    pairs = zip(policies(rate, before), policies(rate, after), strict=True)
    asked = [policy.skips(old.own, new.own) for (policy, old), (_, new) in pairs]
    known = [one for one in asked if one is not None]
    return functools.reduce(jnp.logical_or, known) if known else None


def make_or_skip(made: Any, make: Callable[[], tuple[Any, Any]], inner: Any) -> tuple[Any, Any]:
    """Return the updates and the optimizer's state that `make` gives; no updates and the state as it is where not `made`.

    A branch, since a selection would have to read and write every array of the state once more. Where the answer is known,
    it is Python's: JAX would compile a branch anew at every call that isn't compiled as a whole.
    """

    def skip() -> tuple[Any, Any]:
        like = jax.eval_shape(make)
        return jax.tree.map(_varying_as, (jax.tree.map(lambda one: jnp.zeros(one.shape, one.dtype), like[0]), inner), like)

    if isinstance(made, jax.core.Tracer):
        return jax.lax.cond(made, make, skip)
    return make() if made else skip()


def _varying_as(value: Any, like: Any) -> Any:
    """Say of a value what `jax.shard_map` wants to know of both branches alike: over which axes devices have their own."""
    axes = tuple(axis for axis in _axes(like) if axis not in _axes(jax.typeof(value)))
    return jax.lax.pcast(value, axes, to="varying") if axes else value


def _axes(type_of_array: Any) -> tuple[str, ...]:
    """Return the axes of a `jax.shard_map` over which devices have values of their own."""
    axes = getattr(type_of_array, "manual_axis_type", None)
    return tuple(sorted(axes.varying)) if axes is not None else ()
