"""What follows a plateau, as plain Python objects around the plain plateau rule."""

import math

from tests.oracles.plateau import Plateau


class Watch(Plateau):
    """Tell at each observation whether the metric has stalled just now."""

    def __init__(self, mode="min", patience=10, rtol=1e-4, atol=0.0, cooldown=0, accumulation_size=1):
        super().__init__(mode, 0.5, patience, rtol, atol, cooldown, accumulation_size, 0.0)

    def stalled(self, value):
        before = self.scale
        self.observe(value)
        return self.scale != before


def advance(rates, values, latest=None, **settings):
    """Return the rate of every update: rates[part] at the count since the part began."""
    watch, part, began, found = Watch(**settings), 0, 0, []
    for count, value in enumerate(values):
        while latest is not None and part < len(latest) and count >= latest[part]:
            part, began = part + 1, max(began, latest[part])
        if watch.stalled(value) and part < len(rates) - 1:
            part, began = part + 1, count
        found.append(rates[part](count - began))
    return found


def restart(rate, values, factor=1.0, max_restarts=None, **settings):
    """Return the rate of every update: factor ** restarts * rate at the count since the last restart."""
    watch, restarts, began, found = Watch(**settings), 0, 0, []
    for count, value in enumerate(values):
        if watch.stalled(value) and (max_restarts is None or restarts < max_restarts):
            restarts, began = restarts + 1, count
        found.append(factor**restarts * rate(count - began))
    return found


class Greedy:
    """Takes one value after another; `scale` is the factor."""

    def __init__(self, mode, factor, patience, rtol, atol, cooldown, warmup, min_scale, max_scale, min_change, reset_after):
        self.mode, self.factor, self.patience, self.rtol, self.atol = mode, factor, patience, rtol, atol
        self.cooldown, self.warmup, self.min_scale, self.max_scale = cooldown, warmup, min_scale, max_scale
        self.min_change, self.reset_after = min_change, reset_after
        self.resting = 0
        self._begin()

    def _begin(self):
        self.scale, self.best, self.good, self.bad, self.low = 1.0, None, 0, 0, 0

    def observe(self, value):
        if self.resting:
            self.resting -= 1
            self.good = self.bad = 0
            return
        better = self._improves(value)
        self.good, self.bad = (self.good + 1, 0) if better else (0, self.bad + 1)
        self.best = value if better else self.best
        if self.good >= self.patience:
            goal = min(self.scale / self.factor, self.max_scale)
            self.scale = goal if goal - self.scale > self.min_change else self.scale
            self.good, self.low, self.resting = 0, 0, self.warmup
        elif self.bad >= self.patience:
            self._fall()

    def _fall(self):
        goal = max(self.scale * self.factor, self.min_scale)
        self.scale = goal if self.scale - goal > self.min_change else self.scale
        self.bad, self.resting = 0, self.cooldown
        self.low += self.scale <= self.min_scale
        if self.reset_after is not None and self.scale <= self.min_scale and self.low >= self.reset_after:
            self._begin()

    def _improves(self, value):
        if self.best is None:
            return True
        return (self.best - value if self.mode == "min" else value - self.best) > self.rtol * abs(self.best) + self.atol


def greedy(values, *settings, **named):
    """Return the factor after every observation."""
    rule, found = Greedy(*settings, **named), []
    for value in values:
        rule.observe(value)
        found.append(rule.scale)
    return found


class SpikeGuard:
    """Takes one value after another; `scale` is the factor, `spikes` how many there were."""

    def __init__(self, mode, threshold, window, factor, recovery, max_spikes):
        self.mode, self.threshold, self.window, self.factor = mode, threshold, window, factor
        self.recovery, self.max_spikes = recovery, max_spikes
        self.mean, self.deviation, self.known, self.since, self.in_a_row, self.spikes = 0.0, 0.0, 0, math.inf, 0, 0

    @property
    def scale(self):
        return self.factor + (1 - self.factor) * min(self.since, self.recovery) / self.recovery

    def away(self, value):
        """Return how far a value is away in the direction of spikes, and from what distance on it is one."""
        least = max(self.deviation, 2.0**-22 * abs(self.mean))
        return (value - self.mean if self.mode == "min" else self.mean - value), self.threshold * least

    def observe(self, value):
        away, limit = self.away(value)
        if self.known >= self.window and away > limit:
            self.spikes, self.in_a_row, self.since = self.spikes + 1, self.in_a_row + 1, 0
            if self.in_a_row >= self.max_spikes:
                self.known = self.in_a_row = 0
                self.deviation = 0.0
            return
        self.in_a_row, self.since = 0, self.since + 1
        if self.known == 0:
            self.mean, self.known = value, 1
            return
        self.known = min(self.known + 1, self.window)
        distance = value - self.mean
        self.mean += distance / self.known
        self.deviation += (abs(distance) - self.deviation) / max(self.known - 1, 1)


def spike_guard(values, *settings, **named):
    """Return the factor after every observation, and the number of spikes."""
    rule, found = SpikeGuard(*settings, **named), []
    for value in values:
        rule.observe(value)
        found.append((rule.scale, rule.spikes))
    return found
