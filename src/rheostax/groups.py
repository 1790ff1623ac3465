"""Parameter groups: other rates for other parameters, chosen by their path."""

from __future__ import annotations

import difflib
import fnmatch
from collections.abc import Mapping
from typing import Any

import jax

from rheostax._node import node, show, static
from rheostax._rate import Constant, LearningRate, as_learning_rate, walk
from rheostax._twofloat import TwoFloat, stack
from rheostax.errors import ArgumentError, GroupError

__all__ = ["Groups", "group_names", "groups_of", "parameter_paths"]

REST = "rest"


@node
class Groups(LearningRate):
    """Give each group of parameters a rate or a multiplier of its own.

    The value is a vector, `float32 [groups]`; in a product it multiplies what is common to all groups:
    `rx.Cosine(1e-3, 1000) * rx.Groups({"backbone/*": 0.1, "head/*": 1.0})`.

    A pattern is matched against the whole path of a parameter, its keys joined by "/": `layers/0/kernel`. `*` stands for
    anything (also "/"), `?` for one character, `[ab]` for one of some, and `|` separates alternatives. Paths are the same for
    the parameters of Flax NNX and Linen, for Equinox modules and for nested dicts. Every parameter must match exactly one
    pattern, and every pattern some parameter, or `init` raises an error that lists them; `rest` takes those that match none.

    Args:
        rates: Per pattern a multiplier (a number >= 0), any expression, or None: these parameters are frozen. Frozen
            parameters get no update at all (no weight decay either) and take no optimizer state.
        rest: The same for all other parameters, as a group named "rest"; left out, there must be no others.

    Raises:
        ArgumentError: If there is no group, or a pattern is no text.

    >>> import jax.numpy as jnp, optax, rheostax as rx
    >>> rate = rx.Constant(0.1) * rx.Groups({"head/*": 1.0, "norm/*": None}, rest=0.5)
    >>> params = {"head": {"w": jnp.ones(2)}, "norm": {"scale": jnp.ones(2)}, "body": {"w": jnp.ones(2)}}
    >>> state = rx.control(optax.sgd, rate).init(params)
    >>> {name: round(float(value), 3) for name, value in rx.learning_rate(state).items()}
    {'head/*': 0.1, 'norm/*': 0.0, 'rest': 0.05}
    """

    rates: tuple[LearningRate, ...]
    patterns: tuple[str, ...] = static()
    frozen: tuple[bool, ...] = static()

    def __init__(self, rates: Mapping[str, Any], *, rest: Any = ...) -> None:
        named = {} if not isinstance(rates, Mapping) else dict(rates) if rest is ... else {**rates, REST: rest}
        if not named or not all(isinstance(pattern, str) and pattern for pattern in named):
            raise ArgumentError(f"Groups: rates must map at least one pattern, a text such as 'head/*', to a rate; got {rates!r}.")
        if REST in rates:
            raise ArgumentError(f"Groups: {REST!r} names what the argument rest takes; for a parameter of that name write '{REST}*'.")
        object.__setattr__(self, "patterns", tuple(named))
        object.__setattr__(self, "frozen", tuple(rate is None for rate in named.values()))
        object.__setattr__(self, "rates", tuple(Constant(0.0) if rate is None else as_learning_rate(rate) for rate in named.values()))
        for child in self.rates:
            if any(isinstance(part, Groups) for part, _ in walk(child)):
                raise ArgumentError("Groups: a group's rate can't have groups itself; write out the patterns of the inner ones.")

    def children(self) -> tuple[LearningRate, ...]:
        return self.rates

    def evaluate(self, state: Any, count: jax.Array) -> TwoFloat:
        return stack([rate.evaluate(part, count) for rate, part in zip(self.rates, state, strict=True)])

    @property
    def horizon(self) -> int | None:
        return max((h for rate in self.rates if (h := rate.horizon) is not None), default=None)

    def label(self, params: Any) -> Any:
        """Return a tree like `params` with the pattern that each parameter matches.

        Raises:
            GroupError: If a parameter matches none or several, or a pattern matches no parameter.
        """
        paths, treedef = parameter_paths(params)
        patterns = [pattern for pattern in self.patterns if not (pattern == REST and self._has_rest)]
        matches = [[pattern for pattern in patterns if _matches(path, pattern)] for path in paths]
        if self._has_rest:
            matches = [found or [REST] for found in matches]
        _require("match no group; add a pattern, or rest=", [path for path, found in zip(paths, matches, strict=True) if not found])
        _require(
            "match several groups; make the patterns exclude each other",
            [f"{path} ({', '.join(found)})" for path, found in zip(paths, matches, strict=True) if len(found) > 1],
        )
        for pattern in set(patterns) - {found[0] for found in matches}:
            near = difflib.get_close_matches(pattern, paths, n=3, cutoff=0.0)
            raise GroupError(f"The group {pattern!r} matches no parameter. Paths look like: {', '.join(near) or '(there are none)'}.")
        return jax.tree.unflatten(treedef, [found[0] for found in matches])

    @property
    def _has_rest(self) -> bool:
        return self.patterns[-1] == REST

    def __repr__(self) -> str:
        rates = [None if frozen else rate for rate, frozen in zip(self.rates, self.frozen, strict=True)]
        shown = [f"{p!r}: {show(r.value if isinstance(r, Constant) else r)}" for p, r in zip(self.patterns, rates, strict=True)]
        if self._has_rest:
            last = shown.pop().split(": ", 1)[1]
            return f"Groups({{{', '.join(shown)}}}, rest={last})"
        return f"Groups({{{', '.join(shown)}}})"


def _matches(path: str, pattern: str) -> bool:
    return any(fnmatch.fnmatchcase(path, one) for one in pattern.split("|"))


def _require(what: str, broken: list[str], most: int = 20) -> None:
    if broken:
        more = f", and {len(broken) - most} more" if len(broken) > most else ""
        raise GroupError(f"These parameters {what}: {', '.join(broken[:most])}{more}.")


def parameter_paths(params: Any) -> tuple[list[str], Any]:
    """Return the path of every parameter, its keys joined by "/", and the tree's structure.

    The last key of a Flax Variable ("value") is left out, so that a path is the same with and without Variables.
    """
    leaves, treedef = jax.tree_util.tree_flatten_with_path(params)
    return ["/".join(map(_key, _without_variable(path))) for path, _ in leaves], treedef


def _key(entry: Any) -> str:
    for attribute in ("key", "name", "idx"):
        if hasattr(entry, attribute):
            return str(getattr(entry, attribute))
    return str(entry)


def _without_variable(path: tuple[Any, ...]) -> tuple[Any, ...]:
    in_state = len(path) > 1 and isinstance(path[-2], jax.tree_util.DictKey)
    return path[:-1] if in_state and path[-1] == jax.tree_util.GetAttrKey("value") else path


def groups_of(rate: LearningRate) -> Groups | None:
    """Return the expression's groups, or None; two different sets of groups are an error."""
    found = [part for part, _ in walk(rate) if isinstance(part, Groups)]
    for other in found[1:]:
        if (other.patterns, other.frozen) != (found[0].patterns, found[0].frozen):
            patterns = f"{found[0].patterns} and {other.patterns}"
            raise ArgumentError(f"An expression has one set of groups, got {patterns}. Use the same patterns in both.")
    return found[0] if found else None


def group_names(rate: LearningRate) -> tuple[str, ...] | None:
    """Return the names of the expression's groups, or None without groups."""
    groups = groups_of(rate)
    return groups.patterns if groups else None
