"""A learning rate under control as plain Python in float64: expression, policies, changes by hand, and the rate in effect.

Every part builds the rheostax expression that it stands for. Integers decide everything that is a decision, and metrics are compared
as exact fractions, so a model and the library can't part by rounding; `Ambiguous` is raised where float32 itself decides.
"""

import copy
import functools
import math
import operator
from fractions import Fraction

import numpy as np

import rheostax as rx
from tests.oracles import anneal, on_plateau, plateau

LAST = 2**31 - 1
LARGEST = float(np.finfo(np.float32).max)


class Ambiguous(Exception):  # noqa: N818
    """A comparison that rounding decides."""


class Part:
    """A node: `build` makes the library's, `value` is its value at a count, `observe` takes metrics by name."""

    parts = ()

    def observe(self, count, metrics):
        for part in self.parts:
            part.observe(count, metrics)

    def take(self, other):
        """Take over what the policies of another part of the same structure know; the numbers stay."""
        for mine, theirs in zip(self.parts, other.parts, strict=True):
            mine.take(theirs)

    def walk(self):
        yield self
        for part in self.parts:
            yield from part.walk()


class Timed(Part):
    """A schedule: a class of the library, and its formula. `end` names the argument that says how long it is."""

    def __init__(self, cls, formula, end=None, **numbers):
        self.cls, self.formula, self.end, self.numbers = cls, formula, end, numbers

    def build(self):
        return self.cls(**self.numbers)

    def value(self, count):
        return float(self.formula(count, **self.numbers))

    def longer(self, by):
        return Timed(self.cls, self.formula, self.end, **self.numbers | {self.end: self.numbers[self.end] + by})


class Extended(Part):
    """A schedule whose end was moved `by` updates at count `at`."""

    def __init__(self, before, by, at, rewarm_steps):
        self.before, self.after, self.at, self.rewarm_steps = before, before.longer(by), at, rewarm_steps

    def build(self):
        return rx.Extended(self.before.build(), self.after.build(), at=self.at, rewarm_steps=self.rewarm_steps)

    def value(self, count):
        if count < self.at:
            return self.before.value(count)
        start, goal, after = self.before.value(self.at), self.after.value(self.at), self.after.value(count)
        if not self.rewarm_steps:
            return start if count == self.at else after * (start / (goal or 1.0))
        risen = min((count - self.at) / self.rewarm_steps, 1.0)
        return start * (1 - risen) + after * risen


class Times(Part):
    def __init__(self, *parts):
        self.parts = parts

    def build(self):
        return functools.reduce(operator.mul, [part.build() for part in self.parts])

    def value(self, count):
        return math.prod(part.value(count) for part in self.parts)


class Bounded(Part):
    def __init__(self, part, low, high):
        self.parts, self.low, self.high = (part,), low, high

    def build(self):
        return self.parts[0].build().clip(self.low, self.high)

    def value(self, count):
        return min(max(self.parts[0].value(count), self.low), self.high)


class Joined(Part):
    def __init__(self, parts, boundaries):
        self.parts, self.boundaries = tuple(parts), boundaries

    def build(self):
        return rx.Join([part.build() for part in self.parts], self.boundaries)

    def _at(self, count):
        i = sum(count >= boundary for boundary in self.boundaries)
        return self.parts[i], count - (self.boundaries[i - 1] if i else 0)

    def observe(self, count, metrics):
        part, local = self._at(count)
        part.observe(local, metrics)

    def value(self, count):
        part, local = self._at(count)
        return part.value(local)


