"""`Curve`: the loss of a run, with the rates that led to it."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator
from typing import Any

import numpy as np

from rheostax._check import INT32_MAX, did_you_mean, is_whole
from rheostax._words import counted
from rheostax.errors import ArgumentError, RunError
from rheostax.record.read import RunLog, Series, read_run

__all__ = ["Curve", "read_curve"]

LOSSES = ("loss", "train_loss", "train/loss", "training_loss", "value")  # what runs call the loss, the likeliest first
GAP = 20  # times the usual distance of two points: where a log is said to have a gap
FEWEST = 8  # points below which no curve is a curve


@dataclasses.dataclass(frozen=True, eq=False)
class Curve:
    """A loss, and the rate, at some counts of a run.

    Args:
        step: Updates applied when the loss was measured, `[n]`; in increasing order, each once.
        learning_rate: The rate at that count, `[n]`, >= 0. Between two counts it is taken to go along a line, or, where it
            falls or rises by more than a tenth at once and stays, to jump at the later one.
        loss: The loss, finite, `[n]`.
        name: What to call it in messages.
        batch_size: Examples per update, where the run tells; `fit` refuses runs that differ in it.
        notes: What was put in order, left out or is missing.
        made: Updates that the run has made, a whole number >= 0, where they are known to be more than the last step.

    Raises:
        ArgumentError: If an argument breaks its rule; says what could be done about it.

    >>> from rheostax import forecast
    >>> curve = forecast.Curve([100 * k for k in range(1, 10)], [1e-3] * 9, [4 - 0.1 * k for k in range(9)])
    >>> len(curve), curve.updates
    (9, 900)
    """

    step: np.ndarray
    learning_rate: np.ndarray
    loss: np.ndarray
    name: str = "curve"
    batch_size: float | None = None
    notes: tuple[str, ...] = ()
    made: int = 0

    def __post_init__(self) -> None:
        for field, dtype in (("step", np.int64), ("learning_rate", np.float64), ("loss", np.float64)):
            object.__setattr__(self, field, self._array(field, dtype))
        if not is_whole(self.made, 0):
            raise self._fault(f"made must be a whole number >= 0, got {self.made!r}.")
        n = len(self.step)
        for field in ("learning_rate", "loss"):
            if len(getattr(self, field)) != n:
                raise self._fault(f"step and {field} must have the same length, got {n} and {len(getattr(self, field))}.")
        if n < FEWEST:
            raise self._fault(f"at least {FEWEST} points are needed to say anything, got {n}. Log the loss more often.")
        if self.step[0] < 0 or np.any(np.diff(self.step) <= 0):
            k = int(np.argmax(np.diff(self.step) <= 0))
            got = f"{self.step[k]:,} and then {self.step[k + 1]:,}"
            raise self._fault(f"steps must be >= 0 and increase, each once, got {got}. Sort them and leave out what was repeated.")
        if self.updates > INT32_MAX:
            raise self._fault(
                f"steps count updates, at most {INT32_MAX:,}, got {self.updates:,}. Are they tokens or samples? Name another column."
            )
        for field, rule in (("learning_rate", "finite and >= 0"), ("loss", "finite")):
            values = getattr(self, field)
            bad = ~np.isfinite(values) | ((values < 0) if field == "learning_rate" else False)
            if bad.any():
                where = int(self.step[np.argmax(bad)])
                raise self._fault(f"{field} must be {rule}, got {values[np.argmax(bad)]} at step {where:,}. Leave such points out.")

    def _array(self, field: str, dtype: Any) -> np.ndarray:
        try:
            found = np.asarray(getattr(self, field), dtype)
        except (TypeError, ValueError):
            raise self._fault(f"{field} must be a sequence of numbers.") from None
        if found.ndim != 1:
            raise self._fault(f"{field} must have one axis, got shape {found.shape}.")
        return found

    def _fault(self, text: str) -> ArgumentError:
        return ArgumentError(f"forecast: {self.name}: {text}")

    def __len__(self) -> int:
        return len(self.step)

    def __repr__(self) -> str:
        return f"Curve({self.name!r}, {len(self)} points, steps {self.step[0]:,} to {self.step[-1]:,})"

    @property
    def updates(self) -> int:
        """Updates of the run, at least up to the last point."""
        return max(int(self.step[-1]), self.made)

    def rates(self, warmup_steps: int) -> np.ndarray:
        """Return the rate of every update, `float64 [updates]`: a line up to the warm-up's end, then what was logged."""
        counts = np.arange(self.updates)
        held = _jumps(self.learning_rate)
        # A jump happens at the later of the two counts: just before it, the earlier rate is still there.
        extra = self.step[1:][held] - 1
        # Where the warm-up's end lies between two points, the rate has risen by then: it neither rises nor falls after it.
        between = self.step[0] < warmup_steps and warmup_steps not in self.step
        after = np.flatnonzero(self.step > warmup_steps)[:1] if between else np.zeros(0, np.int64)
        steps = np.concatenate([self.step, extra, np.full(len(after), warmup_steps)])
        values = np.concatenate([self.learning_rate, self.learning_rate[:-1][held], self.learning_rate[after]])
        order = np.argsort(steps, kind="stable")
        rates = np.interp(counts, steps[order], values[order])
        begin = min(warmup_steps, len(counts))
        peak = rates[begin] if begin < len(counts) else self.learning_rate[-1]
        known = self.step[0] < begin  # a log that begins inside the warm-up says itself how it rose
        first = int(self.step[0]) if known else begin
        rates[:first] = (self.learning_rate[0] if known else peak) * np.arange(first) / max(first, 1)
        return rates


