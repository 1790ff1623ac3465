"""Is a function of a training pure? Asked before it is compiled, and answered in words."""

from __future__ import annotations

import contextlib
import re
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import flax.errors
import jax
import numpy as np
from flax import nnx

from rheostax._outside import Outside
from rheostax.errors import ArgumentError, RheostaxError, RheostaxWarning

__all__ = ["in_words", "require_pure", "watched"]

Kind = type[RheostaxError]
NUMBER_WANTED = (
    jax.errors.ConcretizationTypeError, jax.errors.TracerArrayConversionError, jax.errors.TracerIntegerConversionError,
    jax.errors.NonConcreteBooleanIndexError,
)  # fmt: skip


def require_pure(
    function: Callable[..., Any],
    traced: Callable[..., Any],
    arguments: tuple[Any, ...],
    *,
    what: str = "step",
    kind: Kind = ArgumentError,
    depth: int = 5,
) -> tuple[Any, Any]:
    """Trace a function twice and refuse it where that shows a side effect; nothing is computed.

    What a function jitted by the user does in Python isn't seen a second time, since JAX remembers its trace.

    Args:
        function: As it was given; what it refers to outside of itself is looked at.
        traced: The same, as it is going to be compiled.
        arguments: What `traced` takes.
        what: How messages call it.
        kind: What is raised.
        depth: How many calls above this one the user's is, for warnings.

    Returns:
        The computation as a jaxpr, and the shapes and dtypes of its result.

    Raises:
        ArgumentError: Or `kind`, if it changes what is outside of it, depends on more than its arguments, or needs concrete values.
    """
    outside = Outside(function)
    first, result = _trace(traced, arguments, what, kind)
    _refuse_kept(outside, what, kind)
    if changed := outside.changed(memos=False):
        told = f"{what} changes {', '.join(changed)}, outside of it: that happens when it is compiled, not at each update."
        warnings.warn(told, RheostaxWarning, stacklevel=depth)
    second, _ = _trace(traced, arguments, what, kind)
    if not _equal(first, second):
        raise kind(
            f"{what} must be pure, but traced twice it gives two different computations: something in it depends on more than its "
            "arguments, such as Python's or NumPy's random numbers, the time, or a counter outside of it. Make random numbers from a key "
            "in the state, with Flax NNX from the model's nnx.Rngs."
        )
    return first.jaxpr, result


@contextlib.contextmanager
def watched(function: Callable[..., Any], what: str, kind: Kind = ArgumentError) -> Iterator[None]:
    """Say in words what goes wrong while a function runs that may compile, and refuse what that leaves outside of it."""
    outside = Outside(function)
    with in_words(what, kind):
        yield
    _refuse_kept(outside, what, kind)


@contextlib.contextmanager
def in_words(what: str, kind: Kind = ArgumentError) -> Iterator[None]:
    """Say in words what JAX and Flax say of a function that isn't pure, or can't be compiled."""
    try:
        yield
    except (flax.errors.TraceContextError, ValueError) as error:
        if "trace level" not in str(error):
            raise
        raise kind(
            f"{what} must be pure, but it changes an NNX object from outside of it. Let it use the model and the optimizer that it is "
            f"called with, and give everything that it changes in the state: (model, optimizer, ...). Flax says: {_first_line(error)}"
        ) from error
    except jax.errors.UnexpectedTracerError as error:
        raise _used_later(what, kind, f" JAX says: {_first_line(error)}") from error
    except NUMBER_WANTED as error:
        raise kind(
            f"{what} must be compilable, but it needs the number itself somewhere: float(loss), .item(), numpy on it, or a Python `if` on "
            f"it. Leave that out, or use jax.numpy and jax.lax.cond. JAX says: {_first_line(error)}"
        ) from error


def _trace(traced: Callable[..., Any], arguments: tuple[Any, ...], what: str, kind: Kind) -> tuple[Any, Any]:
    def fresh(*arguments: Any) -> Any:  # another each time: JAX remembers by the function what it has traced
        return traced(*arguments)

    with in_words(what, kind):
        found, result = jax.make_jaxpr(fresh, return_shape=True)(*arguments)
    if any(isinstance(constant, jax.core.Tracer) for constant in found.consts):
        raise _used_later(what, kind)
    return found, result


def _used_later(what: str, kind: Kind, more: str = "") -> RheostaxError:
    return kind(
        f"{what} must be pure, but a value of one call is used in another: it is kept outside of it. Carry it in the state, with Flax NNX "
        f"in a Variable of the model.{more}"
    )


def _refuse_kept(outside: Outside, what: str, kind: Kind) -> None:
    """Refuse that values of a computation that is only written down, not done, stay outside of it."""
    kept = [name for name, new in outside.changed().items() if any(map(_is_traced, new))]
    if kept:
        raise kind(
            f"{what} must be pure, but it keeps values of its own in {', '.join(kept)}, outside of it; when it is compiled these hold no "
            "numbers. Return them instead, for example as (loss, metrics)."
        )


def _is_traced(value: Any) -> bool:
    leaves = jax.tree.leaves(value) if isinstance(value, nnx.Variable) else [value]
    return any(isinstance(leaf, jax.core.Tracer) for leaf in leaves)


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]


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
