"""The parts of an expression without policies, as plain Python in float64: schedules, and what is made of them."""

import functools
import math
import operator

import numpy as np

import rheostax as rx

LAST = 2**31 - 1


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
