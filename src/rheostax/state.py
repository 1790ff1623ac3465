"""See and feed the learning rate of any optimizer state that holds a `control`, however deep.

On a plain optax state these functions are pure: they return a new state, inside or outside `jax.jit`, `jax.lax.scan` and
`jax.vmap`. On an `nnx.Optimizer` they change it in place; `rheostax.optimizer` teaches them how.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

from rheostax import _check
from rheostax._control_state import Body, ControlState, as_metrics, require_known
from rheostax._processes import agreed
from rheostax._rate import LearningRate
from rheostax.drop_in import ReduceLROnPlateauState
from rheostax.errors import ArgumentError, StateError
from rheostax.policies._actions import Stopping
from rheostax.policies._policy import Observed, policies
from rheostax.policies.spike_guard import SpikeGuard

__all__ = [
    "apply",
    "controls",
    "guards",
    "held",
    "learning_rate",
    "observe",
    "opt_state",
    "rates_by_group",
    "require_group",
    "run",
    "should_roll_back",
    "should_stop",
]


def controls(tree: Any) -> dict[str, ControlState]:
    """Return the control states in an optimizer state, by name: "" where there is one; of several, the labels (of
    `multi_transform`, say) on the way to each, or the whole path where there are none or two have the same.

    Raises:
        StateError: If there is none.
    """
    if _is_control(tree):
        return {"": tree}
    leaves = jax.tree_util.tree_flatten_with_path(tree, is_leaf=_is_control)[0]
    found = {path: leaf for path, leaf in leaves if _is_control(leaf)}
    if not found:
        raise StateError(_why_not(tree))
    if len(found) == 1:
        return {"": next(iter(found.values()))}
    labels = ["/".join(str(key.key) for key in path if isinstance(key, jax.tree_util.DictKey)) for path in found]
    unique = [bool(label) and labels.count(label) == 1 for label in labels]
    names = [label if one else jax.tree_util.keystr(path) for label, one, path in zip(labels, unique, found, strict=True)]
    return dict(zip(names, found.values(), strict=True))


def _why_not(tree: Any) -> str:
    """Say why there is no learning rate in something."""
    if isinstance(tree, LearningRate):
        return f"{tree!r} is an expression; its state is made by rx.control(optax.adam, expression).init(parameters)."
    if isinstance(tree, optax.GradientTransformation):
        return "This is an optax transformation; pass the state that its init(parameters) returns."
    plateaus = jax.tree.leaves(tree, is_leaf=lambda leaf: isinstance(leaf, ReduceLROnPlateauState))
    if any(isinstance(leaf, ReduceLROnPlateauState) for leaf in plateaus):
        return (
            "rx.reduce_on_plateau knows only the factor of the rate: the field scale of its state. For the rate itself write "
            "rx.control(optax.adam, 1e-3 * rx.ReduceOnPlateau(...))."
        )
    return (
        f"There is no rheostax learning rate in this state ({type(tree).__name__}). Make the optimizer with "
        "rx.control(optax.adam, learning_rate): a plain optax optimizer hides its rate in a closure."
    )


def _is_control(leaf: Any) -> bool:
    return isinstance(leaf, ControlState)


def _change(tree: Any, change: Callable[[str, ControlState], ControlState]) -> Any:
    """Apply `change` to every control state of a tree, with its name."""
    changed = iter([change(name, state) for name, state in controls(tree).items()])
    return jax.tree.map(lambda leaf: next(changed) if _is_control(leaf) else leaf, tree, is_leaf=_is_control)


@functools.singledispatch
def apply(x: Any, change: Callable[[str, ControlState], ControlState]) -> Any:
    """Change the control states in `x`: returns a new optax state. Optimizers register how they are changed in place."""
    return _change(x, change)


@functools.singledispatch
def opt_state(x: Any) -> Any:
    """Return the optax state that `x` is or holds."""
    return x


@functools.singledispatch
def held(x: Any) -> Any:
    """Return the tree in which the controls of `x` lie, as it is: nothing is copied, and what holds their arrays may be Variables."""
    return x


def learning_rate(x: Any, *, group: str | None = None) -> jax.Array | dict[str, jax.Array]:
    """Return the rate in effect: the one that the last update used.

    Before the first update, and after a change by hand, it is the one that the next update will use. It is computed in
    one place, stored, and only read here; the copy stays valid when the state is donated.

    Args:
        x: An optax state that holds a `control`, or an `nnx.Optimizer`.
        group: Which parameter group (or which control of several); None for all.

    Returns:
        `float32 []`; with several groups or controls, and no `group`, a dict of them by name.

    Raises:
        StateError: If there is no control in it.
        ArgumentError: If there is no such group.

    >>> import jax.numpy as jnp, optax, rheostax as rx
    >>> state = rx.control(optax.adam, rx.Linear(1e-3, 0.0, 10)).init(jnp.ones(3))
    >>> print(rx.learning_rate(state))
    0.001
    """
    rates = rates_by_group(x)
    if group is not None:
        require_group(group, rates)
        return rates[group]
    return next(iter(rates.values())) if tuple(rates) == ("",) else rates


def should_stop(x: Any) -> jax.Array:
    """Tell whether a `StopOnPlateau` in the learning rate asks for training to stop.

    Args:
        x: An optax state that holds a `control`, or an `nnx.Optimizer`.

    Returns:
        `bool []`. Reading it as a Python bool waits for the device, so do that now and then, not at every update.

    Raises:
        StateError: If there is no control in it, or no `StopOnPlateau` in its learning rate.

    >>> import jax.numpy as jnp, optax, rheostax as rx
    >>> state = rx.control(optax.sgd, 0.1 * rx.StopOnPlateau(monitor="val_loss", patience=3)).init(jnp.ones(2))
    >>> print(rx.should_stop(state))
    False
    """
    bodies = [state.body for state in controls(opt_state(x)).values()]
    found = [pair for body in bodies for pair in policies(body.rate, body.observed)]
    signals = [seen.own.stopped for policy, seen in found if isinstance(policy, Stopping)]
    if not signals:
        raise StateError("Nothing in this learning rate asks to stop. Multiply it by rx.StopOnPlateau(...).")
    return functools.reduce(jnp.logical_or, (signal > 0 for signal in signals))


def should_roll_back(x: Any) -> jax.Array:
    """Tell whether a `SpikeGuard` in the learning rate asks for the training to go back to a good state.

    It does from the `max_spikes`-th spike in a row on, or as many NaN or infinite values of its metric, until a state is brought
    back in which it didn't; and while as many updates in a row were skipped because their gradients weren't finite.
    `rx.Rollback` goes back.

    Args:
        x: An optax state that holds a `control`, or an `nnx.Optimizer`.

    Returns:
        `bool []`. Reading it as a Python bool waits for the device, so do that now and then, not at every update.

    Raises:
        StateError: If there is no control in it, or no `SpikeGuard(roll_back=True)` in its learning rate.

    >>> import jax.numpy as jnp, optax, rheostax as rx
    >>> guard = rx.SpikeGuard(window=3, max_spikes=2, roll_back=True)
    >>> state = rx.control(optax.sgd, 0.1 * guard).init(jnp.ones(2))
    >>> for loss in (1.0, 1.1, 1.0, 9.0, 9.5):
    ...     state = rx.observe(state, value=loss)
    >>> print(rx.should_roll_back(state))
    True
    """
    signals = [asks_to_go_back(*one) for one in guards(x)]
    if not signals:
        raise StateError("Nothing in this learning rate asks for a rollback. Multiply it by rx.SpikeGuard(..., roll_back=True).")
    return functools.reduce(jnp.logical_or, signals)


def asks_to_go_back(guard: SpikeGuard, seen: Observed, skipped: jax.Array) -> jax.Array:
    """Tell whether one of `guards` asks for a rollback."""
    return (seen.own.lost > 0) | (skipped >= guard.max_spikes)


def guards(x: Any) -> list[tuple[SpikeGuard, Observed, jax.Array]]:
    """Return every guard that may ask for a rollback, its state, and the updates skipped in a row."""
    return [one for state in controls(opt_state(x)).values() for one in guards_of(state.body)]


def guards_of(body: Body) -> list[tuple[SpikeGuard, Observed, jax.Array]]:
    """Return those of one control."""
    found = policies(body.rate, body.observed)
    return [(policy, seen, body.skipped_in_a_row) for policy, seen in found if isinstance(policy, SpikeGuard) and policy.roll_back]


def rates_by_group(x: Any) -> dict[str, jax.Array]:
    """Return the rates by group; a single rate has the name ""."""
    found = controls(opt_state(x))
    rates: dict[str, jax.Array] = {}
    for name, state in found.items():
        prefix = f"{name}/" if len(found) > 1 else ""
        if state.groups is None:
            rates[prefix[:-1]] = _copy(state.learning_rate)
        else:
            rates |= zip((prefix + group for group in state.groups), _by_group(state.learning_rate), strict=True)
    return rates


# Compiled, because a dispatch of one compiled call takes 4 microseconds and one of an eager copy 17: these run at every update
# where the rate is recorded. Without donation a compiled call never returns the buffer that it was given.
_compiled_copy = jax.jit(jnp.copy)


def _copy(array: jax.Array) -> jax.Array:
    return array if isinstance(array, jax.core.Tracer) else _compiled_copy(array)


@jax.jit
def _by_group(rates: jax.Array) -> tuple[jax.Array, ...]:
    return tuple(rates[..., i] for i in range(rates.shape[-1]))


def require_group(group: str, known: Any) -> None:
    """Refuse a group that is none of the known ones."""
    if group not in known:
        names = [name for name in known if name]
        if not names:
            raise ArgumentError(f"group must be left out, since this learning rate has no groups; got {group!r}.")
        _check.one_of("group", group, names)


def observe(x: Any, /, **metrics: Any) -> Any:
    """Tell the policies of a learning rate what a metric was. It is an observation, not an update: each counts once.

    On several processes all have to call it, each with its own value: outside `jax.jit` the policies of all hear the mean over the
    processes, so that they decide the same. `rx.parallel.reduce_metrics` weights it, or takes another; what is the same everywhere
    stays as it is.

    Args:
        x: An optax state that holds a `control`, or an `nnx.Optimizer`.
        **metrics: Scalars by name: Python, numpy or jax, any real dtype. None means 'not known now', on several processes
            'not known here'. Metrics that no policy monitors are ignored as long as one of them is monitored, or nothing is.

    Returns:
        The new state; the optimizer itself.

    Raises:
        UnknownMetricError: If there are policies and none of them monitors any of these metrics.
        ArgumentError: If a metric isn't a real scalar.
        StateError: If there is no control in it.
        DisagreementError: On all processes, if they name different metrics.

    >>> import jax.numpy as jnp, optax, rheostax as rx
    >>> rate = 0.1 * rx.ReduceOnPlateau(monitor="val_loss", patience=1, factor=0.5)
    >>> tx = rx.control(optax.sgd, rate)
    >>> params = jnp.ones(2)
    >>> state = tx.init(params)
    >>> state = rx.observe(rx.observe(state, val_loss=0.7), val_loss=0.7)
    >>> _, state = tx.update(params, state, params)
    >>> print(rx.learning_rate(state))
    0.05
    """
    states = list(controls(opt_state(x)).values())
    known = tuple(dict.fromkeys(name for state in states for name in state.monitored))
    require_known(metrics, known)
    values = agreed(as_metrics(metrics, known), known, states[0].floats)

    def change(_: str, state: ControlState) -> ControlState:
        own = {name: value for name, value in values.items() if name in state.monitored}
        return run(_observe, state, own) if own else state

    return apply(x, change)


def run(operation: Callable[..., ControlState], state: ControlState, *arguments: Any) -> ControlState:
    """Run an operation on the scalars of a control as one compiled call, leaving the optimizer's own state alone."""
    if state.floats.ndim != 1:
        raise StateError("This state is a batch of states, as jax.vmap makes it; change it under jax.vmap too.")
    return operation(state._replace(inner=()), *arguments)._replace(inner=state.inner)


@jax.jit
def _observe(state: ControlState, metrics: dict[str, jax.Array]) -> ControlState:
    body = state.body
    return state.replace(body._replace(observed=body.rate.observe(body.observed, body.count, metrics)))
