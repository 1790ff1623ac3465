"""What several test files share: distances in float32 ulp, exact comparison of trees and their bits, and counting of traces."""

import functools
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from rheostax._twofloat import TwoFloat

TINY = float(np.finfo(np.float32).tiny)  # below it XLA may flush to zero


def single(value: Any) -> Any:
    """Round to float32 and return it as the float64 that an oracle computes with."""
    return np.asarray(value, np.float32).astype(np.float64)[()]


def ulps(got: Any, want: Any) -> np.ndarray:
    """Return |got - want| in units of the float32 spacing at `want`; 0 for equal infinities and for two NaNs."""
    got, want = np.asarray(got, np.float64), np.asarray(want, np.float64)
    # Below the normal numbers, all that can be asked is to stay there.
    same = (got == want) | (np.isnan(got) & np.isnan(want)) | ((np.abs(want) < TINY) & (np.abs(got) <= TINY))
    spacing = np.spacing(np.maximum(np.abs(np.where(same, 1.0, want)), TINY).astype(np.float32))
    return np.where(same, 0.0, np.abs(np.where(same, 0.0, got) - np.where(same, 0.0, want))) / spacing


def _pairs(got: Any, want: Any) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    assert jax.tree.structure(got) == jax.tree.structure(want)
    paths = [jax.tree_util.keystr(path) or "value" for path, _ in jax.tree_util.tree_flatten_with_path(want)[0]]
    return zip(paths, map(np.asarray, jax.tree.leaves(got)), map(np.asarray, jax.tree.leaves(want)), strict=True)


def _summed(tree: Any) -> Any:
    """Make a float64 of each number that is a sum of two float32: its low part has no precision of its own."""

    def number(leaf: Any) -> Any:
        return np.asarray(leaf.high, np.float64) + np.asarray(leaf.low, np.float64) if isinstance(leaf, TwoFloat) else leaf

    return jax.tree.map(number, tree, is_leaf=lambda leaf: isinstance(leaf, TwoFloat))


def assert_within(got: Any, want: Any, limit: float) -> None:
    """Assert that two trees agree in structure, shapes and dtypes, floats up to `limit` float32 ulp and the rest exactly."""
    for path, a, b in _pairs(_summed(got), _summed(want)):
        assert (a.dtype, a.shape) == (b.dtype, b.shape), path
        off = ulps(a, b)
        allowed = limit if np.issubdtype(a.dtype, np.floating) else 0
        assert np.all(off <= allowed), f"{path}: {off.max()} ulp, {a} instead of {b}"


def assert_close(got: Any, want: Any, rtol: float = 1e-4) -> None:
    """Assert that what two differently compiled programs computed in many steps agrees to `rtol`, or as nearly around 0."""
    for path, a, b in _pairs(_summed(got), _summed(want)):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol / 10, err_msg=path)


def assert_identical(got: Any, want: Any) -> None:
    """Assert that two trees agree in structure, shapes, dtypes and every bit."""
    for path, a, b in _pairs(got, want):
        assert (a.dtype, a.shape) == (b.dtype, b.shape), path
        assert a.tobytes() == b.tobytes(), f"{path}: {a} instead of {b}"


def bits(tree: Any) -> dict[str, tuple[str, bytes]]:
    """Return the dtype and bytes of every leaf of a tree or Flax state by its path, random keys included."""

    def plain(leaf: Any) -> Any:
        return jax.random.key_data(leaf) if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf

    leaves = jax.tree_util.tree_flatten_with_path(nnx.as_pure(tree))[0]
    return {jax.tree_util.keystr(path): (str(leaf.dtype), np.asarray(plain(leaf)).tobytes()) for path, leaf in leaves}


def counting(function: Callable[..., Any]) -> Any:
    """Wrap a function that will be jitted; its attribute `traces` says how often it was traced."""

    @functools.wraps(function)
    def counted(*arguments: Any, **keywords: Any) -> Any:
        counted.traces += 1  # type: ignore[attr-defined]
        return function(*arguments, **keywords)

    counted.traces = 0  # type: ignore[attr-defined]
    return counted
