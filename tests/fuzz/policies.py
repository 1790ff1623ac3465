"""Policies as plain Python in float64: what each keeps of what it has heard, and the library's own beside it."""

import copy
import math
from fractions import Fraction

import rheostax as rx
from tests.fuzz.parts import Ambiguous, Part
from tests.oracles import anneal, on_plateau, plateau


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
    def __init__(self, mode, patience, rtol, atol, accumulation_size, cooldown=0, factor=0.5, min_scale=0.0):
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


class Ruled(Heard):
    """A class of the library whose numbers are those of a rule."""

    def __init__(self, monitor, **numbers):
        super().__init__(monitor, **numbers)
        self.rule = self.RULE(**numbers)

    def build(self):
        return self.CLS(monitor=self.monitor, **self.numbers)


class Reduce(Ruled):
    CLS, RULE, KNOWS = rx.ReduceOnPlateau, PlateauRule, ("scale", *PLATEAU)

    def hear(self, count, value):
        before = self.rule.scale
        self.rule.observe(value)
        self.decisions += self.rule.scale != before

    def value(self, count):
        return self.rule.scale


class Greedy(Reduce):
    CLS, RULE, KNOWS = rx.Greedy, GreedyRule, ("scale", "best", "good", "bad", "resting", "low")


class Held(Heard):
    """A rate that is cut, by how often it was."""

    KNOWS = ("cuts", *PLATEAU)

    def __init__(self, monitor, init_value, factor, min_value, min_change, **numbers):
        super().__init__(monitor, factor=factor, min_value=min_value, min_change=min_change, **numbers)
        self.init_value, self.factor, self.min_value, self.min_change = init_value, factor, min_value, min_change
        self.rule = PlateauRule(**numbers)
        self.rule.cuts = 0

    def build(self):
        return rx.PlateauRate(self.init_value, monitor=self.monitor, **self.numbers)

    def after(self, cuts):
        return max(self.init_value * self.factor**cuts, self.min_value) if cuts else self.init_value

    def hear(self, count, value):
        if not self.rule.stalled(value):
            return
        old, new = self.after(self.rule.cuts), self.after(self.rule.cuts + 1)
        gain = old - new - self.min_change
        if 0 < abs(gain) < 1e-6 * old or 0 < new < 1e-25:
            raise Ambiguous
        if gain > 0:
            self.rule.cuts += 1
            self.decisions += 1

    def value(self, count):
        return self.after(self.rule.cuts)


class Guard(Reduce):
    CLS, RULE, KNOWS = rx.SpikeGuard, GuardRule, ("mean", "deviation", "known", "since", "in_a_row", "spikes", "unheard")

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


class Stopped(Ruled):
    """Changes no rate, and asks to stop."""

    CLS, RULE, KNOWS = rx.StopOnPlateau, PlateauRule, PLATEAU

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
    CLS, RULE, KNOWS = rx.AdvanceOnPlateau, PlateauRule, PLATEAU

    def __init__(self, parts, monitor, latest, **numbers):
        super().__init__(monitor, **numbers)
        self.rule, self.parts, self.latest = self.RULE(**numbers), tuple(parts), latest
        self.part = self.began = 0

    def build(self):
        return self.CLS([part.build() for part in self.parts], latest=self.latest, monitor=self.monitor, **self.numbers)

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
