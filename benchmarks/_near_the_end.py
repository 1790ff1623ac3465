"""What goes wrong near the end of a schedule elsewhere: updates that aren't told apart, and values that are no number."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

import rheostax as rx

POWERS = (0.5, 0.9, 1.5)
LONG = (10_000, 30_000, 90_000, 100_000, 1_000_000)
CHUNK = 40  # schedules that are compiled together, each with its own constants


def different_values(steps: int = 100_000_000, last: int = 1000) -> dict[str, int]:
    """Return how many different values the last updates have, at a horizon that float32 can't count."""
    counts = np.arange(steps - last, steps)
    rates = {
        "Linear": rx.Linear(1e-3, 0.0, steps),
        "Cosine": rx.Cosine(1e-3, steps),
        "optax.linear_schedule": optax.linear_schedule(1e-3, 0.0, steps),
        "optax.cosine_decay_schedule": optax.cosine_decay_schedule(1e-3, steps),
    }
    return {name: len(np.unique(np.asarray(jax.jit(rate)(jnp.int32(counts))))) for name, rate in rates.items()}


def horizons(quick: bool = False) -> np.ndarray:
    """Return the horizons of the grid."""
    return np.array([*range(1, 61 if quick else 2001), *LONG])


def optax_is_no_number(quick: bool = False) -> int:
    """Return for how many horizons a compiled `optax.polynomial_schedule` is NaN at its end, for one power at least.

    The horizon is a constant for the compiler, as in a training step; it makes a product of the division by it.
    """
    bad = 0
    for grid in np.array_split(horizons(quick), -(-len(horizons(quick)) // CHUNK)):
        schedules = [[optax.polynomial_schedule(1e-3, 0.0, power, int(steps)) for power in POWERS] for steps in grid]

        @jax.jit
        def values(counts: jax.Array, schedules: Any = schedules) -> jax.Array:
            return jnp.stack([jnp.stack([one(count) for one in row]) for row, count in zip(schedules, counts, strict=True)])

        bad += int(np.any(np.isnan(values(jnp.int32(grid))), axis=1).sum())
    return bad


def ours_is_wrong(quick: bool = False) -> int:
    """Return for how many horizons ours is not above 0 before its end, or not 0 from there on: traced on all, constant on some."""

    def wrong(values: Any) -> Any:
        return ~((values[..., 0] > 0) & (values[..., 1] == 0) & (values[..., 2] == 0))

    @jax.jit
    def traced(grid: jax.Array) -> jax.Array:
        def ends(power: Any, steps: Any) -> jax.Array:
            return rx.Polynomial(1e-3, 0.0, power, steps)(steps + jnp.arange(-1, 2))

        return jax.vmap(jax.vmap(ends, (0, None)), (None, 0))(jnp.float32(POWERS), grid)

    grid = horizons(quick)
    bad = set(grid[np.any(wrong(np.asarray(traced(jnp.int32(grid)))), axis=1)].tolist())
    for steps in (1000, 30_000, 90_000) if quick else (1, 2, 41, 47, 55, 61, 82, 83, 999, 1000, *LONG):
        for power in POWERS[:1] if quick else POWERS:
            if wrong(np.asarray(jax.jit(rx.Polynomial(1e-3, 0.0, power, steps))(steps + np.arange(-1, 2)))):
                bad.add(steps)
    return len(bad)
