"""Successive halving: how far each rung goes, and how many candidates are left after it."""

from __future__ import annotations

import math
from typing import NamedTuple

from rheostax._check import is_whole
from rheostax.errors import ArgumentError

__all__ = ["Rung", "rungs"]


class Rung(NamedTuple):
    """A part of the race: `entrants` candidates train up to `end` updates."""

    end: int
    entrants: int


def rungs(candidates: int, steps: int, *, halving: int = 2, chunk: int = 1) -> tuple[Rung, ...]:
    """Return the rungs of a race.

    With h = `halving` and n candidates there are m = ceil(log_h(n)) rungs, the i-th of which (i = 0 ... m - 1) ends after
    steps / h^(m - 1 - i) updates. The best ceil(n / h^i) enter it, so that h at most train to the end. The updates of all add up to about
    `(1 + (m - 1) (h - 1) / h) * h` full runs: five for 16 candidates and h = 2. Candidates go on from where they were, so no
    update is made twice.

    Args:
        candidates: How many begin, >= 1.
        steps: Updates of a full run, >= 1.
        halving: How many times fewer go on after each rung, >= 2.
        chunk: Updates of one compiled call; rungs end at multiples of it, except for the last.

    Returns:
        The rungs, with increasing ends, the last of which is `steps`. Where `steps` has no room for all of them, the first ones
        are left out and their candidates go on to the next.

    Raises:
        ArgumentError: If an argument breaks its rule.

    >>> rungs(16, 800)
    (Rung(end=100, entrants=16), Rung(end=200, entrants=8), Rung(end=400, entrants=4), Rung(end=800, entrants=2))
    """
    for name, value, low in (("candidates", candidates, 1), ("steps", steps, 1), ("halving", halving, 2), ("chunk", chunk, 1)):
        if not is_whole(value, low):
            raise ArgumentError(f"race: {name} must be a whole number >= {low}, got {value!r}.")
    entrants = [candidates]
    while entrants[-1] > halving:
        entrants.append(-(-entrants[-1] // halving))
    ends = [steps / halving**i for i in reversed(range(len(entrants)))]
    ends = [max(1, math.floor(end / chunk + 0.5)) * chunk for end in ends[:-1]] + [steps]
    found: dict[int, int] = {}
    for end, count in zip(ends, entrants, strict=True):
        found.setdefault(min(end, steps), count)  # of rungs that end at the same update the first, with all its candidates
    return tuple(Rung(end, count) for end, count in found.items())
