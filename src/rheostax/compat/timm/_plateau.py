"""timm's plateau: PyTorch's, after a warm-up."""

from __future__ import annotations

from typing import Any

from rheostax._rate import LearningRate
from rheostax.compat._arguments import by_group, choice, number, updates
from rheostax.compat.timm._base import common
from rheostax.compat.torch import ReduceLROnPlateau
from rheostax.schedules.join import Join
from rheostax.schedules.linear import Linear

__all__ = ["PlateauLRScheduler"]


def PlateauLRScheduler(
    learning_rate: Any,
    decay_rate: float = 0.1,
    patience_t: int = 10,
    threshold: float = 1e-4,
    cooldown_t: int = 0,
    warmup_t: int = 0,
    warmup_lr_init: float = 0.0,
    lr_min: float = 0.0,
    mode: str = "max",
    noise_range_t: None = None,
    noise_type: str = "normal",
    noise_pct: float = 0.67,
    noise_std: float = 1.0,
    noise_seed: int | None = None,
    initialize: bool = True,
    *,
    monitor: str = "value",
    strict: bool = False,
) -> LearningRate:
    """Cut the rate when a metric has been bad for *more than* `patience_t` observations in a row, after a warm-up.

    It counts as `rx.compat.torch.ReduceLROnPlateau` does, with a relative threshold; note the "max" mode, timm's default. What is
    observed up to count `warmup_t`, where the warm-up reaches learning_rate, isn't heard.

    Args:
        learning_rate: The optimizer's `lr`, a number >= 0, or `rx.Groups` of numbers.
        decay_rate: What to multiply with at a cut, in [0, 1).
        patience_t: Bad observations that are still accepted, a whole number >= 0.
        threshold: Relative margin of an improvement, in [0, 1].
        cooldown_t: Observations after a cut that aren't counted, a whole number >= 0.
        warmup_t: Counts of warm-up, a whole number >= 0.
        warmup_lr_init: Rate at the beginning of the warm-up, >= 0.
        lr_min: Lower bound of the rate, >= 0.
        mode: "min" if lower is better, "max" if higher is.
        noise_range_t: None: noise isn't supported, see `rx.Noise`.
        noise_type: Has a meaning for noise_range_t only, as in timm.
        noise_pct: As noise_type.
        noise_std: As noise_type.
        noise_seed: As noise_type.
        initialize: True.
        monitor: The metric, by its name in `observe` or `update`; in timm it is what is passed to `step`.
        strict: Whether to judge negative metrics and NaN as PyTorch does.

    Returns:
        An expression with a policy.

    Raises:
        ArgumentError: If an argument breaks its rule, or an option isn't supported.

    >>> import numpy as np, rheostax as rx
    >>> rate = rx.compat.timm.PlateauLRScheduler(0.5, patience_t=1, decay_rate=0.5)
    >>> [float(value) for value in rx.simulate(rate, steps=6, observations={"value": np.ones(6)})]
    [0.5, 0.5, 0.25, 0.25, 0.125, 0.125]
    """
    where = "PlateauLRScheduler"
    common(where, True, noise_range_t, initialize)
    choice(where, "mode", mode, ("min", "max"))
    factor = number(where, "decay_rate", decay_rate, high=1.0, advice="The rate is multiplied by it at each cut.")
    margin = number(where, "threshold", threshold, high=1.0, high_open=False)
    accepted, waits = updates(where, "patience_t", patience_t, low=0), updates(where, "cooldown_t", cooldown_t, low=0)
    steps, start = updates(where, "warmup_t", warmup_t, low=0), number(where, "warmup_lr_init", warmup_lr_init)
    floor = number(where, "lr_min", lr_min)

    def make(rate: Any, i: int, n: int) -> LearningRate:
        base = number(where, "learning_rate", rate)
        policy = ReduceLROnPlateau(base, mode, factor, accepted, margin, cooldown=waits, min_lr=floor, monitor=monitor, strict=strict)
        return policy if steps == 0 else Join([Linear(start, base, steps), policy], [steps + 1])

    return by_group(where, learning_rate, make)
