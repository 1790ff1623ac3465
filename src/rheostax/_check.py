"""The rules that arguments keep, checked once, at construction.

Each rule normalizes as well: fractions become `float`, counts become `int`, so that later a leaf's Python type alone says
whether it is a float32 or an int32. A tracer is passed through, since its value isn't known; so hyperparameters can be
vmapped and jitted over. An array is checked element by element.
"""

from __future__ import annotations

import difflib
import itertools
import math
import numbers
import operator
from collections.abc import Callable, Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rheostax._duration import Duration, as_duration
from rheostax._words import shown
from rheostax.errors import ArgumentError, RheostaxError

__all__ = [
    "INT32_MAX",
    "as_scalar",
    "choice",
    "did_you_mean",
    "duration",
    "each_number",
    "each_whole",
    "increasing",
    "is_whole",
    "name",
    "number",
    "one_fewer",
    "one_of",
    "single",
    "whole",
]

INT32_MAX = 2**31 - 1
UNITS_ADVICE = "In other units than updates a length is a text such as '10ep', '5000st', '1e6sa', '1e9tok' or '0.1run'."
TAKEN = ("updates", "state", "params", "model", "grads")  # by `update` of an optax transformation or an `nnx.Optimizer`


def _set(node: Any, field: str, value: Any) -> None:
    object.__setattr__(node, field, value)  # the dataclasses are frozen


def _fail(node: Any, field: str, rule: str, value: Any, advice: str = "") -> ArgumentError:
    got = shown(value)
    return ArgumentError(f"{type(node).__name__}: {field} must be {rule}, got {got}." + (f" {advice}" if advice else ""))


def _convert(node: Any, field: str, value: Any, dtype: Any, rule: str, advice: str = "") -> Any:
    """Give a Python number for a scalar, an array of `dtype` for an array or tracer; refuse everything else."""
    if isinstance(value, jax.core.Tracer):
        return value.astype(dtype)
    if isinstance(value, bool | str | bytes) or value is None:
        raise _fail(node, field, rule, value, advice if isinstance(value, str) else "")
    try:
        array = np.asarray(value)
    except Exception:
        raise _fail(node, field, rule, value) from None
    if not (jnp.issubdtype(array.dtype, jnp.floating) or jnp.issubdtype(array.dtype, jnp.integer)):
        raise _fail(node, field, rule, value)
    return array.item() if array.ndim == 0 else array


def single(node: Any, *fields: str) -> None:
    """Check that fields are no arrays, where the rule after it would go through their elements."""
    for field in fields:
        if np.ndim(value := getattr(node, field)):
            raise _fail(node, field, "one number", value)


def number(
    node: Any,
    field: str,
    *,
    low: float = 0.0,
    high: float = math.inf,
    low_open: bool = False,
    high_open: bool = True,
    advice: str = "",
) -> None:
    """Check that `node.field` is a finite number between `low` and `high`, and make it a float."""
    value = getattr(node, field)
    left, right = "(" if low_open else "[", ")" if high_open else "]"
    rule = f"a finite number in {left}{low:g}, {high:g}{right}"
    value = _convert(node, field, value, jnp.float32, rule)
    if not isinstance(value, jax.core.Tracer):
        with np.errstate(over="ignore"):  # what is too large for float32 is infinite
            single = np.asarray(value, np.float32)  # the rule must hold for the number that will be used
        above = single > low if low_open else single >= low
        below = single < high if high_open else single <= high
        if not np.all(above & below & np.isfinite(single)):
            raise _fail(node, field, rule, value, advice)
        value = float(value) + 0.0 if np.ndim(value) == 0 else jnp.asarray(value, jnp.float32)  # 0.0, not -0.0
    _set(node, field, value)


def duration(node: Any, field: str, *, low: int = 1, advice: str = "") -> None:
    """Check that `node.field` is a whole number of updates from `low`, or a duration in another unit."""
    value = as_duration(getattr(node, field))
    _set(node, field, value)
    if isinstance(value, str):
        raise _fail(node, field, f"a whole number >= {low}", value, UNITS_ADVICE)
    if not isinstance(value, Duration):
        whole(node, field, low=low, advice=advice)
    elif value.value == 0 and low > 0:
        raise _fail(node, field, "longer than nothing", value, advice)


def is_whole(value: Any, low: int) -> bool:
    """Tell whether a value is an integer, of Python or NumPy, from `low` on."""
    return isinstance(value, numbers.Integral) and not isinstance(value, bool) and int(value) >= low


def whole(node: Any, field: str, *, low: int = 1, advice: str = "") -> None:
    """Check that `node.field` is a whole number from `low` to 2**31 - 1, and make it an int."""
    value = getattr(node, field)
    rule = f"a whole number >= {low}"
    value = _convert(node, field, value, jnp.int32, rule, advice)
    if not isinstance(value, jax.core.Tracer):
        if not np.all(np.isfinite(value)) or np.any(np.asarray(value) != np.floor(value)) or np.any(np.asarray(value) < low):
            raise _fail(node, field, rule, value, advice)
        if np.any(np.asarray(value) > INT32_MAX):
            raise _fail(node, field, f"at most {INT32_MAX:,} (counts are int32)", value, "Count in larger units.")
        value = operator.index(int(value)) if np.ndim(value) == 0 else jnp.asarray(value, jnp.int32)
    _set(node, field, value)


