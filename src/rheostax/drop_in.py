"""`reduce_on_plateau`: optax's transformation with its faults mended. Changing the import is the whole migration."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from rheostax._control_state import as_metrics
from rheostax._processes import agreed
from rheostax._twofloat import TwoFloat
from rheostax.policies.reduce_on_plateau import PlateauState, ReduceOnPlateau

__all__ = ["ReduceLROnPlateauState", "reduce_on_plateau"]


class ReduceLROnPlateauState(NamedTuple):
    """State of `reduce_on_plateau`: optax's fields under their names, and one more."""

    scale: jax.typing.ArrayLike  # float32 []: what updates are multiplied with
    best_value: jax.typing.ArrayLike  # float32 []
    plateau_count: jax.typing.ArrayLike  # int32 []
    cooldown_count: jax.typing.ArrayLike  # int32 []
    count: jax.typing.ArrayLike  # type: ignore[assignment]  # int32 []: values in the running average
    avg_value: jax.typing.ArrayLike  # float32 []
    nonfinite_count: jax.typing.ArrayLike = 0  # int32 []: NaN and infinite values, which were left out


def reduce_on_plateau(
    factor: float = 0.1,
    patience: int = 10,
    rtol: float = 1e-4,
    atol: float = 0.0,
    cooldown: int = 0,
    accumulation_size: int = 1,
    min_scale: float = 0.0,
    *,
    mode: str = "min",
) -> optax.GradientTransformationExtraArgs:
    """Scale updates down when the metric passed as `value` has stopped improving.

    Put it after the optimizer in `optax.chain`: before it, Adam and its like normalize the scale away. The rule is that of
    `rx.ReduceOnPlateau`. Unlike optax's, it is right for negative, NaN, infinite and bf16 metrics, keeps its state in
    float32 whatever the parameters are, doesn't need `value` at every update, and leaves integer leaves alone. A state
    that optax's transformation made, from a checkpoint for example, is accepted.

    Args:
        factor: What to multiply with at a cut, in (0, 1).
        patience: Bad values in a row that make a cut, a whole number >= 1.
        rtol: Relative margin of an improvement, in [0, 1].
        atol: Absolute margin of an improvement, >= 0.
        cooldown: Values after a cut that aren't counted, a whole number >= 0.
        accumulation_size: Values that are averaged into one, a whole number >= 1.
        min_scale: Lower bound of the scale, in [0, 1].
        mode: "min" if lower is better, "max" if higher is.

    Returns:
        An optax transformation whose `update` takes `value` (a scalar; None or left out: nothing observed now).

    Raises:
        ArgumentError: If an argument breaks its rule, or `value` isn't a real scalar.

    >>> import jax.numpy as jnp, optax, rheostax as rx
    >>> tx = optax.chain(optax.sgd(0.1), rx.reduce_on_plateau(patience=1, factor=0.5))
    >>> state = tx.init(jnp.ones(2))
    >>> for _ in range(2):
    ...     updates, state = tx.update(jnp.ones(2), state, value=-1.0)
    >>> print(updates)
    [-0.05 -0.05]

    Source: `optax.contrib.reduce_on_plateau`.
    """
    policy = ReduceOnPlateau(
        mode=mode,
        factor=factor,
        patience=patience,
        rtol=rtol,
        atol=atol,
        cooldown=cooldown,
        accumulation_size=accumulation_size,
        min_scale=min_scale,
    )
    # optax's scale is a float32 and so is its factor here: to the last bit, then, its numbers
    policy = dataclasses.replace(policy, factor=float(np.float32(policy.factor)))

    def init(params: Any) -> ReduceLROnPlateauState:
        del params
        return pack(policy.start(), jnp.int32(0))

    def pack(own: PlateauState, nonfinite: jax.Array) -> ReduceLROnPlateauState:
        return ReduceLROnPlateauState(own.scale.high, *own[1:], nonfinite)

    def unpack(state: Any) -> PlateauState:
        start = policy.start()
        rest = (jnp.asarray(field, like.dtype) for field, like in zip(state[1:6], start[1:], strict=True))
        return PlateauState(TwoFloat.of(jnp.asarray(state[0], jnp.float32)), *rest)

    def update(updates: Any, state: Any, params: Any = None, *, value: Any = None, **extra: Any) -> tuple[Any, Any]:
        del params, extra
        observed = policy.init()._replace(own=unpack(state), nonfinite=jnp.int32(getattr(state, "nonfinite_count", 0)))
        metrics = agreed(as_metrics({"value": value}, ("value",)), ("value",), state.scale)
        seen = policy.observe(observed, jnp.int32(0), metrics)
        new = pack(seen.own, seen.nonfinite)
        return jax.tree.map(lambda leaf: _scale(leaf, seen.own.scale.high), updates), new

    return optax.GradientTransformationExtraArgs(init, update)


def _scale(update: Any, scale: jax.Array) -> Any:
    """Multiply in float32 and round once, to the update's own dtype; what has no fractions has no rate."""
    dtype = jnp.result_type(update)
    return jnp.asarray(scale * update, dtype) if jnp.issubdtype(dtype, jnp.inexact) else update
