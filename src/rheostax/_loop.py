"""Many updates with nothing fetched in between.

One dispatch for all of them is the fastest wherever the host is the bottleneck, with one exception: within a loop XLA's CPU
compiler computes convolutions some twenty times slower than outside of one (jaxlib 0.10). There the updates are dispatched one
by one, without waiting for any.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

__all__ = ["has_convolution", "make_loop"]

Update = Callable[[Any, Any], tuple[Any, Any]]  # (state, input) -> (state, output), pure


def make_loop(update: Update, *, convolves: bool | None = None) -> Update:
    """Return `(state, inputs) -> (state, outputs)`: one update per row of the stacked inputs; the outputs are stacked too.

    It is compiled when it is first called. The state that is passed in is donated, so that it is never held twice.

    Args:
        update: What to repeat.
        convolves: Whether there is a convolution in it; looked up, which means to trace it once, where that isn't known.
    """
    scanned = jax.jit(lambda state, inputs: jax.lax.scan(update, state, inputs), donate_argnums=0)
    single = jax.jit(update, donate_argnums=0)
    chosen: Update | None = None

    def one_by_one(state: Any, inputs: Any) -> tuple[Any, Any]:
        outputs = []
        for i in range(len(jax.tree.leaves(inputs)[0])):
            state, output = single(state, jax.tree.map(lambda rows, i=i: rows[i], inputs))
            outputs.append(output)
        return state, jax.tree.map(lambda *rows: jnp.stack(rows), *outputs)

    def loop(state: Any, inputs: Any) -> tuple[Any, Any]:
        nonlocal chosen
        if chosen is None:
            slow = jax.default_backend() == "cpu" and convolves is not False
            if slow and convolves is None:
                first = jax.tree.map(lambda rows: rows[0], inputs)
                slow = has_convolution(jax.make_jaxpr(update)(state, first).jaxpr)
            chosen = one_by_one if slow else scanned
        return chosen(state, inputs)

    return loop


def has_convolution(jaxpr: Any) -> bool:
    """Tell whether there is a convolution anywhere in a computation."""
    return any(equation.primitive.name == "conv_general_dilated" or any(map(has_convolution, _inner(equation))) for equation in jaxpr.eqns)


def _inner(equation: Any) -> list[Any]:
    """Return the computations within an operation, such as the body of a loop."""
    found = []
    for parameter in equation.params.values():
        for part in parameter if isinstance(parameter, tuple | list) else (parameter,):
            inner = getattr(part, "jaxpr", part)  # a closed one has it inside
            if hasattr(inner, "eqns"):
                found.append(inner)
    return found