def _jumps(rates: np.ndarray) -> np.ndarray:
    """Tell between which neighbours the rate jumps: a change of more than a tenth, beside which it stands still."""
    change = np.abs(np.diff(rates))
    large = change > 0.1 * np.maximum(rates[1:], rates[:-1])
    still = np.concatenate([[0.0], change[:-1]]) + np.concatenate([change[1:], [0.0]]) < 0.1 * change
    return large & still


def read_curve(
    path: str | os.PathLike[str],
    *,
    loss: str | None = None,
    count: str | None = None,
    learning_rate: str | None = None,
    run: str | None = None,
) -> Curve:
    r"""Read the loss curve of a finished run, in any format that `rx.read_run` knows.

    Args:
        path: A run directory, a CSV or JSON Lines file, TensorBoard's event files.
        loss: The metric to predict; by default `loss` or `train_loss`, or the only one whose name has "loss" in it.
        count: The column with the count, where it can't be told by its name.
        learning_rate: The column with the rate, likewise.
        run: Which run, where an export holds several.

    Returns:
        The curve. Losses that aren't finite are left out.

    Raises:
        RunError: If there is no such run, no loss, or no learning rate in it; says what there is.

    >>> import pathlib, tempfile
    >>> from rheostax import forecast
    >>> file = pathlib.Path(tempfile.mkdtemp(), "log.csv")
    >>> _ = file.write_text("step,lr,loss\n" + "".join(f"{100 * k},0.001,{4 - 0.1 * k}\n" for k in range(9)))
    >>> forecast.read_curve(file)
    Curve('log.csv', 9 points, steps 0 to 800)
    """
    log = read_run(path, count=count, learning_rate=learning_rate, run=run)
    values = _loss(log, loss)
    rates = log.learning_rate.get("") or next(iter(log.learning_rate.values()), None)
    if rates is None or not np.isfinite(rates.value).any():
        raise RunError(f"{log.path} tells no learning rate, and a forecast needs it. Name its column with learning_rate=...")
    good = np.isfinite(values.value)
    known = np.isfinite(rates.value)
    steps, losses = values.count[good], values.value[good]
    made = log.updates if log.kind == "run directory" else 0  # its losses tell the count before the update
    found = Curve(steps, np.interp(steps, rates.count[known], rates.value[known]), losses, log.path.name, _batch_size(log), made=made)
    return dataclasses.replace(found, notes=(*log.notes, *_notes(found, int((~good).sum()))))


def _batch_size(log: RunLog) -> float | None:
    """Return how many examples an update had, if the run tells one number for all of them."""
    told = log.config.get("batch_size")
    column = log.series.get("batch_size")
    sizes = {float(told)} if isinstance(told, int | float) else set(np.unique(column.value)) if column is not None else set()
    return sizes.pop() if len(sizes) == 1 else None


def _notes(curve: Curve, left_out: int) -> Iterator[str]:
    if left_out:
        yield f"{counted(left_out, 'point')} whose loss isn't finite left out"
    gaps = np.diff(curve.step)
    if gaps.max() > GAP * np.median(gaps):
        k = int(gaps.argmax())
        yield f"nothing was logged between {int(curve.step[k]):,} and {int(curve.step[k + 1]):,}; the rate is taken as a line there"


def _loss(log: RunLog, name: str | None) -> Series:
    if name is not None:
        if name not in log.series:
            hint = did_you_mean(name, log.series)
            raise RunError(f"{log.path} has no metric {name!r}; there are {', '.join(log.series)}. {hint}".rstrip())
        return log.series[name]
    for known in LOSSES:
        if known in log.series:
            return log.series[known]
    found = [one for one in log.series if "loss" in one.lower()]
    if len(found) != 1:
        there = ", ".join(found or log.series) or "none"
        raise RunError(f"{log.path}: say with loss=... which metric to predict; there are {there}.")
    return log.series[found[0]]
