"""`outlook`: what a decay would bring that a running run began now, or later."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from statistics import NormalDist
from typing import Any

import numpy as np

from rheostax._check import is_whole
from rheostax._words import say
from rheostax.errors import ArgumentError
from rheostax.forecast._curve import Curve
from rheostax.forecast._fit import as_curves, as_law, fit
from rheostax.forecast._fitted import Fitted
from rheostax.forecast._laws import Law, MultiPower

__all__ = ["Outlook", "outlook"]

CHOICES = 17  # starts that are tried, where none are given
CLOSER = 4.0  # times that parameters are held closer than in a fit: a run and a decay alone say little, and insistently
CENTRE = {"log c": float(np.log(30.0)), "log b": float(np.log(0.25)), "g": 0.7}  # where they are held: see `_held`
SHORTEST = 0.05  # of the budget: the last of them
NO_FALL = (
    "it can't be told: the rate has never fallen, so nothing is known of what a decay brings; half the budget is what is best on average. "
    "Add a finished run of the same model whose rate fell"
)


@dataclasses.dataclass(frozen=True, eq=False)
class Outlook:
    """Where a run would land for every start of a linear decay to 0 that ends with its budget.

    Attributes:
        run: The run's name.
        now: Updates that it has made.
        total: Its budget.
        steps: The starts, counts from `now` on, increasing, `int64 [n]`.
        loss: The loss at `total`, `float64 [n]`; NaN if it can't be told, as for what follows.
        low: The loss lies between low and high with the probability `coverage`.
        high: See low.
        gain: How much lower each start ends than `usual`.
        gain_error: Half the width of the band of that difference.
        usual: The start that is taken where nothing speaks for another: half the budget, or now, if that has passed.
        start: The start that is advised.
        can_tell: Whether anything is known of what a decay brings.
        reason: Why this start, in words.
        coverage: Of the bands.
        notes: What speaks against relying on it.
        fitted: The law behind it.
        past: The rate of every update so far, `float64 [now]`.
    """

    run: str
    now: int
    total: int
    steps: np.ndarray
    loss: np.ndarray
    low: np.ndarray
    high: np.ndarray
    gain: np.ndarray
    gain_error: np.ndarray
    usual: int
    start: int
    can_tell: bool
    reason: str
    coverage: float
    notes: tuple[str, ...]
    fitted: Fitted
    past: np.ndarray

    @property
    def wait(self) -> int:
        """Updates until the advised start."""
        return self.start - self.now

    def __repr__(self) -> str:
        when = "now" if not self.wait else f"at update {self.start:,}"
        return f"Outlook({self.run!r}, {self.now:,} of {self.total:,} updates: start the decay {when}; {self.reason})"

    def rates(self, start: int) -> np.ndarray:
        """Return the rate of every update up to `total` for a start, `float64 [total]`, as the law sees it."""
        return _rates(self.past, self.total, start)

    def to_json(self) -> dict[str, Any]:
        """Return it as plain numbers and text; what can't be told is None."""
        columns = ("steps", "loss", "low", "high", "gain", "gain_error")
        rows = zip(*(getattr(self, name).tolist() for name in columns), strict=True)
        told = [dict(zip(("start", *columns[1:]), row, strict=True)) for row in rows]
        if not self.can_tell:
            told = [{name: value if name == "start" else None for name, value in row.items()} for row in told]
        return {
            "run": self.run,
            "now": self.now,
            "total": self.total,
            "coverage": self.coverage,
            "can_tell": self.can_tell,
            "start": self.start,
            "wait": self.wait,
            "usual": self.usual,
            "reason": self.reason,
            "starts": told,
            "notes": list(self.notes),
            "law": type(self.fitted.law).__name__,
            "fitted_to": list(self.fitted.runs),
        }


