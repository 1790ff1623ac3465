"""A curve as text: in dots of braille where the terminal can show them, else in stars."""

from __future__ import annotations

from typing import Any

import numpy as np

from rheostax._words import say

__all__ = ["draw_curve"]

DOTS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])  # of a braille character: 4 rows, 2 columns


def draw_curve(counts: Any, rates: Any, *, width: int = 72, height: int = 10, braille: bool = True) -> str:
    """Draw a learning rate over the count of updates, from 0 up.

    Args:
        counts: Counts, increasing, `[n]`.
        rates: The rate at each, `[n]`, or `[n, groups]`: a curve for each.
        width: Characters of a line, at least 24.
        height: Lines of the curve.
        braille: Whether to use braille, with 8 dots in a character, or stars.

    Returns:
        Lines of text: the curve, and below it the counts.
    """
    counts, rates = np.asarray(counts, np.float64), np.asarray(rates, np.float64).reshape(len(counts), -1)
    finite = np.isfinite(rates)
    top = float(rates[finite].max(initial=0.0)) or 1.0
    labels = [say(top, 3), say(top / 2, 3), "0"]
    left = max(map(len, labels))
    columns, rows = width - left - 2, height
    wide, high = (2 * columns, 4 * rows) if braille else (columns, rows)
    canvas = np.zeros((high, wide), bool)
    span = (counts[-1] - counts[0]) or 1.0
    across = np.rint((counts - counts[0]) / span * (wide - 1)).astype(int)
    for curve in rates.T:
        _line(canvas, across, np.rint((1 - np.nan_to_num(curve, nan=0.0, posinf=top) / top) * (high - 1)).astype(int))
    axis = {0: labels[0], rows // 2: labels[1], rows - 1: labels[2]}
    lines = [f"{axis.get(i, ''):>{left}} {'┤' if braille else '|'}{row}".rstrip() for i, row in enumerate(_characters(canvas, braille))]
    ends = [f"{int(counts[0]):,}", f"{int(counts[0] + span / 2):,}", f"{int(counts[-1]):,}"]
    below = f"{ends[0]}{ends[1]:^{columns - len(ends[0]) - len(ends[2])}}{ends[2]}"
    return "\n".join([*lines, " " * (left + 2) + below])


def _line(canvas: np.ndarray, across: np.ndarray, down: np.ndarray) -> None:
    """Join points by lines without gaps."""
    for x0, x1, y0, y1 in zip(across[:-1], across[1:], down[:-1], down[1:], strict=True):
        many = max(abs(x1 - x0), abs(y1 - y0)) + 1
        canvas[np.rint(np.linspace(y0, y1, many)).astype(int), np.rint(np.linspace(x0, x1, many)).astype(int)] = True


def _characters(canvas: np.ndarray, braille: bool) -> list[str]:
    if not braille:
        return ["".join("*" if dot else " " for dot in row) for row in canvas]
    high, wide = canvas.shape
    cells = canvas.reshape(high // 4, 4, wide // 2, 2).transpose(0, 2, 1, 3)
    codes = (cells * DOTS).sum((2, 3))
    return ["".join(chr(0x2800 + code) if code else " " for code in row) for row in codes]
