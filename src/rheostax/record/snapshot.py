"""A learning rate's whole state as one vector: what a recorder keeps of an update.

An optimizer's arrays can't be kept as they are: a training step that donates its state deletes them. So they are copied, and in
one piece, since a jitted call pays for every array that goes in or out and a fetch for every array that it fetches. The vector
is of integers, which nothing rounds or flushes to zero on the way.
"""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rheostax._control_state import ControlState
from rheostax.errors import ArgumentError, StateError
from rheostax.record._chunk import OWN, label
from rheostax.state import controls, held, opt_state

__all__ = ["Reader", "Seen", "pack", "snapshot"]

SINGLE = frozenset(map(np.dtype, (np.float32, jnp.bfloat16, np.float16)))  # float32 holds them exactly

Scalars = tuple[Any, Any, Any]  # learning_rate, floats and ints of a ControlState


def snapshot(x: Any, /, **metrics: Any) -> jax.Array:
    """Return everything that a `Recorder` needs to know of a learning rate, and metrics, as one small vector.

    Return it from a jitted training step, and hand it to `Recorder.updated` in place of the optimizer: then recording
    dispatches nothing, and keeps one array. Return it from the body of `jax.lax.scan`, and hand what comes out to `Recorder.scanned`.

    Args:
        x: An optax state that holds a `control`, or an `nnx.Optimizer`; inside or outside `jax.jit`.
        **metrics: By name, scalars of float32, bfloat16 or float16, or Python's floats, as float32. None is left out.

    Returns:
        `int32 [m]`, a copy.

    Raises:
        StateError: If there is no control in it, or it is a batch of states.
        ArgumentError: If a metric is something else, or has the name of a field of a record.

    >>> import jax.numpy as jnp, optax, rheostax as rx
    >>> state = rx.control(optax.sgd, 0.5).init(jnp.ones(2))
    >>> with rx.Recorder(state) as recorder:
    ...     recorder.observed(snapshot(state, loss=0.25))
    >>> print(recorder.history["loss"])
    [0.25]
    """
    given = {name: _single(name, value) for name, value in metrics.items() if value is not None}
    return pack(*_parts(controls(opt_state(x))), *given.values(), *([label(list(given))] if given else []))


def _single(name: str, value: Any) -> jax.Array:
    """Return a metric, which float32 has to hold as it is."""
    if name in OWN:
        raise ArgumentError(f"snapshot: {name!r} is a field of every record; give the metric another name.")
    if isinstance(value, float):
        value = np.float32(value)
    if jnp.shape(value) != () or jnp.result_type(value) not in SINGLE:
        rule = "must be a float32, bfloat16 or float16 scalar; hand others to Recorder.updated"
        raise ArgumentError(f"snapshot: the metric {name!r} {rule}; got {jnp.result_type(value)} {list(jnp.shape(value))}.")
    return jnp.asarray(value)


@jax.jit
def pack(*parts: jax.Array) -> jax.Array:
    """Lay arrays of numbers of at most 32 bits out one after the other, floats by their bits as float32."""
    flat = [part.reshape(-1) for part in parts]
    flat = [part.astype(jnp.float32) if jnp.issubdtype(part.dtype, jnp.floating) else part for part in flat]
    return jnp.concatenate([jax.lax.bitcast_convert_type(part, jnp.int32) for part in flat])


def _parts(found: dict[str, ControlState]) -> list[Any]:
    return [part for state in found.values() for part in _scalars(state)]


def _scalars(state: ControlState) -> Scalars:
    if state.floats.ndim != 1:
        raise StateError("This state is a batch of states, as jax.vmap makes it; record one of them: jax.tree.map(lambda x: x[i], state).")
    return state.learning_rate, state.floats, state.ints


@dataclasses.dataclass(frozen=True, eq=False)
class Seen:
    """A control at n moments."""

    name: str  # "" where it is the only one
    state: ControlState  # at the first of them, without inner state
    learning_rate: np.ndarray  # float32 [n], or [n, groups]
    floats: np.ndarray  # float32 [n, ...]
    ints: np.ndarray  # int32 [n, ...]

    @property
    def count(self) -> np.ndarray:
        """Updates applied, `int32 [n]`."""
        layout: Any = self.state.layout
        return np.asarray(layout.unpack(self.floats, self.ints).count)


