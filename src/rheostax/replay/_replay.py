"""`replay`: the observations of a finished run, fed to another rule."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from rheostax._check import INT32_MAX, is_whole
from rheostax._control_state import monitored
from rheostax._rate import LearningRate, RateLike, is_reactive, lower
from rheostax._twofloat import lift_numbers
from rheostax._words import plain
from rheostax.errors import ArgumentError, RunError
from rheostax.groups import group_names
from rheostax.record.journal import WENT_BACK, Decision, Rates, moves
from rheostax.record.read import RunLog, read_run
from rheostax.replay._drive import chunk_length, drive, inputs_of
from rheostax.replay._moments import Moments, find_metrics
from rheostax.replay._result import Replay, Replayed
from rheostax.replay._rule import is_factor, settings_of
from rheostax.replay._scan import advance, stack
from rheostax.units import resolve

__all__ = ["replay"]


def replay(
    run: RunLog | str | os.PathLike[str],
    learning_rate: RateLike | str | Sequence[Any] | None = None,
    *,
    monitor: str | Mapping[str, str] | None = None,
    total_steps: int | None = None,
    steps_per_epoch: float | None = None,
) -> Replay:
    r"""Feed the observations of a finished run to another rule, and see what it would have decided, and when.

    Each observation is told at the count at which it was made; at one count those by name come before "value", as in
    training. It replays decisions, not losses: the metrics are those of the run with the rates that it had, and would have
    been others with other rates. What is certain is the time up to the first difference.

    Settings of one structure run side by side under `jax.vmap`, so a grid of a hundred costs little more than one.

    Args:
        run: A run that `rx.read_run` read, or its path.
        learning_rate: An expression with a policy; a text, in which lists make a grid: `"ReduceOnPlateau(patience=[2, 5])"`;
            a sequence of expressions; None for the run's own, if its configuration tells it. A text without `monitor` hears what
            the run's own plateau policy hears, and one of policies alone stands in the place of the run's own policy.
        monitor: The run's metric that the policies hear, or a dict from their names to the run's. By default the same name,
            or the nearest; "value" is the training loss.
        total_steps: Updates over which the rates are given, a whole number >= 1; as many as the run made by default.
        steps_per_epoch: Updates of one epoch, for durations in epochs; the run's own by default.

    Returns:
        The replay: per setting the decisions, as `record.Decision`, and the rates.

    Raises:
        ArgumentError: If a learning rate reacts to nothing, or has arrays for numbers.
        UnknownMetricError: If the run has no such metric; says which it has.
        RunError: If the run can't be read, or doesn't tell its own rule.

    >>> import pathlib, tempfile, rheostax as rx
    >>> file = pathlib.Path(tempfile.mkdtemp(), "log.csv")
    >>> _ = file.write_text("step,val_loss\n10,3.0\n20,2.0\n30,2.1\n40,2.2\n50,1.9\n")
    >>> found = rx.replay(file, rx.Constant(0.1) * rx.ReduceOnPlateau(monitor="val_loss", patience=2, factor=0.5))
    >>> print(found.decisions[0])
    cut 0.1 -> 0.05 at update 40: val_loss had not improved on 2 by 0.0002 for 2 observations
    """
    log = run if isinstance(run, RunLog) else read_run(run)
    chosen, notes = settings_of(log, learning_rate, chosen_metric=monitor is not None)
    updates = _updates(log, total_steps)
    length: Any = total_steps or _planned(log) or updates
    epoch: Any = log.updates_per_epoch if steps_per_epoch is None else steps_per_epoch
    rates = [(values, resolve(rate, total_steps=length, steps_per_epoch=epoch)) for values, rate in chosen]
    for _, rate in rates:
        _require_reactive(rate)
    names = tuple(dict.fromkeys(name for _, rate in rates for name in monitored(rate)))
    observed, told = find_metrics(log, names, monitor, lenient=learning_rate is None)
    notes += told
    settings: list[Replayed | None] = [None] * len(rates)
    for places in _families([rate for _, rate in rates]):
        mine = [rates[i] for i in places]
        heard = {name: log.series[observed[name]] for name in monitored(mine[0][1]) if name in observed}
        for i, one in zip(places, _replay_family(mine, Moments.of(heard), updates), strict=True):
            settings[i] = one
    if factors := all(is_factor(rate) for _, rate in rates):
        notes.append("the rule has no rate of its own, so what is shown are factors of one; write 3e-4 * ReduceOnPlateau(...) for rates")
    if any(one.get("why") == WENT_BACK for one in log.journal):
        notes.append("the run went back to an earlier state on the way, which a replay doesn't: from there on it differs")
    return Replay(log, tuple(one for one in settings if one is not None), observed, updates, (*log.notes, *notes), factors)


def _updates(run: RunLog, total_steps: int | None) -> int:
    if total_steps is not None and not (is_whole(total_steps, 1) and total_steps <= INT32_MAX):
        raise ArgumentError(f"replay: total_steps must be a whole number from 1 to {INT32_MAX:,}, got {total_steps!r}.")
    updates = run.updates if total_steps is None else int(total_steps)
    if updates > INT32_MAX:
        raise RunError(
            f"{run.path} counts up to {updates:,}; counts of updates are at most {INT32_MAX:,}. Name another column with --count."
        )
    if updates < 1:
        raise RunError(f"{run.path} holds no observations. {'; '.join(run.notes)}".rstrip())
    return updates


def _planned(run: RunLog) -> int | None:
    """Return how many updates the run would have made if nothing had ended it."""
    epochs, each = run.config.get("epochs"), run.updates_per_epoch
    return round(epochs * each) if isinstance(epochs, int) and each else None


def _require_reactive(rate: LearningRate) -> None:
    if not is_reactive(rate):
        raise ArgumentError(
            f"{rate!r} reacts to no metric, so no observation could have moved it and there is nothing to replay. "
            "Multiply it by a policy such as ReduceOnPlateau(); rheostax preview draws a schedule."
        )
    if any(np.ndim(leaf) for leaf in jax.tree.leaves(rate)):
        raise ArgumentError(f"replay: {rate!r} has arrays for numbers. For a grid give a list of expressions.")


def _families(rates: list[LearningRate]) -> list[list[int]]:
    """Sort settings by their structure: what differs in names, modes or parts can't run side by side."""
    found: dict[Any, list[int]] = {}
    for i, rate in enumerate(rates):
        kinds = tuple(type(leaf) for leaf in jax.tree.leaves(rate))
        found.setdefault((jax.tree.structure(rate), kinds), []).append(i)
    return list(found.values())


