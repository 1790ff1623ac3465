"""`average_weights`: a running mean of the weights beside them, whose loss says what the loss of the last weights hides."""

from __future__ import annotations

import functools
import numbers
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from rheostax import state as _state
from rheostax._control_state import ControlState
from rheostax._counter import increment
from rheostax._skipping import any_nonzero, asked_to_skip
from rheostax.errors import ArgumentError, StateError

__all__ = ["AverageState", "average_weights", "averaged", "read"]


class AverageState(NamedTuple):
    """State of `average_weights`."""

    inner: Any  # the state of what is wrapped
    average: Any  # as the parameters: their mean, in float32 or wider; zeros before the first update
    updates: jax.Array  # int32 []: how many updates are in the mean


def average_weights(tx: optax.GradientTransformation, fraction: float = 0.1) -> optax.GradientTransformationExtraArgs:
    """Keep a mean of the weights whose horizon grows with the number of updates.

    After update t (t = 1, 2, ...) that made the weights p_t,

        average_t = average_(t-1) + w_t * (p_t - average_(t-1)),   w_t = 1 / (1 + (t - 1) * fraction / (1 - fraction)).

    This is an exponential moving average whose horizon is a part of the run so far, so that it needs no length, forgets the beginning, and
    isn't biased by it: w_1 is 1. With p = 1 / fraction - 2, p_i has a weight proportional to i (i + 1) ... (i + p - 1), nearly i^p, and
    the mean age of the averaged weights is `fraction * (t - 1)` updates exactly.

    What is trained doesn't change: the updates are those of `tx`. Where a control, `rx.accumulate` or an optax wrapper may skip updates,
    those that are zero in all parameters aren't averaged.

    Args:
        tx: What to update with. Let this be the outermost wrapper, so that its updates are what the weights get.
        fraction: Mean age of the averaged weights as a fraction of the updates so far, in (0, 0.5]; at 0.5 it is the plain mean.

    Returns:
        An optax transformation, for `rx.Optimizer` or any other use. `rx.averaged` reads the mean. Its state holds one more copy of the
        parameters, in float32 (float64 where they are that), laid out over devices as they are.

    Raises:
        ArgumentError: If an argument breaks its rule; from `update`, if it is called without the parameters.

    >>> import jax.numpy as jnp, optax, rheostax as rx
    >>> params = jnp.float32(0.0)
    >>> tx = rx.average_weights(rx.control(optax.sgd, 1.0), fraction=0.5)
    >>> state = tx.init(params)
    >>> for gradient in (-1.0, -1.0, -4.0):
    ...     updates, state = tx.update(jnp.float32(gradient), state, params)
    ...     params = optax.apply_updates(params, updates)
    >>> print(params, rx.averaged(state, params))  # the mean of 1, 2 and 6
    6.0 3.0

    Source: polynomial-decay averaging, Shamir and Zhang 2013, arXiv:1212.1824, with their eta = 1 / fraction - 2.
    """
    if not (hasattr(tx, "init") and hasattr(tx, "update")):
        raise ArgumentError(f"average_weights: tx must be an optax transformation, such as rx.control(optax.adam, 1e-3), got {tx!r}.")
    if not isinstance(fraction, numbers.Real) or isinstance(fraction, bool) or not 0 < fraction <= 0.5:
        raise ArgumentError(f"average_weights: fraction must be a number in (0, 0.5], got {fraction!r}.")
    inner_tx, slope = optax.with_extra_args_support(tx), float(fraction) / (1 - float(fraction))

    def init(params: Any) -> AverageState:
        return AverageState(inner_tx.init(params), jax.tree.map(_zeros, params), jnp.int32(0))

    def update(updates: Any, state: AverageState, params: Any = None, **extra: Any) -> tuple[Any, AverageState]:
        if params is None:
            raise ArgumentError("average_weights: params must be given, tx.update(gradients, state, params): they are averaged.")
        made, inner = inner_tx.update(updates, state.inner, params, **extra)
        # Everything else is one pass over the weights; to look for a change first makes it two. So only where there may be none.
        moved = any_nonzero(made) if _may_skip(state.inner) else jnp.bool_(True)
        weight = jnp.where(moved, 1 / (1 + slope * state.updates.astype(jnp.float32)), 0.0)
        average = jax.tree.map(functools.partial(_toward, weight=weight), state.average, optax.apply_updates(params, made))
        return made, AverageState(inner, average, increment(state.updates, moved))

    return optax.GradientTransformationExtraArgs(init, update)


