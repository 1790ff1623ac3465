"""How the axes of all pictures look."""

from __future__ import annotations

from typing import Any

import numpy as np

from rheostax._extras import load

__all__ = ["span_is_wide", "tidy"]

GRID = "#e6e6e6"
WIDE = 20  # times


def tidy(axis: Any, *, grid: str = "both") -> None:
    """Draw a light grid behind the curves, and no frame at the top and the right; a short logarithmic axis has plain numbers."""
    axis.grid(visible=True, axis=grid, color=GRID, linewidth=0.6)
    axis.spines[["top", "right"]].set_visible(False)
    axis.set_axisbelow(True)
    for one in (axis.xaxis, axis.yaxis):
        low, high = one.get_view_interval()
        if one.get_scale() == "log" and high < 100 * low:  # a power of ten or two don't tell enough
            ticker = load("matplotlib.ticker", extra="plot")
            one.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
            one.set_major_formatter("{x:g}")
            one.set_minor_formatter(ticker.NullFormatter())


def span_is_wide(values: Any) -> bool:
    """Tell whether positive numbers span so much that a linear axis would hide the small ones."""
    values = np.asarray(values, np.float64)
    positive = values[np.isfinite(values) & (values > 0)]
    return bool(positive.size and positive.max() > WIDE * positive.min())
