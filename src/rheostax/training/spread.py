"""Where a run is computed: on one device, or on all devices of a mesh and of all its processes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import jax
from flax import nnx
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from rheostax import parallel
from rheostax._processes import several
from rheostax.errors import RheostaxError, TaskError
from rheostax.training.data import Batch

__all__ = ["Spread"]

T = TypeVar("T")


class Spread:
    """Lay a run out, and keep its processes together.

    Without a mesh everything is left as it is. With one, batches are divided among its devices, each process puts in its part, and
    losses and metrics are of the whole batch: the same number everywhere, so that the processes decide alike.

    Args:
        mesh: All devices, along an axis "data"; None for the one that JAX takes by itself.
        fully_sharded: Whether parameters and the optimizer's state are divided among the devices too.
    """

    def __init__(self, mesh: Mesh | None, *, fully_sharded: bool = False) -> None:
        if fully_sharded and mesh is None:
            raise TaskError("fully_sharded needs a mesh to shard over: fit(task, mesh=rx.parallel.data_mesh(), fully_sharded=True).")
        if mesh is not None and "data" not in mesh.axis_names:
            raise TaskError(f"mesh must have an axis named 'data', as rx.parallel.data_mesh() has; got {mesh.axis_names}.")
        self.mesh, self.fully_sharded = mesh, fully_sharded
        self.first = mesh is None or jax.process_index() == 0  # writes the run directory, and speaks

    @property
    def size(self) -> tuple[int, int]:
        """How many devices and processes."""
        return (1, 1) if self.mesh is None else (self.mesh.size, jax.process_count())

    def model(self, model: Any) -> Any:
        """Lay a model out; the optimizer's state, which is made of its parameters, then lies as they do."""
        if self.mesh is not None:
            nnx.update(model, parallel.place(nnx.state(model), self.mesh, fully_sharded=self.fully_sharded))
        return model

    def rest(self, nodes: Any) -> Any:
        """Lay out what isn't yet, and return where everything is to stay: a sharding for each array, or None."""
        if self.mesh is None:
            return None
        nnx.update(nodes, parallel.place(nnx.state(nodes), self.mesh))
        return jax.tree.map(lambda leaf: leaf.sharding, nnx.state(nodes))

    def batches(self, stack: Batch) -> Batch:
        """Divide a stack of training batches, `[n, examples, ...]`."""
        if self.mesh is None:
            return stack
        try:
            return parallel.shard_batch(stack, self.mesh, axis=1, whole=True)
        except RheostaxError as error:
            raise TaskError(f"The training batches of this task don't fit: {error}") from None

    def validation(self, batch: Batch) -> Batch:
        """Divide a validation batch; every device takes all of one that doesn't divide evenly."""
        if self.mesh is None:
            return batch
        size = len(jax.tree.leaves(batch)[0])
        if size % self.mesh.shape["data"] == 0:
            return parallel.shard_batch(batch, self.mesh, whole=True)
        copied = NamedSharding(self.mesh, P())
        return jax.tree.map(lambda leaf: jax.make_array_from_callback(leaf.shape, copied, lambda index: leaf[index]), batch)

    def once(self, action: Callable[[], T]) -> T | None:
        """Do something on the first process; if it can't, say so on all."""
        result, failure = None, None
        if self.first:
            try:
                result = action()
            except RheostaxError as error:
                failure = error
        if self.any(failure is not None):
            raise failure or TaskError("Process 0 can't begin, and says why; so the others don't either.")
        return result

    def any(self, flag: bool) -> bool:
        """Tell whether a flag is set on any process."""
        if self.mesh is None or not several():
            return flag
        return bool(parallel.reduce_metrics({"flag": float(flag)}, "max")["flag"])

    def check(self, optimizer: Any) -> None:
        """Make sure that everybody holds the same rate."""
        if self.mesh is not None:
            parallel.check_agreement(optimizer)
