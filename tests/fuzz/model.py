"""A learning rate under control as plain Python in float64: expression, policies, changes by hand, and the rate in effect.

Every part builds the rheostax expression that it stands for. Integers decide everything that is a decision, and metrics are compared
as exact fractions, so a model and the library can't part by rounding; `Ambiguous` is raised where float32 itself decides.
"""

import copy

import numpy as np

from tests.fuzz.parts import LAST, Grouped
from tests.fuzz.policies import Heard

LARGEST = float(np.finfo(np.float32).max)


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