def averaged(x: Any, params: Any) -> Any:
    """Return the averaged weights that `average_weights` keeps, to evaluate them.

    Before the first update they are the weights themselves.

    Args:
        x: An optax state that holds the mean, or an `nnx.Optimizer`.
        params: The parameters now; for an optimizer the model, which isn't changed.

    Returns:
        The mean, in the structure, the dtypes and the layout of `params`; for an optimizer a new model with it, in which everything else is
        a copy of what `model` has. Both stay valid when state and model are donated.

    Raises:
        StateError: If there is no mean in it, or it isn't one of these parameters.

    >>> import optax, rheostax as rx
    >>> from flax import nnx
    >>> model = nnx.Linear(2, 1, rngs=nnx.Rngs(0))
    >>> optimizer = rx.Optimizer(model, rx.average_weights(optax.adam(1e-3)), wrt=nnx.Param)
    >>> bool((rx.averaged(optimizer, model).kernel == model.kernel).all())
    True
    """
    return read(x, params)


@functools.singledispatch
def read(x: Any, params: Any) -> Any:
    """Do what `averaged` does. Optimizers register how a model is made of the mean."""
    leaves = jax.tree.leaves(_state.opt_state(x), is_leaf=_is_average)
    found = [leaf for leaf in leaves if _is_average(leaf)]
    if not found:
        raise StateError(
            f"There is no average in this state ({type(x).__name__}). Keep one: rx.average_weights(rx.control(optax.adam, learning_rate))."
        )
    structure: Any = jax.tree.structure(params)
    if len(found) > 1 or jax.tree.structure(found[0].average) != structure:
        raise StateError(
            "The average isn't one of all these parameters. Put rx.average_weights around the whole optimizer, not into a group or a mask, "
            "and pass the parameters that the optimizer updates."
        )
    if found[0].updates.ndim:
        one = "jax.tree.map(lambda x: x[i], state)"
        raise StateError(f"This state is a batch of states, as jax.vmap makes it; look at one of them: {one}.")
    return _read(found[0].average, found[0].updates, params)


@jax.jit
def _read(average: Any, updates: jax.Array, params: Any) -> Any:
    return jax.tree.map(lambda mean, param: jnp.where(updates > 0, mean.astype(param.dtype), param), average, params)


_SKIPPING = (optax.MultiStepsState, optax.ApplyIfFiniteState, optax.ConditionallyMaskState)


def _may_skip(state: Any) -> bool:
    """Tell, from the structure of an optimizer's state, whether something in it may leave out an update."""
    leaves = jax.tree.leaves(state, is_leaf=lambda leaf: isinstance(leaf, (ControlState, *_SKIPPING)))
    return any(isinstance(leaf, _SKIPPING) or (isinstance(leaf, ControlState) and _control_may_skip(leaf)) for leaf in leaves)


def _control_may_skip(state: ControlState) -> bool:
    body = state.body
    asks = asked_to_skip(body.rate, body.observed, body.observed) is not None
    return asks or ("on_nonfinite", "skip") in state.settings.items or _may_skip(state.inner)


def _is_average(leaf: Any) -> bool:
    return isinstance(leaf, AverageState)


def _zeros(param: Any) -> Any:
    return jnp.zeros_like(param, _dtype(param))


def _dtype(param: Any) -> Any:
    """Return in what to average: a mean in bfloat16 would soon stop moving."""
    dtype = jnp.result_type(param)
    return jnp.promote_types(dtype, jnp.float32) if jnp.issubdtype(dtype, jnp.inexact) else dtype


def _toward(mean: Any, param: Any, weight: jax.Array) -> Any:
    """Go from the mean toward the parameter; what has no fractions has no mean, and is as it is."""
    if not jnp.issubdtype(mean.dtype, jnp.inexact):
        return param
    return mean + weight.astype(mean.dtype) * (jnp.asarray(param, mean.dtype) - mean)
