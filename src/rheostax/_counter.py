"""Counters that stop at the largest int32 instead of wrapping round to a negative number."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

__all__ = ["increment"]


def increment(counter: jax.Array, when: Any = True) -> jax.Array:
    """Add one where `when`, up to the largest int32."""
    return counter + (jnp.asarray(when) & (counter < jnp.iinfo(jnp.int32).max)).astype(jnp.int32)
