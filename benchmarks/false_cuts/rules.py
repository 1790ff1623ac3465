"""What decides: ours, optax's and PyTorch's rules, and an oracle that knows the noise. All give the update of the first cut."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import rheostax as rx
from benchmarks.false_cuts.bank import BLOCK, LEAST, RTOL, STEPS, WINDOW, Noise, autoregressive, innovations
from rheostax.policies._flatness import add_block, evidence

NEVER = 10**9
ALPHAS = np.geomspace(1e-3, 0.1, 21)
PATIENCES = (1, 2, 3, 5, 10)
BLOCKS = STEPS // BLOCK
OURS = rx.ReduceOnStatisticalPlateau(window=WINDOW, rtol=RTOL, alpha=1e-30)  # its evidence is compared with every alpha
OF_SINGLES = {
    "optax, every update": rx.Constant(1.0) * rx.ReduceOnPlateau(patience=10, factor=0.5),
    "PyTorch, every update": rx.compat.torch.ReduceLROnPlateau(1.0, patience=10),
}


def of_windows() -> dict[str, rx.LearningRate]:
    """Return optax's and PyTorch's rules for the mean of a window, which is what one would give them."""
    found: dict[str, rx.LearningRate] = {}
    for patience in PATIENCES:
        found[f"optax, means of windows, patience {patience}"] = rx.Constant(1.0) * rx.ReduceOnPlateau(patience=patience, factor=0.5)
        found[f"PyTorch, means of windows, patience {patience}"] = rx.compat.torch.ReduceLROnPlateau(1.0, patience=patience)
    return found


class Losses(NamedTuple):
    """Runs side by side, R of them."""

    means: jax.Array  # float32 [BLOCKS, R]: of BLOCK losses
    whitened: jax.Array  # float32 [BLOCKS, R]: the log curve, with noise that is independent from block to block
    singles: dict[str, np.ndarray]  # per rule that hears every loss: the update of its first cut


@jax.jit
def _generate(key: jax.Array, curve: jax.Array, size: jax.Array, correlation: jax.Array, tail: jax.Array) -> tuple[Any, Any]:
    def noise(before: jax.Array, key: jax.Array) -> tuple[jax.Array, jax.Array]:
        block = autoregressive(before, correlation, innovations(key, tail, BLOCK))
        return block[:, -1], block

    def hear(state: Any, losses: jax.Array) -> Any:
        """Return the states of all rules after the losses of a block, [R, BLOCK]."""

        def one(state: Any, loss: jax.Array) -> tuple[Any, Any]:
            metrics = {"value": loss}
            return {name: rule.observe(state[name], jnp.int32(0), metrics) for name, rule in OF_SINGLES.items()}, None

        return jax.vmap(lambda state, losses: jax.lax.scan(one, state, losses)[0])(state, losses)

    def step(carry: Any, inputs: Any) -> tuple[Any, Any]:
        before, states = carry
        key, log_loss = inputs
        last, block = noise(before, key)
        previous = jnp.concatenate([before[:, None], block[:, :-1]], axis=1)
        fresh = (block - correlation[:, None] * previous) / (1 - correlation[:, None]) * size[:, None]
        losses = jnp.exp(log_loss) * (1 + size[:, None] * block)
        states = hear(states, losses)
        cut = {name: _cut(rule, states[name]) for name, rule in OF_SINGLES.items()}
        return (last, states), (losses.mean(1), log_loss.mean(1) + fresh.mean(1), cut)

    keys = jax.random.split(key, BLOCKS + 20)
    begun, _ = jax.lax.scan(noise, jnp.zeros_like(size), keys[:20])  # so that the noise is stationary
    states = {name: _each(rule.init(), len(size)) for name, rule in OF_SINGLES.items()}
    _, (means, whitened, cut) = jax.lax.scan(step, (begun, states), (keys[20:], curve))
    return (means, whitened), cut


def _cut(rule: rx.LearningRate, states: Any) -> jax.Array:
    return jax.vmap(lambda state: rule.evaluate(state, jnp.int32(0)).high < 1.0)(states)


def _each(state: Any, runs: int) -> Any:
    return jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (runs, *jnp.shape(leaf))), state)


def generate(key: jax.Array, curve: np.ndarray, noise: Noise) -> Losses:
    """Return runs whose expected losses are `exp(curve)`, float64 [R, STEPS]."""
    blocks = jnp.asarray(curve.reshape(len(curve), BLOCKS, BLOCK).transpose(1, 0, 2), jnp.float32)
    (means, whitened), cut = _generate(key, blocks, noise.size, noise.correlation, noise.tail)
    return Losses(means, whitened, {name: first(np.asarray(which)) for name, which in cut.items()})


def first(cut: np.ndarray, length: int = BLOCK) -> np.ndarray:
    """Return the update of the first cut of each run, from whether there was one up to each block, bool [blocks, R]."""
    return np.where(cut.any(0), (cut.argmax(0) + 1) * length, NEVER)


@jax.jit
def ours(means: jax.Array) -> jax.Array:
    """Return the largest log evidence so far after every block, less what beginning anew costs: float32 [BLOCKS, R]."""

    def one(own: Any, mean: jax.Array) -> tuple[Any, jax.Array]:
        full = own._replace(test=own.test._replace(mean=mean))
        strength = evidence(add_block(full.test, OURS._margins))[0].max()  # `_judge` computes the same: it is computed once
        return OURS._judge(full), strength - (OURS._needed(own.begun) + jnp.log(OURS.alpha))

    def step(states: Any, mean: jax.Array) -> tuple[Any, jax.Array]:
        return jax.vmap(one)(states, mean)

    return jax.lax.cummax(jax.lax.scan(step, _each(OURS.start(), means.shape[1]), means)[1])


def windows(means: jax.Array) -> dict[str, np.ndarray]:
    """Return the update of the first cut of the rules that hear the mean of each window."""
    each = means.reshape(STEPS // WINDOW, WINDOW // BLOCK, -1).mean(1)
    found = {}
    for name, rule in of_windows().items():

        def step(states: Any, values: jax.Array, rule: rx.LearningRate = rule) -> tuple[Any, jax.Array]:
            states = jax.vmap(lambda state, value: rule.observe(state, jnp.int32(0), {"value": value}))(states, values)
            return states, _cut(rule, states)

        found[name] = first(np.asarray(jax.lax.scan(step, _each(rule.init(), each.shape[1]), each)[1]), WINDOW)
    return found


LENGTHS = np.unique(np.round(WINDOW / BLOCK * 1.15 ** np.arange(28)).astype(int))


def slopes(whitened: np.ndarray, sigma: np.ndarray | float) -> np.ndarray:
    """Return the oracle's statistic, the largest so far after every block: float64 [BLOCKS, R].

    For each of 28 lengths of at least a window, the least-squares slope of the log curve over the last blocks, plus the least
    progress, in standard deviations, which it knows. Whitened as they are, that is generalized least squares.
    """
    values, place = whitened.astype(np.float64), np.arange(1, len(whitened) + 1)[:, None]
    zero = np.zeros((1, values.shape[1]))
    sums, moments = np.concatenate([zero, values.cumsum(0)]), np.concatenate([zero, (place * values).cumsum(0)])
    best = np.full(values.shape, -np.inf)
    for length in LENGTHS[len(values) > LENGTHS]:
        end = np.arange(length, len(values) + 1)
        middle = (2 * end - length + 1)[:, None] / 2
        spread = length * (length**2 - 1) / 12
        slope = (moments[end] - moments[end - length] - middle * (sums[end] - sums[end - length])) / spread
        best[length - 1 :] = np.maximum(best[length - 1 :], (slope + LEAST * BLOCK) * np.sqrt(spread) / sigma)
    return np.maximum.accumulate(best)


def thresholds(alphas: np.ndarray, runs: int = 4096) -> np.ndarray:
    """Return what the oracle's statistic exceeds with probability alpha in a run that makes the least progress throughout."""
    random, found = np.random.default_rng(7), []
    for _ in range(runs // 512):
        found.append(slopes(random.standard_normal((BLOCKS, 512)) - LEAST * BLOCK * np.arange(BLOCKS)[:, None], 1.0)[-1])
    return np.quantile(np.concatenate(found), 1 - alphas)


def deviation(noise: Noise) -> np.ndarray:
    """Return the standard deviation of a whitened block of each run."""
    return noise.size / (1 - noise.correlation) * np.sqrt((1 - noise.correlation**2) / BLOCK)