def outlook(
    run: Any,
    total: int,
    *,
    finished: Iterable[Any] = (),
    law: str | Law = "fading_multi_power",
    warmup_steps: int = 0,
    starts: Sequence[int] | None = None,
    finals: Sequence[tuple[int, float]] = (),
    coverage: float = 0.9,
) -> Outlook:
    """Tell of a run in progress where a decay would land that began now, and one that began later.

    Every start keeps the rate as it is until then, and goes along a line to 0 at `total`. Half the budget is advised, which is near the
    best on average, unless the predicted gain of another start exceeds the band of the *difference*: an error that both share, such as
    the level of the loss, doesn't count. Without any run whose rate fell nothing is predicted, and half the budget is advised.

    Args:
        run: The run so far: a `Curve`, or anything with the arrays `step`, `learning_rate` and `loss`.
        total: Its budget in updates, above what it has made.
        finished: Other runs of the same model, batch size and data, at least one of them with a rate that fell.
        law: As for `fit`, with its parameters held closer; those of a multi-power law at another shape, unless it has a `mean` of its
            own.
        warmup_steps: Updates of the warm-up, the same in all runs, >= 0.
        starts: The counts to try, from now to before total; by default 17 of them. Half the budget, or now, is added.
        finals: Updates and loss at the end of each of the finished runs, if that was measured otherwise than the logged losses (on
            more data, with other weights): what is predicted is moved by how far these lie above their predictions.
        coverage: Probability that a band is meant to cover, in (0, 1).

    Returns:
        The outlook; `start` is the advice, `reason` says why.

    Raises:
        ArgumentError: If an argument breaks its rule, or the runs don't suffice for a fit.

    >>> import numpy as np
    >>> from rheostax import forecast
    >>> step = np.arange(100, 4_001, 100)
    >>> run = forecast.Curve(step, np.full(40, 1e-3), 2.0 + (step / 1e3) ** -0.5)
    >>> found = forecast.outlook(run, 20_000)
    >>> found.can_tell, found.start
    (False, 10000)
    """
    (one,) = as_curves(run)
    others = as_curves(finished) if not isinstance(finished, Sequence) or len(finished) else []
    now, first = one.updates, max(one.updates, warmup_steps)
    _require(one, total, warmup_steps, coverage)
    known = _known(finals, others, warmup_steps)
    usual = max(first, total // 2)
    steps = _starts(starts, first, usual, total)
    fitted = fit([one, *others], law=_held(as_law(law)), warmup_steps=warmup_steps)
    past = one.rates(warmup_steps)
    notes = tuple(_notes(one, others, fitted))
    if not fitted.saw_falls:
        nothing = np.full(len(steps), np.nan)
        return Outlook(
            one.name, now, total, steps, nothing, nothing, nothing, nothing, nothing, usual, usual, False, NO_FALL, coverage, notes, fitted,
            past,
        )  # fmt: skip
    z = NormalDist().inv_cdf(0.5 + coverage / 2)
    found = fitted.endings([_rates(past, total, start) for start in steps], int(np.flatnonzero(steps == usual)[0]), known)
    above = float(np.mean([end for _, end in finals] - found.known)) if known else 0.0
    loss, width = found.loss + above, z * found.deviation
    start, reason = _advise(steps, found.gain, z * found.error, usual, total)
    return Outlook(
        one.name, now, total, steps, loss, loss - width, loss + width, found.gain, z * found.error, usual, start, True, reason, coverage,
        notes, fitted, past,
    )  # fmt: skip


def _held(law: Law) -> Law:
    """Return a law with its parameters held close.

    Those of a multi-power law make up for each other. Where a fit doesn't hold them, what is usual is where it begins; where they are
    held, it is the shape itself, and another one does better: it was chosen on logs of two families of runs. A law that says itself
    what is usual is held there.
    """
    centre = CENTRE if isinstance(law, MultiPower) and law.mean == MultiPower.mean else {}
    mean = tuple(centre.get(name, usual) for name, usual in zip(law.names, law.mean, strict=True))
    return dataclasses.replace(law, mean=mean, deviation=tuple(deviation / CLOSER for deviation in law.deviation))


def _require(one: Curve, total: Any, warmup_steps: int, coverage: float) -> None:
    now = one.updates
    if not is_whole(total, now + 1):
        raise ArgumentError(f"outlook: total must be a whole number above the {now:,} updates that {one.name} has made, got {total!r}.")
    if warmup_steps >= total:
        raise ArgumentError(f"outlook: total must be above warmup_steps={warmup_steps:,}, got {total:,}.")
    if not 0 < coverage < 1:
        raise ArgumentError(f"outlook: coverage must be in (0, 1), got {coverage!r}.")
    if not one.learning_rate[-1] > 0:
        raise ArgumentError(f"outlook: the rate of {one.name} is 0 at its last point, so it has decayed already.")


def _known(finals: Sequence[tuple[int, float]], others: list[Curve], warmup_steps: int) -> list[np.ndarray]:
    """Return the rates up to the ends of the finished runs: after the last logged point they go on as before it."""
    good = len(finals) in (0, len(others)) and all(len(pair) == 2 and pair[0] >= 1 and np.isfinite(pair[1]) for pair in finals)
    if not good:
        raise ArgumentError(f"outlook: finals must be (updates, loss) for each of the {len(others)} finished runs, got {finals!r}.")
    found = []
    for (updates, _), one in zip(finals, others if finals else (), strict=True):
        rates = one.rates(warmup_steps)
        slope = (one.learning_rate[-1] - one.learning_rate[-2]) / (one.step[-1] - one.step[-2])
        more = one.learning_rate[-1] + slope * np.arange(max(updates - len(rates), 0))
        found.append(np.concatenate([rates, np.maximum(more, 0.0)])[:updates])
    return found


def _starts(given: Sequence[int] | None, first: int, usual: int, total: int) -> np.ndarray:
    if given is None:
        last = max(first, round(total * (1 - SHORTEST)))
        chosen = np.linspace(first, last, CHOICES).round().astype(np.int64)
    else:
        chosen = np.atleast_1d(np.asarray(given))
        if chosen.dtype.kind not in "iu" or chosen.ndim != 1 or chosen.size == 0 or chosen.min() < first or chosen.max() >= total:
            raise ArgumentError(f"outlook: starts must be whole numbers from {first:,} to {total - 1:,}, got {given!r}.")
    return np.unique(np.append(chosen, usual).astype(np.int64))


def _rates(past: np.ndarray, total: int, start: int) -> np.ndarray:
    """Return the rates of a run that goes on as it is up to `start`, and then along a line to 0."""
    held = np.full(total - len(past), past[-1])
    counts = np.arange(len(past), total)
    return np.concatenate([past, held * np.minimum(1.0, (total - counts) / (total - start))])


def _advise(steps: np.ndarray, gain: np.ndarray, error: np.ndarray, usual: int, total: int) -> tuple[int, str]:
    best = int(np.argmax(gain))
    half = "half the budget" if usual == total // 2 else f"{usual:,}, since half the budget has passed,"
    ahead = np.where(gain > error, gain, -np.inf)
    if np.isfinite(ahead.max()):
        chosen = int(np.argmax(ahead))
        sizes = f"{say(gain[chosen], 2)} +- {say(error[chosen], 2)}"
        return int(steps[chosen]), f"a decay from {int(steps[chosen]):,} is predicted to end {sizes} lower than one from {half}"
    if int(steps[best]) == usual:
        return usual, f"no other start is predicted to end lower than {half}"
    sizes = f"{say(gain[best], 2)} +- {say(error[best], 2)}"
    return usual, f"the best other start, {int(steps[best]):,}, is predicted to gain {sizes} on {half}, which is less than its band"


def _notes(run: Curve, others: list[Curve], fitted: Fitted) -> Iterable[str]:
    yield from (f"{one.name}: {note}" for one in (run, *others) for note in one.notes)
    peak = float(run.learning_rate.max())
    if run.learning_rate[-1] < 0.95 * peak:
        rates = f"from {say(peak, 3)} to {say(float(run.learning_rate[-1]), 3)}"
        yield f"the rate of {run.name} has fallen already, {rates}; decays go on from there"
    if fitted.saw_falls and fitted.coefficients[2] == 0:
        yield "the fitted runs gained nothing by their falls of the rate: every decay is predicted to bring nothing"
    untold = ", ".join(fitted.untold)
    if not fitted.saw_falls:
        runs = ", ".join(fitted.runs)
        yield f"the rate never changed in {runs}, which leaves gain, {untold} of the law unknown: log a run whose rate falls"
    elif untold:
        yield f"the runs hardly tell {untold} of the law, which are taken as is usual: other falls of the rate would tell"
