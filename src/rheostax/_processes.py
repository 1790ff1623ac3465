"""Numbers that all processes agree on.

Every process puts in its own, and all get the same out: one compiled all-reduce over one device per process. What travels is a few
numbers per metric, whatever the model's size. Like every collective, it has to be called by all processes, in the same order.
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from rheostax.errors import DisagreementError

__all__ = ["HOWS", "agreed", "all_reduce", "fingerprint", "independent", "one_device_each", "reduced", "require_same", "several"]

HOWS = ("mean", "min", "max")
_AXIS = "process"
_WIDTH = 8  # metrics are padded to a multiple of it, so that processes with different ones can tell each other
_independent = contextvars.ContextVar("independent", default=False)


def several() -> bool:
    """Tell whether there are several processes, which don't go their own ways."""
    return jax.process_count() > 1 and not _independent.get()


@contextlib.contextmanager
def independent() -> Iterator[None]:
    """Let each process go its own way within: nothing is reduced, and nothing waits for another process.

    For processes that were started together and train different things.

    >>> import rheostax as rx
    >>> with rx.parallel.independent():
    ...     pass
    """
    token = _independent.set(True)
    try:
        yield
    finally:
        _independent.reset(token)


@functools.cache
def one_device_each() -> Mesh:
    """Return the mesh of the first device of every process."""
    first = {device.process_index: device for device in reversed(jax.devices())}
    return Mesh(np.array([first[i] for i in sorted(first)]), (_AXIS,))


def all_reduce(function: Callable[..., Any], *own: Any) -> Any:
    """Run a function of this process's numbers on all processes, in which they meet along the axis "process".

    Args:
        function: A pure function, defined once, whose results are equal on all of them: made by `psum`, `pmin` or `pmax`.
        *own: Arrays, of one shape and dtype on all processes.

    Returns:
        The results, as NumPy arrays.
    """
    mesh = one_device_each()
    device = mesh.local_devices[0]
    spread = NamedSharding(mesh, P(_AXIS))
    rows = [np.asarray(array)[None] for array in own]
    shared = [jax.make_array_from_single_device_arrays((mesh.size, *row.shape[1:]), spread, [jax.device_put(row, device)]) for row in rows]
    return jax.tree.map(lambda array: np.asarray(array.addressable_data(0)), _compiled(function)(*shared))


@functools.cache
def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    def own_row(*rows: jax.Array) -> Any:
        return function(*(row[0] for row in rows))

    return jax.jit(jax.shard_map(own_row, mesh=one_device_each(), in_specs=P(_AXIS), out_specs=P()))


def fingerprint(text: str) -> int:
    """Return 31 bits that tell texts apart."""
    return zlib.crc32(text.encode()) >> 1


def _extremes(words: jax.Array) -> jax.Array:
    """Return the largest, and minus the smallest, of every word."""
    return jax.lax.pmax(jnp.stack([words, -words]), _AXIS)


def require_same(words: Sequence[int], what: Callable[[int], str]) -> None:
    """Raise the same error on all processes if a word isn't the same on all.

    Args:
        words: Whole numbers of at most 31 bits, as many on each process.
        what: Says what differs, from the place of the first word that does.
    """
    highest, lowest = all_reduce(_extremes, np.array(words, np.int32))
    different = np.flatnonzero(highest != -lowest)
    if len(different):
        raise DisagreementError(what(int(different[0])))


def reduced(metrics: Mapping[str, Any], how: str, weight: Any) -> dict[str, np.ndarray]:
    """Return metrics that are the same on all processes; None, or no weight, is no say. See `reduce_metrics`."""
    names = list(metrics)
    size = -(-max(len(names), 1) // _WIDTH) * _WIDTH
    values, weights = np.zeros(size, np.float32), np.zeros(size, np.float32)
    for i, value in enumerate(metrics.values()):
        if value is not None:
            values[i], weights[i] = _number(value), weight
    sign = fingerprint(f"{how} {names}")
    result, total, signs = all_reduce(_REDUCTIONS[how], values, weights, np.array([sign], np.int32))
    if signs[0] != -signs[1]:
        raise DisagreementError(
            f"The processes observe different things: process {jax.process_index()} the {how} of {', '.join(names) or 'nothing'}, another "
            "something else. All of them have to give the same names, in one order; one that has no value gives None."
        )
    return {name: result[i] for i, name in enumerate(names) if total[i] > 0}


def _number(value: Any) -> np.ndarray:
    """Return a scalar as this process has it."""
    if isinstance(value, jax.Array) and not value.is_fully_addressable:
        value = value.addressable_data(0)
    return np.asarray(value, np.float32)


def _mean(values: jax.Array, weights: jax.Array, sign: jax.Array) -> Any:
    """Return the weighted means, between the smallest and the largest: what is the same everywhere stays so to the last bit."""
    total = jax.lax.psum(weights, _AXIS)
    there = weights > 0
    mean = jax.lax.psum(jnp.where(there, values * (weights / total), 0.0), _AXIS)
    low, high = -_largest(-values, there), _largest(values, there)
    return jnp.where(jnp.isfinite(mean), jnp.clip(mean, low, high), mean), total, _signs(sign)


def _largest(values: jax.Array, there: jax.Array) -> jax.Array:
    return jax.lax.pmax(jnp.where(there, values, -jnp.inf), _AXIS)


def _max(values: jax.Array, weights: jax.Array, sign: jax.Array) -> Any:
    """Return the largest values; NaN where one is, since which of the two a comparison takes depends on the network."""
    there = weights > 0
    unknown = jax.lax.psum((there & jnp.isnan(values)).astype(jnp.float32), _AXIS)
    largest = _largest(jnp.where(jnp.isnan(values), 0.0, values), there)
    return jnp.where(unknown > 0, jnp.nan, largest), jax.lax.psum(weights, _AXIS), _signs(sign)


def _min(values: jax.Array, weights: jax.Array, sign: jax.Array) -> Any:
    largest, total, signs = _max(-values, weights, sign)
    return -largest, total, signs


def _signs(sign: jax.Array) -> jax.Array:
    return jax.lax.pmax(jnp.concatenate([sign, -sign]), _AXIS)


_REDUCTIONS: dict[str, Callable[..., Any]] = {"mean": _mean, "min": _min, "max": _max}


def agreed(metrics: Mapping[str, Any], known: Sequence[str], state: Any) -> dict[str, Any]:
    """Return the observations that this process hands over as all processes agree on them: means over those that have one.

    Inside `jax.jit`, where a number is the same everywhere or a reduction of one's own makes it so, they are left as they are.
    """
    traced = (isinstance(leaf, jax.core.Tracer) for leaf in (state, *metrics.values()))
    if not known or not several() or any(traced):
        return dict(metrics)
    return reduced({name: metrics.get(name) for name in known}, "mean", 1.0)
