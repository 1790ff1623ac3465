"""How numbers are said in messages and files."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["counted", "plain", "say"]


def plain(values: Any) -> Any:
    """Return a float32 number or array as Python floats with the fewest digits that round to it: 0.003, not 0.0030000000260770."""
    array = np.asarray(values, np.float32)
    return float(str(array[()])) if array.ndim == 0 else [plain(value) for value in array]


def counted(number: int, thing: str) -> str:
    """Write a number of things: "1 update", "1,200 updates"."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def say(value: Any, digits: int = 4) -> str:
    """Write a number, a list of them, or a dict of them by group, with few digits."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {say(one, digits)}" for name, one in value.items()) + "}"
    return "[" + ", ".join(say(one, digits) for one in value) + "]" if isinstance(value, list) else f"{value:.{digits}g}"
