"""`find_learning_rate`: sweep, smooth, suggest."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from rheostax import _check
from rheostax._loop import has_convolution, make_loop
from rheostax._purity import require_pure
from rheostax._step import require_same_state
from rheostax.errors import ArgumentError
from rheostax.finder.adapt import adapt, is_nnx
from rheostax.finder.batches import Source
from rheostax.finder.finding import Finding, conclude
from rheostax.finder.sweep import diverged_at, rates_between, sweep

__all__ = ["find_learning_rate"]


@dataclasses.dataclass
class _Settings:
    """What was asked for, checked."""

    min_value: float
    max_value: float
    steps: int
    spacing: str
    repeats: int
    diverge: float
    smoothing: float
    steps_per_dispatch: int
    total_steps: int | None

    def __post_init__(self) -> None:
        _check.single(self, *vars(self))
        _check.number(self, "min_value", low_open=True)
        _check.number(self, "max_value", low=self.min_value, low_open=True)
        _check.whole(self, "steps", low=20)
        _check.choice(self, "spacing", ("exponential", "linear"))
        _check.whole(self, "repeats")
        _check.number(self, "diverge", low=1.0, low_open=True)
        _check.number(self, "smoothing", high=1.0)
        _check.whole(self, "steps_per_dispatch")
        if self.total_steps is not None:
            _check.whole(self, "total_steps")


_Settings.__name__ = "find_learning_rate"  # as which the checks name it


def find_learning_rate(
    step: Callable[..., Any],
    state: Any,
    batches: Any,
    *,
    min_value: float = 1e-7,
    max_value: float = 10.0,
    steps: int = 100,
    total_steps: int | None = None,
    spacing: str = "exponential",
    repeats: int = 3,
    diverge: float = 4.0,
    smoothing: float = 0.9,
    steps_per_dispatch: int = 20,
    vectorize: bool | None = None,
    group: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Finding:
    """Try rates from small to large, one per update, and suggest one (a learning-rate range test).

    Update i of n uses the rate `min_value * (max_value / min_value) ** (i / (n - 1))`, or with linear spacing
    `min_value + (max_value - min_value) * i / (n - 1)`; what the learning rate's expression says is left aside. The test ends
    where the loss runs away. Model and optimizer are afterwards what they were before, to the last bit, also when something
    raises: the updates are made on copies.

    Args:
        step: One update, pure but for what it is given to change: `(model, optimizer, batch) -> loss` with Flax NNX,
            `(state, batch, learning_rate) -> (state, loss)`, or `(state, batch) -> (state, loss)` for a state with a control in it.
            In place of the loss may stand `(loss, metrics)`. It may be jitted.
        state: `(model, optimizer)` and whatever else the step takes before the batch, or any pytree; or a function of the
            repeat (0, 1, ...) that makes one.
        batches: A list of batches, an array with a row per batch, or a loader: read again and again, lists and arrays in another order
            each time. Or an iterator, of which `batches_taken` are gone after it. Or a function of the repeat that returns one
            of these.
        min_value: First rate, > 0.
        max_value: Last rate, > min_value.
        steps: Updates, and rates, of a repeat, >= 20.
        total_steps: Updates of the run that the rate is for, >= 1: the longer it is than the test, the lower is the suggestion, by
            `sqrt(steps / total_steps)`. None if it isn't known: then the suggestion is for a run about as long as the test.
        spacing: "exponential" or "linear".
        repeats: How many times, >= 1, with other batches and, if `state` is a function, from other states.
        diverge: The loss has run away when its moving average exceeds so many times the lowest one before, > 1; also when it
            isn't finite.
        smoothing: How much is smoothed away, in [0, 1): the weight of a neighbour two updates away is this times that of the
            nearer one.
        steps_per_dispatch: Updates between two looks of the host at the losses.
        vectorize: Whether to run the repeats side by side, with `jax.vmap`, or one after the other; by default not on a CPU,
            where that is slower.
        group: Which parameter group to try the rates on, where there are several; the others follow their expressions.
        progress: Called as `progress(done, total)` with numbers of updates.

    Returns:
        A `rheostax.finder.Finding`.

    Raises:
        ArgumentError: If an argument breaks its rule, the batches end early, or the step isn't pure.
        StateError: If the step takes no rate and there is no control in the state.
        DivergedError: If the loss isn't finite at the first update, or runs away within the first 20.

    >>> import jax, jax.numpy as jnp, numpy as np, rheostax as rx
    >>> x = np.random.default_rng(0).normal(size=(50, 32, 4)).astype(np.float32)
    >>> def loss(w, x):
    ...     return ((x @ (w - 1)) ** 2).mean()
    >>> def step(w, x, learning_rate):
    ...     value, gradient = jax.value_and_grad(loss)(w, x)
    ...     return w - learning_rate * gradient, value
    >>> finding = rx.find_learning_rate(step, jnp.zeros(4), x, min_value=1e-4)
    >>> 0.01 < finding.suggestion.value < 0.3
    True
    """
    settings = _Settings(min_value, max_value, steps, spacing, repeats, diverge, smoothing, steps_per_dispatch, total_steps)
    if not callable(step):
        raise ArgumentError(f"step must be a function, got {step!r}. The order is find_learning_rate(step, state, batches).")
    source = Source(batches)
    make = state if callable(state) and not isinstance(state, nnx.Module) else lambda repeat: state
    first = make(0)
    kept = nnx.state(tuple(first)) if is_nnx(first) else None
    try:
        return _Test(settings, step, make, first, source, group, progress).run(vectorize)
    finally:
        if kept is not None:
            nnx.update(tuple(first), kept)


class _Test:
    """One range test."""

    def __init__(self, settings: _Settings, step: Any, make: Any, first: Any, source: Source, group: str | None, progress: Any) -> None:
        self.settings, self.make, self.first, self.source, self.progress = settings, make, first, source, progress
        self.rates = rates_between(settings.min_value, settings.max_value, settings.steps, settings.spacing)
        self.pure = adapt(step, first, group)
        self.step = step
        self.done = 0
        self.loop: Any = None

    def run(self, vectorize: bool | None) -> Finding:
        repeats = self.settings.repeats
        if repeats > 1 and (vectorize or (vectorize is None and jax.default_backend() != "cpu")):
            together = jax.tree.map(lambda *leaves: jnp.stack(leaves), *map(self._state, range(repeats)))
            losses = self._sweep(jax.vmap(self.pure.update, in_axes=(0, 0, None)), together, self.source.streams(repeats), repeats)
        else:
            each = [self._sweep(self.pure.update, self._state(i), self.source.stream(i), 1) for i in range(repeats)]
            losses = np.concatenate(each)
        stopped = tuple(self._stop(row) for row in losses)
        smoothing, total_steps = self.settings.smoothing, self.settings.total_steps
        return conclude(self.rates, losses, stopped, smoothing=smoothing, batches_taken=self.source.taken, total_steps=total_steps)

    def _sweep(self, update: Any, state: Any, batches: Iterator[Any], repeats: int) -> np.ndarray:
        """Sweep once with a state that may be donated; look at the step before the first time."""
        batches = self._enough(batches)
        if self.loop is None:
            first = next(batches)
            batches = itertools.chain((first,), batches)
            self.loop = self._looped(update, jax.tree.map(lambda rows: rows[0], first) if repeats > 1 else first)
        told = self._tell(self.loop, repeats)
        return sweep(told, state, batches, self.rates, repeats=repeats, per_dispatch=self.settings.steps_per_dispatch, stop=self._stop)

    def _looped(self, update: Any, batch: Any) -> Any:
        """Refuse a step that can't be repeated, and return the loop of it."""
        jaxpr, result = require_pure(self.step, self.pure.update, (self.pure.state, batch, np.float32(1e-3)), depth=7)
        require_same_state(self.pure.state, result[0])
        return make_loop(lambda state, given: update(state, *given), convolves=has_convolution(jaxpr))

    def _enough(self, batches: Iterator[Any]) -> Iterator[Any]:
        """Yield as many batches as there are steps, or say that they aren't."""
        for _ in range(self.settings.steps):
            batch = next(batches, None)
            if batch is None:
                raise ArgumentError(
                    f"batches must yield one batch per update, {self.settings.steps} for each repeat, but they ended after "
                    f"{self.source.taken}. Give a list or a loader, which are read again, or a function that makes a longer iterator; "
                    "or take fewer steps."
                )
            yield batch

    def _tell(self, loop: Any, repeats: int) -> Any:
        if self.progress is None:
            return loop

        def told(state: Any, given: Any) -> Any:
            state, losses = loop(state, given)
            self.done += len(given[1]) * repeats
            self.progress(self.done, self.settings.steps * self.settings.repeats)
            return state, losses

        return told

    def _state(self, repeat: int) -> Any:
        """Return a copy of the state that a repeat starts from; the loop is going to consume it."""
        made = self.first if repeat == 0 else self.make(repeat)
        state = nnx.state(tuple(made)) if is_nnx(made) else made
        structure: Any = jax.tree.structure(state)
        if structure != jax.tree.structure(self.pure.state):
            raise ArgumentError(f"state must make states of one structure, but state({repeat}) differs from state(0).")
        return jax.tree.map(jnp.copy, state)

    def _stop(self, losses: np.ndarray) -> int | None:
        return diverged_at(losses, smoothing=self.settings.smoothing, diverge=self.settings.diverge)