def increasing(node: Any, field: str) -> None:
    """Check that `node.field` is a sequence of whole numbers >= 1, each above the one before, and make it a tuple of ints."""
    given, rule = getattr(node, field), "whole numbers >= 1 in increasing order"
    if not isinstance(given, Iterable):
        raise _fail(node, field, rule, given)
    values = tuple(as_duration(value) for value in given)
    if any(isinstance(value, Duration) for value in values):
        _set(node, field, values)  # their order is known when they are resolved
        return
    if not any(isinstance(value, jax.core.Tracer) for value in values):
        values = tuple(_convert(node, field, value, jnp.int32, rule) for value in values)
        if not all(np.ndim(v) == 0 and math.isfinite(v) and v == int(v) and 1 <= v <= INT32_MAX for v in values):
            raise _fail(node, field, rule, values)
        if any(a >= b for a, b in itertools.pairwise(values)):
            raise _fail(node, field, rule, values, "Sort them; each is the count at which the next part begins.")
        values = tuple(int(value) for value in values)
    _set(node, field, values)


def each_whole(node: Any, field: str, *, low: int = 1) -> None:
    """Check that `node.field` is a sequence of whole numbers from `low`, and make it a tuple of ints."""
    given, rule = getattr(node, field), f"whole numbers >= {low}"
    if not isinstance(given, Iterable):
        raise _fail(node, field, rule, given)
    values = tuple(_convert(node, field, value, jnp.int32, rule) for value in given)
    known = [value for value in values if not isinstance(value, jax.core.Tracer)]
    if not all(np.ndim(v) == 0 and math.isfinite(v) and v == int(v) and low <= v <= INT32_MAX for v in known):
        raise _fail(node, field, rule, values)
    _set(node, field, tuple(value if isinstance(value, jax.core.Tracer) else int(value) for value in values))


def each_number(node: Any, field: str, *, low: float = 0.0) -> None:
    """Check that `node.field` is a sequence of at least one finite number from `low`, and make it a tuple of floats."""
    given, rule = getattr(node, field), f"finite numbers >= {low:g}, at least one"
    if not isinstance(given, Iterable) or not (given := tuple(given)):
        raise _fail(node, field, rule, given)
    values = tuple(_convert(node, field, value, jnp.float32, rule) for value in given)
    known = [value for value in values if not isinstance(value, jax.core.Tracer)]
    with np.errstate(over="ignore"):
        if not all(np.ndim(v) == 0 and np.isfinite(np.float32(v)) and v >= low for v in known):
            raise _fail(node, field, rule, values)
    _set(node, field, tuple(value if isinstance(value, jax.core.Tracer) else float(value) + 0.0 for value in values))


def one_fewer(node: Any, field: str, than: str) -> None:
    """Check that there is one number in `node.field` for each in `node.than` but the first."""
    few, many = getattr(node, field), getattr(node, than)
    if len(few) != len(many) - 1:
        raise ArgumentError(f"{type(node).__name__}: {field} must be one fewer than {than}, got {len(few)} for {len(many)} {than}.")


def choice(node: Any, field: str, choices: Iterable[Any]) -> None:
    """Check that `node.field` is one of `choices`."""
    one_of(f"{type(node).__name__}: {field}", getattr(node, field), choices)


def one_of(what: str, value: Any, known: Iterable[Any], error: type[RheostaxError] = ArgumentError) -> None:
    """Check that `value`, which the message calls `what`, is one of the known ones."""
    known = tuple(known)
    if value not in known:
        raise error(f"{what} must be one of {', '.join(map(repr, known))}, got {shown(value)}. {did_you_mean(value, known)}".rstrip())


def name(node: Any, field: str) -> None:
    """Check that `node.field` can be the keyword of an observation."""
    value = getattr(node, field)
    if not (isinstance(value, str) and value.isidentifier()):
        raise _fail(node, field, "a metric's name, usable as a keyword", value)
    if value in TAKEN:
        raise _fail(node, field, f"a metric's name, and none of update's own arguments {', '.join(TAKEN)}", value)


def as_scalar(what: str, value: Any, advice: str = "") -> jax.Array:
    """Return a real scalar as `float32 []`, or say that `what` must be one."""
    on_device = isinstance(value, jax.Array) or hasattr(value, "__jax_array__")  # a Flax Variable has that
    try:
        array = jnp.asarray(value) if on_device else np.asarray(value)  # jnp would wrap an int64 round
    except ValueError:  # lists of different lengths
        raise ArgumentError(f"{what} must be a scalar, got {shown(value)}.{advice}") from None
    if array.shape != ():
        raise ArgumentError(f"{what} must be a scalar, got shape {array.shape}.{advice}")
    if not (jnp.issubdtype(array.dtype, jnp.floating) or jnp.issubdtype(array.dtype, jnp.integer)):
        raise ArgumentError(f"{what} must be a real number, got {shown(value)}.")
    with np.errstate(over="ignore"):
        return jnp.asarray(array, jnp.float32)


def did_you_mean(word: Any, known: Iterable[str], say: Callable[[str], str] = "Did you mean {!r}?".format) -> str:
    """Suggest the nearest known word, or nothing."""
    near = difflib.get_close_matches(word if isinstance(word, str) else shown(word), list(map(str, known)), n=1)
    return say(near[0]) if near else ""
