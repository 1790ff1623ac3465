"""`preview`: a learning rate as it will be, in words and numbers."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from rheostax._rate import Foreign, LearningRate, RateLike, as_learning_rate, is_reactive, require_updates, walk
from rheostax._words import counted, plain, say
from rheostax.errors import ArgumentError
from rheostax.groups import group_names
from rheostax.preview._curve import rates_at, total
from rheostax.preview._moments import Moment, moments

__all__ = ["Preview", "preview"]

POINTS = 2_001  # of a curve
ROWS = 24  # moments at most
NOTHING_ENDS = 1_000  # updates that are drawn of a rate in which nothing ever happens


@dataclasses.dataclass(frozen=True)
class Preview:
    """What `rx.preview` found; `str` of it is meant to be read, the fields are meant for programs.

    Rates are numbers, or, with groups, dicts of them by group.
    """

    expression: str
    total_steps: int  # updates of the run
    total_from: str  # "given", "horizon" (where the schedule ends), "moments" (a half more than the last), "nothing ends"
    horizon: int | None  # the count from which the rate stays where it is
    reacts: bool  # whether there are policies, which are drawn as if no metric moved them
    moments: tuple[tuple[int, str, Any], ...]  # count, what, rate
    more_moments: int  # those that were left out
    peak: tuple[int, Any]  # the first count with the highest rate, and that
    sum: Any  # of the rates of all updates, in float64
    sum_exact: bool  # whether every update was evaluated, or a run of so many was cut into straight pieces
    warnings: tuple[str, ...]
    counts: np.ndarray = dataclasses.field(repr=False, compare=False)  # of the curve
    rates: np.ndarray = dataclasses.field(repr=False, compare=False)  # float32 [counts, groups]
    groups: tuple[str, ...] | None = None

    def to_json(self) -> dict[str, Any]:
        """Return everything but the curve as plain numbers and text."""
        return {
            "expression": self.expression,
            "total_steps": self.total_steps,
            "total_from": self.total_from,
            "horizon": self.horizon,
            "reacts": self.reacts,
            "moments": [{"count": count, "what": what, "learning_rate": rate} for count, what, rate in self.moments],
            "more_moments": self.more_moments,
            "peak": {"count": self.peak[0], "learning_rate": self.peak[1]},
            "sum": self.sum,
            "sum_exact": self.sum_exact,
            "warnings": list(self.warnings),
        }

    def __str__(self) -> str:
        said = [say(rate) for *_, rate in self.moments]
        width, wide = max(6, *(len(f"{count:,}") for count, *_ in self.moments)), max(9, *map(len, said))
        lines = [f"{'update':>{width}}  {'rate':<{wide}}{'  if no metric moves it' if self.reacts else ''}".rstrip()]
        lines += [f"{count:>{width},}  {rate:<{wide}}  {what}" for (count, what, _), rate in zip(self.moments, said, strict=True)]
        lines += [f"and {counted(self.more_moments, 'more moment')} like these"] if self.more_moments else []
        how = "" if self.sum_exact else f", calculated in straight pieces, since {self.total_steps:,} are too many to evaluate each"
        lines += ["", f"sum of the rates of {counted(self.total_steps, 'update')}: {say(self.sum, 6)}{how}"]
        if not isinstance(self.sum, dict) and self.peak[1] > 0:
            lines.append(f"that is {self.sum / self.peak[1]:,.1f} updates at the peak of {say(self.peak[1])} (update {self.peak[0]:,})")
        return "\n".join([*lines, *(f"warning: {warning}" for warning in self.warnings)])


def preview(learning_rate: RateLike, *, total_steps: int | None = None) -> Preview:
    """Look at a learning rate before the run: its rate at the moments that matter, the sum of its rates, and what looks wrong.

    The moments are found from the expression: where a warm-up or a decay ends, a part or a cycle begins. It warns of jumps that no
    schedule is made for, such as those between parts of a join that don't meet, and of an end that isn't the run's. Policies are
    seen as if no metric moved them; `rx.simulate` takes metrics.

    Args:
        learning_rate: A number, any optax schedule, or a rheostax expression whose durations are counted in updates.
        total_steps: Updates of the run, a whole number >= 1; None for as many as the schedule has.

    Returns:
        A `Preview` to print or to read.

    Raises:
        ArgumentError: If total_steps breaks its rule, or a duration isn't counted in updates yet.

    >>> import rheostax as rx
    >>> print(rx.preview(rx.Warmup(500) * rx.Cosine(3e-4, 20_000), total_steps=25_000))
    update  rate
         0  0          start
       500  0.0002995  end of warm-up
    20,000  0          end of Cosine
    24,999  0          last update
    <BLANKLINE>
    sum of the rates of 25,000 updates: 2.92502
    that is 9,765.1 updates at the peak of 0.0002995 (update 500)
    warning: the schedule ends at update 20,000 of 25,000: the rate stays at 0 for the last 5,000 updates (20% of the run)
    """
    rate = as_learning_rate(learning_rate)
    require_updates(rate)
    given = isinstance(total_steps, int | np.integer) and not isinstance(total_steps, bool)
    if total_steps is not None and not (given and 1 <= total_steps < 2**31):
        raise ArgumentError(f"preview: total_steps must be a whole number from 1 to 2**31 - 1, got {total_steps!r}.")
    found = _merged(moments(rate))
    steps, source = _length(rate, found, total_steps)
    marks = [Moment(0, "start"), *(one for one in found if 0 < one.count <= steps), Moment(steps - 1, "last update")]
    marks = _merged(marks)
    kept, last = marks[: ROWS - 1], marks[-2:]
    shown = marks if len(marks) <= ROWS else [*kept[: ROWS - 2], *last]
    groups, whole = group_names(rate), total(rate, steps, [one.count for one in found])

    def named(values: np.ndarray, digits: bool = True) -> Any:
        numbers = plain(values) if digits else [float(value) for value in values]
        return dict(zip(groups, numbers, strict=True)) if groups else numbers[0]

    counts = np.unique([*np.linspace(0, steps, POINTS).astype(np.int64), *_around(found, steps)])
    rates = rates_at(rate, counts)
    values = rates_at(rate, [one.count for one in shown])
    highest = int(whole.peak.argmax())
    return Preview(
        expression=repr(rate), total_steps=steps, total_from=source, horizon=rate.horizon, reacts=is_reactive(rate),
        moments=tuple((one.count, one.what, named(row)) for one, row in zip(shown, values, strict=True)),
        more_moments=len(marks) - len(shown),
        peak=(int(whole.peak_count[highest]), plain(whole.peak[highest])),
        sum=named(whole.sum, digits=False), sum_exact=whole.exact,
        warnings=tuple(_warnings(rate, found, steps, counts, rates)),
        counts=counts, rates=rates, groups=groups,
    )  # fmt: skip


def _merged(found: Iterable[Moment]) -> list[Moment]:
    """Sort moments, and make one of those at the same count."""
    by_count: dict[int, list[Moment]] = {}
    for one in sorted(found, key=lambda one: one.count):
        by_count.setdefault(one.count, []).append(one)
    return [
        Moment(count, "; ".join(dict.fromkeys(one.what for one in several)), any(one.steps for one in several))
        for count, several in by_count.items()
    ]


def _length(rate: LearningRate, found: list[Moment], total_steps: int | None) -> tuple[int, str]:
    if total_steps is not None:
        return int(total_steps), "given"
    if rate.horizon:
        return rate.horizon, "horizon"
    if found:
        return min(max(found[-1].count * 3 // 2, 1), 2**31 - 1), "moments"
    return NOTHING_ENDS, "nothing ends"


def _around(found: list[Moment], steps: int) -> list[int]:
    """Return the counts beside every moment, so that a jump is drawn as one."""
    return [count for one in found for count in (one.count - 1, one.count) if 0 <= count <= steps]


def _warnings(rate: LearningRate, found: list[Moment], steps: int, counts: np.ndarray, rates: np.ndarray) -> Iterator[str]:
    if not np.isfinite(rates).all():
        first = int(counts[np.argmin(np.isfinite(rates).all(1))])
        yield f"the rate is too large for float32 at update {first:,}: a control would leave such rates out, and keep the last good one"
        return
    yield from _jumps(rate, found, steps, float(rates.max()))
    horizon = rate.horizon
    if horizon is not None and horizon < steps - 1:
        part = (steps - horizon) / steps
        stays = f" at {say(plain(rates_at(rate, [steps - 1])[0, 0]))}" if rates.shape[1] == 1 else ""
        share = f"{part:.0%}" if part >= 0.01 else "less than 1%"
        rest = f"for the last {counted(steps - horizon, 'update')} ({share} of the run)"
        yield f"the schedule ends at update {horizon:,} of {steps:,}: the rate stays{stays} {rest}"
    if horizon is not None and horizon > steps:
        rest = counted(horizon - steps, "update")
        yield f"the run ends at update {steps:,}, before the schedule does at {horizon:,}: its last {rest} are cut off"
    yield from _high_end(rate, steps, counts, rates)


def _high_end(rate: LearningRate, steps: int, counts: np.ndarray, rates: np.ndarray) -> Iterator[str]:
    """Warn if the last rate is far above what it had been down to after the peak: a cycle, or a part, that is cut."""
    inside = rates[counts < steps]
    last = rates_at(rate, [steps - 1])[0]
    for i in range(rates.shape[1]):
        peak = int(inside[:, i].argmax())
        low = float(inside[peak:, i].min())
        if last[i] > 2 * low and last[i] - low > 0.05 * inside[peak, i]:
            at = int(counts[peak:][inside[peak:, i].argmin()])
            yield f"the run ends at a rate of {say(float(last[i]))}, far above the {say(low)} that it was down to at update {at:,}"
            return


def _jumps(rate: LearningRate, found: list[Moment], steps: int, peak: float) -> Iterator[str]:
    """Warn where a change from one update to the next is much larger than its neighbours, unless the schedule is made for it."""
    places = {one.count: one for one in found if 1 <= one.count < steps and not one.steps}
    if any(isinstance(part, Foreign) for part, _ in walk(rate)):
        for count in _scanned(rate, min(steps, 1 << 20), peak)[:5]:
            places.setdefault(count, Moment(count, ""))
    for count, one in sorted(places.items()):
        around = rates_at(rate, np.clip([count - 2, count - 1, count, count + 1], 0, None)).astype(np.float64)
        before, change, after = np.abs(np.diff(around, axis=0))
        if np.any((change > 5 * np.maximum(before, after)) & (change > 0.01 * peak)):
            worst = int(change.argmax())
            old, new = (say(plain(around[i])[worst]) for i in (1, 2))
            yield f"the rate jumps from {old} to {new} at update {count:,}" + (f": {one.what}" if one.what else "")


def _scanned(rate: LearningRate, steps: int, peak: float) -> list[int]:
    """Return the counts of sudden changes in a function whose moments aren't known."""
    rates = rates_at(rate, np.arange(steps)).astype(np.float64)
    change = np.abs(np.diff(rates, axis=0)).max(1)
    if change.size < 3:
        return []
    neighbours = np.maximum(np.append(change[1:], 0.0), np.insert(change[:-1], 0, 0.0))
    return [int(i) + 1 for i in np.flatnonzero((change > 20 * neighbours) & (change > 0.02 * peak))]
