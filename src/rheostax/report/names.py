"""Short names that tell runs apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

__all__ = ["short_names"]


def short_names(paths: Sequence[Path]) -> list[str]:
    """Return for each path the shortest end of it that no other path has: "digits", or "a/run" and "b/run"."""
    parts = [path.resolve().parts for path in paths]
    lengths = [1] * len(parts)
    while True:
        ends = [one[-length:] for one, length in zip(parts, lengths, strict=True)]
        times = Counter(ends)
        longer = [min(length + (times[end] > 1), len(one)) for one, end, length in zip(parts, ends, lengths, strict=True)]
        if longer == lengths:
            return ["/".join(end).replace("//", "/") for end in ends]
        lengths = longer
