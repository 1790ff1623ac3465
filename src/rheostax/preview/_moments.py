"""The counts at which an expression changes what it does, found from its structure. A class that isn't known here shows its durations."""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Iterable, Sequence
from typing import Any

import jax.numpy as jnp

from rheostax._check import INT32_MAX
from rheostax._node import counts_observations, durations, end_of
from rheostax._rate import LearningRate, Schedule
from rheostax.compat._cycles import Cycles
from rheostax.policies._actions import Advancing
from rheostax.schedules import (
    Clock,
    CosineRestarts,
    Cyclic,
    Exponential,
    Extended,
    Join,
    MultiStep,
    Noam,
    Noise,
    OneCycle,
    PiecewiseConstant,
    PiecewiseInterpolate,
    Repeat,
    Shift,
    Staircase,
    Step,
    Warmup,
    WarmupStableDecay,
)

__all__ = ["Moment", "moments"]

SEVERAL = 6  # of what goes on forever


@dataclasses.dataclass(frozen=True)
class Moment:
    """A count at which something begins or ends.

    Attributes:
        count: The count.
        what: What it is, in a few words.
        steps: Whether the rate may jump there, since that is what the schedule is for.
    """

    count: int
    what: str
    steps: bool = False


@functools.singledispatch
def moments(rate: Any) -> list[Moment]:
    """Return the moments of an expression whose durations are counted in updates; the count 0 and a run's end aren't among them.

    Args:
        rate: A rheostax expression.

    Returns:
        Moments, in no order; where something goes on forever, the first few.

    Raises:
        ArgumentError: If a duration isn't counted in updates.

    >>> import rheostax as rx
    >>> from rheostax.preview import moments
    >>> for moment in moments(rx.Warmup(500) * rx.Join([0.1, rx.Cosine(0.1, 400)], [600])):
    ...     print(moment.count, moment.what)
    500 end of warm-up
    600 part 2 of Join begins
    1000 end of Cosine
    """
    name, found = type(rate).__name__, [one for child in rate.children() for one in moments(child)]
    if rate.children():
        return found
    ends = end_of(rate) if isinstance(rate, Schedule) else None
    for field, value in durations(rate) if isinstance(rate, Schedule) else ():  # those of a policy begin when it acts
        if field != ends and int(value) and not counts_observations(rate, field):
            found.append(Moment(int(value), f"{name}: {field}"))
    return found if rate.horizon is None else [*found, Moment(rate.horizon, f"end of {name}")]


@moments.register
def _(rate: Warmup) -> list[Moment]:
    return [Moment(int(rate.steps), "end of warm-up")]


@moments.register
def _(rate: WarmupStableDecay) -> list[Moment]:
    total, decay = int(rate.total_steps), int(rate.decay_steps)
    warm = [Moment(int(rate.warmup_steps), "end of warm-up")] if int(rate.warmup_steps) else []
    return [*warm, Moment(total - decay, "decay begins"), Moment(total, "end of WarmupStableDecay")]


@moments.register
def _(rate: OneCycle) -> list[Moment]:
    total = int(rate.total_steps)
    top = round(float(rate.pct_start) * total)
    back = [Moment(2 * top, "back at the start's rate")] if rate.three_phase else []
    return [*([Moment(top, "peak of OneCycle"), *back] if top > 0 else []), Moment(total, "end of OneCycle")]


@moments.register
def _(rate: Noam) -> list[Moment]:
    return [Moment(int(rate.warmup_steps), "end of warm-up")]


@moments.register
def _(rate: Exponential) -> list[Moment]:
    begin, steps = int(rate.transition_begin), int(rate.transition_steps)
    cuts = [Moment(begin + i * steps, f"cut {i}", steps=True) for i in range(1, SEVERAL)] if rate.staircase else []
    return [*([Moment(begin, "decay begins")] if begin else []), *cuts]


@moments.register
def _(rate: Cyclic) -> list[Moment]:
    up = int(rate.up_steps)
    period = up + int(rate.down_steps or up)
    ends = [Moment(i * period, f"end of cycle {i}") for i in range(1, SEVERAL)]
    return [Moment(up, "middle of cycle 1"), *ends]


@moments.register
def _(rate: Step) -> list[Moment]:
    return [Moment(i * int(rate.transition_steps), f"cut {i}", steps=True) for i in range(1, SEVERAL)]


