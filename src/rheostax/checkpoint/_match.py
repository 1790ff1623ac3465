"""Which saved array and which saved learning rate belongs to which of the code's."""

from __future__ import annotations

import dataclasses

import jax
import numpy as np

from rheostax.checkpoint._carry import Carried
from rheostax.checkpoint._header import Header, described
from rheostax.checkpoint._trees import MOST, Parts, renamed
from rheostax.errors import StateError

__all__ = ["Pairs", "matched", "require_same"]


@dataclasses.dataclass(frozen=True)
class Pairs:
    """The saved name of each of the code's names."""

    arrays: dict[str, str]
    controls: dict[str, str]


def matched(header: Header, parts: Parts, keep: str, told: Carried) -> Pairs:
    """Pair learning rates and arrays by name; with the code's settings, also what belongs to other groups of parameters.

    Raises:
        StateError: If the learning rates don't correspond.
    """
    roots = {name.partition("/")[0] for name in [*parts.arrays, *parts.controls]}
    rates = [name for name in header.rates if name.partition("/")[0] in roots]
    if set(rates) == set(parts.controls):
        controls = {name: name for name in rates}
    elif len(rates) == len(parts.controls) == 1:
        (new,), (old,) = parts.controls, rates
        controls = {new: old}
        told.differences.append(f"the learning rate's place: {old} in the checkpoint, {new} in the code")
        if keep != "code":
            raise StateError(f'{told.differences[-1].capitalize()}. Make the optimizer as it was, or restore(..., keep="code").')
    else:
        names = [", ".join(side) or "none" for side in (rates, parts.controls)]
        raise StateError(f"The learning rates are {names[0]} in the checkpoint and {names[1]} in the code; make the optimizer as it was.")
    if keep != "code":
        return Pairs({name: name for name in parts.arrays if name in header.arrays}, controls)
    moved = {
        f"{new}/" + name.removeprefix(f"{old}/"): name
        for new, old in controls.items()
        for name in header.arrays
        if name.startswith(f"{old}/")
    }
    there = {name: name for name in header.arrays if name not in moved.values()} | moved
    inside = [name for name in parts.arrays if any(name.startswith(f"{control}/") for control in controls)]
    found = renamed(inside, there) | {name: name for name in parts.arrays if name in there}
    return Pairs({name: there[old] for name, old in found.items()}, controls)


def require_same(header: Header, parts: Parts, pairs: Pairs, keep: str, told: Carried) -> None:
    """Refuse arrays of other shapes or dtypes, and arrays without a counterpart; with the code's settings, an optimizer's may be new.

    Raises:
        StateError: If something doesn't fit; the message names it.
    """
    roots = {name.partition("/")[0] for name in [*parts.arrays, *parts.controls]}
    used = set(pairs.arrays.values())
    lacking = [name for name in parts.arrays if name not in pairs.arrays]
    left = [name for name in header.arrays if name.partition("/")[0] in roots and name not in used]
    free = tuple(f"{name}/" for name in pairs.controls) + tuple(f"{name}/" for name in pairs.controls.values())
    broken = []
    for name, kind, heard in [(name, "code", told.anew) for name in lacking] + [(name, "checkpoint", told.dropped) for name in left]:
        if keep == "code" and name.startswith(free):
            heard.append(name)
        else:
            broken.append(f"{name} is only in the {kind}")
    for name, old in pairs.arrays.items():
        (dtype, shape), (new_dtype, new_shape) = header.arrays[old], described(parts.arrays[name])
        if shape == new_shape and dtype != new_dtype and keep == "code" and name.startswith(free) and _are_numbers(dtype, new_dtype):
            told.carried.append(f"{name}, as {new_dtype} (it was {dtype})")
        elif (dtype, shape) != (new_dtype, new_shape):
            broken.append(f"{name} is {dtype} {list(shape)} in the checkpoint, {new_dtype} {list(new_shape)} in the code")
    if broken:
        more = [f"and {len(broken) - MOST} more"] if len(broken) > MOST else []
        listed = "\n  ".join(broken[:MOST] + more)
        advice = '\nFor another optimizer or other groups of parameters: restore(..., keep="code").' if keep == "error" else ""
        raise StateError(f"The checkpoint doesn't fit the code:\n  {listed}{advice}")


def _are_numbers(*dtypes: str) -> bool:
    try:
        return all(jax.numpy.issubdtype(jax.numpy.dtype(dtype), np.floating) for dtype in dtypes)
    except TypeError:
        return False