class Repeated(Part):
    def __init__(self, part, period, factor, limit):
        self.parts, self.period, self.factor, self.limit = (part,), period, factor, limit

    def build(self):
        return rx.Repeat(self.parts[0].build(), period=self.period, factor=self.factor, limit=self.limit)

    def _at(self, count):
        cycle = min(count // self.period, self.limit - 1)
        begin = cycle * self.period
        return cycle, min(count, begin + self.period, LAST) - begin

    def observe(self, count, metrics):
        self.parts[0].observe(self._at(count)[1], metrics)

    def value(self, count):
        cycle, local = self._at(count)
        return self.parts[0].value(local) * self.factor**cycle


class Grouped(Part):
    """A part per group; None is frozen."""

    def __init__(self, rates, rest):
        self.rates = {**rates, "rest": rest}
        self.parts = tuple(part for part in self.rates.values() if part is not None)

    def build(self):
        built = {name: None if part is None else part.build() for name, part in self.rates.items()}
        return rx.Groups({name: rate for name, rate in built.items() if name != "rest"}, rest=built["rest"])

    def value(self, count):
        return np.array([0.0 if part is None else part.value(count) for part in self.rates.values()])


class Heard(Part):
    """A policy: finite values of its metric are heard, others counted."""

    KNOWS = ()  # what it keeps besides
    skips = False  # whether it asks for the update of what it just heard to be skipped

    def __init__(self, monitor, **numbers):
        self.monitor, self.numbers = monitor, numbers
        self.observations = self.nonfinite = self.decisions = 0
        self.asks = 0  # 1 from the time on that it asks to stop, or to go back

    def observe(self, count, metrics):
        if self.monitor not in metrics:
            return
        value = metrics[self.monitor]
        if math.isfinite(value):
            self.observations += 1
            self.hear(count, value)
        else:
            self.nonfinite += 1

    def take(self, other):
        super().take(other)
        for name in ("observations", "nonfinite", "decisions", "asks"):
            setattr(self, name, getattr(other, name))
        self.rule.__dict__.update({name: copy.deepcopy(other.rule.__dict__[name]) for name in self.KNOWS})


def better(rule, value):
    """Tell exactly whether a value is an improvement."""
    if rule.best is None:
        return True
    best, value = Fraction(float(rule.best)), Fraction(float(value))
    gain = best - value if rule.mode == "min" else value - best
    return gain > Fraction(float(rule.rtol)) * abs(best) + Fraction(float(rule.atol))


class PlateauRule(plateau.Plateau):
    def __init__(self, mode, patience, rtol, atol, cooldown, accumulation_size, factor=0.5, min_scale=0.0):
        super().__init__(mode, factor, patience, rtol, atol, cooldown, accumulation_size, min_scale)

    def _improves(self, value):
        return better(self, value)

    def stalled(self, value):
        """Tell whether the metric has stalled just now, for a policy that has no scale."""
        self.scale = 1.0
        self.observe(value)
        return self.scale != 1.0


class GreedyRule(on_plateau.Greedy):
    def _improves(self, value):
        return better(self, value)


class GuardRule(on_plateau.SpikeGuard):
    def __init__(self, skip=0, roll_back=False, **numbers):
        super().__init__(**numbers)
        self.skip, self.roll_back, self.unheard = skip, roll_back, 0

    def observe(self, value):
        away, limit = self.away(value)
        near = 1e-5 * max(abs(value), abs(self.mean), limit)
        if self.known >= self.window and abs(away - limit) <= near and (away, limit) != (0.0, 0.0):
            raise Ambiguous
        spikes, since, in_a_row = self.spikes, self.since, self.in_a_row
        super().observe(value)
        if spikes != self.spikes and in_a_row < self.skip:
            self.since = since


PLATEAU = ("best", "window", "bad_in_a_row", "cooling")


class Reduce(Heard):
    KNOWS = ("scale", *PLATEAU)

    def __init__(self, monitor, **numbers):
        super().__init__(monitor, **numbers)
        self.rule = PlateauRule(**numbers)

    def build(self):
        return rx.ReduceOnPlateau(monitor=self.monitor, **self.numbers)

    def hear(self, count, value):
        before = self.rule.scale
        self.rule.observe(value)
        self.decisions += self.rule.scale != before

    def value(self, count):
        return self.rule.scale


class Greedy(Reduce):
    KNOWS = ("scale", "best", "good", "bad", "resting", "low")

    def __init__(self, monitor, **numbers):
        Heard.__init__(self, monitor, **numbers)
        self.rule = GreedyRule(**numbers)

    def build(self):
        return rx.Greedy(monitor=self.monitor, **self.numbers)


class Guard(Reduce):
    KNOWS = ("mean", "deviation", "known", "since", "in_a_row", "spikes", "unheard")

    def __init__(self, monitor, **numbers):
        Heard.__init__(self, monitor, **numbers)
        self.rule = GuardRule(**numbers)

    def build(self):
        return rx.SpikeGuard(monitor=self.monitor, **self.numbers)

    def observe(self, count, metrics):
        rule, self.skips = self.rule, False
        super().observe(count, metrics)
        if rule.roll_back and self.monitor in metrics:
            rule.unheard = 0 if math.isfinite(metrics[self.monitor]) else rule.unheard + 1
            self.asks |= rule.unheard >= rule.max_spikes

    def hear(self, count, value):
        spikes, in_a_row = self.rule.spikes, self.rule.in_a_row
        super().hear(count, value)
        spike = self.rule.spikes != spikes
        self.skips = spike and in_a_row < self.rule.skip
        self.asks |= self.rule.roll_back and spike and in_a_row + 1 >= self.rule.max_spikes


class Stopped(Heard):
    """Changes no rate, and asks to stop."""

    KNOWS = PLATEAU

    def __init__(self, monitor, **numbers):
        super().__init__(monitor, **numbers)
        self.rule = PlateauRule(cooldown=0, **numbers)

    def build(self):
        return rx.StopOnPlateau(monitor=self.monitor, **self.numbers)

    def hear(self, count, value):
        if self.rule.stalled(value):
            self.decisions += not self.asks
            self.asks = 1

    def value(self, count):
        return 1.0


class AnnealRule(anneal.Anneal):
    def block_of(self, count):
        first = max(self.total / anneal.SPAN, self.warmup, 1)
        place = anneal.BLOCKS * math.log(max(count, 1) / first) / math.log(self.total / first)
        if 0 < place < anneal.BLOCKS and abs(place - round(place)) < 1e-4 and count != first:
            raise Ambiguous
        return super().block_of(count)

    def plan(self, now):
        found = super().plan(now)
        if len(self.values) >= anneal.FEWEST and now >= self.total // anneal.EARLIEST:
            self.require_clear(self.compared(now), found)
        return found

    def require_clear(self, gains, found):
        """Raise where what float32 makes of the gains could choose another start."""
        size = max(abs(value) for pairs in self.values.values() for _, value in pairs)
        near = {start: 5e-3 * max(abs(gain), error) + 1e-5 * max(size, 1.0) for start, (gain, error) in gains.items()}
        best = gains[found][0] if found in gains and gains[found][0] > gains[found][1] else None
        for start, (gain, error) in gains.items():
            if abs(gain - error) <= near[start] and (best is None or start == found or gain > best - near[start]):
                raise Ambiguous
            if best is not None and start != found and gain > error and gain > best - near[start]:
                raise Ambiguous


class Annealed(Heard):
    KNOWS = ("chosen", "began", "block", "values")

    def __init__(self, monitor, total, warmup, **numbers):
        super().__init__(monitor, **numbers)
        self.rule = AnnealRule(total, warmup, **numbers)

    def build(self):
        own = {"monitor": self.monitor, "warmup_steps": self.rule.warmup}
        return rx.AnnealWhenWorthIt(self.rule.total, **own, **self.numbers)

    def hear(self, count, value):
        began = self.rule.began
        self.rule(count, value)
        self.decisions += self.rule.began and not began

    def value(self, count):
        planned, total = self.rule.planned, self.rule.total
        return 1 - min(max(count - planned, 0) / max(total - planned, 1), 1.0)


class Restarted(Heard):
    KNOWS = PLATEAU

    def __init__(self, part, monitor, factor, max_restarts, **numbers):
        super().__init__(monitor, **numbers)
        self.rule, self.fresh, self.parts = PlateauRule(**numbers), part, (copy.deepcopy(part),)
        self.factor, self.max_restarts, self.restarts, self.began, self.scale = factor, max_restarts, 0, 0, 1.0

    def build(self):
        own = {"monitor": self.monitor, "factor": self.factor, "max_restarts": self.max_restarts}
        return rx.RestartOnPlateau(self.fresh.build(), **own, **self.numbers)

    def hear(self, count, value):
        if self.rule.stalled(value) and self.restarts < self.max_restarts:
            self.restarts, self.scale = self.restarts + 1, self.scale * self.factor
            self.decisions += 1

    def observe(self, count, metrics):
        restarts = self.restarts
        super().observe(count, metrics)
        if self.restarts != restarts:
            self.began, self.parts = count, (copy.deepcopy(self.fresh),)
        else:
            self.parts[0].observe(count - self.began, metrics)

    def take(self, other):
        super().take(other)
        self.restarts, self.began, self.scale = other.restarts, other.began, other.scale

    def value(self, count):
        return self.scale * self.parts[0].value(max(count - self.began, 0))


class Advanced(Heard):
    KNOWS = PLATEAU

    def __init__(self, parts, monitor, latest, **numbers):
        super().__init__(monitor, **numbers)
        self.rule, self.parts, self.latest = PlateauRule(**numbers), tuple(parts), latest
        self.part = self.began = 0

    def build(self):
        return rx.AdvanceOnPlateau([part.build() for part in self.parts], latest=self.latest, monitor=self.monitor, **self.numbers)

    def _at(self, count):
        part, began = self.part, self.began
        for i, due in enumerate(self.latest):
            if part == i and count >= due:
                part, began = i + 1, max(began, due)
        return part, began

    def hear(self, count, value):
        if self.rule.stalled(value) and self.part < len(self.parts) - 1:
            self.part += 1
            self.decisions += 1

    def observe(self, count, metrics):
        self.part, self.began = part, began = self._at(count)
        super().observe(count, metrics)
        self.parts[part].observe(count - began, metrics)
        if self.part != part:
            self.began = count

    def take(self, other):
        super().take(other)
        self.part, self.began = other.part, other.began

    def value(self, count):
        part, began = self._at(count)
        return self.parts[part].value(max(count - began, 0))


class Middle(Part):
    """The median of the last three finite values is what the policies in a part hear."""

    def __init__(self, part):
        self.parts, self.known = (part,), {}

    def build(self):
        return rx.Median(self.parts[0].build())

    def observe(self, count, metrics):
        (part,) = self.parts
        for name in {one.monitor for one in part.walk() if isinstance(one, Heard)} & set(metrics):
            value, known = metrics[name], self.known.setdefault(name, [])
            if not math.isfinite(value):
                part.observe(count, {name: value})
                continue
            if len(known) == 2:
                part.observe(count, {name: sorted([value, *known])[1]})
            self.known[name] = [value, *known][:2]

    def take(self, other):
        super().take(other)
        self.known = copy.deepcopy(other.known)

    def value(self, count):
        return self.parts[0].value(count)


class Controlled:
    """What a control keeps: the expression, the count, the changes by hand, and the rate in effect."""

    def __init__(self, rate):
        self.rate, self.count, self.faults = rate, 0, 0
        groups = next((part for part in rate.walk() if isinstance(part, Grouped)), None)
        self.names = list(groups.rates) if groups else None
        self.frozen = np.array([part is None for part in groups.rates.values()] if groups else False)
        self.by_hand, self.reference = np.ones(self.frozen.shape), np.ones(self.frozen.shape)
        self.pinned = np.zeros(self.frozen.shape, bool)
        self.learning_rate = np.zeros(self.frozen.shape)
        self.learning_rate, _ = self._effective()

    def base(self):
        return np.broadcast_to(np.asarray(self.rate.value(self.count), np.float64), self.frozen.shape)

    def _effective(self):
        value = np.where(self.pinned, self.by_hand, self.by_hand * (self.base() / self.reference))
        good = (value >= 0) & (value <= LARGEST)
        return np.where(self.frozen, 0.0, np.where(good, value, self.learning_rate)), not np.all(good)

    def observe(self, metrics):
        self.rate.observe(self.count, metrics)

    def update(self, metrics):
        self.observe(metrics)
        rate, fault = self._effective()
        self.faults += fault
        if not any(part.skips for part in self.rate.walk() if isinstance(part, Heard)):  # else nothing is made of it
            self.learning_rate, self.count = rate, min(self.count + 1, LAST)
        return self.learning_rate

    def _change(self, group, by_hand, reference, pinned):
        chosen = np.array([group in (None, name) for name in self.names]) if self.names else np.array(True)
        good = (by_hand >= 0) & (by_hand <= LARGEST)
        self.faults += bool(np.any(chosen & ~good))
        chosen = chosen & good
        self.by_hand = np.where(chosen, by_hand, self.by_hand)
        self.reference = np.where(chosen, reference, self.reference)
        self.pinned = np.where(chosen, pinned, self.pinned)
        self.learning_rate, _ = self._effective()

    def set(self, value, group, pin):
        base = self.base()
        usable = base > 0
        self._change(group, np.full(base.shape, value), np.where(usable, base, 1.0), ~usable | pin)

    def scale(self, factor, group):
        self._change(group, self.by_hand * factor, self.reference, self.pinned)

    def reset(self, group):
        self._change(group, np.ones(self.frozen.shape), np.ones(self.frozen.shape), False)

    def with_numbers(self, rate):
        """Return what `keep="code"` makes of this: another expression's numbers, and what was known and set."""
        new = copy.deepcopy(self)
        new.rate = rate
        new.rate.take(self.rate)
        new.learning_rate, _ = new._effective()
        return new
