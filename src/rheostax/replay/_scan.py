"""The compiled part: many settings of one rule, scanned over the observations.

A million observations make a million steps, so a step must be lean. It only lets the policies observe: the schedules are
evaluated afterwards, for many counts at once. Counters that no decision depends on stand still, and of the state only those
numbers leave the scan that rates and decisions are read from.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rheostax._control_state import Body, Manual
from rheostax._rate import LearningRate, lower
from rheostax._twofloat import TwoFloat
from rheostax.groups import groups_of
from rheostax.policies._policy import Observed, policies

__all__ = ["Family", "advance", "moved", "rates_at", "stack"]

Patterns = tuple[tuple[str, ...], ...]


class Family(NamedTuple):
    """Settings of one structure, side by side."""

    rate: LearningRate  # arrays for numbers: with a leading axis where the settings differ, without where they don't
    start: list[jax.Array]  # the leaves of their states before any observation, [settings, ...]
    read: tuple[int, ...]  # which of those leaves leave the scan: those that rates and decisions are read from


def stack(rates: list[LearningRate]) -> Family:
    """Put settings of one structure side by side. Their numbers become arrays together: one by one it would take seconds."""
    columns = zip(*(jax.tree.leaves(rate) for rate in rates), strict=True)
    numbers = [column[0] if len(set(column)) == 1 else _column(column) for column in columns]
    rate: LearningRate = lower(jax.tree.unflatten(jax.tree.structure(rates[0]), numbers))
    states = jax.vmap(lambda rate: rate.init(), in_axes=(_axes(rate),), axis_size=len(rates))(rate)
    leaves = jax.tree.leaves(states)
    # Of a single setting everything is read: it costs little, and its decisions can be explained without another scan.
    return Family(rate, leaves, tuple(range(len(leaves))) if len(rates) == 1 else _leaves_read(lower(rates[0])))


def _column(values: tuple[float, ...]) -> Any:
    """Return numbers that differ as an array; of floats, with the bits that `TwoFloat.of` keeps of each."""
    if any(isinstance(value, float) for value in values):
        exact = np.asarray(values, np.float64)
        high = exact.astype(np.float32)
        return TwoFloat(jnp.asarray(high), jnp.asarray((exact - high).astype(np.float32)))
    return jnp.asarray(np.asarray(values, np.int32))


def _axes(rate: LearningRate) -> Any:
    return jax.tree.map(lambda leaf: 0 if jnp.ndim(leaf) else None, rate)


def _leaves_read(rate: LearningRate) -> tuple[int, ...]:
    """Return which leaves of the state the rate, and the numbers whose change is a decision, are computed from."""
    leaves, treedef = jax.tree.flatten(rate.init())

    def look(leaves: list[jax.Array], count: jax.Array) -> Any:
        state = jax.tree.unflatten(treedef, leaves)
        return _effective(rate, state, count), _signals(rate, state)

    jaxpr = jax.make_jaxpr(look)(leaves, jnp.int32(0)).jaxpr
    used = {id(var) for equation in jaxpr.eqns for var in equation.invars} | {id(var) for var in jaxpr.outvars}
    return tuple(i for i in range(len(leaves)) if id(jaxpr.invars[i]) in used)


def _signals(rate: LearningRate, state: Any) -> list[jax.Array]:
    return [jnp.asarray(policy.signal(seen.own)) for policy, seen in policies(rate, state)]


def _effective(rate: LearningRate, state: Any, count: jax.Array) -> jax.Array:
    """Return the rate at a count as a control computes it, NaN where it would keep the one before."""
    groups = groups_of(rate)
    one = jnp.ones(len(groups.patterns) if groups else (), jnp.float32)
    manual = Manual(TwoFloat.of(one), TwoFloat.of(one), jnp.zeros(one.shape, jnp.int32))
    none = jnp.int32(0)
    return Body(count, none, none, none, manual, state, rate).effective(jnp.float32(jnp.nan))[0]


def _lean(new: Any, old: Any) -> Any:
    """Return the new state with what decides nothing as it was: what never changes costs nothing in a scan."""
    if isinstance(new, Observed):
        children = tuple(_lean(a, b) for a, b in zip(new.children, old.children, strict=True))
        return new._replace(observations=old.observations, nonfinite=old.nonfinite, last=old.last, children=children)
    return tuple(_lean(a, b) for a, b in zip(new, old, strict=True)) if type(new) is tuple else new


def _tell(rate: LearningRate, state: Any, inputs: tuple[Any, ...], patterns: Patterns) -> Any:
    """Let one setting observe what came at a moment; several metrics that come together are told together."""
    count, pattern, values = inputs
    branches = [lambda state, names=names: rate.observe(state, count, {name: values[name] for name in names}) for names in patterns]
    return branches[0](state) if len(branches) == 1 else jax.lax.switch(pattern, branches, state)


def _structure(rate: LearningRate) -> Any:
    return jax.tree.structure(jax.eval_shape(lambda rate: rate.init(), rate))


@functools.partial(jax.jit, static_argnames=("patterns", "read"))
def advance(rate: LearningRate, start: list[jax.Array], inputs: Any, patterns: Patterns, read: tuple[int, ...]) -> Any:
    """Scan a chunk of moments: return the states after it, and after each moment the leaves in `read`, `[moments, settings]`."""
    treedef = _structure(rate)

    def step(leaves: list[jax.Array], moment: Any) -> tuple[list[jax.Array], list[jax.Array]]:
        def one(rate: LearningRate, leaves: list[jax.Array]) -> list[jax.Array]:
            state = jax.tree.unflatten(treedef, leaves)
            told = _tell(rate, state, moment, patterns)
            return jax.tree.leaves(_lean(told, state) if len(read) < len(start) else told)

        leaves = jax.vmap(one, in_axes=(_axes(rate), 0))(rate, leaves)
        return leaves, [leaves[i] for i in read]

    return jax.lax.scan(step, start, inputs)


def _whole(start: list[jax.Array], read: tuple[int, ...], leaves: list[jax.Array], treedef: Any) -> Any:
    """Make a state of one setting of the leaves that are read; the others don't matter."""
    filled = list(start)
    for i, leaf in zip(read, leaves, strict=True):
        filled[i] = leaf
    return jax.tree.unflatten(treedef, filled)


