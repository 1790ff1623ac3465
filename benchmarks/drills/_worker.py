"""The training that the drills disturb: small, with dropout and policies that decide often, saved every few updates."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import Any

import jax
import numpy as np
from flax import nnx

import rheostax as rx
from rheostax.record.run_directory import CONFIG
from rheostax.training import Watcher, fit, load_task

EVERY = 3  # updates between checkpoints, and in a dispatch
EPOCHS = 8
STATE = "state.npz"  # the model's whole state at the end


class Quiet(Watcher):
    """Keep warnings, which are compared in the summary, off the screen."""

    def warned(self, text: str) -> None:
        pass


def learning_rate(updates_per_epoch: int, epochs: int) -> rx.LearningRate:
    reacts = rx.ReduceOnPlateau(monitor="val_r2", mode="max", patience=1, factor=0.5, rtol=0.05)
    return rx.Warmup(10) * rx.Cosine(0.03, 2 * updates_per_epoch * epochs) * reacts * rx.ReduceOnPlateau(patience=4, factor=0.9)


def plain(leaf: Any) -> np.ndarray:
    return np.asarray(jax.random.key_data(leaf) if jax.numpy.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf)


def main(folder: Path) -> None:
    """Train, or go on, and leave the model's state at the end."""
    task = dataclasses.replace(load_task("diabetes"), learning_rate=learning_rate, updates_per_dispatch=EVERY)
    place: dict[str, Any] = {"resume": folder} if (folder / CONFIG).exists() else {"out": folder, "overwrite": True}
    result = fit(task, epochs=EPOCHS, checkpoint_every=EVERY, watcher=Quiet(), **place)
    leaves = jax.tree_util.tree_flatten_with_path(nnx.as_pure(nnx.state(result.model)))[0]
    np.savez(folder / STATE, **{jax.tree_util.keystr(path): plain(leaf) for path, leaf in leaves})


if __name__ == "__main__":
    main(Path(sys.argv[1]))
