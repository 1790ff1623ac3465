"""Is a step pure? Asked before it is compiled, and answered in words."""

from __future__ import annotations

import inspect
import re
import types
import warnings
from collections.abc import Callable
from typing import Any

import flax.errors
import jax
import numpy as np

from rheostax.errors import ArgumentError, RheostaxWarning
from rheostax.finder.adapt import Pure

__all__ = ["require_pure"]


def require_pure(step: Callable[..., Any], pure: Pure, batch: Any) -> Any:
    """Trace a step twice and refuse it where that shows a side effect; nothing is computed.

    Returns:
        The update as a jaxpr.

    Raises:
        ArgumentError: If the step changes what is outside of it, depends on more than its arguments, needs concrete values, or returns
            a state that isn't like the one it got.
    """
    outside = _outside(step)
    before = {name: _contents(value) for name, value in outside.items()}
    first, result = _trace(pure, batch)
    changed = _changed(step, outside, before)
    leaked = [name for name, new in changed.items() if any(isinstance(part, jax.core.Tracer) for part in new)]
    if leaked:
        raise ArgumentError(
            f"step must be pure, but it keeps values of its own in {', '.join(leaked)}, outside of it; when it is compiled these hold no "
            "numbers. Return them instead, for example as (loss, metrics)."
        )
    if changed:
        warnings.warn(
            f"step changes {', '.join(changed)}, outside of it: that happens when it is compiled, not at each update.",
            RheostaxWarning,
            stacklevel=4,
        )
    _require_same_state(pure.state, result[0])
    second, _ = _trace(pure, batch)
    if not _equal(first, second):
        raise ArgumentError(
            "step must be pure, but traced twice it gives two different computations: something in it depends on more than its arguments, "
            "such as Python's or NumPy's random numbers, the time, or a counter outside of it. Make random numbers from a key in the state."
        )
    return first.jaxpr


def _trace(pure: Pure, batch: Any) -> tuple[Any, Any]:
    def fresh(state: Any, batch: Any, rate: Any) -> Any:  # another each time: JAX remembers by the function what it has traced
        return pure.update(state, batch, rate)

    try:
        return jax.make_jaxpr(fresh, return_shape=True)(pure.state, batch, np.float32(1e-3))
    except (flax.errors.TraceContextError, ValueError) as error:
        if "trace level" not in str(error):
            raise
        raise ArgumentError(
            "step must be pure, but it changes an NNX object from outside of it. Let it use the model and the optimizer that it is called "
            f"with, and give everything that it changes in the state: (model, optimizer, ...). Flax says: {_first_line(error)}"
        ) from error
    except jax.errors.UnexpectedTracerError as error:
        raise ArgumentError(
            "step must be pure, but a value of one call is used in another: it is kept outside of it. Carry it in the state. "
            f"JAX says: {_first_line(error)}"
        ) from error
    except (jax.errors.ConcretizationTypeError, jax.errors.TracerArrayConversionError, jax.errors.TracerIntegerConversionError) as error:
        raise ArgumentError(
            "step must be compilable, but it needs the number itself somewhere: float(loss), .item(), numpy on it, or a Python `if` on it. "
            f"Leave that out, or use jax.numpy and jax.lax.cond. JAX says: {_first_line(error)}"
        ) from error


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]


def _outside(step: Callable[..., Any]) -> dict[str, Any]:
    """Return what a function refers to outside of it, by name; not modules, functions and classes."""
    function = inspect.unwrap(step)
    if not isinstance(function, types.FunctionType | types.MethodType):
        return {}
    found = inspect.getclosurevars(function)
    names = {**found.globals, **found.nonlocals}
    if isinstance(function, types.MethodType):
        names["self"] = function.__self__
    kept = {name: value for name, value in names.items() if not isinstance(value, types.ModuleType | type)}
    return {name: value for name, value in kept.items() if not callable(value) or hasattr(value, "__dict__")}


def _contents(value: Any) -> list[Any]:
    """Return what a container or object holds, itself a container or not."""
    if isinstance(value, dict):
        return [*value.keys(), *value.values()]
    if isinstance(value, list | set | tuple):
        return list(value)
    if isinstance(value, types.FunctionType) or not hasattr(value, "__dict__"):
        return [value]
    return list(vars(value).values())


def _changed(step: Callable[..., Any], outside: dict[str, Any], before: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """Return what is held now by what holds something else than before, by name."""
    changed = {}
    for name, value in _outside(step).items():
        now = _contents(value)
        old = before.get(name, [])
        if value is not outside.get(name) or len(now) != len(old) or any(a is not b for a, b in zip(now, old, strict=True)):
            changed[name] = [part for part in now if not any(part is one for one in old)]
    return changed


def _require_same_state(old: Any, new: Any) -> None:
    """Refuse a step that changes the structure, a shape or a dtype of its state: nothing could repeat it."""
    structure: Any = jax.tree.structure(old)
    if structure != jax.tree.structure(new):
        raise ArgumentError("step must return a state of the structure that it got, but some part comes or goes in an update.")
    places = [path for path, _ in jax.tree_util.tree_flatten_with_path(old)[0]]
    for path, a, b in zip(places, jax.tree.leaves(old), jax.tree.leaves(new), strict=True):
        if (np.shape(a), jax.numpy.result_type(a)) != (b.shape, b.dtype):
            where = jax.tree_util.keystr(path)
            was, now = (f"{jax.numpy.result_type(x)}{list(np.shape(x))}" for x in (a, b))
            raise ArgumentError(
                f"step must return a state like the one it got, but state{where} is {was} before an update and {now} after it."
            )


def _equal(first: Any, second: Any) -> bool:
    """Tell whether two traces are the same computation with the same constants."""
    text = [re.sub(r" at 0x[0-9a-f]+", "", str(trace)) for trace in (first, second)]
    return text[0] == text[1] and all(map(_same, first.consts, second.consts))


def _same(a: Any, b: Any) -> bool:
    if a is b:
        return True
    if jax.numpy.issubdtype(jax.numpy.result_type(a), jax.dtypes.prng_key):
        a, b = jax.random.key_data(a), jax.random.key_data(b)
    return np.asarray(a).tobytes() == np.asarray(b).tobytes()
