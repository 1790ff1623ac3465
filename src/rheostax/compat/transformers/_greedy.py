"""Transformers' policies."""

from __future__ import annotations

from typing import Any

from rheostax._rate import Constant, LearningRate
from rheostax.compat._arguments import by_group, choice, number, pick, refuse, whole
from rheostax.compat.torch._plateau import ReduceLROnPlateau
from rheostax.policies.greedy import Greedy

__all__ = ["GreedyLR", "get_greedy_schedule", "get_reduce_on_plateau_schedule"]


def get_reduce_on_plateau_schedule(learning_rate: Any, **kwargs: Any) -> LearningRate:
    """Hold the rate and cut it when a metric has stopped improving: PyTorch's `ReduceLROnPlateau`, which see.

    Args:
        learning_rate: The optimizer's `lr`, a number >= 0, or `rx.Groups` of numbers.
        **kwargs: The arguments of `rx.compat.torch.ReduceLROnPlateau`.

    Returns:
        An expression with a policy.

    Raises:
        ArgumentError: If an argument breaks its rule.

    >>> import rheostax as rx
    >>> rx.compat.transformers.get_reduce_on_plateau_schedule(0.5, patience=3)
    PlateauRate(init_value=0.5, patience=4, min_change=1e-08)
    """
    return ReduceLROnPlateau(learning_rate, **kwargs)


def GreedyLR(
    learning_rate: Any,
    mode: str = "min",
    factor: float = 0.95,
    patience: int = 10,
    threshold: float = 1e-6,
    threshold_mode: str = "abs",
    cooldown: int = 0,
    warmup: int = 0,
    min_lr: float | list[float] = 1e-3,
    max_lr: float | list[float] = 1.0,
    eps: float = 1e-8,
    verbose: bool = False,
    smooth: bool = False,
    window_size: int = 50,
    reset_start: int = 500,
    monitor: str = "value",
) -> LearningRate:
    """Raise the rate after more than `patience` improvements in a row, cut it after as many bad values.

    The relative margin is taken from the best metric's size, and NaN is left out, where Transformers judges negative metrics
    the wrong way round and counts NaN as bad.

    Args:
        learning_rate: The optimizer's `lr`, a number from min_lr to max_lr, or `rx.Groups` of numbers. Transformers starts with
            any rate, and with its own defaults cuts one that is below min_lr *upwards*; that is refused here.
        mode: "min" if lower is better, "max" if higher is.
        factor: What to multiply with at a cut and to divide by at a raise, in (0, 1).
        patience: Values in a row that are still accepted, a whole number >= 0.
        threshold: Margin of an improvement, >= 0.
        threshold_mode: "rel" or "abs".
        cooldown: Values that are ignored after a cut, a whole number >= 0.
        warmup: Values that are ignored after a raise, a whole number >= 0.
        min_lr: Lower bound of the rate, > 0, or a list of one for each group.
        max_lr: Upper bound of the rate, or a list of one for each group.
        eps: A move by no more than this isn't made, >= 0.
        verbose: False; the journal of a run tells every move.
        smooth: False: average with `accumulation_size` in `rx.ReduceOnPlateau`, or before observing.
        window_size: Of no use without `smooth`.
        reset_start: Cuts due at the lower bound that make it begin anew, a whole number >= 1.
        monitor: The metric, by its name in `observe` or `update`.

    Returns:
        An expression with a policy.

    Raises:
        ArgumentError: If an argument breaks its rule.

    >>> import rheostax as rx
    >>> rx.compat.transformers.GreedyLR(0.1, patience=4, min_lr=0.025)
    0.1 * Greedy(patience=5, min_scale=0.25, min_change=1e-07, reset_after=500)
    """
    name = "GreedyLR"
    refuse(name, "verbose", verbose, unless=False, why="rx.describe and the journal of a run tell what it does.")
    refuse(name, "smooth", smooth, unless=False, why="Average the metric before observing it.")
    refuse(name, "window_size", window_size, unless=50, why="It is of no use without smooth.")
    choice(name, "threshold_mode", threshold_mode, ("rel", "abs"))
    margin = number(name, "threshold", threshold)
    accepted = whole(name, "patience", patience, low=0)

    def make(rate: Any, i: int, n: int) -> LearningRate:
        lowest = number(name, "min_lr", pick(name, "min_lr", min_lr, i, n), low_open=True)
        highest = number(name, "max_lr", pick(name, "max_lr", max_lr, i, n), low=lowest)
        base = number(name, "learning_rate", rate, low=lowest, high=highest, high_open=False, advice="That is from min_lr to max_lr.")
        return Constant(base) * Greedy(
            monitor=monitor,
            mode=mode,
            factor=factor,
            patience=accepted + 1,
            rtol=margin if threshold_mode == "rel" else 0.0,
            atol=margin if threshold_mode == "abs" else 0.0,
            cooldown=cooldown,
            warmup=warmup,
            min_scale=lowest / base,
            max_scale=highest / base,
            min_change=number(name, "eps", eps) / base,
            reset_after=reset_start,
        )

    return by_group(name, learning_rate, make)


def get_greedy_schedule(learning_rate: Any, **kwargs: Any) -> LearningRate:
    """Return `GreedyLR` with these arguments.

    Args:
        learning_rate: The optimizer's `lr`.
        **kwargs: The arguments of `GreedyLR`.

    Returns:
        An expression with a policy.

    Raises:
        ArgumentError: If an argument breaks its rule.
    """
    return GreedyLR(learning_rate, **kwargs)
