"""What `control` carries: the expression, its state, the changes by hand, and the rate in effect."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rheostax._check import as_scalar, did_you_mean
from rheostax._counter import increment
from rheostax._packing import Layout, pack
from rheostax._rate import LearningRate, lower, walk
from rheostax._settings import Settings
from rheostax._twofloat import TwoFloat, lift_numbers, where
from rheostax.errors import ArgumentError, StateError, UnknownMetricError
from rheostax.groups import group_names, groups_of

__all__ = ["Body", "ControlState", "Manual", "as_metrics", "monitored", "require_known"]


class Manual(NamedTuple):
    """Changes by hand: the rate is `value * (expression / reference)`, or `value` itself while pinned. Per group."""

    value: TwoFloat
    reference: TwoFloat  # the expression's value when `value` was set
    pinned: jax.Array  # int32: 0 or 1


class Body(NamedTuple):
    """The control's scalars as a tree; `ControlState` holds them packed."""

    count: jax.Array  # type: ignore[assignment]  # int32 []: updates applied
    faults: jax.Array  # int32 []: times that a rate was NaN, infinite or negative, and was left out
    skipped: jax.Array  # int32 []: updates skipped because their gradients weren't finite
    skipped_in_a_row: jax.Array  # int32 []: the last of these, without an update between them
    manual: Manual
    observed: Any  # the expression's state
    rate: LearningRate  # the expression, with its hyperparameters as arrays

    def effective(self, previous: jax.Array) -> tuple[jax.Array, Body]:
        """Return the rate of the update at `count`, computed here and nowhere else, and the body that notes faults.

        Where that is no finite number >= 0 (a foreign schedule can give such, and a change by hand can overflow), the
        previous rate stays in effect.
        """
        base, manual = self.rate.evaluate(self.observed, self.count), self.manual
        value = where(manual.pinned > 0, manual.value, manual.value * (base / manual.reference)).high
        good = jnp.isfinite(value) & (value >= 0)
        value = jnp.where(good, value, previous)
        groups = groups_of(self.rate)
        if groups:
            value = jnp.where(jnp.array(groups.frozen), 0.0, value)
        return value, self._replace(faults=increment(self.faults, ~jnp.all(good)))


class ControlState(NamedTuple):
    """State of `rx.control`. Read it with `rx.learning_rate` and `rx.describe`; change it with `rx.observe` and its like.

    A named tuple, as optax's own states are: `optax.tree.get(state, "learning_rate")` finds its way into nothing else.
    """

    learning_rate: jax.Array  # float32 [], or [groups]: the rate in effect
    floats: jax.Array  # float32 [n]: see `body`
    ints: jax.Array  # int32 [m]
    inner: Any  # the state of the optimizer that is controlled
    layout: Layout
    settings: Settings = Settings()  # the optimizer's, to be compared when a run is resumed

    @classmethod
    def create(cls, rate: LearningRate) -> ControlState:
        """Return the state before the first update, without an inner state; its buffers are shared with nothing."""
        nothing = jnp.zeros(_shape(rate), jnp.float32)
        manual = Manual(TwoFloat.of(nothing + 1), TwoFloat.of(nothing + 1), nothing.astype(jnp.int32))
        none = jnp.int32(0)
        body = Body(none, none, none, none, manual, rate.init(), lower(rate))
        _require_scalars(rate, body.observed)
        floats, ints, layout = pack(body)
        state = cls(nothing, floats, ints, (), layout)
        first, _ = state.body.effective(state.learning_rate)
        return state._replace(learning_rate=first)

    @property
    def body(self) -> Body:
        """The scalars as a tree."""
        return self.layout.unpack(self.floats, self.ints)

    def replace(self, body: Body, **changes: Any) -> ControlState:
        """Return this state with another body, and possibly another learning_rate or inner."""
        floats, ints, layout = pack(body)
        if layout != self.layout:
            raise StateError("A node changed the structure, shape or dtype of its state; they must stay as init() made them.")
        return self._replace(floats=floats, ints=ints, **changes)

    def fetch(self) -> Body:
        """Return the scalars on the host, for reading: arrays of numpy, and the expression as it was written."""
        if self.floats.ndim != 1:
            one = "jax.tree.map(lambda x: x[i], state)"
            raise StateError(f"This state is a batch of states, as jax.vmap makes it; look at one of them: {one}.")
        body: Body = jax.device_get(self.body)
        return body._replace(rate=lift_numbers(body.rate))

    @property
    def groups(self) -> tuple[str, ...] | None:
        """Names of the parameter groups, or None."""
        if self.learning_rate.ndim < self.floats.ndim:  # no axis of groups: nothing to look for, at every reading of the rate
            return None
        return group_names(self.layout.skeleton.rate)

    @property
    def monitored(self) -> tuple[str, ...]:
        """Names of the metrics that the expression listens to."""
        return monitored(self.layout.skeleton.rate)


def _shape(rate: LearningRate) -> tuple[int, ...]:
    groups = groups_of(rate)
    return (len(groups.patterns),) if groups else ()


def _require_scalars(rate: LearningRate, state: Any) -> None:
    """Refuse arrays where a rate is one number: an optimizer would multiply by them element by element, or broadcast."""

    def shape(part: LearningRate, seen: Any) -> tuple[int, ...]:
        value: TwoFloat = jax.eval_shape(lower(part).evaluate, seen, jax.ShapeDtypeStruct((), jnp.int32))
        return value.high.shape

    with contextlib.suppress(TypeError, ValueError):  # what jax says of shapes that don't fit each other; the smallest part is named below
        if not groups_of(rate) and shape(rate, state) == ():
            return  # no schedule or policy of ours loses an axis of its parts, so none of them has one
    for part, seen in reversed(list(walk(rate, state))):  # parts before what is made of them, to name the smallest
        found = shape(part, seen)
        if found != _shape(part):
            raise ArgumentError(
                f"learning_rate must be one number at a count, but {part!r} has shape {found}. "
                "For several rates use jax.vmap, for groups of parameters rx.Groups."
            )


def monitored(rate: LearningRate) -> tuple[str, ...]:
    """Return the names of the metrics that the expression listens to, each once."""
    return tuple(dict.fromkeys(part.monitor for part, _ in walk(rate) if part.monitor is not None))


def as_metrics(metrics: Mapping[str, Any], known: Iterable[str]) -> dict[str, jax.Array]:
    """Return the monitored ones of `metrics` as `float32 []`; None stands for 'not observed now'."""
    return {name: _as_metric(name, metrics[name]) for name in known if metrics.get(name) is not None}


def require_known(metrics: Mapping[str, Any], known: tuple[str, ...]) -> None:
    """Refuse observations of which nothing is monitored: a misspelt name would leave the policy idle."""
    if known and metrics and not set(metrics) & set(known):
        name = next(iter(metrics))
        hint = did_you_mean(name, known, " Did you mean {!r}?".format)
        raise UnknownMetricError(f"No policy monitors {name!r}; this learning rate monitors {', '.join(map(repr, known))}.{hint}")


def _as_metric(name: str, value: Any) -> jax.Array:
    return as_scalar(f"The metric {name!r}", value, " Reduce it first, for example with .mean().")
