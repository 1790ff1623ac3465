"""timm's schedulers with cycles: cosine, tangent and polynomial."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp

from rheostax._rate import LearningRate
from rheostax.compat._arguments import by_group, number, updates, whole
from rheostax.compat._cycles import Cycles, length_factor
from rheostax.compat.timm._base import Warm, common
from rheostax.errors import ArgumentError
from rheostax.schedules.cosine import Cosine
from rheostax.schedules.polynomial import Polynomial
from rheostax.schedules.tanh import Tanh

__all__ = ["CosineLRScheduler", "PolyLRScheduler", "TanhLRScheduler"]


class _Cycling:
    """The cycles that were asked for, checked; `make(rate)` returns them for one rate.

    Args:
        where: The scheduler's name.
        t_initial: Counts of the first cycle.
        lr_min: Where every cycle ends.
        cycle_mul: How much longer each is than the one before.
        cycle_decay: How much lower.
        cycle_limit: How many there are.
        once: Returns the schedule with one cycle, from the rate, the length and the end.
        **shape: The shape's arguments of `Cycles`.
    """

    def __init__(
        self,
        where: str,
        t_initial: Any,
        lr_min: Any,
        cycle_mul: Any,
        cycle_decay: Any,
        cycle_limit: Any,
        once: Callable[[Any, Any, Any], LearningRate],
        **shape: Any,
    ) -> None:
        self.where, self.once, self.shape = where, once, shape
        self.steps, self.low = whole(where, "t_initial", t_initial), number(where, "lr_min", lr_min)
        self.longer = length_factor(where, "cycle_mul", cycle_mul)
        self.lower = number(where, "cycle_decay", cycle_decay, high=1.0, low_open=True, high_open=False)
        self.limit = updates(where, "cycle_limit", cycle_limit)

    def make(self, rate: Any) -> LearningRate:
        base = number(self.where, "learning_rate", rate)
        if isinstance(self.limit, int) and self.limit == 1:
            return self.once(base, self.steps, self.low)
        return Cycles(base, self.steps, self.low, self.longer, self.lower, limit=self.limit, **self.shape)


def _k_decay(where: str, k_decay: Any) -> Any:
    exponent = number(where, "k_decay", k_decay, low_open=True)
    return None if isinstance(exponent, float) and exponent == 1 else exponent


def CosineLRScheduler(
    learning_rate: Any,
    t_initial: int,
    lr_min: float = 0.0,
    cycle_mul: float = 1.0,
    cycle_decay: float = 1.0,
    cycle_limit: int = 1,
    warmup_t: int = 0,
    warmup_lr_init: float = 0.0,
    warmup_prefix: bool = False,
    t_in_epochs: bool = True,
    noise_range_t: None = None,
    noise_pct: float = 0.67,
    noise_std: float = 1.0,
    noise_seed: int = 42,
    k_decay: float = 1.0,
    initialize: bool = True,
) -> LearningRate:
    """Decay along half a cosine to `lr_min`, `cycle_limit` times, and stay.

    `lr_min + (learning_rate * cycle_decay ** i - lr_min) * (1 + cos(pi * d ** k_decay)) / 2`, where d is the part of cycle i that
    is done. Without `warmup_prefix` the warm-up rises to learning_rate, and then the rate jumps to where the decay is by then.

    Args:
        learning_rate: The optimizer's `lr`, a number >= 0, or `rx.Groups` of numbers.
        t_initial: Counts of the first cycle, a whole number >= 1.
        lr_min: Rate at the end of each cycle, >= 0.
        cycle_mul: How much longer each cycle is than the one before; 1, or a number from 1.01. Lengths aren't rounded.
        cycle_decay: What the rate is multiplied with at each restart, in (0, 1].
        cycle_limit: Number of cycles, a whole number >= 1.
        warmup_t: Counts of warm-up, a whole number >= 0.
        warmup_lr_init: Rate at the beginning of the warm-up, >= 0.
        warmup_prefix: Whether the cycles begin after the warm-up.
        t_in_epochs: What a count is, an epoch or an update; it changes nothing here, see `rx.Staircase`.
        noise_range_t: None: noise isn't supported, see `rx.Noise`.
        noise_pct: Has a meaning for noise_range_t only, as in timm.
        noise_std: As noise_pct.
        noise_seed: As noise_pct.
        k_decay: Exponent of the time that has passed, > 0.
        initialize: True.

    Returns:
        An expression.

    Raises:
        ArgumentError: If an argument breaks its rule, or an option isn't supported.

    >>> import rheostax as rx
    >>> rate = rx.compat.timm.CosineLRScheduler(1.0, t_initial=4, warmup_t=1, warmup_prefix=True)
    >>> [round(float(rate(count)), 3) for count in range(7)]
    [0.0, 1.0, 0.854, 0.5, 0.146, 0.0, 0.0]
    """
    where = "CosineLRScheduler"
    common(where, t_in_epochs, noise_range_t, initialize)
    later, warm = _k_decay(where, k_decay), Warm(where, warmup_t, warmup_lr_init, warmup_prefix)

    def once(rate: Any, steps: Any, low: Any) -> LearningRate:
        return Cosine(rate, steps, low, later)

    cycles = _Cycling(where, t_initial, lr_min, cycle_mul, cycle_decay, cycle_limit, once, k_decay=later)
    return by_group(where, learning_rate, lambda rate, i, n: warm.before(cycles.make(rate), rate))


def PolyLRScheduler(
    learning_rate: Any,
    t_initial: int,
    power: float = 0.5,
    lr_min: float = 0.0,
    cycle_mul: float = 1.0,
    cycle_decay: float = 1.0,
    cycle_limit: int = 1,
    warmup_t: int = 0,
    warmup_lr_init: float = 0.0,
    warmup_prefix: bool = False,
    t_in_epochs: bool = True,
    noise_range_t: None = None,
    noise_pct: float = 0.67,
    noise_std: float = 1.0,
    noise_seed: int = 42,
    k_decay: float = 1.0,
    initialize: bool = True,
) -> LearningRate:
    """Decay along a power of the part that is left to `lr_min`, `cycle_limit` times, and stay.

    `lr_min + (learning_rate * cycle_decay ** i - lr_min) * (1 - d ** k_decay) ** power`, where d is the part of cycle i that is done.

    Args:
        learning_rate: The optimizer's `lr`, a number >= 0, or `rx.Groups` of numbers.
        t_initial: Counts of the first cycle, a whole number >= 1.
        power: Exponent, > 0.
        lr_min: Rate at the end of each cycle, >= 0.
        cycle_mul: How much longer each cycle is than the one before; 1, or a number from 1.01. Lengths aren't rounded.
        cycle_decay: What the rate is multiplied with at each restart, in (0, 1].
        cycle_limit: Number of cycles, a whole number >= 1.
        warmup_t: Counts of warm-up, a whole number >= 0.
        warmup_lr_init: Rate at the beginning of the warm-up, >= 0.
        warmup_prefix: Whether the cycles begin after the warm-up.
        t_in_epochs: What a count is, an epoch or an update; it changes nothing here, see `rx.Staircase`.
        noise_range_t: None: noise isn't supported, see `rx.Noise`.
        noise_pct: Has a meaning for noise_range_t only, as in timm.
        noise_std: As noise_pct.
        noise_seed: As noise_pct.
        k_decay: Exponent of the time that has passed, > 0.
        initialize: True.

    Returns:
        An expression.

    Raises:
        ArgumentError: If an argument breaks its rule, or an option isn't supported.

    >>> import rheostax as rx
    >>> rate = rx.compat.timm.PolyLRScheduler(1.0, t_initial=4, power=2.0)
    >>> [float(rate(count)) for count in range(6)]
    [1.0, 0.5625, 0.25, 0.0625, 0.0, 0.0]
    """
    where = "PolyLRScheduler"
    common(where, t_in_epochs, noise_range_t, initialize)
    later, warm = _k_decay(where, k_decay), Warm(where, warmup_t, warmup_lr_init, warmup_prefix)
    exponent = number(where, "power", power, low_open=True)

    def once(rate: Any, steps: Any, low: Any) -> LearningRate:
        return Polynomial(rate, low, exponent, steps, later)

    shape = {"shape": "polynomial", "k_decay": later, "power": exponent}
    cycles = _Cycling(where, t_initial, lr_min, cycle_mul, cycle_decay, cycle_limit, once, **shape)
    return by_group(where, learning_rate, lambda rate, i, n: warm.before(cycles.make(rate), rate))


def TanhLRScheduler(
    learning_rate: Any,
    t_initial: int,
    lb: float = -7.0,
    ub: float = 3.0,
    lr_min: float = 0.0,
    cycle_mul: float = 1.0,
    cycle_decay: float = 1.0,
    cycle_limit: int = 1,
    warmup_t: int = 0,
    warmup_lr_init: float = 0.0,
    warmup_prefix: bool = False,
    t_in_epochs: bool = True,
    noise_range_t: None = None,
    noise_pct: float = 0.67,
    noise_std: float = 1.0,
    noise_seed: int = 42,
    initialize: bool = True,
) -> LearningRate:
    """Decay along a hyperbolic tangent towards `lr_min`, `cycle_limit` times, and stay there.

    `lr_min + (learning_rate * cycle_decay ** i - lr_min) * (1 - tanh(lb * (1 - d) + ub * d)) / 2`, where d is the part of cycle i
    that is done. Without `warmup_prefix` the warm-up rises to the rate that the decay has at its end.

    Args:
        learning_rate: The optimizer's `lr`, a number >= 0, or `rx.Groups` of numbers.
        t_initial: Counts of the first cycle, a whole number >= 1.
        lb: Argument of the tangent at the beginning of a cycle, in [-20, 20].
        ub: Argument of the tangent at the end of a cycle, in [-20, 20], above lb.
        lr_min: Rate after the last cycle, >= 0.
        cycle_mul: How much longer each cycle is than the one before; 1, or a number from 1.01. Lengths aren't rounded.
        cycle_decay: What the rate is multiplied with at each restart, in (0, 1].
        cycle_limit: Number of cycles, a whole number >= 1.
        warmup_t: Counts of warm-up, a whole number >= 0; without warmup_prefix, no duration in other units.
        warmup_lr_init: Rate at the beginning of the warm-up, >= 0.
        warmup_prefix: Whether the cycles begin after the warm-up.
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
    >>> rate = rx.compat.timm.TanhLRScheduler(1.0, t_initial=10)
    >>> [round(float(rate(count)), 3) for count in (0, 5, 7, 9, 10)]
    [1.0, 0.982, 0.5, 0.018, 0.0]
    """
    where = "TanhLRScheduler"
    common(where, t_in_epochs, noise_range_t, initialize)
    warm = Warm(where, warmup_t, warmup_lr_init, warmup_prefix)
    lower, upper = (number(where, name, value, low=-20.0, high=20.0, high_open=False) for name, value in (("lb", lb), ("ub", ub)))
    if isinstance(lower, float) and isinstance(upper, float) and lower >= upper:
        raise ArgumentError(f"{where}: ub must be above lb, {lower}, got {upper}.")

    def once(rate: Any, steps: Any, low: Any) -> LearningRate:
        return Tanh(rate, steps, low, lower, upper)

    cycles = _Cycling(where, t_initial, lr_min, cycle_mul, cycle_decay, cycle_limit, once, shape="tanh", lower=lower, upper=upper)

    def make(rate: Any, i: int, n: int) -> LearningRate:
        decay = cycles.make(rate)
        if warm.none or warm.prefix:
            return warm.before(decay, rate)
        for name, value in (("warmup_t", warm.steps), ("t_initial", cycles.steps)):
            if not isinstance(value, int):
                raise ArgumentError(
                    f"{where}: {name} must be one whole number where warmup_prefix=False, got {value!r}: the warm-up rises to the rate "
                    "that the decay has at its end, which has to be known."
                )
        return warm.before(decay, float(decay.evaluate(decay.init(), jnp.int32(warm.steps))))

    return by_group(where, learning_rate, make)
