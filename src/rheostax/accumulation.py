"""`accumulate`: gradients and metrics of several micro-batches make one update."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from rheostax._check import as_scalar
from rheostax._control_state import ControlState
from rheostax._counter import increment
from rheostax.drop_in import ReduceLROnPlateauState

__all__ = ["AccumulateState", "accumulate"]


class AccumulateState(NamedTuple):
    """State of `accumulate`."""

    steps: optax.MultiStepsState  # gradients so far, and the state of the optimizer
    means: dict[str, jax.Array]  # float32 [] each: mean of a metric's finite values so far
    counts: dict[str, jax.Array]  # int32 [] each: how many there were
    nonfinite: jax.Array  # int32 []: NaN and infinite values of single micro-batches, which were left out
    dropped: jax.Array  # int32 []: micro-batches that were rejected


def accumulate(
    tx: optax.GradientTransformation,
    every_k_schedule: int | Callable[[Any], Any],
    *,
    use_grad_mean: bool = True,
    should_skip_update_fn: Callable[..., Any] | None = optax.skip_not_finite,
) -> optax.GradientTransformationExtraArgs:
    """Make one update of the mean gradient, and the mean metrics, of every k micro-batches.

    `optax.MultiSteps` does the work, and hands the metrics of the last micro-batch alone to what is inside. Here each metric
    that a policy in `tx` monitors is averaged over the micro-batches of the update. So inside, everything counts updates:
    schedules, patience, and the count that a `Recorder` logs. A metric has to come with the last micro-batch of an update to be heard
    with it; a mean that wasn't stays until one is, and `rx.describe` tells of it. A NaN or infinite metric is left out of the mean,
    and counted; only a mean of none is NaN.

    A micro-batch that `should_skip_update_fn` rejects is dropped with its metrics, and counted, and another one takes its place.

    Args:
        tx: What to update with: a `control`, or a chain that holds one.
        every_k_schedule: k, or a function from the number of updates to it, as for `optax.MultiSteps`.
        use_grad_mean: Whether gradients are averaged, not summed.
        should_skip_update_fn: Which micro-batches are dropped, as for `optax.MultiSteps`: by default, those with a NaN or an
            infinity in their gradients. With None such a one stays in optax's sum, and every later update is NaN.

    Returns:
        An optax transformation, for `optax.chain` and every other wrapper. Its updates are zero but for each k-th micro-batch.

    Raises:
        ArgumentError: From `update`, if a metric isn't a real scalar.

    >>> import jax.numpy as jnp, optax, rheostax as rx
    >>> rate = rx.Constant(0.1) * rx.ReduceOnPlateau(patience=1, factor=0.5)
    >>> tx, params = rx.accumulate(rx.control(optax.sgd, rate), 2), jnp.ones(2)
    >>> state = tx.init(params)
    >>> for loss in (9.0, 1.0, 8.0, 1.0, 5.0, 4.0):
    ...     updates, state = tx.update(params, state, params, value=loss)
    >>> print(rx.describe(state).count, rx.describe(state).parts[-1].status)
    3 best 4.5, 0 of 1 bad values in a row
    """
    multi = optax.MultiSteps(tx, every_k_schedule, use_grad_mean, should_skip_update_fn)

    def init(params: Any) -> AccumulateState:
        steps = multi.init(params)
        names = _heard(steps.inner_opt_state)
        means, counts = (dict.fromkeys(names, zero) for zero in (jnp.float32(0.0), jnp.int32(0)))
        return AccumulateState(steps, means, counts, jnp.int32(0), jnp.int32(0))

    def update(updates: Any, state: AccumulateState, params: Any = None, **extra: Any) -> tuple[Any, AccumulateState]:
        means, counts, nonfinite = dict(state.means), dict(state.counts), state.nonfinite
        given = [name for name in means if extra.get(name) is not None]
        for name in given:
            value = as_scalar(f"The metric {name!r}", extra[name], " Reduce it first, for example with .mean().")
            good = jnp.isfinite(value)
            counts[name] = increment(counts[name], good)
            size = jnp.maximum(counts[name], 1).astype(jnp.float32)
            means[name] = jnp.where(good, means[name] - means[name] / size + value / size, means[name])
            nonfinite = increment(nonfinite, ~good)
            extra[name] = jnp.where(counts[name] > 0, means[name], jnp.nan)
        new_updates, steps = multi.update(updates, state.steps, params, **extra)
        made = steps.gradient_step != state.steps.gradient_step
        taken = made | (steps.mini_step != state.steps.mini_step)

        def settle(name: str, new: jax.Array, old: jax.Array) -> jax.Array:
            # a mean that this update didn't hear, since its metric came with other micro-batches alone, waits for one that does
            rest = jnp.zeros_like(new) if name in given else new
            return jnp.where(made, rest, jnp.where(taken, new, old))

        means, counts = (
            {name: settle(name, new[name], old[name]) for name in new} for new, old in ((means, state.means), (counts, state.counts))
        )
        return new_updates, AccumulateState(steps, means, counts, nonfinite, increment(state.dropped, ~taken))

    return optax.GradientTransformationExtraArgs(init, update)


def _heard(state: Any) -> tuple[str, ...]:
    """Return the names of the metrics that something in an optimizer's state listens to."""
    kinds = (ControlState, ReduceLROnPlateauState, optax.contrib.ReduceLROnPlateauState)
    found = [leaf for leaf in jax.tree.leaves(state, is_leaf=lambda leaf: isinstance(leaf, kinds)) if isinstance(leaf, kinds)]
    names = [leaf.monitored if isinstance(leaf, ControlState) else ("value",) for leaf in found]
    return tuple(dict.fromkeys(name for some in names for name in some))
