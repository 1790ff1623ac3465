"""Make sure that all devices of all processes hold the same learning rate and have decided the same.

What is compared is what a control carries: count, observations, what the policies made of them, changes by hand, and the expression's
numbers. Each device makes a digest of its copy, and the digests are compared: three words, whatever the expression. They are made of
the copies as they lie on the devices, not of what JAX calls replicated: a copy that has gone its own way is still called that.
"""

from __future__ import annotations

import functools
import json
import math
import operator
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from rheostax import _check
from rheostax._control_state import ControlState
from rheostax._packing import Layout
from rheostax._processes import fingerprint, one_device_each, several
from rheostax._words import plain, say
from rheostax.errors import DisagreementError, StateError
from rheostax.state import controls, opt_state

__all__ = ["Agreement", "check_agreement"]

_AXIS = "device"
ADVICE = (
    "A metric, or a change by hand, was not the same everywhere. Metrics that go into a compiled update must be the same on all processes "
    "(rx.parallel.reduce_metrics makes them so). Stop, and go on from the last checkpoint."
)


class Comparison(NamedTuple):
    """A comparison that is on its way."""

    states: dict[str, ControlState]  # for their layouts
    mesh: Mesh  # of the devices whose copies are compared
    extremes: jax.Array  # int32 [2, 3]: the largest of every word of the digests, and of every complement
    copies: jax.Array  # int32 [devices * words], each on its device


class Agreement:
    """Compare the learning rates of all processes now and then, without waiting for the device.

    Every so many calls the comparison is started, and at the call after that looked at; by then it is done, and the next update is on
    its way. So a disagreement is an error at the same call on all processes, at most `every` + 1 calls after it came about.

    Args:
        every: Calls from one comparison to the next, a whole number >= 1.

    Raises:
        ArgumentError: If `every` breaks its rule.

    >>> import jax.numpy as jnp, optax, rheostax as rx
    >>> state = rx.control(optax.sgd, 0.1).init(jnp.ones(2))
    >>> agreement = rx.parallel.Agreement(every=2)
    >>> for update in range(6):
    ...     agreement.check(state)  # after every update
    """

    def __init__(self, every: int = 100) -> None:
        self.every = every
        _check.whole(self, "every")
        self._calls = 0
        self._pending: Comparison | None = None

    def check(self, x: Any) -> None:
        """Count an update, compare if it is time, and tell of the comparison before.

        Args:
            x: An optax state that holds a `control`, or an `nnx.Optimizer`; not inside `jax.jit`.

        Raises:
            DisagreementError: On all processes, if the last comparison found that they differ.
            StateError: If there is no control in it, or it is a batch of states.
        """
        self._calls += 1
        if self._pending is not None:
            pending, self._pending = self._pending, None
            _judge(pending)
        if self._calls % self.every == 0:
            self._pending = _compare(x)


def check_agreement(x: Any) -> None:
    """Compare the learning rates of all processes, now.

    All processes have to call it. It takes one all-reduce of 24 bytes, and waits for it; `Agreement` doesn't.

    Args:
        x: An optax state that holds a `control`, or an `nnx.Optimizer`; not inside `jax.jit`.

    Raises:
        DisagreementError: On all processes, if the states differ; says which process has which rate.
        StateError: If there is no control in it, or it is a batch of states.

    >>> import jax.numpy as jnp, optax, rheostax as rx
    >>> rx.parallel.check_agreement(rx.control(optax.sgd, 0.1).init(jnp.ones(2)))
    """
    comparison = _compare(x)
    if comparison is not None:
        _judge(comparison)


def _compare(x: Any) -> Comparison | None:
    """Start a comparison; None where there is one copy only."""
    states = {name: state._replace(inner=()) for name, state in controls(opt_state(x)).items()}
    for state in states.values():
        _require_single(state)
    vectors = [vector for state in states.values() for vector in (state.floats, state.ints)]
    mesh = _mesh_of(vectors[0])
    if mesh.size == 1:
        return None
    extremes, copies = _extremes(mesh, _structure(states))(*(_side_by_side(vector, mesh) for vector in vectors))
    return Comparison(states, mesh, extremes, copies)


def _require_single(state: ControlState) -> None:
    if isinstance(state.floats, jax.core.Tracer):
        raise StateError("Processes are compared outside of jax.jit: call it with what the compiled update returned.")
    if state.floats.ndim != 1:
        raise StateError("This state is a batch of states, as jax.vmap makes it; the batch can't be compared across processes.")


def _mesh_of(vector: jax.Array) -> Mesh:
    """Return the devices whose copies are compared: those that hold the array, or one of each process where each has its own array."""
    if several() and vector.is_fully_addressable:
        return one_device_each()
    return _flat(tuple(sorted(vector.sharding.device_set, key=operator.attrgetter("id"))))


@functools.cache
def _flat(devices: tuple[Any, ...]) -> Mesh:
    return Mesh(np.array(devices), (_AXIS,))


def _structure(states: dict[str, ControlState]) -> int:
    """Return a fingerprint of what the numbers stand for."""
    return _fingerprint_of(tuple((name, state.layout) for name, state in states.items()))


@functools.cache
def _fingerprint_of(layouts: tuple[tuple[str, Layout], ...]) -> int:
    return fingerprint(json.dumps([[name, layout.names(), layout.slots] for name, layout in layouts]))


