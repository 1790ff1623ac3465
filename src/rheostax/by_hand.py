"""Change a learning rate by hand, under any schedule and policy."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from rheostax._check import as_scalar
from rheostax._control_state import ControlState, Manual
from rheostax._counter import increment
from rheostax._twofloat import TwoFloat, where
from rheostax._words import shown
from rheostax.errors import ArgumentError
from rheostax.groups import groups_of
from rheostax.state import apply, controls, opt_state, rates_by_group, require_group, run

__all__ = ["reset_learning_rate", "scale_learning_rate", "set_learning_rate"]


def set_learning_rate(x: Any, value: Any, *, group: str | None = None, pin: bool = False) -> Any:
    """Make the learning rate `value` now, and let schedule and policies go on from there.

    From now on the rate is `value * expression(count) / expression(now)`: a decay goes on decaying, a cut still cuts. With
    `pin=True` it is `value` until it is set again or reset. Where the expression is 0 now (the first update of a warm-up,
    the end of a decay to zero) there is nothing to go on from, and the rate is pinned too; `rx.describe` says so. Nothing
    is traced again.

    Args:
        x: An optax state that holds a `control`, or an `nnx.Optimizer`.
        value: Learning rate, >= 0; a number or a `float32 []`.
        group: Which parameter group; needed where there are several.
        pin: Whether to hold the value against schedule and policies.

    Returns:
        The new state; the optimizer itself.

    Raises:
        ArgumentError: If the value is negative, not finite or no scalar, or a group is missing, unknown or frozen.
        StateError: If there is no control in it.

    >>> import jax.numpy as jnp, optax, rheostax as rx
    >>> tx, params = rx.control(optax.sgd, rx.Linear(1.0, 0.0, 4)), jnp.ones(2)
    >>> state = rx.set_learning_rate(tx.init(params), 0.1)
    >>> for _ in range(3):
    ...     _, state = tx.update(params, state, params)
    >>> print(rx.learning_rate(state))
    0.05
    """
    return _by_hand(x, "value", value, group, _pin if pin else _set)


def scale_learning_rate(x: Any, factor: Any, *, group: str | None = None) -> Any:
    """Multiply the learning rate by `factor` from now on, whatever schedule and policies do.

    Args:
        x: An optax state that holds a `control`, or an `nnx.Optimizer`.
        factor: Factor, >= 0; a number or a `float32 []`.
        group: Which parameter group; None for all.

    Returns:
        The new state; the optimizer itself.

    Raises:
        ArgumentError: If the factor is negative, not finite or no scalar, or the group unknown or frozen.
        StateError: If there is no control in it.
    """
    return _by_hand(x, "factor", factor, group, _scale)


def reset_learning_rate(x: Any, *, group: str | None = None) -> Any:
    """Forget every change by hand: the expression alone decides again.

    Args:
        x: An optax state that holds a `control`, or an `nnx.Optimizer`.
        group: Which parameter group; None for all.

    Returns:
        The new state; the optimizer itself.

    Raises:
        ArgumentError: If the group is unknown.
        StateError: If there is no control in it.
    """
    return _by_hand(x, "value", 1.0, group, _reset)


Hand = Callable[[Manual, jax.Array, TwoFloat], Manual]  # (changes so far, value, the expression now) -> changes


def _set(manual: Manual, value: jax.Array, base: TwoFloat) -> Manual:
    usable = jnp.isfinite(base.high) & (base.high > 0)
    return Manual(TwoFloat.of(jnp.broadcast_to(value, usable.shape)), where(usable, base, 1.0), (~usable).astype(jnp.int32))


def _pin(manual: Manual, value: jax.Array, base: TwoFloat) -> Manual:
    return _set(manual, value, base)._replace(pinned=jnp.ones_like(manual.pinned))


def _scale(manual: Manual, value: jax.Array, base: TwoFloat) -> Manual:
    return manual._replace(value=manual.value * value)


def _reset(manual: Manual, value: jax.Array, base: TwoFloat) -> Manual:
    one = TwoFloat.of(jnp.ones_like(base.high))
    return Manual(one, one, jnp.zeros_like(manual.pinned))


def _by_hand(x: Any, name: str, value: Any, group: str | None, hand: Hand) -> Any:
    """Change by hand the rate of one group, or of all where `hand` doesn't need to know which."""
    number = _as_rate(name, value)
    names = tuple(rates_by_group(x))
    if group is not None:
        require_group(group, names)
    elif hand in (_set, _pin) and names != ("",):
        raise ArgumentError(f"group must say which of {', '.join(map(repr, names))} to set; rx.scale_learning_rate changes all of them.")
    several = len(controls(opt_state(x))) > 1

    def change(label: str, state: ControlState) -> ControlState:
        own = [f"{label}/{g}" if several else g for g in state.groups] if state.groups else [label if several else ""]
        chosen = tuple(group is None or g == group for g in own)
        groups = groups_of(state.layout.skeleton.rate)
        if groups and hand is not _reset and any(g == group and frozen for g, frozen in zip(own, groups.frozen, strict=True)):
            raise ArgumentError(f"group must have a rate to change, but {group!r} is frozen: its rate in rx.Groups is None.")
        return run(_change_by_hand, state, number, chosen if state.groups else chosen[0], hand) if any(chosen) else state

    return apply(x, change)


def _as_rate(name: str, value: Any) -> jax.Array:
    """Check a value that is known, pass a traced one."""
    number = as_scalar(name, value)
    if not isinstance(number, jax.core.Tracer) and not (jnp.isfinite(number) and number >= 0):
        raise ArgumentError(f"{name} must be a finite number >= 0, got {shown(value)}.")
    return number


@functools.partial(jax.jit, static_argnames=("chosen", "hand"))
def _change_by_hand(state: ControlState, value: jax.Array, chosen: Any, hand: Hand) -> ControlState:
    body = state.body
    base = body.rate.evaluate(body.observed, body.count)
    new = hand(body.manual, value, base)
    good = jnp.isfinite(new.value.high) & (new.value.high >= 0)  # a traced value couldn't be checked before, and factors can overflow
    manual = jax.tree.map(lambda n, o: jnp.where(jnp.array(chosen) & good, n, o), new, body.manual)
    body = body._replace(manual=manual, faults=increment(body.faults, jnp.any(jnp.array(chosen) & ~good)))
    return state.replace(body, learning_rate=body.effective(state.learning_rate)[0])