def _replay_family(chosen: list[tuple[dict[str, Any], LearningRate]], moments: Moments, updates: int) -> list[Replayed]:
    outcome = drive(stack([rate for _, rate in chosen]), len(chosen), moments, updates)
    names = group_names(chosen[0][1])
    return [
        Replayed(
            values,
            rate,
            outcome.decided[i],
            outcome.counts,
            outcome.rates[:, i],
            _named(names, plain(outcome.final[i])),
            _named(names, outcome.total[i].tolist()),
            _Explain(rate, moments, names),
        )
        for i, (values, rate) in enumerate(chosen)
    ]


def _named(names: tuple[str, ...] | None, rates: Any) -> Rates:
    return dict(zip(names, rates, strict=True)) if names else rates


@dataclasses.dataclass(frozen=True)
class _Explain:
    """Say why one setting decided what it did: it observes everything again by itself, and its whole state is looked at."""

    rate: LearningRate
    moments: Moments
    names: tuple[str, ...] | None

    def __call__(self, one: Replayed, most: int | None) -> list[Decision]:
        decided = one.decided
        wanted = decided.moment[:most]
        length = chunk_length(1, len(self.moments))
        family = stack([self.rate])
        readable = lift_numbers(jax.device_get(lower(self.rate)))  # as in a control's state, from which the journal is written
        state, treedef = family.start, jax.tree.structure(self.rate.init())
        found: list[Decision] = []
        for begin in range(0, int(wanted[-1]) + 1 if len(wanted) else 0, length):
            before = state
            state, states = advance(family.rate, before, inputs_of(self.moments, begin, length), self.moments.patterns, family.read)
            here = np.flatnonzero((wanted >= begin) & (wanted < begin + length))
            history = [np.concatenate([a, np.asarray(b)[:, 0]]) for a, b in zip(before, states, strict=True)] if len(here) else []
            for i in here:
                old, new = (jax.tree.unflatten(treedef, [leaf[wanted[i] - begin + k] for leaf in history]) for k in (0, 1))
                rates = (_named(self.names, plain(rate[i])) for rate in (decided.old, decided.new))
                found += moves(readable, old, new, int(decided.count[i]), *rates)
        return found
