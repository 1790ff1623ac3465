"""The statistical plateau by its definition, in float64 and with lists that grow: block means, differences, bets."""

import math

LEVELS, BETS, LONG, NO_NOISE, RISE = 8, (0.5, 0.9), 4, 0.01, 1.0


class Level:
    """Blocks of one length, and the bets on their differences."""

    def __init__(self):
        self.blocks, self.near, self.far = [], 0.0, 0.0
        self.wealth = {(pairing, what): [0.0] * len(BETS) for pairing in (0, 1) for what in ("no fall", "no rise", "rise")}
        self.differences = {0: 0, 1: 0}

    def correlation(self, slack):
        if self.far + slack == 0:
            return 0.0
        q = min(((self.near + slack) / (self.far + slack)) ** 2, 1.0)
        x = max(2 - math.sqrt(1 + 3 * q), 0.0)
        return min(x + 1.7 * x**5, 0.99)


class StatisticalPlateau:
    """Observe values one by one; `cuts` are the numbers of those that made it act, from 0, `found` the log evidence and the distance then.

    Paired values are differences already: each is bet on as it is, without levels or windows.
    """

    def __init__(self, window, rtol, atol, alpha, blocks, mode="min", paired=False):
        self.length, self.parts, self.paired = 1 if paired else math.ceil(window / blocks), blocks, paired
        self.windows, self.rtol, self.atol = blocks * math.ceil(window / blocks) / window, rtol, atol
        self.alpha, self.sign = alpha, 1 if mode == "min" else -1
        self.cuts, self.found, self.heard, self.begun = [], [], 0, 1
        self.begin()

    def begin(self):
        self.block, self.levels = [], [Level() for _ in range(1 if self.paired else LEVELS)]

    def observe(self, value):
        self.heard += 1
        if not math.isfinite(value):
            return
        self.block.append(self.sign * value)
        if len(self.block) < self.length:
            return
        self.levels[0].blocks.append(sum(self.block) / len(self.block))
        self.block = []
        for lower, level in zip(self.levels, self.levels[1:], strict=False):
            if len(lower.blocks) % 2:
                break
            level.blocks.append((lower.blocks[-1] + lower.blocks[-2]) / 2)
        self.bet()
        self.decide()

    def margin(self, level, before):
        if self.paired:
            return self.rtol + self.atol
        windows = self.windows * 2**level
        return (1 - (1 - self.rtol) ** windows) * abs(before) + windows * self.atol

    def bet(self):
        number = len(self.levels[0].blocks)
        for i, level in enumerate(self.levels):
            if number % 2**i:
                break
            x = level.blocks
            if len(x) > 2 * LONG:
                count = min(len(x) - 2 * LONG, 2 * self.parts)
                level.near += (abs(x[-1] - 2 * x[-2] + x[-3]) - level.near) / count
                level.far += (abs(x[-1] - 2 * x[-1 - LONG] + x[-1 - 2 * LONG]) - level.far) / count
            window = (len(x) - 1) // self.parts
            if (len(x) <= 2 * LONG) if self.paired else (window == 0):
                continue
            before = 0.0 if self.paired else x[-1 - self.parts]
            rise, margin = x[-1] - before, self.margin(i, before)
            slack, below = NO_NOISE * margin, 0.0
            if i:
                lower = self.levels[i - 1]
                below = lower.correlation(NO_NOISE * self.margin(i - 1, lower.blocks[-1 - self.parts])) / 2
            r = 2 / math.pi * math.asin(max(level.correlation(slack), below))
            power = (1 - r) / (1 + r)
            pairing = 0 if self.paired else window % 2
            n = len(x) - 1 if self.paired else level.differences[pairing]
            stake = self.parts / ((n + self.parts) * (n + self.parts + 1))
            for what, number_ in (("no fall", margin + rise), ("no rise", margin - rise), ("rise", rise)):
                toss = self.sign_of(number_, abs(before))
                bets = level.wealth[pairing, what]
                level.wealth[pairing, what] = [(w + stake) * (1 + bet * toss) ** power for w, bet in zip(bets, BETS, strict=True)]
            level.differences[pairing] += 1

    def sign_of(self, number, size):
        """Return the sign of a difference of values of about this size; who computes with rounding may want to know the size."""
        return (number > 0) - (number < 0)

    def reached(self, evidence, needed):
        return evidence >= needed

    def evidence(self, *what):
        """Return the evidence of all of these, and the windows between the blocks that give most of it."""
        found = []
        levels, pairings = len(self.levels), 1 if self.paired else 2
        for i, level in enumerate(self.levels):
            share = (levels + 1) / levels / ((i + 1) * (i + 2)) / pairings
            most = max(min(sum(level.wealth[pairing, one]) / len(BETS) for one in what) for pairing in range(pairings))
            found.append((share * most, 2**i))
        return max(found, key=lambda one: one[0])

    def decide(self):
        evidence, distance = self.evidence("no fall", "no rise")
        flat = self.reached(evidence, self.begun * (self.begun + 1) / self.alpha)
        if flat:
            self.cuts.append(self.heard - 1)
            self.found.append((math.log(evidence), distance))
        if flat or self.reached(self.evidence("rise")[0], RISE):
            self.begun += 1
            self.begin()
