"""`control`: a learning rate and any optax optimizer make one optax transformation."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

from rheostax._check import did_you_mean, one_of
from rheostax._control_state import Body, ControlState, as_metrics
from rheostax._counter import increment
from rheostax._processes import agreed
from rheostax._rate import LearningRate, RateLike, as_learning_rate, is_reactive
from rheostax._settings import Settings, table
from rheostax._skipping import all_finite, asked_to_skip, make_or_skip
from rheostax.errors import ArgumentError
from rheostax.groups import Groups, groups_of

__all__ = ["control"]

Factory = Callable[..., optax.GradientTransformation]


def control(
    optimizer_factory: Factory,
    learning_rate: RateLike,
    *,
    on_nonfinite: str = "apply",
    on_skip: str = "hold",
    **hyperparameters: Any,
) -> optax.GradientTransformationExtraArgs:
    """Drive an optax optimizer with a learning rate that can be seen, changed and fed with metrics.

    At update k (k = 0, 1, ...) the metrics passed to `update` are observed first, then the rate is evaluated at count k,
    once, as a float32 scalar (per group), and handed to the optimizer as its `learning_rate`. Nothing else of the
    optimizer is touched: the other hyperparameters stay the Python values given here, whatever dtype the parameters have.
    On several processes, outside `jax.jit`, the metrics are averaged over them first, as in `rx.observe`.
    Updates come in the dtype of gradients and parameters (the wider of the two), multiplied in float32; the optimizer's
    state keeps the dtypes that `init` gave it.

    With `on_nonfinite="skip"` an update whose gradients hold a NaN or an infinity isn't made: parameters and the optimizer's state
    stay as they are, and it is counted as skipped. What was observed with it is heard all the same. A policy may ask for a skip too,
    see `rx.SpikeGuard`.

    Args:
        optimizer_factory: An optax optimizer such as `optax.adamw` (itself, not its result), or any function with an
            argument `learning_rate` that returns an optax transformation.
        learning_rate: A number, any optax schedule, or a rheostax expression.
        on_nonfinite: What is done with gradients that aren't finite: "apply" the update unseen, as optax does, or "skip" it, which
            costs a look at every gradient.
        on_skip: What a skipped update is for the schedule: "hold", none, so that the count stays that of updates applied; or
            "advance", one like any other, so that a decay ends when the data does.
        **hyperparameters: Passed to the factory as they are, masks and functions included.

    Returns:
        An optax transformation, for `optax.chain` and every other wrapper. Its `update` takes `value=` and any other metric
        by name; those that no policy monitors are passed on to the optimizer and ignored otherwise.

    Raises:
        ArgumentError: If the factory has no argument `learning_rate`, or lacks one of the hyperparameters, or a rule has no such
            name.
        GroupError: From `init`, if parameters and `rx.Groups` don't fit.

    >>> import jax.numpy as jnp, optax, rheostax as rx
    >>> params = {"w": jnp.ones(2)}
    >>> tx = rx.control(optax.sgd, rx.Cosine(0.1, 100) * rx.ReduceOnPlateau(patience=5), momentum=0.9)
    >>> state = tx.init(params)
    >>> updates, state = tx.update({"w": jnp.ones(2)}, state, params, value=2.5)
    >>> print(updates["w"], rx.learning_rate(state))
    [-0.1 -0.1] 0.1
    """
    rate = as_learning_rate(learning_rate)
    _check_factory(optimizer_factory, hyperparameters)
    one_of("control: on_nonfinite", on_nonfinite, ("apply", "skip"))
    one_of("control: on_skip", on_skip, ("hold", "advance"))
    groups = groups_of(rate)
    settings = _settings(optimizer_factory, hyperparameters, {"on_nonfinite": on_nonfinite, "on_skip": on_skip})

    def make(rate: jax.Array) -> optax.GradientTransformation:
        return _checked(optimizer_factory(learning_rate=rate, **hyperparameters), optimizer_factory)

    def build(rates: jax.Array) -> optax.GradientTransformationExtraArgs:
        if groups is None:
            return optax.with_extra_args_support(make(rates))
        return _partition(groups, lambda i: make(rates[i]))

    def init(params: Any) -> ControlState:
        state = ControlState.create(rate)
        return state._replace(inner=build(state.learning_rate).init(params), settings=settings)

    def update(updates: Any, state: ControlState, params: Any = None, **extra: Any) -> tuple[Any, ControlState]:
        before = state.body
        metrics = agreed(as_metrics(extra, state.monitored), state.monitored, state.floats)
        observed = before.rate.observe(before.observed, before.count, metrics)
        current, body = before._replace(observed=observed).effective(state.learning_rate)
        made, body = _whether_made(updates, before, body, on_nonfinite)

        def make() -> tuple[Any, Any]:
            new, inner = build(current).update(updates, state.inner, params, **extra)
            return _in_dtype_of(new, updates, params), jax.tree.map(_cast_like, inner, state.inner)

        new_updates, inner = make() if made is None else make_or_skip(made, make, state.inner)
        used = current if made is None else jnp.where(made, current, state.learning_rate)
        counts = True if made is None or on_skip == "advance" else made
        return new_updates, state.replace(body._replace(count=increment(body.count, counts)), learning_rate=used, inner=inner)

    return optax.GradientTransformationExtraArgs(init, update)


def _whether_made(updates: Any, before: Body, body: Body, on_nonfinite: str) -> tuple[jax.Array | None, Body]:
    """Return whether the update is made (None: always), and the body in which one of bad gradients is counted as skipped."""
    asked = asked_to_skip(before.rate, before.observed, body.observed)
    made = None if asked is None else ~asked
    if on_nonfinite != "skip":
        return made, body
    good = all_finite(updates)
    in_a_row = jnp.where(good, 0, increment(body.skipped_in_a_row))
    return good if made is None else made & good, body._replace(skipped=increment(body.skipped, ~good), skipped_in_a_row=in_a_row)


def _partition(groups: Groups, build: Callable[[int], Any]) -> optax.GradientTransformationExtraArgs:
    """Make one optimizer per group, each over its own parameters; a frozen group gets no update."""
    transforms = {
        name: optax.set_to_zero() if frozen else build(i)
        for i, (name, frozen) in enumerate(zip(groups.patterns, groups.frozen, strict=True))
    }
    return optax.partition(transforms, groups.label)


def _checked(made: Any, factory: Factory) -> optax.GradientTransformation:
    if not isinstance(made, optax.GradientTransformation):
        raise ArgumentError(f"control: optimizer_factory must return an optax transformation, got {made!r} from {_name(factory)}.")
    return made


def _cast_like(new: Any, old: Any) -> Any:
    """Give a state leaf the dtype it had: a float32 rate would widen what some optimizers keep in bfloat16."""
    return new if jnp.result_type(new) == jnp.result_type(old) else jnp.asarray(new, jnp.result_type(old))


def _in_dtype_of(updates: Any, gradients: Any, params: Any) -> Any:
    """Round the updates to what the gradients and parameters are kept in, as optax does with a Python rate.

    Some optimizers take or give trees of another structure (the updates of `optax.lookahead` are those of two sets of
    parameters); these have nothing to say on the dtype.
    """
    structure: Any = jax.tree.structure(updates)
    sources = [tree for tree in (gradients, params) if structure == jax.tree.structure(tree)]
    if not sources:
        return updates
    return jax.tree.map(lambda update, *source: jnp.asarray(update, jnp.result_type(*source)), updates, *sources)


def _name(factory: Any) -> str:
    return str(getattr(factory, "__name__", repr(factory)))


def _settings(factory: Factory, hyperparameters: dict[str, Any], rules: dict[str, Any]) -> Settings:
    found = table("optimizer", factory) | rules
    for name, value in sorted(hyperparameters.items()):
        found |= table(f"optimizer.{name}", value)
    return Settings(tuple(found.items()))


def _check_factory(factory: Any, hyperparameters: dict[str, Any]) -> None:
    name = _name(factory)
    if isinstance(factory, optax.GradientTransformation) or not callable(factory):
        raise ArgumentError(
            "control: optimizer_factory must be a function with an argument learning_rate, such as optax.adamw itself; "
            f"got {'an optimizer that is already made' if isinstance(factory, tuple) else repr(factory)}. "
            "Write rx.control(optax.adamw, learning_rate, weight_decay=0.1)."
        )
    if factory in (optax.rprop, optax.scale_by_rprop):
        raise ArgumentError(f"control: {name} reads learning_rate once, at init, so nothing could change it later. Use another optimizer.")
    try:
        parameters = inspect.signature(factory).parameters
    except ValueError:  # a built-in without one
        raise ArgumentError(
            f"control: optimizer_factory must have an argument learning_rate; {name} tells none of its arguments."
        ) from None
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return
    if "learning_rate" not in parameters:
        raise ArgumentError(
            f"control: optimizer_factory must have an argument learning_rate; {name} has {', '.join(parameters) or 'none'}."
        )
    for key, value in hyperparameters.items():
        if key not in parameters:
            raise ArgumentError(f"control: {name} has no argument {key!r}. {did_you_mean(key, parameters)}".rstrip())
        if isinstance(value, LearningRate) and is_reactive(value):
            raise ArgumentError(f"control: {key} can't react to metrics, got {value!r}; only the learning rate can.")
