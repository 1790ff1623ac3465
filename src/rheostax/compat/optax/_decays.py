"""Optax's schedules under their names (as of optax 0.2.8), with its arguments, as expressions.

Any optax schedule can be used as it is: `rx.Warmup(10) * optax.cosine_decay_schedule(...)`. These are for those who want to see
inside it, stretch it, extend it, and have its last updates exact: optax computes in float32, where they are ours to the
rounding of optax's own arithmetic. What optax answers with a log line and a constant rate (a length <= 0) is an error here.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import jax

from rheostax import _check
from rheostax._duration import Steps
from rheostax._node import duration, node
from rheostax._rate import Constant, LearningRate, Schedule
from rheostax._twofloat import TwoFloat
from rheostax.compat._arguments import number, whole
from rheostax.errors import ArgumentError
from rheostax.schedules import Cosine, Exponential, Join, Linear, PiecewiseConstant, PiecewiseInterpolate, Polynomial
from rheostax.schedules._progress import between
from rheostax.schedules._weights import cosine, to_power

__all__ = [
    "constant_schedule",
    "cosine_decay_schedule",
    "cosine_onecycle_schedule",
    "exponential_decay",
    "join_schedules",
    "linear_onecycle_schedule",
    "linear_schedule",
    "piecewise_constant_schedule",
    "piecewise_interpolate_schedule",
    "polynomial_schedule",
    "sgdr_schedule",
    "warmup_constant_schedule",
    "warmup_cosine_decay_schedule",
    "warmup_exponential_decay_schedule",
]


@node
class CosinePower(Schedule):
    """Fall from `init_value` to `end_value` as a power of half a cosine: `((1 + cos(pi count / decay_steps)) / 2) ** exponent`.

    Args:
        init_value: Value at count 0, >= 0.
        decay_steps: Length in updates, a whole number >= 1.
        end_value: Value at and after the end, >= 0.
        exponent: > 0.

    Raises:
        ArgumentError: If an argument breaks its rule.
    """

    init_value: float
    decay_steps: Steps = duration(ends=True)
    end_value: float = 0.0
    exponent: float = 1.0

    def __post_init__(self) -> None:
        _check.number(self, "init_value")
        _check.duration(self, "decay_steps")
        _check.number(self, "end_value")
        _check.number(self, "exponent", low_open=True)

    def at(self, count: jax.Array) -> TwoFloat:
        weigh = to_power(self.exponent)
        return between(self.init_value, self.end_value, self.decay_steps, count, lambda done, left: weigh(*cosine(done, left)))

    @property
    def horizon(self) -> int | None:
        return int(self.decay_steps)


def _after(where: str, begin: Any, first: Any, rate: LearningRate) -> LearningRate:
    """Hold a value until count `begin`, and start the rate there."""
    steps = whole(where, "transition_begin", begin, low=0)
    return Join([first, rate], [steps]) if steps else rate


def constant_schedule(value: float) -> LearningRate:
    """Hold one value.

    Args:
        value: >= 0.

    Returns:
        An expression.

    Raises:
        ArgumentError: If an argument breaks its rule.
    """
    return Constant(number("constant_schedule", "value", value))


def polynomial_schedule(
    init_value: float, end_value: float, power: float, transition_steps: int, transition_begin: int = 0
) -> LearningRate:
    """Go from one value to another as `(1 - progress) ** power`.

    Args:
        init_value: Value up to count transition_begin, >= 0.
        end_value: Value transition_steps later, and from there on, >= 0.
        power: Exponent, > 0.
        transition_steps: Updates of the way, a whole number >= 1.
        transition_begin: Count at which it begins, a whole number >= 0.

    Returns:
        An expression.

    Raises:
        ArgumentError: If an argument breaks its rule.

    >>> import rheostax as rx
    >>> rx.compat.optax.polynomial_schedule(1.0, 0.0, 2.0, 10)
    Polynomial(init_value=1.0, end_value=0.0, power=2.0, transition_steps=10)
    """
    rate = Polynomial(init_value, end_value, power, transition_steps)
    return _after("polynomial_schedule", transition_begin, rate.init_value, rate)


def linear_schedule(init_value: float, end_value: float, transition_steps: int, transition_begin: int = 0) -> LearningRate:
    """Go from one value to another in a straight line.

    Args:
        init_value: Value up to count transition_begin, >= 0.
        end_value: Value transition_steps later, and from there on, >= 0.
        transition_steps: Updates of the way, a whole number >= 1.
        transition_begin: Count at which it begins, a whole number >= 0.

    Returns:
        An expression.

    Raises:
        ArgumentError: If an argument breaks its rule.
    """
    rate = Linear(init_value, end_value, transition_steps)
    return _after("linear_schedule", transition_begin, rate.init_value, rate)


def exponential_decay(
    init_value: float,
    transition_steps: int,
    decay_rate: float,
    transition_begin: int = 0,
    staircase: bool = False,
    end_value: float | None = None,
) -> LearningRate:
    """Multiply by `decay_rate` every `transition_steps` updates.

    Args:
        init_value: Value up to count transition_begin, >= 0.
        transition_steps: Updates per multiplication, a whole number >= 1.
        decay_rate: Factor, in (0, 1]; above 1, which would grow without bound, isn't supported.
        transition_begin: Count at which it begins, a whole number >= 0.
        staircase: Whether to fall in steps.
        end_value: Lower bound, >= 0; None for none.

    Returns:
        An expression.

    Raises:
        ArgumentError: If an argument breaks its rule.
    """
    low = 0.0 if end_value is None else end_value
    return Exponential(init_value, transition_steps, decay_rate, low, transition_begin=transition_begin, staircase=staircase)


def cosine_decay_schedule(init_value: float, decay_steps: int, alpha: float = 0.0, exponent: float = 1.0) -> LearningRate:
    """Fall along half a cosine, or a power of it, to `alpha * init_value`.

    Args:
        init_value: Value at count 0, >= 0.
        decay_steps: Length in updates, a whole number >= 1.
        alpha: Value at and after the end as a part of init_value, >= 0.
        exponent: Exponent of the cosine, > 0.

    Returns:
        An expression.

    Raises:
        ArgumentError: If an argument breaks its rule.

    >>> import rheostax as rx
    >>> rx.compat.optax.cosine_decay_schedule(1.0, 10, alpha=0.5)
    Cosine(init_value=1.0, decay_steps=10, end_value=0.5)
    """
    where = "cosine_decay_schedule"
    end_value = number(where, "init_value", init_value) * number(where, "alpha", alpha)
    return _cosine(init_value, decay_steps, end_value, number(where, "exponent", exponent, low_open=True))


def _cosine(init_value: Any, decay_steps: Any, end_value: Any, exponent: Any) -> LearningRate:
    plain = Cosine(init_value, decay_steps, end_value)
    return plain if exponent == 1 else CosinePower(init_value, decay_steps, end_value, exponent)


def _scaled(where: str, init_value: Any, boundaries_and_scales: Mapping[int, float] | None) -> tuple[list[float], list[int]]:
    """Return the values, each the one before times a scale, and the counts of all but the first."""
    given = sorted((boundaries_and_scales or {}).items())
    scales = [number(where, "boundaries_and_scales", scale) for _, scale in given]
    return list(itertools.accumulate([number(where, "init_value", init_value), *scales], float.__mul__)), [count for count, _ in given]


def piecewise_constant_schedule(init_value: float, boundaries_and_scales: Mapping[int, float] | None = None) -> LearningRate:
    """Multiply by a scale at each of some counts.

    Args:
        init_value: Value before the first of them, >= 0.
        boundaries_and_scales: From count, a whole number >= 1, to scale, >= 0.

    Returns:
        An expression.

    Raises:
        ArgumentError: If an argument breaks its rule.

    >>> import rheostax as rx
    >>> rate = rx.compat.optax.piecewise_constant_schedule(1.0, {5: 0.5, 8: 0.5})
    >>> [float(rate(count)) for count in (4, 5, 8)]
    [1.0, 0.5, 0.25]
    """
    values, counts = _scaled("piecewise_constant_schedule", init_value, boundaries_and_scales)
    return PiecewiseConstant(values, counts) if counts else Constant(values[0])


def piecewise_interpolate_schedule(
    interpolate_type: str, init_value: float, boundaries_and_scales: Mapping[int, float] | None = None
) -> LearningRate:
    """Go from value to value, each the one before times a scale.

    Args:
        interpolate_type: "linear" or "cosine".
        init_value: Value at count 0, >= 0.
        boundaries_and_scales: From the count at which a value is reached, a whole number >= 1, to its scale, >= 0.

    Returns:
        An expression.

    Raises:
        ArgumentError: If an argument breaks its rule.
    """
    values, counts = _scaled("piecewise_interpolate_schedule", init_value, boundaries_and_scales)
    return PiecewiseInterpolate(values, counts, interpolate_type) if counts else Constant(values[0])


def linear_onecycle_schedule(
    transition_steps: int,
    peak_value: float,
    pct_start: float = 0.3,
    pct_final: float = 0.85,
    div_factor: float = 25.0,
    final_div_factor: float = 1e4,
) -> LearningRate:
    """Rise in a straight line to the peak, fall back, and fall on to the end: three phases.

    Args:
        transition_steps: Length in updates, a whole number >= 1.
        peak_value: Value at the peak, >= 0.
        pct_start: Where the peak is, as a part of the length, in (0, 1]; rounded down to a count, which must be 1 or more.
        pct_final: Where the last phase begins, above pct_start.
        div_factor: Peak over first value, > 0.
        final_div_factor: First value over last, > 0.

    Returns:
        An expression.

    Raises:
        ArgumentError: If an argument breaks its rule; two phases can't end at the same count.
    """
    where = "linear_onecycle_schedule"
    steps, first = _one_cycle(where, transition_steps, peak_value, div_factor)
    middle = [_count(where, "pct_start", pct_start, steps), _count(where, "pct_final", pct_final, steps)]
    end = first / number(where, "final_div_factor", final_div_factor, low_open=True)
    return PiecewiseInterpolate([first, peak_value, first, end], [*middle, steps])


def cosine_onecycle_schedule(
    transition_steps: int, peak_value: float, pct_start: float = 0.3, div_factor: float = 25.0, final_div_factor: float = 1e4
) -> LearningRate:
    """Rise along half a cosine to the peak, and fall along one to the end.

    Args:
        transition_steps: Length in updates, a whole number >= 1.
        peak_value: Value at the peak, >= 0.
        pct_start: Where the peak is, as a part of the length, in (0, 1); rounded down to a count, which must be 1 or more.
        div_factor: Peak over first value, > 0.
        final_div_factor: First value over last, > 0.

    Returns:
        An expression.

    Raises:
        ArgumentError: If an argument breaks its rule.
    """
    where = "cosine_onecycle_schedule"
    steps, first = _one_cycle(where, transition_steps, peak_value, div_factor)
    end = first / number(where, "final_div_factor", final_div_factor, low_open=True)
    return PiecewiseInterpolate([first, peak_value, end], [_count(where, "pct_start", pct_start, steps), steps], "cosine")


def _one_cycle(where: str, transition_steps: Any, peak_value: Any, div_factor: Any) -> tuple[int, float]:
    steps = whole(where, "transition_steps", transition_steps)
    if not isinstance(steps, int):
        raise ArgumentError(f"{where}: transition_steps must be a whole number of updates, got {steps!r}.")
    return steps, number(where, "peak_value", peak_value) / number(where, "div_factor", div_factor, low_open=True)


def _count(where: str, name: str, part: Any, steps: int) -> int:
    count = math.floor(number(where, name, part, high=1.0, high_open=False) * steps)
    if count < 1:
        raise ArgumentError(f"{where}: {name} must be at least one update of {steps}, got {part!r}.")
    return count


def warmup_constant_schedule(init_value: float, peak_value: float, warmup_steps: int) -> LearningRate:
    """Go in a straight line to the peak, and stay there.

    Args:
        init_value: Value at count 0, >= 0.
        peak_value: Value from count warmup_steps on, >= 0.
        warmup_steps: Updates of warm-up, a whole number >= 1.

    Returns:
        An expression.

    Raises:
        ArgumentError: If an argument breaks its rule.
    """
    return Linear(init_value, peak_value, warmup_steps)


def warmup_cosine_decay_schedule(
    init_value: float, peak_value: float, warmup_steps: int, decay_steps: int, end_value: float = 0.0, exponent: float = 1.0
) -> LearningRate:
    """Go in a straight line to the peak, then fall along half a cosine, or a power of it.

    Args:
        init_value: Value at count 0, >= 0.
        peak_value: Value at count warmup_steps, >= 0.
        warmup_steps: Updates of warm-up, a whole number >= 1.
        decay_steps: Length of the whole, warm-up included, a whole number above warmup_steps.
        end_value: Value at and after the end, >= 0.
        exponent: Exponent of the cosine, > 0.

    Returns:
        An expression.

    Raises:
        ArgumentError: If an argument breaks its rule.

    >>> import rheostax as rx
    >>> rate = rx.compat.optax.warmup_cosine_decay_schedule(0.0, 1.0, warmup_steps=2, decay_steps=6)
    >>> [float(rate(count)) for count in (0, 1, 2, 4, 6)]
    [0.0, 0.5, 1.0, 0.5, 0.0]
    """
    where = "warmup_cosine_decay_schedule"
    warmup, total = whole(where, "warmup_steps", warmup_steps), whole(where, "decay_steps", decay_steps)
    if not (isinstance(warmup, int) and isinstance(total, int) and total > warmup):
        raise ArgumentError(f"{where}: decay_steps must be above warmup_steps, {warmup!r}, which it includes; got {total!r}.")
    decay = _cosine(peak_value, total - warmup, end_value, number(where, "exponent", exponent, low_open=True))
    return Join([Linear(init_value, peak_value, warmup), decay], [warmup])


def warmup_exponential_decay_schedule(
    init_value: float,
    peak_value: float,
    warmup_steps: int,
    transition_steps: int,
    decay_rate: float,
    transition_begin: int = 0,
    staircase: bool = False,
    end_value: float | None = None,
) -> LearningRate:
    """Go in a straight line to the peak, then decay exponentially.

    Args:
        init_value: Value at count 0, >= 0.
        peak_value: Value at count warmup_steps, >= 0.
        warmup_steps: Updates of warm-up, a whole number >= 1.
        transition_steps: Updates per multiplication, a whole number >= 1.
        decay_rate: Factor, in (0, 1].
        transition_begin: Updates after the warm-up at which the decay begins, a whole number >= 0.
        staircase: Whether to fall in steps.
        end_value: Lower bound, >= 0; None for none.

    Returns:
        An expression.

    Raises:
        ArgumentError: If an argument breaks its rule.
    """
    decay = exponential_decay(peak_value, transition_steps, decay_rate, transition_begin, staircase, end_value)
    return Join([Linear(init_value, peak_value, warmup_steps), decay], [warmup_steps])


def sgdr_schedule(cosine_kwargs: Iterable[Mapping[str, Any]]) -> LearningRate:
    """Join several `warmup_cosine_decay_schedule`.

    Args:
        cosine_kwargs: The arguments of each.

    Returns:
        An expression.

    Raises:
        ArgumentError: If there are none, or an argument breaks its rule.
    """
    given = list(cosine_kwargs)
    if not given:
        raise ArgumentError("sgdr_schedule: cosine_kwargs must hold the arguments of at least one cycle, got none.")
    ends = list(itertools.accumulate(one["decay_steps"] for one in given))
    cycles = [warmup_cosine_decay_schedule(**one) for one in given]
    return Join(cycles, ends[:-1]) if len(cycles) > 1 else cycles[0]


def join_schedules(schedules: Sequence[LearningRate | Callable[[Any], Any] | float], boundaries: Sequence[int]) -> LearningRate:
    """Use one schedule after another, each from its own count 0: `rx.Join`.

    Args:
        schedules: Expressions, numbers or optax schedules.
        boundaries: The counts at which the second, third, ... begins; increasing whole numbers >= 1.

    Returns:
        An expression.

    Raises:
        ArgumentError: If an argument breaks its rule.
    """
    return Join(schedules, boundaries)