@functools.partial(jax.jit, static_argnames="read")
def moved(rate: LearningRate, start: list[jax.Array], states: list[jax.Array], read: tuple[int, ...]) -> jax.Array:
    """Tell which policy decided something between one state and the next: `bool [policies, moments, settings]`."""
    treedef = _structure(rate)

    def one(rate: LearningRate, start: list[jax.Array], leaves: list[jax.Array]) -> list[jax.Array]:
        return _signals(rate, _whole(start, read, leaves, treedef))

    over_settings = jax.vmap(one, in_axes=(_axes(rate), 0, 0))
    signals = jax.vmap(over_settings, in_axes=(None, None, 0))(rate, start, states)
    return jnp.stack([signal[1:] != signal[:-1] for signal in signals])


@functools.partial(jax.jit, static_argnames="read")
def rates_at(
    rate: LearningRate, start: list[jax.Array], states: list[jax.Array], which: Any, counts: Any, read: tuple[int, ...]
) -> jax.Array:
    """Return the rates at counts, `[counts, settings]` or `[counts, settings, groups]`, each with the state of its number."""
    treedef = _structure(rate)

    def one(rate: LearningRate, start: list[jax.Array], leaves: list[jax.Array], count: jax.Array) -> jax.Array:
        return _effective(rate, _whole(start, read, leaves, treedef), count)

    over_settings = jax.vmap(one, in_axes=(_axes(rate), 0, 0, None))
    return jax.vmap(over_settings, in_axes=(None, None, 0, 0))(rate, start, [leaf[which] for leaf in states], counts)
