"""Byte-level language model: a small transformer on the source text of Python's own standard library."""

from __future__ import annotations

import dataclasses
import functools
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from rheostax._rate import LearningRate
from rheostax.errors import TaskError
from rheostax.schedules import WarmupStableDecay
from rheostax.training.task import Task

__all__ = ["Text", "Transformer", "make_task", "task"]


class Block(nnx.Module):
    """Causal self-attention and a feed-forward layer, each on a normalized residual stream."""

    def __init__(self, width: int, heads: int, rngs: nnx.Rngs) -> None:
        self.attention_norm = nnx.RMSNorm(width, rngs=rngs)
        self.attention = nnx.MultiHeadAttention(heads, width, decode=False, use_bias=False, rngs=rngs)
        self.feed_norm = nnx.RMSNorm(width, rngs=rngs)
        self.rise = nnx.Linear(width, 4 * width, use_bias=False, rngs=rngs)
        self.fall = nnx.Linear(4 * width, width, use_bias=False, rngs=rngs)

    def __call__(self, x: jax.Array, mask: jax.Array) -> jax.Array:
        x = x + self.attention(self.attention_norm(x), mask=mask)
        return x + self.fall(nnx.gelu(self.rise(self.feed_norm(x))))


class Transformer(nnx.Module):
    """A decoder over bytes, with learned positions."""

    def __init__(self, rngs: nnx.Rngs, *, width: int, layers: int, heads: int, context: int) -> None:
        self.bytes = nnx.Embed(256, width, rngs=rngs)
        self.positions = nnx.Embed(context, width, rngs=rngs)
        self.blocks = nnx.List([Block(width, heads, rngs) for _ in range(layers)])
        self.norm = nnx.RMSNorm(width, rngs=rngs)
        self.head = nnx.Linear(width, 256, use_bias=False, rngs=rngs)

    def __call__(self, text: jax.Array) -> jax.Array:
        length = text.shape[1]
        x = self.bytes(text) + self.positions(jnp.arange(length))
        mask = nnx.make_causal_mask(text)
        for block in self.blocks:
            x = block(x, mask)
        return self.head(self.norm(x))


@functools.cache
def read_library() -> tuple[np.ndarray, np.ndarray]:
    """Return the bytes of the standard library's top-level modules: those to train on, and every tenth file held out."""
    files = sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))
    if len(files) < 20:
        raise TaskError(f"The language task reads the standard library's source text; {sysconfig.get_path('stdlib')} has too little.")
    texts = [np.frombuffer(file.read_bytes(), np.uint8) for file in files]
    training = [text for i, text in enumerate(texts) if i % 10]
    return np.concatenate(training), np.concatenate(texts[::10])


@dataclasses.dataclass(frozen=True)
class Text:
    """Windows of `context + 1` bytes, drawn at random; an 'epoch' is a fixed number of batches."""

    context: int
    batch_size: int
    batches_per_epoch: int

    def train(self, epoch: int, seed: int) -> Iterator[np.ndarray]:
        text, random = read_library()[0], np.random.default_rng([seed, epoch])
        for _ in range(self.batches_per_epoch):
            yield self._windows(text, random.integers(0, len(text) - self.context, self.batch_size))

    def validation(self) -> Iterator[np.ndarray]:
        text = read_library()[1]
        for starts in np.linspace(0, len(text) - self.context - 1, 8 * self.batch_size, dtype=int).reshape(8, -1):
            yield self._windows(text, starts)

    def _windows(self, text: np.ndarray, starts: np.ndarray) -> np.ndarray:
        return text[starts[:, None] + np.arange(self.context + 1)].astype(np.int32)


def loss(model: Any, text: Any) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Return the mean cross-entropy of the next byte in nats, and in bits."""
    losses = optax.softmax_cross_entropy_with_integer_labels(model(text[:, :-1]), text[:, 1:])
    return losses.mean(), {"bits_per_byte": losses.mean() / jnp.log(2.0)}


def learning_rate(updates_per_epoch: int, epochs: int) -> LearningRate:
    """Warm up for a tenth of the run, hold, and go linearly to zero over the last four tenths."""
    total = updates_per_epoch * epochs
    return WarmupStableDecay(peak_value=3e-3, warmup_steps=total // 10, decay_steps=max(1, 4 * total // 10), total_steps=total)


def make_task(*, width: int = 96, layers: int = 2, heads: int = 4, context: int = 96, batch_size: int = 16, **changes: Any) -> Task:
    """Return the task in another size; the default trains in a minute on two CPU cores."""
    model = functools.partial(Transformer, width=width, layers=layers, heads=heads, context=context)
    fields: dict[str, Any] = {
        "epochs": 20,
        "hyperparameters": {"weight_decay": 0.1, "b2": 0.95},
        "goal": ("val_bits_per_byte", "min"),
        "updates_per_dispatch": 20,
    }
    return Task("language", model, lambda: Text(context, batch_size, batches_per_epoch=40), loss, learning_rate, **(fields | changes))


task = make_task()
