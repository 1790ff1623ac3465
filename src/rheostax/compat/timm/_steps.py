"""timm's schedulers with cuts at fixed counts."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import Any

import jax
import jax.numpy as jnp

from rheostax import _check
from rheostax._check import INT32_MAX
from rheostax._duration import Duration, as_duration
from rheostax._node import node
from rheostax._rate import Constant, LearningRate, Product, Schedule
from rheostax._twofloat import TwoFloat
from rheostax.compat._arguments import by_group, each, number, updates, whole
from rheostax.compat.timm._base import Warm, common
from rheostax.compat.torch import MultiStepLR
from rheostax.errors import ArgumentError
from rheostax.schedules._progress import decayed
from rheostax.schedules.step import Step

__all__ = ["MultiStepLRScheduler", "StepLRScheduler"]


@node
class BrokenStep(Schedule):
    """Multiply by `factor` every counts / cuts updates, which is no whole number: 12 / 5 is 2.4.

    A float is a little off the broken number that is meant. Where it is above that, `late` is 1: a cut that falls on a count
    comes one count later then.
    """

    factor: float
    counts: int
    cuts: int
    late: int

    def __post_init__(self) -> None:
        _check.number(self, "factor", low_open=True)
        _check.whole(self, "counts")
        _check.whole(self, "cuts")
        _check.whole(self, "late", low=0)

    def at(self, count: jax.Array) -> TwoFloat:
        counts, cuts = jnp.int32(self.counts), jnp.int32(self.cuts)
        done = (count // counts) * cuts + ((count % counts) * cuts + counts - self.late) // counts - 1
        return decayed(1.0, self.factor, jnp.where(count == 0, 0, done))


def _step(where: str, decay_t: Any, factor: Any) -> LearningRate:
    period = as_duration(decay_t)
    if isinstance(period, Duration) or not isinstance(period, float) or period.is_integer():
        return Step(1.0, whole(where, "decay_t", period), factor)
    period = number(where, "decay_t", period, low_open=True)
    meant = Fraction(period).limit_denominator(1000)
    if float(meant) != period or meant.numerator * (meant.denominator + 1) > INT32_MAX:
        raise ArgumentError(f"{where}: decay_t must be a whole number, or one with a denominator up to 1000 such as 2.4; got {period!r}.")
    return BrokenStep(factor, meant.numerator, meant.denominator, int(Fraction(period) > meant))


def StepLRScheduler(
    learning_rate: Any,
    decay_t: float,
    decay_rate: float = 1.0,
    warmup_t: int = 0,
    warmup_lr_init: float = 0.0,
    warmup_prefix: bool = True,
    t_in_epochs: bool = True,
    noise_range_t: None = None,
    noise_pct: float = 0.67,
    noise_std: float = 1.0,
    noise_seed: int = 42,
    initialize: bool = True,
) -> LearningRate:
    """Multiply the rate by `decay_rate` every `decay_t` counts: `learning_rate * decay_rate ** (count // decay_t)`.

    Args:
        learning_rate: The optimizer's `lr`, a number >= 0, or `rx.Groups` of numbers.
        decay_t: Counts from cut to cut, a whole number >= 1, or a broken one such as 2.4.
        decay_rate: Factor, in (0, 1]; above 1, which would grow without bound, isn't supported.
        warmup_t: Counts of warm-up, a whole number >= 0.
        warmup_lr_init: Rate at the beginning of the warm-up, >= 0.
        warmup_prefix: Whether counting begins after the warm-up.
        t_in_epochs: What a count is, an epoch or an update; it changes nothing here, see `rx.Staircase`.
        noise_range_t: None: noise isn't supported, see `rx.Noise`.
        noise_pct: Has a meaning for noise_range_t only, as in timm.
        noise_std: As noise_pct.
        noise_seed: As noise_pct.
        initialize: True.

    Returns:
        An expression.

    Raises:
        ArgumentError: If an argument breaks its rule, or an option isn't supported.

    >>> import rheostax as rx
    >>> rate = rx.compat.timm.StepLRScheduler(1.0, decay_t=2.4, decay_rate=0.5)
    >>> [float(rate(count)) for count in range(6)]
    [1.0, 1.0, 1.0, 0.5, 0.5, 0.25]
    """
    where = "StepLRScheduler"
    common(where, t_in_epochs, noise_range_t, initialize)
    warm = Warm(where, warmup_t, warmup_lr_init, warmup_prefix)
    advice = "A rate that grows forever isn't supported."
    factor = _step(where, decay_t, number(where, "decay_rate", decay_rate, high=1.0, low_open=True, high_open=False, advice=advice))

    def make(rate: Any, i: int, n: int) -> LearningRate:
        return warm.before(Product((Constant(number(where, "learning_rate", rate)), factor)), rate)

    return by_group(where, learning_rate, make)


def MultiStepLRScheduler(
    learning_rate: Any,
    decay_t: Iterable[int],
    decay_rate: float = 1.0,
    warmup_t: int = 0,
    warmup_lr_init: float = 0.0,
    warmup_prefix: bool = True,
    t_in_epochs: bool = True,
    noise_range_t: None = None,
    noise_pct: float = 0.67,
    noise_std: float = 1.0,
    noise_seed: int = 42,
    initialize: bool = True,
) -> LearningRate:
    """Multiply the rate by `decay_rate` one count *before* each of some counts, as timm does: a milestone of 30 cuts at 29.

    Args:
        learning_rate: The optimizer's `lr`, a number >= 0, or `rx.Groups` of numbers.
        decay_t: Milestones, whole numbers >= 0, none below the one before.
        decay_rate: Factor, > 0.
        warmup_t: Counts of warm-up, a whole number >= 0.
        warmup_lr_init: Rate at the beginning of the warm-up, >= 0.
        warmup_prefix: Whether counting begins after the warm-up.
        t_in_epochs: What a count is, an epoch or an update; it changes nothing here, see `rx.Staircase`.
        noise_range_t: None: noise isn't supported, see `rx.Noise`.
        noise_pct: Has a meaning for noise_range_t only, as in timm.
        noise_std: As noise_pct.
        noise_seed: As noise_pct.
        initialize: True.

    Returns:
        An expression.

    Raises:
        ArgumentError: If an argument breaks its rule, or an option isn't supported.

    >>> import rheostax as rx
    >>> rate = rx.compat.timm.MultiStepLRScheduler(1.0, decay_t=[3, 5], decay_rate=0.5)
    >>> [float(rate(count)) for count in range(6)]
    [1.0, 1.0, 0.5, 0.5, 0.25, 0.25]
    """
    where = "MultiStepLRScheduler"
    common(where, t_in_epochs, noise_range_t, initialize)
    warm = Warm(where, warmup_t, warmup_lr_init, warmup_prefix)
    factor = number(where, "decay_rate", decay_rate, low_open=True)
    milestones = [
        updates(where, f"decay_t[{i}]", milestone, low=0) for i, milestone in enumerate(each(where, "decay_t", decay_t, "epochs"))
    ]
    if sorted(milestones) != milestones:
        raise ArgumentError(f"{where}: decay_t must be in order, got {milestones}.")
    cuts = [max(milestone - 1, 0) for milestone in milestones]

    def make(rate: Any, i: int, n: int) -> LearningRate:
        return warm.before(MultiStepLR(number(where, "learning_rate", rate), cuts, factor), rate)

    return by_group(where, learning_rate, make)
