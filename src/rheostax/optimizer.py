"""`Optimizer`: drop-in for `nnx.Optimizer` with a learning rate that can be seen and changed. The one importer of flax."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import nnx, serialization
from flax.nnx.training.optimizer import OptState, OptVariable

from rheostax import averaging as _averaging
from rheostax import by_hand as _by_hand
from rheostax import rollback as _rollback
from rheostax import state as _state
from rheostax._control_state import ControlState
from rheostax._packing import Layout
from rheostax._settings import Settings
from rheostax.errors import ArgumentError

__all__ = ["Optimizer"]

_MISSING: Any = object()  # so that what flax asks for since 0.11 is missed with words


class Optimizer(nnx.Optimizer[Any]):
    """Hold an optax optimizer's state for a Flax NNX model, and update the model.

    It is used as `nnx.Optimizer` is, and trains to the same weights. The NNX graph protocol costs host time per Variable, so
    the whole optimizer state lies in one Variable, where `nnx.Optimizer` makes one per array; only state that belongs to
    parameters with sharding annotations keeps Variables of its own, with those annotations.

    Args:
        model: An NNX module.
        tx: An optax transformation, as `rx.control` makes them. Others work too, but then there is no learning rate to see.
        wrt: Which Variables to update, as for `nnx.grad`: usually `nnx.Param`.
        graph: As for `nnx.Optimizer`.

    Attributes:
        step: Number of calls of `update`, `uint32 []`. (The schedule counts in the state of `tx`: wrappers may skip updates.)
        opt_state: The optax state, as a tree of arrays.
        tx: The transformation.

    >>> import jax.numpy as jnp, optax, rheostax as rx
    >>> from flax import nnx
    >>> model = nnx.Linear(2, 1, rngs=nnx.Rngs(0))
    >>> rate = rx.Constant(0.1) * rx.ReduceOnPlateau(monitor="val_loss", patience=1)
    >>> optimizer = rx.Optimizer(model, rx.control(optax.sgd, rate), wrt=nnx.Param)
    >>> loss, grads = nnx.value_and_grad(lambda model: (model(jnp.ones((4, 2))) ** 2).mean())(model)
    >>> updates = optimizer.update(model, grads, value=loss)
    >>> print(optimizer.learning_rate)
    0.1
    """

    def __init__(self, model: Any, tx: optax.GradientTransformation, *, wrt: Any = _MISSING, graph: bool | None = None) -> None:
        if wrt is _MISSING:
            raise TypeError("Optimizer: wrt is missing, the Variables to update: rx.Optimizer(model, tx, wrt=nnx.Param).")
        if not (hasattr(tx, "init") and hasattr(tx, "update")):
            raise ArgumentError(f"Optimizer: tx must be an optax transformation, such as rx.control(optax.adam, 1e-3), got {tx!r}.")
        self.graph = graph
        self.tx = tx
        self.wrt = wrt
        annotated, rest = _divide(tx.init(nnx.state(model, wrt, graph=graph)))
        self.annotated = nnx.data(annotated)
        self.rest = OptState((jnp.zeros((), jnp.uint32), rest))

    @property
    def step(self) -> jax.Array:  # type: ignore[override]
        return self.rest.get_value()[0]

    @property
    def opt_state(self) -> Any:
        return _unite([variable.get_value() for variable in self.annotated], self.rest.get_value()[1])

    def _store(self, step: jax.Array, new: Any) -> None:
        annotated, rest = _divide_like(self.rest.get_value()[1], new)
        for variable, value in zip(self.annotated, annotated, strict=True):
            variable.set_value(value)
        self.rest.set_value((step, rest))

    def update(self, /, model: Any, grads: Any = _MISSING, **metrics: Any) -> Any:  # type: ignore[override]  # both may be named
        """Observe the metrics, then update model and optimizer state with the gradients.

        Args:
            model: The model given at construction.
            grads: What `nnx.grad` with the same filter returned.
            **metrics: What is known at this update: `value=loss`, any other metric by name, and whatever else the optax
                transformation takes.

        Returns:
            The updates that were added to the parameters, in their structure.
        """
        if grads is _MISSING:
            raise TypeError("update: grads is missing; the model comes first: optimizer.update(model, grads, value=loss).")
        params, gradients = (nnx.as_pure(nnx.state(tree, self.wrt, graph=self.graph)) for tree in (model, grads))
        updates, new = self.tx.update(gradients, self.opt_state, params, **nnx.as_pure(metrics))
        nnx.update(model, optax.apply_updates(params, updates))
        self._store(self.step + 1, new)
        return updates

    @property
    def learning_rate(self) -> Any:
        """The rate that the last update used, `float32 []`, or a dict of them by group. See `rx.learning_rate`."""
        return _state.learning_rate(self)

    def observe(self, /, **metrics: Any) -> None:
        """Tell the policies what a metric was. See `rx.observe`."""
        _state.observe(self, **metrics)

    def set_learning_rate(self, value: Any, *, group: str | None = None, pin: bool = False) -> None:
        """Make the rate `value` now; schedule and policies go on from there. See `rx.set_learning_rate`."""
        _by_hand.set_learning_rate(self, value, group=group, pin=pin)

    def scale_learning_rate(self, factor: Any, *, group: str | None = None) -> None:
        """Multiply the rate by `factor` from now on. See `rx.scale_learning_rate`."""
        _by_hand.scale_learning_rate(self, factor, group=group)

    def reset_learning_rate(self, *, group: str | None = None) -> None:
        """Forget every change by hand. See `rx.reset_learning_rate`."""
        _by_hand.reset_learning_rate(self, group=group)

    def averaged(self, model: Any) -> Any:
        """Return a new model with the mean of the weights that `rx.average_weights` keeps. See `rx.averaged`."""
        return _averaging.averaged(self, model)


class _Apart:
    """Stands in `rest` for a leaf that is kept in an annotated Variable."""

    def __repr__(self) -> str:
        return "_Apart()"


_APART = _Apart()
jax.tree_util.register_pytree_node(_Apart, lambda _: ((), None), lambda *_: _APART)


def _is_variable(leaf: Any) -> bool:
    return isinstance(leaf, nnx.Variable)


def _is_apart(leaf: Any) -> bool:
    return isinstance(leaf, _Apart)


def _divide(tree: Any) -> tuple[list[OptVariable], Any]:
    """Split an optax state made of Variables into those with sharding annotations and a tree of arrays with the rest."""
    annotated: list[OptVariable] = []

    def visit(leaf: Any) -> Any:
        if not _is_variable(leaf):
            return leaf
        metadata = leaf.get_metadata()
        metadata["out_sharding"] = metadata.pop("optimizer_sharding", metadata.get("out_sharding"))
        if not metadata["out_sharding"] or not jax.tree.leaves(leaf.get_value()):  # optax masks with a node that holds nothing
            return leaf.get_value()
        annotated.append(OptVariable(leaf.get_value(), **metadata))
        return _APART

    return annotated, jax.tree.map(visit, tree, is_leaf=_is_variable)


def _unite(values: list[Any], rest: Any) -> Any:
    if not values:
        return rest
    remaining = iter(values)
    return jax.tree.map(lambda leaf: next(remaining) if _is_apart(leaf) else leaf, rest, is_leaf=_is_apart)


def _divide_like(old: Any, new: Any) -> tuple[list[Any], Any]:
    """Split `new` at the places where `old` was split; the leaves correspond, but static parts may differ."""
    apart = [_is_apart(place) for place in jax.tree.leaves(old, is_leaf=_is_apart)]
    leaves, treedef = jax.tree.flatten(new)
    annotated = [leaf for leaf, away in zip(leaves, apart, strict=True) if away]
    return annotated, jax.tree.unflatten(treedef, [_APART if away else leaf for leaf, away in zip(leaves, apart, strict=True)])


# Flax's own serialization stores arrays; layout and settings have none, and stay those of the state that is restored into.
for _static in (Layout, Settings):
    serialization.register_serialization_state(_static, lambda _: {}, lambda static, _: static)


@_state.opt_state.register(nnx.Optimizer)
def _(optimizer: nnx.Optimizer[Any]) -> Any:
    return nnx.as_pure(optimizer.opt_state)


@_state.opt_state.register(Optimizer)
def _(optimizer: Optimizer) -> Any:
    # Arrays without a wrapper, and without the defensive copy of the tree that get_value makes: the rate is read at every update.
    values = [variable.get_value() for variable in optimizer.annotated]
    return _unite(values, optimizer.rest.get_raw_value()[1])


@_state.held.register(nnx.Optimizer)
def _(optimizer: nnx.Optimizer[Any]) -> Any:
    return optimizer.opt_state


@_state.held.register(Optimizer)
def _(optimizer: Optimizer) -> Any:
    return optimizer.rest.get_raw_value()[1]


@_state.apply.register(nnx.Optimizer)
def _(optimizer: nnx.Optimizer[Any], change: Callable[[str, ControlState], ControlState]) -> Any:
    new = _state.apply(_state.opt_state(optimizer), change)
    if isinstance(optimizer, Optimizer):
        optimizer._store(optimizer.step, new)
    else:
        nnx.update(optimizer.opt_state, nnx.state(new))
    return optimizer


@_averaging.read.register(nnx.Optimizer)
def _(optimizer: nnx.Optimizer[Any], model: Any) -> Any:
    split: Any = nnx.split(model, optimizer.wrt, ..., graph=getattr(optimizer, "graph", None))
    graphdef, params, rest = split
    mean = _averaging.read(_state.opt_state(optimizer), nnx.as_pure(params))
    return nnx.merge(graphdef, mean, jax.tree.map(jnp.copy, rest))


@_rollback.take.register(nnx.Optimizer)
def _(optimizer: nnx.Optimizer[Any], rest: tuple[Any, ...]) -> Any:
    return nnx.state((optimizer, *rest))


@_rollback.put_back.register(nnx.Optimizer)
def _(optimizer: nnx.Optimizer[Any], rest: tuple[Any, ...], tree: Any) -> tuple[Any, ...]:
    nnx.update((optimizer, *rest), tree)
    return (optimizer, *rest)
