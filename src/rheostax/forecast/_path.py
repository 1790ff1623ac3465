"""`Path`: the rates of a run as what the laws are made of, at a bounded number of knots.

The laws sum over all falls of the rate up to a count, for every count: n updates would take n^2 terms. But rates are smooth
between their jumps, so that neighbouring falls can be taken together at their centre, with an error that shrinks with the square of
their distance. With a bounded number of knots, everything takes O(n) for the sums and O(1) for the rest.
"""

from __future__ import annotations

import dataclasses

import numpy as np

__all__ = ["Path"]


@dataclasses.dataclass(frozen=True, eq=False)
class Path:
    """Sums over the rates, in units of the reference rate and of a thousand updates."""

    knots: np.ndarray  # int64 [k]: counts at which a law is evaluated
    progress: np.ndarray  # float64 [k]: sum of (rate / reference) ** exponent before each
    area: np.ndarray  # float64 [k]: sum of rate / reference
    fall: np.ndarray  # float64 [m]: by how much the rate falls at a node, over the reference; < 0 where it rises
    level: np.ndarray  # float64 [m]: the rate after it, over the reference
    since: np.ndarray  # float64 [k, m]: the area from node to knot; 0 before it
    age: np.ndarray  # float64 [k, m]: thousands of updates from node to knot; 0 before it
    passed: np.ndarray  # bool [k, m]: whether the node lies before the knot

    @classmethod
    def of(
        cls, rates: np.ndarray, wanted: np.ndarray, *, begin: int, reference: float, exponent: float, blocks: int, stride: float = 1.0
    ) -> Path:
        """Return the path of a run.

        Args:
            rates: The rate of every update, `[n]`.
            wanted: Counts at which the law will be evaluated, increasing, in [1, n].
            begin: Where falls begin to count: the end of the warm-up, whose rise is no change of the kind that laws describe.
            reference: The unit of rates.
            exponent: Of the rate in `progress`.
            blocks: How many blocks falls are taken together in.
            stride: Updates that each of the rates stands for; counts are in this unit.
        """
        unit = stride / 1e3
        relative = rates / reference
        area = np.concatenate([[0.0], np.cumsum(relative)]) * unit
        progress = area if exponent == 1.0 else np.concatenate([[0.0], np.cumsum(relative**exponent)]) * unit
        falls = -np.diff(relative)  # the one at index k happens between the updates k and k + 1
        falls[:begin] = 0.0  # its last step too, from below the peak to it
        edges = _edges(falls, wanted, blocks)
        where = np.flatnonzero(falls)
        block = np.searchsorted(edges, where, side="right") - 1
        fall = np.bincount(block, falls[where], minlength=len(edges))
        size = np.bincount(block, np.abs(falls[where]), minlength=len(edges))
        centre = np.bincount(block, np.abs(falls[where]) * area[where + 1], minlength=len(edges))
        level = np.bincount(block, np.abs(falls[where]) * relative[where + 1], minlength=len(edges))
        moment = np.bincount(block, np.abs(falls[where]) * (where + 1), minlength=len(edges))
        last = np.zeros(len(edges), np.int64)
        np.maximum.at(last, block, where + 1)
        used = size > 0
        fall, last = fall[used], last[used]
        at, height, moved = (sums[used] / size[used] for sums in (centre, level, moment))
        passed = last[None, :] <= wanted[:, None]
        since = np.where(passed, np.maximum(area[wanted][:, None] - at, 0.0), 0.0)
        age = np.where(passed, (wanted[:, None] - moved) * unit, 0.0)
        return cls(wanted, progress[wanted], area[wanted], fall, height, since, age, passed)


def _edges(falls: np.ndarray, wanted: np.ndarray, blocks: int) -> np.ndarray:
    """Return where blocks begin: evenly over the run, at every knot up to their number, and around every jump."""
    n = len(falls) + 1
    even = np.linspace(0, n, min(blocks, n) + 1).astype(np.int64)[:-1]
    at = wanted[:: max(1, len(wanted) // blocks)]
    size = np.abs(falls)
    jumps = np.flatnonzero(size > max(0.02 * size.sum(), 20 * np.median(size[size > 0])) if size.any() else size > 0)[:blocks]
    return np.unique(np.concatenate([[0], even, at, jumps, jumps + 1]).clip(0, n - 1))
