"""`torch.optim.lr_scheduler.ReduceLROnPlateau`."""

from __future__ import annotations

from typing import Any

from rheostax._rate import LearningRate
from rheostax.compat._arguments import by_group, choice, number, pick, whole
from rheostax.policies.plateau_rate import PlateauRate

__all__ = ["ReduceLROnPlateau"]


def ReduceLROnPlateau(
    learning_rate: Any,
    mode: str = "min",
    factor: float = 0.1,
    patience: int = 10,
    threshold: float = 1e-4,
    threshold_mode: str = "rel",
    cooldown: int = 0,
    min_lr: float | list[float] = 0.0,
    eps: float = 1e-8,
    *,
    monitor: str = "value",
    strict: bool = False,
) -> LearningRate:
    """Cut the rate when a metric has been bad for *more than* `patience` observations in a row, as PyTorch counts.

    A metric is better than the best if it is below `best * (1 - threshold)` ("rel") or `best - threshold` ("abs"), in "max"
    mode above the mirror image. A flat metric cuts at observation patience + 2, then every patience + 1 + cooldown. A cut
    makes the rate `max(factor * rate, min_lr)`, unless that is less than `eps` below it.

    Two things are different on purpose, unless `strict` is set: the relative margin is taken from the best metric's size, so
    that a negative metric that doesn't move counts as bad; and NaN is left out, where PyTorch counts it as bad.

    Args:
        learning_rate: The optimizer's `lr`, a number >= 0, or `rx.Groups` of numbers.
        mode: "min" if lower is better, "max" if higher is.
        factor: What to multiply with at a cut, in [0, 1).
        patience: Bad observations that are still accepted, a whole number >= 0.
        threshold: Margin of an improvement, >= 0; at most 1 in "rel".
        threshold_mode: "rel" or "abs".
        cooldown: Observations after a cut that aren't counted, a whole number >= 0.
        min_lr: Lower bound of the rate, >= 0, or a list of one for each group.
        eps: A cut that would change the rate by no more than this is left out, >= 0.
        monitor: The metric, by its name in `observe` or `update`; in PyTorch it is what is passed to `step`.
        strict: Whether to judge negative metrics and NaN as PyTorch does.

    Returns:
        An expression with a policy.

    Raises:
        ArgumentError: If an argument breaks its rule.

    >>> import numpy as np, rheostax as rx
    >>> rate = rx.compat.torch.ReduceLROnPlateau(0.5, patience=1, factor=0.5)
    >>> [float(value) for value in rx.simulate(rate, steps=6, observations={"value": np.ones(6)})]
    [0.5, 0.5, 0.25, 0.25, 0.125, 0.125]
    """
    name = "ReduceLROnPlateau"
    choice(name, "mode", mode, ("min", "max"))
    choice(name, "threshold_mode", threshold_mode, ("rel", "abs"))
    factor = number(name, "factor", factor, high=1.0, advice="The rate is multiplied by it at each cut.")
    relative = threshold_mode == "rel"
    margin = number(name, "threshold", threshold, **({"high": 1.0, "high_open": False} if relative else {}))
    accepted, waits = whole(name, "patience", patience, low=0), whole(name, "cooldown", cooldown, low=0)
    least = number(name, "eps", eps)

    def make(rate: Any, i: int, n: int) -> LearningRate:
        return PlateauRate(
            number(name, "learning_rate", rate),
            monitor=monitor,
            mode=mode,
            factor=factor,
            patience=accepted + 1,
            rtol=margin if relative else 0.0,
            atol=0.0 if relative else margin,
            cooldown=waits,
            min_value=number(name, "min_lr", pick(name, "min_lr", min_lr, i, n)),
            min_change=least,
            strict=strict,
        )

    return by_group(name, learning_rate, make)
