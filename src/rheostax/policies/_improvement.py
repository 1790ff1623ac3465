"""What an improvement of a metric is: one rule for all policies."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from rheostax._twofloat import TwoFloat

__all__ = ["improves", "margin_of"]


def margin_of(best: Any, rtol: Any, atol: Any, *, strict: bool = False) -> TwoFloat:
    """Return how much better than a finite best a value has to be: `rtol * |best| + atol`; if strict, `rtol * best + atol`."""
    best = jnp.asarray(best)
    return TwoFloat.of(rtol) * (best if strict else jnp.abs(best)) + atol


def improves(value: jax.Array, best: jax.Array, *, mode: str, rtol: Any, atol: Any, strict: bool = False) -> jax.Array:
    """Tell whether a value is better than the best by more than the margin.

    The difference is exact, and the margin is to 48 bits, so that what float64 calls an improvement is one here: a float32
    margin errs by more than two neighbouring metrics differ. An infinite best, or NaN, is none: anything improves on it. If strict,
    values and the best may be infinite or NaN, and are compared as they are: nothing is better than an infinite best but in
    the other direction.
    """
    sign = 1.0 if mode == "min" else -1.0
    known = jnp.where(jnp.isfinite(best), best, 0.0)
    number = jnp.where(jnp.isfinite(value), value, 0.0)
    enough = (TwoFloat.of(sign * known) - sign * number - margin_of(known, rtol, atol, strict=strict)).high > 0
    if not strict:
        return ~jnp.isfinite(best) | enough
    return jnp.where(jnp.isfinite(best) & jnp.isfinite(value), enough, sign * value < sign * best)
