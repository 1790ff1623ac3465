"""Many scalars as two vectors.

A jitted call pays for every array that goes in and comes out (about 3 microseconds each on a CPU, more than a whole plateau
rule takes to compute), and a learning rate is made of dozens of scalars. So at rest they lie in one float32 and one int32
vector, with a static layout that says which is which; inside a computation they are a tree again.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from typing import Any

import jax
import jax.numpy as jnp

__all__ = ["Layout", "pack"]


@jax.tree_util.register_static
@dataclasses.dataclass(frozen=True)
class Layout:
    """Where each leaf of a tree lies: its structure and, per leaf, kind ("f" or "i"), offset, and shape."""

    treedef: Any
    slots: tuple[tuple[str, int, tuple[int, ...]], ...]

    def unpack(self, floats: jax.Array, ints: jax.Array) -> Any:
        """Return the tree. Leading axes of the vectors, as `jax.vmap` makes them, become leading axes of every leaf."""
        leaves = []
        for kind, offset, shape in self.slots:
            vector = floats if kind == "f" else ints
            flat = vector[..., offset : offset + math.prod(shape)]
            leaves.append(flat.reshape(vector.shape[:-1] + shape))
        return jax.tree.unflatten(self.treedef, leaves)

    @functools.cached_property
    def skeleton(self) -> Any:
        """The tree with None for every leaf: enough to ask for names and structure."""
        return jax.tree.unflatten(self.treedef, [None] * len(self.slots))

    def names(self) -> list[str]:
        """Return the path of every leaf, as in `rate.factors[0].init_value`."""
        marked = jax.tree.unflatten(self.treedef, range(len(self.slots)))
        return [jax.tree_util.keystr(path).lstrip(".") for path, _ in jax.tree_util.tree_flatten_with_path(marked)[0]]


def pack(tree: Any) -> tuple[jax.Array, jax.Array, Layout]:
    """Lay a tree of numbers, `float32` and integer arrays out as a `float32 [n]`, an `int32 [m]` and their layout."""
    leaves, treedef = jax.tree.flatten(tree)
    parts: dict[str, list[tuple[int, jax.Array]]] = {"f": [], "i": []}
    slots, sizes = [], {"f": 0, "i": 0}
    for leaf in leaves:
        kind = "f" if jnp.issubdtype(jnp.result_type(leaf), jnp.floating) else "i"
        array = jnp.asarray(leaf, jnp.float32 if kind == "f" else jnp.int32)
        parts[kind].append((sizes[kind], array))
        slots.append((kind, sizes[kind], array.shape))
        sizes[kind] += array.size
    floats = _lay_out(parts["f"], sizes["f"], jnp.float32)
    return floats, _lay_out(parts["i"], sizes["i"], jnp.int32), Layout(treedef, tuple(slots))


def _lay_out(parts: list[tuple[int, jax.Array]], size: int, dtype: Any) -> jax.Array:
    """Put each array at its offset in a vector.

    Selections fuse with what computes the scalars into one loop over the vector. A concatenation doesn't: XLA runs a kernel
    of its own for every scalar, which made a small update with a plateau policy 40% slower on a CPU.
    """
    place = jnp.arange(size)
    vector = jnp.zeros(size, dtype)
    for offset, array in parts:
        if array.ndim == 0:
            vector = jnp.where(place == offset, array, vector)
        else:
            inside = (place >= offset) & (place < offset + array.size)
            vector = jnp.where(inside, jnp.pad(array.reshape(-1), (offset, size - offset - array.size)), vector)
    return vector
