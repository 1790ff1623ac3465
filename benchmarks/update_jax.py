"""Time of one update under plain `jax.jit`, with optax states and donated buffers: what control itself costs."""

from __future__ import annotations

import functools
import itertools
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

import rheostax as rx
from benchmarks import _workload as work
from benchmarks._measure import Block, interleave
from benchmarks._report import Row, Target, Topic, compared

Params = list[dict[str, jax.Array]]

SMALL = [work.WIDTH] * (work.LAYERS + 1)
LARGE = [1024] * 11  # at least 10 million parameters


def run(quick: bool = False) -> Topic:
    # Beside a small model the rate's own arithmetic shows; the target is for one that is large enough to wait for.
    target = Target("<=", 1.02)
    rows = _rows(SMALL, 10, 3, target) if quick else _rows(SMALL, 100, 60) + _rows(LARGE, _fitting(LARGE), 60, target)
    return Topic("Time of an update under jax.jit, plain optax states, donated", rows)


def _rows(widths: list[int], updates: int, rounds: int, target: Target | None = None) -> list[Row]:
    label = f"{count_parameters(widths):,} parameters"
    ours = {
        f"{label}: rx.control, constant rate": _block(widths, work.constant_controlled_adam(), updates),
        f"{label}: rx.control, schedule x plateau": _block(widths, work.controlled_adam(), updates),
    }
    blocks = {
        f"{label}: optax.adam, constant rate": _block(widths, work.adam(), updates),
        f"{label}: adam + optax plateau": _block(widths, work.adam_with_optax_plateau(), updates),
        f"{label}: inject_hyperparams(adam), schedule": _block(widths, work.injected_adam(), updates),
        **ours,
        f"{label}: same, recording rx.learning_rate(state)": _block(widths, work.controlled_adam(), updates, record=True),
        f"{label}: same, NaN gradients looked for and skipped": _block(widths, work.controlled_adam(on_nonfinite="skip"), updates),
        f"{label}: same, rx.average_weights around it": _block(widths, rx.average_weights(work.controlled_adam()), updates),
    }
    return compared(interleave(blocks, rounds), updates, target, judged=ours)


def initial_params(widths: list[int]) -> Params:
    random = np.random.default_rng(0)
    return [
        {"kernel": jnp.asarray(random.standard_normal((i, o)) / np.sqrt(i), jnp.float32), "bias": jnp.zeros(o)}
        for i, o in itertools.pairwise(widths)
    ]


def count_parameters(widths: list[int]) -> int:
    return sum((i + 1) * o for i, o in itertools.pairwise(widths))


def make_step(tx: optax.GradientTransformationExtraArgs) -> Any:
    """Return the jitted step; a new function each time, so that nothing that was traced or compiled before is used."""

    def loss_of(params: Params, x: jax.Array, y: jax.Array) -> jax.Array:
        for layer in params[:-1]:
            x = jax.nn.relu(x @ layer["kernel"] + layer["bias"])
        return ((x @ params[-1]["kernel"] + params[-1]["bias"] - y) ** 2).mean()

    @functools.partial(jax.jit, donate_argnums=(0, 1))
    def step(params: Params, state: Any, x: jax.Array, y: jax.Array) -> tuple[Params, Any, jax.Array]:
        loss, grads = jax.value_and_grad(loss_of)(params, x, y)
        updates, state = tx.update(grads, state, params, value=loss)
        return optax.apply_updates(params, updates), state, loss

    return step


def arguments(widths: list[int], tx: optax.GradientTransformation) -> tuple[Params, Any, jax.Array, jax.Array]:
    """Return params, state and a batch for `make_step`."""
    params = initial_params(widths)
    x, y = (array[0] for array in work.batches(1, widths[0], widths[-1]))
    return params, tx.init(params), x, y


def _block(widths: list[int], tx: optax.GradientTransformationExtraArgs, updates: int, record: bool = False) -> Block:
    step = make_step(tx)
    params, state, x, y = arguments(widths, tx)

    def block() -> Any:
        nonlocal params, state
        rates = []
        for _ in range(updates):
            params, state, loss = step(params, state, x, y)
            if record:
                rates.append(rx.learning_rate(state))
        jax.device_get(rates)
        return params, state, loss

    return block


def _fitting(widths: list[int], seconds: float = 0.05) -> int:
    """Return how many updates to put into a block: enough to measure on a fast device, few enough on a slow one."""
    block = _block(widths, work.adam(), 3)
    jax.block_until_ready(block())
    begin = time.perf_counter()
    jax.block_until_ready(block())
    return int(np.clip(seconds / ((time.perf_counter() - begin) / 3), 1, 100))
