"""Cycles in exact fractions."""

import math
from fractions import Fraction

LAST = 2**31 - 1


def nearest(number):
    return min(math.floor(Fraction(number) + Fraction(1, 2)), LAST)


def begins(period, length_factor, cycles):
    """The counts at which `cycles + 1` cycles begin, the last of them being the end of the one before."""
    sums = [sum(Fraction(length_factor) ** j for j in range(i)) for i in range(cycles + 1)]
    return [nearest(period * total) for total in sums]


def locate(count, period, length_factor, limit):
    """Return the cycle of a count, the count within it, and its length."""
    edges = begins(period, length_factor, limit)
    cycle = max(i for i in range(limit) if edges[i] <= count)
    return cycle, min(count, edges[cycle + 1]) - edges[cycle], edges[cycle + 1] - edges[cycle]
