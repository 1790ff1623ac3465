"""What each process of `benchmarks/agreement.py` does: time data-parallel updates with and without the comparison."""

from __future__ import annotations

import json
import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

import rheostax as rx
from benchmarks._measure import Block, interleave
from rheostax import parallel

WIDTH, BATCH = 128, 64
TX = rx.control(optax.adam, rx.Warmup(100) * rx.Cosine(1e-3, 10_000) * rx.ReduceOnPlateau(monitor="val_loss", patience=5))
NAMES = ("without", "Agreement(every=100)", "check_agreement every 100", "observe every 100")


def main(address: str, count: str, own: str, updates: str, rounds: str) -> None:
    parallel.initialize(address, int(count), int(own))
    mesh = parallel.data_mesh()
    normal = np.random.default_rng(0).normal
    weights = {str(i): normal(0, 0.1, (WIDTH, WIDTH)).astype(np.float32) for i in range(3)}
    x = parallel.shard_batch(normal(0, 1, (BATCH, WIDTH)).astype(np.float32), mesh, whole=True)

    def loss_of(params: Any) -> jax.Array:
        y = x_of = params["x"]
        for i in range(3):
            y = jnp.tanh(y @ params["w"][str(i)])
        return jnp.mean((y - x_of) ** 2)

    @jax.jit
    def update(params: Any, state: Any, x: jax.Array) -> Any:
        grads = jax.grad(lambda w: loss_of({"w": w, "x": x}))(params)
        updates, state = TX.update(grads, state, params)
        return optax.apply_updates(params, updates), state

    def block(name: str) -> Block:
        held = [parallel.place(weights, mesh)]
        held.append(parallel.place(TX.init(held[0]), mesh))
        agreement = parallel.Agreement(every=100)

        def run() -> Any:
            for _ in range(int(updates)):
                held[:] = update(*held, x)
                if name == "Agreement(every=100)":
                    agreement.check(held[1])
            if name == "check_agreement every 100":
                parallel.check_agreement(held[1])
            if name == "observe every 100":
                held[1] = rx.observe(held[1], val_loss=1.0)
            return held

        return run

    seconds = interleave({name: block(name) for name in NAMES}, int(rounds))
    print(json.dumps({name: sample.tolist() for name, sample in seconds.items()}))


if __name__ == "__main__":
    main(*sys.argv[1:])