def _side_by_side(vector: jax.Array, mesh: Mesh) -> jax.Array:
    """Return the copies of a replicated vector as one array with a copy per device, without copying."""
    copies = {shard.device: shard.data for shard in vector.addressable_shards}
    own = [copies[device] if device in copies else jax.device_put(vector, device) for device in mesh.local_devices]
    spread = NamedSharding(mesh, P(mesh.axis_names))
    return jax.make_array_from_single_device_arrays((mesh.size * vector.size,), spread, own)


@functools.cache
def _extremes(mesh: Mesh, structure: int) -> Any:
    """Compile `copies -> (largest and smallest digest of all devices, copies)`."""

    def compare(*vectors: jax.Array) -> tuple[jax.Array, jax.Array]:
        words = jnp.concatenate([jax.lax.bitcast_convert_type(vector, jnp.int32) for vector in vectors])
        digest = jnp.concatenate([jnp.array([structure], jnp.int32), _digest(words)])
        return jax.lax.pmax(jnp.stack([digest, ~digest]), mesh.axis_names), words

    spread = P(mesh.axis_names)
    return jax.jit(jax.shard_map(compare, mesh=mesh, in_specs=spread, out_specs=(P(), spread)))


def _digest(words: jax.Array) -> jax.Array:
    """Return 64 bits of words, as `int32 [2]`: sums of what MurmurHash3's last steps make of each word and its place."""
    own = jax.lax.bitcast_convert_type(words, jnp.uint32)
    place = jnp.arange(len(words), dtype=jnp.uint32)

    def mixed(seed: int) -> jax.Array:
        h = own ^ ((place + 1) * np.uint32(seed))
        for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
            h = (h ^ (h >> shift)) * np.uint32(factor)
        return jnp.sum(h ^ (h >> 16), dtype=jnp.uint32)

    return jax.lax.bitcast_convert_type(jnp.stack([mixed(0x9E3779B1), mixed(0x85EBCA77)]), jnp.int32)


def _judge(comparison: Comparison) -> None:
    """Raise if the digests differ: the copies are then gathered, once, to say how."""
    highest, lowest = np.asarray(comparison.extremes.addressable_data(0))
    if np.array_equal(highest, ~lowest):
        return
    if highest[0] != ~lowest[0]:
        raise DisagreementError("The processes have learning rates of different structure. All of them have to run the same code.")
    gather = jax.jit(lambda copies: copies, out_shardings=NamedSharding(comparison.mesh, P()))
    rows = np.asarray(gather(comparison.copies).addressable_data(0)).reshape(comparison.mesh.size, -1)
    raise DisagreementError(_tell(comparison, rows))


def _tell(comparison: Comparison, rows: np.ndarray) -> str:
    """Say which processes hold which rate, those that are most last, and in what they differ."""
    devices = list(comparison.mesh.devices.flat)
    alike: dict[bytes, list[int]] = {}
    for place, row in enumerate(rows):
        alike.setdefault(row.tobytes(), []).append(place)
    groups = sorted(alike.values(), key=len)
    held = "; ".join(f"{_who([devices[i] for i in places], devices)} {_rates(comparison, rows[places[0]])}" for places in groups)
    different = np.flatnonzero((rows != rows[0]).any(0))
    names = _names(comparison.states)
    fields = list(dict.fromkeys(names[i] for i in different))
    shown = ", ".join(fields[:4]) + (f" and {len(fields) - 4} more" if len(fields) > 4 else "")
    return f"The learning rate is not the same everywhere: {held}. They differ in {shown}. {ADVICE}"


def _who(own: Sequence[Any], everyone: Sequence[Any]) -> str:
    """Name processes; devices, where a process doesn't agree with itself."""
    inside, outside = ({device.process_index for device in devices} for devices in (own, set(everyone) - set(own)))
    thing, numbers = ("device", [device.id for device in own]) if inside & outside else ("process", sorted(inside))
    listed = ", ".join(map(str, numbers[:8])) + (f" and {len(numbers) - 8} more" if len(numbers) > 8 else "")
    if len(numbers) == 1:
        return f"{thing} {listed} has"
    return f"{'devices' if thing == 'device' else 'processes'} {listed} have"


def _names(states: dict[str, ControlState]) -> list[str]:
    """Return the field of every word, in the order in which they lie."""
    found: list[str] = []
    for name, state in states.items():
        prefix = f"{name}: " if name else ""
        for kind in ("f", "i"):
            for field, (own, _, shape) in zip(state.layout.names(), state.layout.slots, strict=True):
                found += [prefix + field] * math.prod(shape) if own == kind else []
    return found


def _rates(comparison: Comparison, row: np.ndarray) -> str:
    """Say which rate a copy has for the next update, and at which count."""
    told, start = [], 0
    for name, state in comparison.states.items():
        end = start + state.floats.size
        floats, ints = row[start:end].view(np.float32), row[end : end + state.ints.size]
        start = end + state.ints.size
        body = state.layout.unpack(jnp.asarray(floats), jnp.asarray(ints))
        rate, _ = body.effective(jnp.float32(0.0))
        told.append(f"{f'{name}: ' if name else ''}{say(plain(rate), 9)} at update {int(body.count):,}")
    return ", ".join(told)