class Reader:
    """Find what is recorded in an optimizer, fast, and read vectors again on the host.

    Where the controls lie in the optimizer's state is looked up once.

    Args:
        x: An optax state that holds a `control`, or an `nnx.Optimizer`.
    """

    def __init__(self, x: Any) -> None:
        found = controls(opt_state(x))
        self.templates = {name: state._replace(inner=()) for name, state in found.items()}
        self.first = np.asarray(pack(*_parts(found)))
        self.size = len(self.first)
        self.kind, self._held, self._paths = type(x), held.dispatch(type(x)), _paths(held(x))
        self._layouts = [state.layout for state in found.values()]
        self._array: type | None = None  # of an array on the device; known after the first time

    def parts(self, x: Any) -> list[Any]:
        """Return the arrays that make a vector, as they are: see `pack`."""
        return self._parts_where_they_were(x) or self._parts_looked_up(x)

    def _parts_where_they_were(self, x: Any) -> list[Any] | None:
        """Return the scalars, or None where something isn't as it was the last time."""
        if type(x) is not self.kind or self._paths is None:
            return None
        root = self._held(x)
        parts: list[Any] = []
        try:
            for path, layout in zip(self._paths, self._layouts, strict=True):
                node = root
                for step in path:
                    node = step(node)
                if node.layout is not layout:
                    return None
                parts += node[:3]
        except (AttributeError, IndexError, KeyError, TypeError):
            return None
        if type(parts[1]) is self._array:
            return parts
        parts = [getattr(part, "get_raw_value", lambda: None)() for part in parts]  # Flax Variables
        return parts if type(parts[1]) is self._array else None

    def _parts_looked_up(self, x: Any) -> list[Any]:
        found = controls(opt_state(x))
        if [(name, one.layout) for name, one in found.items()] != [(name, one.layout) for name, one in self.templates.items()]:
            raise StateError("A recorder records the learning rate that it was made for; this is another. Make another rx.Recorder(...).")
        parts = _parts(found)
        if isinstance(parts[1], jax.core.Tracer):
            raise ArgumentError(
                "A recorder can't look inside jax.jit: call it after the jitted function, or return "
                "rheostax.record.snapshot(optimizer) from there and hand it that."
            )
        self._layouts, self._array = [state.layout for state in found.values()], type(parts[1])
        return parts

    def read(self, rows: np.ndarray) -> list[Seen]:
        """Read vectors, `int32 [n, m]`: each control at n moments."""
        found, start = [], 0
        for name, template in self.templates.items():
            parts = []
            for part in (template.learning_rate, template.floats, template.ints):
                block = rows[:, start : start + part.size].view(part.dtype)
                parts.append(block.reshape(len(rows), *part.shape))
                start += part.size
            rates, floats, ints = parts
            state = template._replace(learning_rate=rates[0], floats=floats[0], ints=ints[0])
            found.append(Seen(name, state, rates, floats, ints))
        return found


def _paths(tree: Any) -> list[list[Callable[[Any], Any]]] | None:
    """Return the way to each control as functions to apply one after the other; None where there is a node without named parts."""
    leaves = jax.tree_util.tree_flatten_with_path(tree, is_leaf=lambda leaf: isinstance(leaf, ControlState))[0]
    paths = [[_getter(key) for key in path] for path, leaf in leaves if isinstance(leaf, ControlState)]
    return None if not paths or any(None in path for path in paths) else paths  # type: ignore[return-value]


def _getter(key: Any) -> Callable[[Any], Any] | None:
    if isinstance(key, jax.tree_util.GetAttrKey):
        return operator.attrgetter(key.name)
    if isinstance(key, jax.tree_util.DictKey):
        return operator.itemgetter(key.key)
    return operator.itemgetter(key.idx) if isinstance(key, jax.tree_util.SequenceKey) else None
