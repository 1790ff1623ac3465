"""Lay out batches, parameters and optimizer states over devices, with JAX's own shardings."""

from __future__ import annotations

import zlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from rheostax._processes import fingerprint, require_same, several
from rheostax.errors import ArgumentError

__all__ = ["data_mesh", "place", "shard_batch"]

AXIS = "data"


def data_mesh() -> Mesh:
    """Return all devices of all processes along one axis, "data".

    Returns:
        A mesh as `jax.make_mesh` makes it. With several axes, make your own, and name the first one "data".

    >>> import rheostax as rx
    >>> rx.parallel.data_mesh().axis_names
    ('data',)
    """
    return jax.make_mesh((jax.device_count(),), (AXIS,), axis_types=(AxisType.Auto,))


def shard_batch(batch: Any, mesh: Mesh, *, axis: int = 0, whole: bool = False) -> Any:
    """Make one global batch of the parts that the processes have: sharded over the axis "data" of the mesh.

    Args:
        batch: A pytree of arrays: this process's examples, as many on each process.
        mesh: As `data_mesh` returns it.
        axis: Which axis of the arrays counts the examples, >= 0: 1 for a stack of batches.
        whole: Whether every process has the whole batch, of which each takes its part.

    Returns:
        The same tree of global `jax.Array`.

    Raises:
        ArgumentError: If the examples can't be divided evenly among the devices, or an array has no such axis.

    >>> import numpy as np, rheostax as rx
    >>> mesh = rx.parallel.data_mesh()
    >>> batch = rx.parallel.shard_batch({"x": np.ones((4 * mesh.size, 3))}, mesh)
    >>> print(*batch["x"].sharding.spec)
    data
    """
    sharding = NamedSharding(mesh, P(*[None] * axis, AXIS))
    parts = 1 if whole else jax.process_count()

    def shard(own: Any) -> jax.Array:
        array = np.asarray(own)
        if not 0 <= axis < array.ndim:
            raise ArgumentError(
                f"shard_batch: every array must have an axis {axis} that counts the examples, got shape {array.shape}. "
                "Leave out what isn't an example."
            )
        examples = array.shape[axis] * parts
        if examples % mesh.shape[AXIS]:
            raise ArgumentError(
                f"shard_batch: a batch must divide evenly among the {mesh.shape[AXIS]} devices, got {examples} examples. "
                "Choose another batch size, or fewer devices."
            )
        if whole:
            return jax.make_array_from_callback(array.shape, sharding, lambda index: array[index])
        return jax.make_array_from_process_local_data(sharding, array)

    return jax.tree.map(shard, batch)


def place(tree: Any, mesh: Mesh, *, fully_sharded: bool = False) -> Any:
    """Put parameters, or a whole training state, on all devices of a mesh.

    All processes have to begin with the same values; that they do is checked by a checksum of each array.

    Args:
        tree: A pytree of arrays, such as `nnx.state((model, optimizer))`; every process holds the whole of it.
        mesh: As `data_mesh` returns it.
        fully_sharded: Divide each array along its longest axis that divides evenly, in place of a copy on every device. An optimizer's
            moments, made of parameters that lie somewhere, lie there too.

    Returns:
        The same tree of global `jax.Array`. An array that lies on this mesh already stays as it is.

    Raises:
        DisagreementError: On all processes, if they begin with different values; names the array.

    >>> import jax.numpy as jnp, rheostax as rx
    >>> mesh = rx.parallel.data_mesh()
    >>> placed = rx.parallel.place({"w": jnp.ones((4, 32 * mesh.size))}, mesh, fully_sharded=True)
    >>> print(*placed["w"].sharding.spec)
    None data
    """
    leaves, treedef = jax.tree_util.tree_flatten_with_path(tree)
    local = {jax.tree_util.keystr(path): _plain(leaf) for path, leaf in leaves if not _is_placed(leaf, mesh)}
    if several():
        _require_same_start(local)
    placed = []
    for path, leaf in leaves:
        value = local.get(jax.tree_util.keystr(path))
        placed.append(leaf if value is None else _placed(leaf, value, mesh, fully_sharded))
    return jax.tree.unflatten(treedef, placed)


def _require_same_start(arrays: dict[str, np.ndarray]) -> None:
    """Refuse arrays that aren't the same on all processes. Their checksums travel, not they."""
    shapes = fingerprint(str([(name, array.shape, str(array.dtype)) for name, array in arrays.items()]))
    require_same([shapes], lambda _: "The processes begin with trees of different structure; all have to run the same code.")
    names, sums = list(arrays), [zlib.crc32(array.tobytes()) >> 1 for array in arrays.values()]
    if sums:
        require_same(sums, lambda i: f"The processes begin with different values of {names[i]}: give all of them the same seed and data.")


def _is_placed(leaf: Any, mesh: Mesh) -> bool:
    return isinstance(leaf, jax.Array) and isinstance(leaf.sharding, NamedSharding) and leaf.sharding.mesh == mesh


def _is_key(leaf: Any) -> bool:
    return isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _plain(leaf: Any) -> np.ndarray:
    """Return the numbers of an array, or of a key."""
    return np.asarray(jax.random.key_data(leaf) if _is_key(leaf) else leaf)


def _placed(leaf: Any, value: np.ndarray, mesh: Mesh, fully_sharded: bool) -> jax.Array:
    spec = _spec(value.shape, mesh.shape[AXIS]) if fully_sharded and not _is_key(leaf) else P()
    array = jax.make_array_from_callback(value.shape, NamedSharding(mesh, spec), lambda index: value[index])
    return jax.random.wrap_key_data(array, impl=jax.random.key_impl(leaf)) if _is_key(leaf) else array


def _spec(shape: tuple[int, ...], devices: int) -> P:
    """Return the spec that divides the longest axis that can be divided; later axes win where they are as long."""
    fitting = [axis for axis, length in enumerate(shape) if length % devices == 0 and length > 0]
    if not fitting:
        return P()
    longest = max(fitting, key=lambda axis: (shape[axis], axis))
    return P(*[None] * longest, AXIS)
