"""How candidates train side by side: one after the other, under vmap on one device, or spread over several devices.

Which is faster depends on the device. A small model leaves an accelerator nearly idle, so that many under `jax.vmap` take
little longer than one; on a CPU the batched matrix products of vmap take longer than the same ones in turn. All three do the same
updates on the same batches.
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from rheostax._check import one_of
from rheostax._loop import make_loop

__all__ = ["EXECUTIONS", "Heat", "execution_for", "make_heat"]

EXECUTIONS = ("sequential", "vmap", "sharded")
Update = Callable[[Any, Any], tuple[Any, jax.Array]]


def execution_for(wanted: str) -> str:
    """Return how to run on this machine's devices, if "auto" is wanted."""
    one_of("race: execution", wanted, ("auto", *EXECUTIONS))
    if wanted != "auto":
        return wanted
    if jax.local_device_count() > 1:
        return "sharded"
    return "sequential" if jax.default_backend() == "cpu" else "vmap"


class Heat(abc.ABC):
    """Candidates whose states have one structure."""

    @abc.abstractmethod
    def run(self, batches: Any) -> np.ndarray:
        """Make one update per batch on every candidate; return the losses, `[candidates, batches]`."""

    @abc.abstractmethod
    def states(self) -> list[Any]:
        """Return the candidates' states."""

    @abc.abstractmethod
    def keep(self, indices: Sequence[int]) -> None:
        """Go on with these alone."""

    @abc.abstractmethod
    def replace(self, states: list[Any]) -> None:
        """Go on from other states of the same structure."""


class Sequential(Heat):
    """One after the other, each with the same compiled function."""

    def __init__(self, update: Callable[[Any, Any], tuple[Any, jax.Array]], states: list[Any]) -> None:
        self._update, self._states = update, states

    def run(self, batches: Any) -> np.ndarray:
        results = [self._update(state, batches) for state in self._states]
        self._states = [state for state, _ in results]
        return np.stack(jax.device_get([losses for _, losses in results]))

    def states(self) -> list[Any]:
        return self._states

    def keep(self, indices: Sequence[int]) -> None:
        self._states = [self._states[i] for i in indices]

    def replace(self, states: list[Any]) -> None:
        self._states = states


class Stacked(Heat):
    """All at once: their states are stacked, and spread over devices if there is a mesh of them."""

    def __init__(self, update: Callable[[Any, Any], tuple[Any, jax.Array]], states: list[Any], mesh: Mesh | None) -> None:
        self._update, self._mesh = update, mesh
        self._stack: Any = None
        self.replace(states)

    def run(self, batches: Any) -> np.ndarray:
        self._stack, losses = self._update(self._stack, batches)
        return np.asarray(losses)[: self._count]

    def states(self) -> list[Any]:
        # On one device first: a row of an array that is spread over several would be sent round all of them.
        stack = self._stack if self._mesh is None else jax.device_put(self._stack, self._mesh.devices[0])
        return [jax.tree.map(lambda leaf, i=i: leaf[i], stack) for i in range(self._count)]

    def keep(self, indices: Sequence[int]) -> None:
        states = self.states()
        self.replace([states[i] for i in indices])

    def replace(self, states: list[Any]) -> None:
        self._count = len(states)
        if self._mesh is None:
            self._stack = jax.tree.map(lambda *leaves: jnp.stack(leaves), *states)
            return
        full = states + [states[0]] * (-len(states) % self._mesh.size)  # every device has equally many
        spread = NamedSharding(self._mesh, PartitionSpec(_AXIS))
        self._stack = jax.device_put(jax.tree.map(lambda *leaves: jnp.stack(leaves), *full), spread)


_AXIS = "candidates"


def make_heat(update: Update, states: list[Any], execution: str, compiled: dict[str, Any], *, convolves: bool) -> Heat:
    """Return the candidates, ready to run. What is compiled is kept in `compiled` for the next heat."""

    def scan(state: Any, batches: Any) -> tuple[Any, jax.Array]:
        return jax.lax.scan(update, state, batches)

    if execution == "sequential":
        return Sequential(compiled.setdefault(execution, make_loop(update, convolves=convolves)), states)
    together = jax.vmap(scan, in_axes=(0, None))
    if execution == "vmap":
        return Stacked(compiled.setdefault(execution, jax.jit(together, donate_argnums=0)), states, None)
    mesh = Mesh(np.asarray(jax.local_devices()), (_AXIS,))

    def on_device(states: Any, batches: Any) -> tuple[Any, jax.Array]:
        if jax.default_backend() == "cpu":
            return jax.lax.map(lambda state: scan(state, batches), states)
        return together(states, batches)

    spread, same = PartitionSpec(_AXIS), PartitionSpec()
    spread_out = jax.shard_map(on_device, mesh=mesh, in_specs=(spread, same), out_specs=(spread, spread), check_vma=False)
    return Stacked(compiled.setdefault(execution, jax.jit(spread_out, donate_argnums=0)), states, mesh)
