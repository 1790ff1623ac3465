"""Compare trajectories of the learning rate with those of another library, and keep the score.

A test module has one `Comparison` for each class or function of its peer, and a function that turns a drawn configuration
into two trajectories: ours, an expression, and theirs, in float64:

    def test_step(record_property):
        def trajectories(configuration):
            return rx.compat.torch.StepLR(0.1, **configuration), the_peers_rates(...)

        comparison = Comparison("torch", "StepLR", ours="`Step`")
        compare_configurations(comparison, st.fixed_dictionaries({...}), trajectories, record_property)

The expression is evaluated at counts 0, 1, ... by a function that is compiled once for each structure and length, since its
hyperparameters are traced. Where metrics are observed the function returns `Observed(expression, monitor, metrics, theirs)`;
where the expression holds a function of the configuration's, it returns an array in place of the expression.
"""

import dataclasses
import functools
import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import HealthCheck, given, settings

from rheostax._rate import LearningRate, lower
from tests.support import TINY

CONFIGURATIONS = 200


class Observed(NamedTuple):
    """One metric's value before each count, and the rate of each count."""

    rate: LearningRate
    monitor: str
    metrics: np.ndarray  # float32; the peer gets the same numbers as float64
    theirs: Any


@dataclasses.dataclass
class Comparison:
    """One class or function of a peer, what is ours, and how far apart they were.

    Args:
        peer: The library's name.
        name: The class's or function's name.
        ours: What the expression is made of, for the table.
        deviations: What is different on purpose, and how to get the peer's behaviour; for the table.
        drift: What the peer's own float64 rounding errors may add up to, as a part of the largest rate. A peer that computes
            each rate from the one before (PyTorch) carries them along; where a difference of nearly equal numbers is left
            they are all that is left, and 1 float32 ulp of *that* would say nothing about ours.
        limit: Largest difference allowed, in float32 ulp of the peer's rate.
        start: The rate that the peer's errors come from where what is compared begins in the middle of a run: all of that may be such an
            error, if the rate has come to 0 before.
    """

    peer: str
    name: str
    ours: str
    deviations: str = ""
    drift: float = 0.0
    limit: float = 1.0
    start: float = 0.0
    configurations: int = 0
    largest: float = 0.0

    def add(self, ours: Any, theirs: Any, configuration: Any) -> None:
        """Compare two trajectories, the first of them float32."""
        ours, theirs = np.asarray(ours), np.asarray(theirs, np.float64)
        assert ours.dtype == np.float32
        assert ours.shape == theirs.shape
        drift = self.drift * np.max(np.abs(theirs), initial=0.0)
        off = distance(ours, theirs, max(drift, 4 * np.finfo(float).eps * self.start))
        assert np.all(np.isfinite(theirs)), (configuration, theirs)
        worst = int(np.argmax(off))
        assert off[worst] <= self.limit, f"{configuration}: {off[worst]} ulp at count {worst}: {ours[worst]!r}, not {theirs[worst]!r}"
        self.configurations += 1
        self.largest = max(self.largest, float(off[worst]))

    def row(self) -> dict[str, Any]:
        """Return what the table says."""
        shown = ("peer", "name", "ours", "configurations", "largest", "deviations")
        return {key: getattr(self, key) for key in shown}


def distance(ours: np.ndarray, theirs: np.ndarray, drift: float) -> np.ndarray:
    """Return the number of float32 steps from ours to the peer's rate rounded to float32; 0 within the peer's own drift."""
    rounded = theirs.astype(np.float32)
    spacing = np.spacing(np.maximum(np.abs(rounded), np.float32(TINY))).astype(np.float64)
    off = np.abs(ours.astype(np.float64) - rounded.astype(np.float64)) / spacing
    vanished = (np.abs(theirs) < TINY) & (np.abs(ours) <= TINY)  # XLA may flush what is below the normal numbers
    return np.where(vanished | (np.abs(ours.astype(np.float64) - theirs) <= drift), 0.0, off)


@functools.partial(jax.jit, static_argnames="length")
def _evaluate(rate: LearningRate, length: int) -> jax.Array:
    return rate.evaluate(rate.init(), jnp.arange(length, dtype=jnp.int32)).high


@functools.partial(jax.jit, static_argnames="monitor")
def _observe(rate: LearningRate, monitor: str, metrics: jax.Array) -> jax.Array:
    def update(state: Any, inputs: Any) -> tuple[Any, jax.Array]:
        count, value = inputs
        state = rate.observe(state, count, {monitor: value})
        return state, rate.evaluate(state, count).high

    return jax.lax.scan(update, rate.init(), (jnp.arange(len(metrics), dtype=jnp.int32), metrics))[1]


def _padded(length: int) -> int:
    """Round a length up, so that few lengths are compiled."""
    return -(-length // 256) * 256


def ours_and_theirs(result: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return both trajectories of what a test function returned."""
    if isinstance(result, Observed):
        length = len(result.metrics)
        metrics = np.zeros(_padded(length), np.float32)
        metrics[:length] = result.metrics
        values = _observe(lower(result.rate), result.monitor, metrics)
        return np.asarray(values)[:length], np.asarray(result.theirs)
    rate, theirs = result
    if not isinstance(rate, LearningRate):
        return np.asarray(rate), np.asarray(theirs)
    length = len(theirs)
    return np.asarray(_evaluate(lower(rate), _padded(length)))[:length], np.asarray(theirs)


def positional(function: Callable[..., Any], *without: str) -> dict[str, Any]:
    """Return the arguments that a function takes by position, and their defaults."""
    parameters = inspect.signature(function).parameters.values()
    return {one.name: one.default for one in parameters if one.kind == one.POSITIONAL_OR_KEYWORD and one.name not in ("self", *without)}


def compare_configurations(
    comparison: Comparison,
    configurations: Any,
    trajectories: Callable[[Any], Any],
    record_property: Callable[[str, Any], None],
    at_least: int = CONFIGURATIONS,
) -> None:
    """Compare what `trajectories(configuration)` returns for random configurations, the same ones in every run."""
    seen: set[str] = set()

    @settings(
        derandomize=True, database=None, deadline=None, max_examples=at_least + at_least // 4, suppress_health_check=list(HealthCheck)
    )
    @given(configurations)
    def compare(configuration: Any) -> None:
        if repr(configuration) not in seen:
            comparison.add(*ours_and_theirs(trajectories(configuration)), configuration)
            seen.add(repr(configuration))

    compare()
    assert len(seen) >= at_least, f"only {len(seen)} different configurations of {comparison.name}"
    record_property("parity", comparison.row())
