"""The rule of `AnnealWhenWorthIt` in plain Python and float64, one observation at a time."""

import math

import numpy as np

BLOCKS, FEWEST, SPAN, EARLIEST = 32, 6, 64, 8
EXPONENTS = np.geomspace(0.05, 2.0, 16)


class Anneal:
    """Takes a loss at each count; `planned` is when the decay begins."""

    def __init__(self, total, warmup=0, gain=0.0, timescale=1_000.0, power=0.5, doubt=0.2, confidence=1.64):
        self.total, self.warmup, self.gain, self.timescale, self.power = total, warmup, gain, timescale, power
        self.doubt, self.confidence = doubt, confidence
        self.chosen, self.began, self.block = None, False, -1
        self.values = {}

    @property
    def planned(self):
        return self.total // 2 if self.chosen is None else self.chosen

    def __call__(self, count, value):
        block = self.block_of(count)
        if block > self.block and count < self.planned and self.gain > 0:
            self.chosen = self.plan(count)
        if count >= self.planned:
            self.chosen, self.began = self.planned, True
        self.block = max(block, self.block)
        if block >= 0 and not self.began:
            self.values.setdefault(block, []).append((count, value))
        return self.planned

    def block_of(self, count):
        first = max(self.total / SPAN, self.warmup, 1)
        time = max(count, 1)
        return -1 if time < first else min(int(BLOCKS * math.log(time / first) / math.log(self.total / first)), BLOCKS - 1)

    def plan(self, now):
        if len(self.values) >= FEWEST and now >= self.total // EARLIEST:
            clear = {start: gain for start, (gain, error) in self.compared(now).items() if gain > error}
            if clear:
                return max(clear, key=clear.get)
        return None if now <= self.total // 2 else now

    def compared(self, now):
        """Return for every start its gain on half the budget, or on now if that is later, and the error of that."""
        fits, usual = self.fits(), max(now, self.total // 2)
        starts = [now + math.floor(part * (self.total - now)) for part in np.linspace(0.0, 0.98, 50)]
        return {start: self.gain_of(start, usual, fits) for start in starts}

    def fits(self):
        """Return for every exponent the slope, its variance, and the logarithm of its likelihood."""
        time = np.array([np.mean([count for count, _ in pairs]) for pairs in self.values.values()])
        loss = np.array([np.mean([value for _, value in pairs]) for pairs in self.values.values()])
        n, found = len(loss), []
        for a in EXPONENTS:
            x = self.power_of(time, a)
            slope = max(np.polyfit(x, loss, 1)[0], 0.0)
            rest = np.sum((loss - loss.mean() - slope * (x - x.mean())) ** 2) + 1e-12 + 1e-14 * np.abs(loss).max() ** 2 * n
            found.append((slope, rest / (n - 2) / np.sum((x - x.mean()) ** 2), -0.5 * (n - 2) * np.log(rest)))
        return np.array(found).T

    def gain_of(self, start, usual, fits):
        """Return the gain of a start on the usual one, and its error, over all exponents."""
        slope, variance, logs = fits
        step = self.power_of((usual + self.total) / 2, EXPONENTS) - self.power_of((start + self.total) / 2, EXPONENTS)
        weight = np.exp(logs - max(logs))
        weight /= weight.sum()
        mean = np.sum(weight * slope * step)
        spread = np.sum(weight * ((slope * step - mean) ** 2 + step**2 * variance))
        decay = self.decay(self.total - start) - self.decay(self.total - usual)
        return mean + decay, self.confidence * math.sqrt(spread + (self.doubt * decay) ** 2)

    def power_of(self, count, a):
        return (np.maximum(count - self.warmup / 2, 0.5) / self.total) ** -a

    def decay(self, steps):
        return self.gain * (1 - (1 + steps / self.timescale) ** -self.power)
