"""`race`: train many learning rates side by side, and stop the worse ones early."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import jax
import numpy as np

from rheostax._loop import has_convolution
from rheostax._rate import LearningRate, RateLike, as_learning_rate
from rheostax._words import counted
from rheostax.describe import describe
from rheostax.errors import ArgumentError, DivergedError
from rheostax.race._execution import Heat, execution_for, make_heat
from rheostax.race._feed import Batches, Feed
from rheostax.race._halving import Rung, rungs
from rheostax.race._judge import Entrant, Judge
from rheostax.race._result import Race, Standing
from rheostax.race._subject import require_alike, require_pure, subject_of

__all__ = ["race"]


def race(
    subject: Any,
    step: Callable[..., Any],
    batches: Batches,
    candidates: Iterable[RateLike] | Mapping[str, RateLike],
    *,
    steps: int,
    validate: Callable[[Any], Any] | None = None,
    metric: str | None = None,
    mode: str = "min",
    validate_every: int | None = None,
    validation_cost: float = 0.0,
    halving: int = 2,
    chunk: int = 100,
    execution: str = "auto",
    progress: Callable[[int, int], None] | None = None,
) -> Race:
    """Train many learning rates side by side by successive halving, and keep the best.

    All candidates begin with the same weights and see the same batches, so that nothing but the rate tells them apart. After each rung
    (see `rheostax.race.rungs`) the better half goes on from where it is; whoever diverges is out at once. With n candidates and
    halves that costs about 1 + log2(n) full runs instead of n.

    A rate that is still high looks worse before its decay than a low one: don't make the first rung, `steps / 8` for 16
    candidates, shorter than the schedules need to show what they are worth.

    Args:
        subject: `(model, optimizer)` as Flax NNX has them, or any pytree that holds the state of one `rx.control`. It is left as it is.
        step: One update. For NNX `step(model, optimizer, batch) -> loss`; else `step(state, batch) -> (state, loss)`, pure.
            The loss is a scalar; in its place may stand `(loss, metrics)`.
        batches: A sequence, which is cycled through; a function that makes an iterator, called again at its end; or an iterator,
            of which `steps` batches are taken.
        candidates: Numbers, optax schedules or expressions, at least one; or a dict of them by label. They may differ in any
            hyperparameter without compiling anything anew; every further structure is compiled once.
        steps: Updates of a full run, a whole number >= 1.
        validate: Measures a candidate at the end of each rung: `validate(model)` for NNX, else `validate(state)`; returns a dict of
            metrics, the first of which decides unless `metric` says another. Without it the mean training loss of the last
            tenth of the updates decides.
        metric: The validation metric that decides.
        mode: "min" if lower is better, "max" if higher.
        validate_every: Validate also every so many updates and tell the policies, for rates that react to a validation metric.
        validation_cost: What one validation is charged, in updates, >= 0.
        halving: How many times fewer candidates go on after each rung, >= 2.
        chunk: Updates of one compiled call at most, >= 1.
        execution: "sequential", "vmap", "sharded" (over all local devices), or "auto": sharded where there are several devices, vmap on
            one accelerator, sequential on a CPU.
        progress: Called as `progress(done, total)` with candidates' updates, after each compiled call.

    Returns:
        The standings, the winner and its state, and what it cost.

    Raises:
        ArgumentError: If an argument breaks its rule, the step isn't pure, or the batches don't last.
        DivergedError: If every candidate diverges, or the loss isn't finite at the first update.

    >>> import jax.numpy as jnp, optax, rheostax as rx
    >>> def step(state, batch):
    ...     weights, opt_state = state
    ...     loss, gradient = jax.value_and_grad(lambda w: jnp.mean((w - batch) ** 2))(weights)
    ...     updates, opt_state = tx.update(gradient, opt_state, weights, value=loss)
    ...     return (weights + updates, opt_state), loss
    >>> tx, weights = rx.control(optax.sgd, 0.1), jnp.zeros(3)
    >>> result = rx.race((weights, tx.init(weights)), step, [jnp.ones(3)], [1e-3, 1e-1, 1e3], steps=40)
    >>> result.winner, [one.diverged for one in result.standings]
    (Constant(value=0.1), [False, False, True])

    Source: successive halving, Jamieson and Talwalkar, arXiv 1502.07943.
    """
    rates = _labelled(candidates)
    if mode not in ("min", "max"):
        raise ArgumentError(f'race: mode must be "min" or "max", got {mode!r}.')
    if validate_every is not None and (not isinstance(validate_every, int) or validate_every < 1):
        raise ArgumentError(f"race: validate_every must be a whole number >= 1, got {validate_every!r}.")
    if validate is None and (metric is not None or validate_every is not None):
        raise ArgumentError("race: metric and validate_every need validate, a function that measures a candidate.")
    if not isinstance(chunk, int) or chunk < 1:
        raise ArgumentError(f"race: chunk must be a whole number >= 1, got {chunk!r}.")
    if not 0 <= validation_cost < np.inf:
        raise ArgumentError(f"race: validation_cost must be a finite number >= 0, got {validation_cost!r}.")
    size = min(chunk, rungs(len(rates), steps, halving=halving)[0].end)
    plan = rungs(len(rates), steps, halving=halving, chunk=size)
    judge = Judge(subject_of(subject, step, validate), metric, 1.0 if mode == "min" else -1.0)
    run = _Running(judge, rates, Feed(batches, steps), plan, execution_for(execution), size, validate_every, progress)
    return run.go(mode, validation_cost)


def _labelled(candidates: Iterable[RateLike] | Mapping[str, RateLike]) -> dict[str, LearningRate]:
    given: Iterable[Any] = candidates.values() if isinstance(candidates, Mapping) else candidates
    rates = [as_learning_rate(candidate) for candidate in given]
    if not rates:
        raise ArgumentError("race: candidates must be at least one learning rate, got none.")
    labels = list(map(str, candidates)) if isinstance(candidates, Mapping) else list(map(repr, rates))
    found = dict(zip(labels, rates, strict=True))
    if len(found) < len(rates):
        twice = next(label for label in labels if labels.count(label) > 1)
        raise ArgumentError(f"race: candidates must differ, got {twice} twice.")
    return found


class _Running:
    """A race in progress."""

    def __init__(
        self,
        judge: Judge,
        rates: dict[str, LearningRate],
        feed: Feed,
        plan: tuple[Rung, ...],
        execution: str,
        chunk: int,
        validate_every: int | None,
        progress: Callable[[int, int], None] | None,
    ) -> None:
        self.judge, self.subject, self.feed, self.plan = judge, judge.subject, feed, plan
        self.execution, self.chunk, self.validate_every = execution, chunk, validate_every
        self.progress = progress or (lambda done, total: None)
        self.entrants = [Entrant(*pair) for pair in rates.items()]
        self.heats: list[tuple[Heat, list[Entrant]]] = []
        by_structure: dict[Any, list[tuple[Entrant, Any]]] = {}
        for entrant in self.entrants:
            require_alike(self.subject, entrant.learning_rate)
            state = self.subject.enter(entrant.learning_rate)
            by_structure.setdefault(jax.tree.structure(state), []).append((entrant, state))
        compiled: dict[str, Any] = {}
        for group in by_structure.values():
            states = [state for _, state in group]
            convolves = has_convolution(require_pure(self.subject, states[0], feed.first))
            heat = make_heat(self.subject.update, states, execution, compiled, convolves=convolves)
            self.heats.append((heat, [entrant for entrant, _ in group]))
        self.count = self.charged = 0
        # What a full race costs, known before: how far each rung goes beyond the one before, with how many.
        ends = [0, *(rung.end for rung in plan)]
        self.total = sum((end - begin) * rung.entrants for begin, end, rung in zip(ends, ends[1:], plan, strict=False))

    def go(self, mode: str, validation_cost: float) -> Race:
        begin = time.perf_counter()
        for rung in self.plan:
            self._keep(rung.entrants)
            while self.count < rung.end and self._running():
                self._advance(min(self.chunk, self._boundary(rung.end) - self.count))
            self._score()
            self._drop(lambda entrant: entrant.diverged)
        self._keep(0)
        order = sorted(self.entrants, key=lambda one: (one.diverged, -one.updates, *self.judge.key(one)))
        if order[0].diverged:
            raise DivergedError(
                f"race: every candidate diverged (the loss or the score became NaN or infinite), the last after "
                f"{counted(order[0].updates, 'update')}. Try lower rates."
            )
        return Race(
            tuple(self._standing(i + 1, one) for i, one in enumerate(order)), order[0].state,
            self.judge.metric or "loss", mode, self.plan[-1].end, self.plan, self.charged,
            self.judge.validations, validation_cost, self.execution, time.perf_counter() - begin, self._warnings(order[0]),
        )  # fmt: skip

    def _running(self) -> bool:
        return any(members for _, members in self.heats)

    def _boundary(self, end: int) -> int:
        """Return the count up to which candidates may be updated without being looked at."""
        return min(end, (self.count // self.validate_every + 1) * self.validate_every) if self.validate_every else end

    def _advance(self, size: int) -> None:
        """Make `size` updates on every candidate that is left, and drop those that diverged."""
        batches = self.feed.take(size)
        for heat, members in self.heats:
            if members:
                for entrant, losses in zip(members, heat.run(batches), strict=True):
                    entrant.losses.append(losses)
                    entrant.diverged = not np.isfinite(losses[-1])
                self.charged += size * len(members)
        if not self.count:
            self._require_finite_start()
        self.count += size
        self._drop(lambda entrant: entrant.diverged)
        if self.validate_every and self.count % self.validate_every == 0:
            for heat, members in self.heats:
                if members:
                    heat.replace([self._told(state) for state in heat.states()])
        self.progress(min(self.charged, self.total), self.total)

    def _require_finite_start(self) -> None:
        """Stop where no rate can be at fault: the losses of the first update, which come before any, are alike for all candidates."""
        first = [entrant.losses[0][0] for entrant in self.entrants]
        if not np.isfinite(first).any():
            raise DivergedError.at_once(float(first[0]), "a rate")

    def _told(self, state: Any) -> Any:
        metrics = self.judge.metrics(state)
        known = self.subject.control(state).monitored
        return self.subject.observe(state, metrics) if set(known) & set(metrics) else state

    def _score(self) -> None:
        for heat, members in self.heats:
            for entrant, state in zip(members, heat.states() if members else [], strict=True):
                entrant.scores.append((self.count, self.judge.score(entrant, state)))
                entrant.diverged = not np.isfinite(entrant.scores[-1][1])

    def _keep(self, most: int) -> None:
        """Send on the best `most` candidates of those that are left."""
        left = sorted((entrant for _, members in self.heats for entrant in members), key=self.judge.key)
        stay = {id(entrant) for entrant in left[:most]}
        self._drop(lambda entrant: id(entrant) not in stay)

    def _drop(self, out: Callable[[Entrant], bool]) -> None:
        for heat, members in self.heats:
            gone = [i for i, entrant in enumerate(members) if out(entrant)]
            if not gone:
                continue
            states = heat.states()
            for i in gone:
                members[i].state = states[i] if self.count == self.plan[-1].end else None
            kept = [i for i in range(len(members)) if i not in gone]
            if kept:
                heat.keep(kept)
            members[:] = [members[i] for i in kept]

    def _standing(self, rank: int, one: Entrant) -> Standing:
        score = np.nan if one.diverged or not one.scores else one.scores[-1][1]
        return Standing(one.label, one.learning_rate, rank, one.updates, score, tuple(one.scores), one.diverged, np.concatenate(one.losses))

    def _warnings(self, winner: Entrant) -> tuple[str, ...]:
        return tuple(warning for one in describe(self.subject.control(winner.state)).each for warning in one.warnings)
