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
    vectors: dict[str, list[jax.Array]] = {"f": [], "i": []}
    slots, offsets = [], {"f": 0, "i": 0}
    for leaf in leaves:
        kind = "f" if jnp.issubdtype(jnp.result_type(leaf), jnp.floating) else "i"
        array = jnp.asarray(leaf, jnp.float32 if kind == "f" else jnp.int32)
        vectors[kind].append(array.reshape(-1))
        slots.append((kind, offsets[kind], array.shape))
        offsets[kind] += array.size
    floats = jnp.concatenate([jnp.zeros(0, jnp.float32), *vectors["f"]])
    ints = jnp.concatenate([jnp.zeros(0, jnp.int32), *vectors["i"]])
    return floats, ints, Layout(treedef, tuple(slots))