@moments.register(MultiStep)
@moments.register(PiecewiseConstant)
@moments.register(PiecewiseInterpolate)
def _(rate: Any) -> list[Moment]:
    steps, many = not isinstance(rate, PiecewiseInterpolate), len(rate.boundaries)
    words = "cut {} of {}" if isinstance(rate, MultiStep) else "value {} of {}"
    first = 1 if isinstance(rate, MultiStep) else 2
    return [Moment(int(boundary), words.format(i, many + first - 1), steps) for i, boundary in enumerate(rate.boundaries, start=first)]


@moments.register
def _(rate: CosineRestarts) -> list[Moment]:
    length, last = int(rate.decay_steps), None if rate.limit is None else int(rate.limit)
    found, begin = [], 0
    for i in range(1, SEVERAL if last is None else min(SEVERAL, last)):
        begin, length = begin + length, length * int(rate.length_factor)
        found.append(Moment(begin, f"restart {i}", steps=True))
    return found if rate.horizon is None else [*found, Moment(rate.horizon, "end of CosineRestarts", steps=True)]


@moments.register
def _(rate: Cycles) -> list[Moment]:
    again = [] if rate.limit is not None and int(rate.limit) == 1 else [Moment(int(rate.period), "restart 1", steps=True)]
    return again if rate.horizon is None else [*again, Moment(rate.horizon, "end of Cycles", steps=True)]


@moments.register
def _(rate: Noise) -> list[Moment]:
    found = [Moment(int(rate.begin), "noise begins", steps=True)] if int(rate.begin) else []
    return found if rate.end is None else [*found, Moment(int(rate.end), "noise ends", steps=True)]


@moments.register
def _(rate: Join) -> list[Moment]:
    return _parts("Join", rate.rates, [int(boundary) for boundary in rate.boundaries])


@moments.register
def _(rate: Advancing) -> list[Moment]:
    if rate.latest is None:
        return moments(rate.rates[0])
    return _parts(type(rate).__name__, rate.rates, [int(boundary) for boundary in rate.latest])


def _parts(name: str, rates: Sequence[LearningRate], boundaries: list[int]) -> list[Moment]:
    """Return the moments of what comes one after another, each counting from its own beginning."""
    found = [Moment(boundary, f"part {i} of {name} begins") for i, boundary in enumerate(boundaries, start=2)]
    for rate, begin, end in zip(rates, [0, *boundaries], [*boundaries, INT32_MAX], strict=True):
        found += [one for one in _moved(moments(rate), begin) if begin < one.count < end]
    return found


def _moved(found: Iterable[Moment], by: int) -> list[Moment]:
    return [dataclasses.replace(one, count=one.count + by) for one in found if 0 < one.count + by <= INT32_MAX]


@moments.register
def _(rate: Shift) -> list[Moment]:
    return _moved(moments(rate.rate), -int(rate.steps))


@moments.register
def _(rate: Staircase) -> list[Moment]:
    steps = int(rate.steps)
    return [Moment(one.count * steps, one.what, steps=True) for one in moments(rate.rate) if one.count * steps <= INT32_MAX]


@moments.register
def _(rate: Clock) -> list[Moment]:
    starts, ticks = [0, *map(int, rate.boundaries)], [*map(int, rate.ticks)]
    done = [0, *itertools.accumulate((end - begin) * each for begin, end, each in zip(starts, starts[1:], ticks, strict=False))]
    found = []
    for one in moments(rate.rate):
        begin, before, each = next(row for row in reversed(list(zip(starts, done, ticks, strict=True))) if row[1] <= one.count)
        found.append(dataclasses.replace(one, count=begin - (before - one.count) // each))
    return found


@moments.register
def _(rate: Repeat) -> list[Moment]:
    last = SEVERAL if rate.limit is None else min(SEVERAL, int(rate.limit))
    begins = [int(rate._begin(jnp.int32(i), jnp.int32(rate.period))) for i in range(1, last)]
    found = [one for one in moments(rate.rate) if one.count < int(rate.period)]
    found += [Moment(begin, f"cycle {i} begins", steps=True) for i, begin in enumerate(begins, start=2)]
    return found if rate.horizon is None else [*found, Moment(rate.horizon, "end of Repeat", steps=True)]


@moments.register
def _(rate: Extended) -> list[Moment]:
    at, rise = int(rate.at), int(rate.rewarm_steps)
    found = [one for one in moments(rate.before) if one.count < at] + [one for one in moments(rate.after) if one.count > at]
    return [*found, Moment(at, "the end is moved"), *([Moment(at + rise, "back on the schedule")] if rise else [])]
