"""The plateau rule as a plain Python object, one observation at a time; it judges in float32 and scales in float64.

It counts as optax does (a flat metric cuts at its (patience + 1)-th value, then every patience + cooldown values), judges
by `value < best - (rtol * |best| + atol)` or its mirror image, and leaves out what isn't finite.
"""

import numpy as np

F32 = np.float32


class Plateau:
    def __init__(self, mode, factor, patience, rtol, atol, cooldown, accumulation_size, min_scale):
        self.mode, self.factor, self.min_scale = mode, factor, min_scale
        self.patience, self.cooldown, self.accumulation_size = patience, cooldown, accumulation_size
        self.rtol, self.atol = F32(rtol), F32(atol)
        self.scale, self.best, self.window = 1.0, None, []
        self.bad_in_a_row = self.cooling = self.observations = self.nonfinite = 0

    def observe(self, value):
        if not np.isfinite(value):
            self.nonfinite += 1
            return
        self.observations += 1
        self.window.append(F32(value))
        if len(self.window) >= self.accumulation_size:  # more, where it was made smaller meanwhile
            self._judge(self._mean())
            self.window = []

    def _mean(self):
        mean = F32(0)
        for i, value in enumerate(self.window, start=1):
            mean += (value - mean) / F32(i)
        return mean

    def _judge(self, value):
        cooling = self.cooling > 0
        self.cooling -= cooling
        if self._improves(value):
            self.best, self.bad_in_a_row = value, 0
        elif cooling:
            self.bad_in_a_row = 0
        else:
            self.bad_in_a_row += 1
        if self.bad_in_a_row >= self.patience:
            self.scale = max(self.scale * self.factor, min(self.scale, self.min_scale))
            self.bad_in_a_row, self.cooling = 0, self.cooldown

    def _improves(self, value):
        if self.best is None:
            return True
        margin = self.rtol * abs(self.best) + self.atol
        return value < self.best - margin if self.mode == "min" else value > self.best + margin
