"""The statistical plateau for the model: its definition in float64, which says where float32 itself decides."""

import math

import rheostax as rx
from tests.fuzz.parts import Ambiguous
from tests.fuzz.policies import Advanced, Reduce, Stopped
from tests.oracles import flatness

BLOCKS = 16


class FlatRule(flatness.StatisticalPlateau):
    KNOWS = ("block", "levels", "begun", "heard", "cuts")

    def __init__(self, factor=0.5, min_scale=0.0, **numbers):
        super().__init__(**numbers)
        self.scale, self.factor, self.min_scale = 1.0, factor, min_scale

    def sign_of(self, number, size):
        if 0 < abs(number) <= 1e-6 * size:
            raise Ambiguous
        return super().sign_of(number, size)

    def reached(self, evidence, needed):
        if 0 < evidence < math.inf and abs(math.log(evidence / needed)) < 1e-2:
            raise Ambiguous
        return super().reached(evidence, needed)

    def stalled(self, value):
        """Tell whether it is certain of a plateau just now."""
        before = len(self.cuts)
        super().observe(value)
        return len(self.cuts) > before

    def observe(self, value):
        if self.stalled(value):
            self.scale = min(max(self.scale * self.factor, self.min_scale), self.scale)


class ReducedWhenFlat(Reduce):
    CLS, RULE, KNOWS = rx.ReduceOnStatisticalPlateau, FlatRule, ("scale", *FlatRule.KNOWS)


class StoppedWhenFlat(Stopped):
    CLS, RULE, KNOWS = rx.StopOnStatisticalPlateau, FlatRule, FlatRule.KNOWS


class AdvancedWhenFlat(Advanced):
    CLS, RULE, KNOWS = rx.AdvanceOnStatisticalPlateau, FlatRule, FlatRule.KNOWS
