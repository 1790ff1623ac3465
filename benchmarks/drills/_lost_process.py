"""What each process of the process-loss drill does: train on real data, save after every epoch, go on where the last save was.

`python -m benchmarks.drills._lost_process ADDRESS PROCESSES PROCESS FOLDER EPOCHS HEARTBEAT [FAIL_AT]`. Each process validates on its own
part of the held-out patients, so that what they hear differs until it is reduced. Process 0 writes the rate of every update.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import orbax.checkpoint as ocp
from sklearn.datasets import load_diabetes

import rheostax as rx
from rheostax import parallel

BATCH, HELD_OUT, HIDDEN = 24, 100, 16
RATE = rx.Warmup(steps=20) * 3e-2 * rx.ReduceOnPlateau(monitor="val_loss", patience=1, factor=0.5, rtol=0.01)
TX = rx.control(optax.adam, RATE)


def patients() -> tuple[np.ndarray, np.ndarray]:
    found = load_diabetes()
    order = np.random.default_rng(0).permutation(len(found.target))
    columns = np.column_stack([found.data, found.target])[order].astype(np.float32)
    columns = (columns - columns.mean(0)) / columns.std(0)
    return columns[:, :-1], columns[:, -1]


def beginning() -> dict[str, np.ndarray]:
    normal = np.random.default_rng(1).normal
    return {"hidden": normal(0, 0.3, (10, HIDDEN)).astype(np.float32), "head": normal(0, 0.3, HIDDEN).astype(np.float32)}


def loss_of(params: Any, x: jax.Array, y: jax.Array) -> jax.Array:
    return jnp.mean((jnp.tanh(x @ params["hidden"]) @ params["head"] - y) ** 2)


@jax.jit
def update(params: Any, state: Any, x: jax.Array, y: jax.Array) -> Any:
    updates, state = TX.update(jax.grad(loss_of)(params, x, y), state, params)
    return optax.apply_updates(params, updates), state


class Saves:
    """A folder with a save per epoch, by orbax, which writes each whole or not at all."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def newest(self) -> int:
        """Return the last epoch that was saved; 0 for none."""
        return max((int(one.name) for one in self.folder.glob("*") if one.name.isdecimal()), default=0)

    def write(self, epoch: int, tree: Any) -> None:
        with ocp.StandardCheckpointer() as checkpointer:
            checkpointer.save(self.folder / str(epoch), tree)
            checkpointer.wait_until_finished()

    def read(self, epoch: int, like: Any) -> Any:
        with ocp.StandardCheckpointer() as checkpointer:
            return checkpointer.restore(self.folder / str(epoch), jax.tree.map(ocp.utils.to_shape_dtype_struct, like))


def main(address: str, count: str, own: str, folder: str, epochs: str, heartbeat: str, fail_at: str = "0") -> None:
    parallel.initialize(address, int(count), int(own), heartbeat_timeout_seconds=int(heartbeat))
    mesh, path = parallel.data_mesh(), Path(folder)
    params = parallel.place(beginning(), mesh)
    state = parallel.place(TX.init(params), mesh)
    saves = Saves(path / "saves")
    begun = int(parallel.reduce_metrics({"epoch": saves.newest()}, "min")["epoch"])
    if begun:
        params, state = saves.read(begun, (params, state))
    agreement = parallel.Agreement(every=5)
    x, y = patients()
    mine = np.array_split(np.arange(HELD_OUT), int(count))[int(own)]
    validate = jax.jit(loss_of)
    for epoch in range(begun, int(epochs)):
        if epoch + 1 == int(fail_at):
            raise RuntimeError("this process fails on purpose")
        rates = []
        order = np.random.default_rng([epoch]).permutation(np.arange(HELD_OUT, len(y)))
        for rows in order[: len(order) // BATCH * BATCH].reshape(-1, BATCH):
            params, state = update(params, state, *parallel.shard_batch((x[rows], y[rows]), mesh, whole=True))
            agreement.check(state)
            rates.append(float(rx.learning_rate(state)))
        here = jax.tree.map(lambda leaf: leaf.addressable_data(0), params)
        loss = float(validate(here, x[mine], y[mine]))
        agreed = parallel.reduce_metrics({"val_loss": loss}, weight=len(mine))
        state = rx.observe(state, **agreed)
        parallel.check_agreement(state)
        if own == "0":  # before the save: an epoch that is done again is written again, one that is saved isn't
            with (path / f"rates-from-{begun}.jsonl").open("a") as file:
                file.write(json.dumps({"epoch": epoch, "rates": rates, "val_loss": float(agreed["val_loss"])}) + "\n")
        saves.write(epoch + 1, (params, state))
        print(f"epoch {epoch + 1} val_loss {loss}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
