"""What a run observed, in the order in which a training loop tells it to the policies."""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Mapping

import numpy as np

from rheostax._check import INT32_MAX, did_you_mean
from rheostax.errors import ArgumentError, UnknownMetricError
from rheostax.record.read import RunLog, Series

__all__ = ["Moments", "find_metrics"]

# `update(..., value=loss)` calls it value; a log calls it the loss.
VALUE, LOSSES = "value", ("loss", "train_loss", "training_loss", "value")


@dataclasses.dataclass(frozen=True, eq=False)
class Moments:
    """The moments at which policies were told something, earliest first.

    At one count there can be two: what is observed by name comes first, as a validation after k updates does, and then
    "value", the loss that update k passes. Where a count comes several times, so do these: what was observed the nth time by
    several names came together.
    """

    count: np.ndarray  # int32 [m]
    pattern: np.ndarray  # int32 [m]: which of `patterns` was told
    patterns: tuple[tuple[str, ...], ...]  # the different sets of metrics that come together
    values: dict[str, np.ndarray]  # float32 [m] by metric; meaningless where it isn't in the pattern

    def __len__(self) -> int:
        return len(self.count)

    @classmethod
    def of(cls, observed: Mapping[str, Series]) -> Moments:
        """Order the observations of some metrics."""
        heard = {name: one.heard for name, one in observed.items()}
        keys = {name: 2 * count + (name == VALUE) for name, (count, _) in heard.items()}
        nth = {name: np.arange(len(key)) - np.searchsorted(key, key) for name, key in keys.items()}  # of the same count
        times = 1 + max((int(one.max()) for one in nth.values() if len(one)), default=0)
        keys = {name: key * times + nth[name] for name, key in keys.items()}
        every = functools.reduce(np.union1d, keys.values(), np.zeros(0, np.int64)) if len(keys) != 1 else next(iter(keys.values()))
        told = np.zeros(len(every), np.int64)
        values = {}
        for bit, (name, (_, value)) in enumerate(heard.items()):
            places = np.searchsorted(every, keys[name])
            told[places] |= 1 << bit
            values[name] = np.zeros(len(every), np.float32)
            with np.errstate(over="ignore"):  # what is too large for float32 is infinite, in training too
                values[name][places] = value.astype(np.float32)
        sets = np.flatnonzero(np.bincount(told)) if len(keys) < 20 else np.unique(told)
        pattern = np.searchsorted(sets, told)
        patterns = tuple(tuple(name for bit, name in enumerate(observed) if chosen >> bit & 1) for chosen in sets)
        return cls(np.minimum(every // (2 * times), INT32_MAX).astype(np.int32), pattern.astype(np.int32), patterns, values)


def find_metrics(
    run: RunLog, monitored: tuple[str, ...], monitor: str | Mapping[str, str] | None, *, lenient: bool = False
) -> tuple[dict[str, str], list[str]]:
    """Return the run's name of each metric that policies monitor, and what has to be said of that.

    Args:
        run: The run.
        monitored: The policies' names.
        monitor: A metric of the run for the only one, or a dict from the policies' names to the run's.
        lenient: Whether a metric that never came is a thing to note rather than an error.
    """
    if isinstance(monitor, str):
        if len(monitored) > 1:
            example = ", ".join(f"{name}=..." for name in monitored)
            raise ArgumentError(f"The learning rate monitors {', '.join(monitored)}; say for each which metric it is: {example}.")
        monitor = {monitored[0]: monitor}
    for name in monitor or {}:
        if name not in monitored:
            raise UnknownMetricError(f"No policy monitors {name!r}; this learning rate monitors {', '.join(map(repr, monitored))}.")
    found, notes, missing = {}, [], []
    for name in monitored:
        own = monitor[name] if monitor and name in monitor else _likely(run, name)
        if own in run.series:
            found[name] = own
            if own != name and not monitor:
                note = f"what the policy monitors as {name!r} is the run's {own!r}"
                several = name == VALUE and len(run.series) > 1  # it may be a policy that names no metric
                notes.append(note + f"; monitor=..., or --monitor, chooses another of {', '.join(run.series)}" * several)
        else:
            missing.append(name if own is None else own)
    if missing and (monitor or not (lenient or found)):
        hint = did_you_mean(missing[0], run.series)
        there = ", ".join(run.series) or "(none)"
        raise UnknownMetricError(
            f"A policy monitors {missing[0]!r}, which isn't in this run. Its metrics are {there}. {hint} "
            "Choose one: monitor=..., or --monitor on the command line.".replace("  ", " ")
        )
    notes += [f"{name!r} is monitored but never came" for name in missing]
    return found, notes


def _likely(run: RunLog, name: str) -> str | None:
    """Return the metric of the run that a policy's name most likely stands for: "val/loss" for "val_loss"."""
    if name in run.series:
        return name
    plain = {re.sub(r"\W+", "_", one).strip("_").lower(): one for one in reversed(run.series)}
    names = LOSSES if name == VALUE else (name.lower(),)
    return next((plain[one] for one in names if one in plain), None)
