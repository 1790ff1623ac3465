"""Updates that aren't made: because gradients are no numbers, or because a policy asks for it."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp

from rheostax._rate import LearningRate
from rheostax.policies._policy import policies

__all__ = ["all_finite", "asked_to_skip", "choose"]


def all_finite(gradients: Any) -> jax.Array:
    """Tell whether there is neither NaN nor infinity in a tree, `bool []`.

    Under `jax.shard_map`, where gradients may be shards that differ from device to device, the answer is one for all devices:
    otherwise they would part.
    """
    leaves = [leaf for leaf in jax.tree.leaves(gradients) if jnp.issubdtype(jnp.result_type(leaf), jnp.inexact)]
    good = functools.reduce(jnp.logical_and, (jnp.all(jnp.isfinite(leaf)) for leaf in leaves), jnp.bool_(True))
    axes = tuple(getattr(jax.typeof(good), "vma", ()))
    return jax.lax.pmin(good.astype(jnp.int32), axes) > 0 if axes else good


def asked_to_skip(rate: LearningRate, before: Any, after: Any) -> jax.Array | None:
    """Tell whether a policy wants the update skipped that came with these observations; None where none ever does."""
    pairs = zip(policies(rate, before), policies(rate, after), strict=True)
    asked = [policy.skips(old.own, new.own) for (policy, old), (_, new) in pairs]
    known = [one for one in asked if one is not None]
    return functools.reduce(jnp.logical_or, known) if known else None


def choose(made: jax.Array, new: Any, old: Any) -> Any:
    """Return one of two trees of the same structure, leaf by leaf: XLA fuses the choice with what computes the leaf."""
    return jax.tree.map(lambda a, b: jnp.where(made, a, b), new, old)
