"""A recorder for loops that write their metrics through clu's interface."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rheostax.record.recorder import Recorder

__all__ = ["MetricWriter"]


class MetricWriter:
    """Stand in for a `clu.metric_writers.MetricWriter`, and record what it is given.

    `write_scalars(step, scalars)` makes a record with the step as its count and the learning rate that is in effect; a scalar named
    "learning_rate" is left out, since the record has the exact one. Everything else that such a writer takes (images, texts,
    histograms, ...) is ignored. clu itself isn't needed.

    Args:
        recorder: Where the records go; it stays yours to close.
        x: The `nnx.Optimizer`, or a function without arguments that returns the current optax state.

    >>> import jax.numpy as jnp, optax, rheostax as rx
    >>> state = rx.control(optax.sgd, 0.1).init(jnp.ones(2))
    >>> recorder = rx.Recorder(state)
    >>> writer = MetricWriter(recorder, lambda: state)
    >>> writer.write_scalars(10, {"train/loss": 0.5})
    >>> [(record["count"], record["train/loss"]) for record in recorder]
    [(10, 0.5)]
    """

    def __init__(self, recorder: Recorder, x: Any) -> None:
        self.recorder = recorder
        self._x = x

    def write_scalars(self, step: int, scalars: Mapping[str, Any]) -> None:
        """Record scalars by name."""
        state = self._x() if callable(self._x) else self._x
        self.recorder.noted(state, int(step), {name: value for name, value in scalars.items() if name != "learning_rate"})

    def flush(self) -> None:
        """Hand everything to the recorder's sinks."""
        self.recorder.flush()

    def close(self) -> None:
        """Flush; the recorder stays open."""
        self.flush()

    def __getattr__(self, name: str) -> Callable[..., None]:
        if name.startswith("write_"):
            return lambda *args, **kwargs: None
        raise AttributeError(name)
