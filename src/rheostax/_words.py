"""How numbers and other values are said in messages and files."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

__all__ = ["counted", "described", "plain", "say", "shown"]

SHOWN = 200  # characters of a value in an error


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


def shown(value: Any) -> str:
    """Return a value as an error quotes it: thousands of numbers, or of digits, would hide the rule."""
    try:
        text = str(value) if isinstance(value, jax.Array | np.ndarray) else repr(value)
    except ValueError:  # Python writes no more than 4,300 digits
        return "a value with too many digits to show"
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}... ({len(text):,} characters)"


def described(value: Any) -> str:
    """Return what kind of value it is: float32[4] of an array, else the name of its type."""
    dtype = getattr(value, "dtype", None)
    return type(value).__name__ if dtype is None else f"{dtype}{list(getattr(value, 'shape', ()))}"
