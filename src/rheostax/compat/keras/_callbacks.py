"""The callbacks of Keras that drive the rate, or stop."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from rheostax._rate import LearningRate
from rheostax.compat._arguments import by_group, choice, number, refuse, updates
from rheostax.compat.keras._plateau import StrictPlateau
from rheostax.errors import ArgumentError
from rheostax.policies.plateau_rate import PlateauRate
from rheostax.policies.stop_on_plateau import StopOnPlateau
from rheostax.schedules.piecewise_constant import PiecewiseConstant

__all__ = ["EarlyStopping", "LearningRateScheduler", "ReduceLROnPlateau"]

NOTHING_PRINTED = "Nothing is printed here; rx.describe(state) says what was decided, and why."


def _direction(where: str, mode: str, monitor: str) -> str:
    """Return "min" or "max"; "auto" is known for a loss alone, since the model's metrics aren't."""
    choice(where, "mode", mode, ("auto", "min", "max"))
    if mode == "auto" and str(monitor).removeprefix("val_") != "loss":
        raise ArgumentError(
            f"{where}: mode must be 'min' or 'max' for monitor={monitor!r}, got 'auto'. Keras asks the model's metrics which it is; here "
            "there is no model to ask."
        )
    return "min" if mode == "auto" else mode


def ReduceLROnPlateau(
    learning_rate: Any,
    monitor: str = "val_loss",
    factor: float = 0.1,
    patience: int = 10,
    verbose: int = 0,
    mode: str = "auto",
    min_delta: float = 1e-4,
    cooldown: int = 0,
    min_lr: float = 0.0,
    *,
    strict: bool = False,
) -> LearningRate:
    """Cut the rate when a metric hasn't improved for `patience` observations in a row, as Keras counts.

    A metric is better than the best if it is below `best - |min_delta|`, in "max" mode above `best + |min_delta|`. A patience of
    0 is one of 1. The last of `cooldown` observations after a cut is counted already, so that a cooldown of 1 is none. A flat
    metric cuts at observation max(patience, 1) + 1, then every max(patience, 1) + max(cooldown - 1, 0). A cut makes the rate
    `max(factor * rate, min_lr)`.

    NaN is left out, unless `strict` is set: Keras counts it as bad, and if it is the very first value, nothing improves
    on it ever after.

    Args:
        learning_rate: The optimizer's rate, a number >= 0, or `rx.Groups` of numbers.
        monitor: The metric, by its name in `observe` or `update`.
        factor: What to multiply with at a cut, in [0, 1).
        patience: Bad observations that make a cut, a whole number >= 0.
        verbose: 0.
        mode: "min" if lower is better, "max" if higher is; "auto" is "min" for "loss" and "val_loss", and refused otherwise.
        min_delta: Absolute margin of an improvement; its sign doesn't matter.
        cooldown: Observations after a cut, a whole number >= 0.
        min_lr: Lower bound of the rate, >= 0.
        strict: Whether to judge NaN as Keras does.

    Returns:
        An expression with a policy.

    Raises:
        ArgumentError: If an argument breaks its rule, or an option isn't supported.

    >>> import numpy as np, rheostax as rx
    >>> rate = rx.compat.keras.ReduceLROnPlateau(0.5, patience=2, factor=0.5)
    >>> [float(value) for value in rx.simulate(rate, steps=6, observations={"val_loss": np.ones(6)})]
    [0.5, 0.5, 0.25, 0.25, 0.125, 0.125]
    """
    where = "ReduceLROnPlateau"
    refuse(where, "verbose", verbose, unless=0, why=NOTHING_PRINTED)
    choice(where, "strict", strict, (True, False))
    direction = _direction(where, mode, monitor)
    less = number(where, "factor", factor, high=1.0, advice="The rate is multiplied by it at each cut.")
    bad, waits = updates(where, "patience", patience, low=0), updates(where, "cooldown", cooldown, low=0)
    margin, floor = abs(number(where, "min_delta", min_delta, low=-float("inf"))), number(where, "min_lr", min_lr)

    def make(rate: Any, i: int, n: int) -> LearningRate:
        return (StrictPlateau if strict else PlateauRate)(
            number(where, "learning_rate", rate),
            monitor=monitor,
            mode=direction,
            factor=less,
            patience=max(bad, 1),
            rtol=0.0,
            atol=margin,
            cooldown=max(waits - 1, 0),
            min_value=floor,
            strict=strict,
        )

    return by_group(where, learning_rate, make)


def EarlyStopping(
    monitor: str = "val_loss",
    min_delta: float = 0.0,
    patience: int = 0,
    verbose: int = 0,
    mode: str = "auto",
    baseline: None = None,
    restore_best_weights: bool = False,
    start_from_epoch: int = 0,
) -> LearningRate:
    """Ask for a stop when a metric hasn't improved for `patience` observations in a row: a factor of 1 to multiply a rate with.

    The training loop asks `rx.should_stop(state)`. NaN is left out, where Keras counts it as bad.

    Args:
        monitor: The metric, by its name in `observe` or `update`.
        min_delta: Absolute margin of an improvement; its sign doesn't matter.
        patience: Bad observations that stop, a whole number >= 0, where 0 is 1.
        verbose: 0.
        mode: "min", "max" or, for "loss" and "val_loss", "auto".
        baseline: None.
        restore_best_weights: False.
        start_from_epoch: 0.

    Returns:
        An expression with a policy.

    Raises:
        ArgumentError: If an argument breaks its rule, or an option isn't supported.

    >>> import rheostax as rx
    >>> rate = 0.1 * rx.compat.keras.EarlyStopping(patience=3)
    >>> print(rate)
    0.1 * StopOnPlateau(monitor='val_loss', patience=3, rtol=0.0)
    """
    where = "EarlyStopping"
    refuse(where, "verbose", verbose, unless=0, why=NOTHING_PRINTED)
    refuse(where, "baseline", baseline, unless=None, why="Compare the metric with it in the training loop.")
    refuse(where, "restore_best_weights", restore_best_weights, unless=False, why="Keep the best parameters with a checkpoint manager.")
    refuse(where, "start_from_epoch", start_from_epoch, unless=0, why="Begin to observe the metric when it shall count.")
    bad, margin = updates(where, "patience", patience, low=0), number(where, "min_delta", min_delta, low=-float("inf"))
    return StopOnPlateau(monitor=monitor, mode=_direction(where, mode, monitor), patience=max(bad, 1), rtol=0.0, atol=abs(margin))


def LearningRateScheduler(learning_rate: float, schedule: Callable[..., float], verbose: int = 0, *, epochs: int) -> LearningRate:
    """Tabulate a Python function of the epoch and the rate before it, called once for each epoch, now.

    It is called as Keras calls it, with Python numbers, so it may use `if`; what it returns is rounded to float32 before it is
    given to the next call, as in Keras. One count is one epoch: `rx.Staircase(rate, "1ep")` makes updates of them.

    Args:
        learning_rate: The optimizer's rate, a number >= 0.
        schedule: Epoch (from 0) and rate -> rate >= 0; or of the epoch alone.
        verbose: 0.
        epochs: How many epochs to call it for, a whole number >= 1: those of `fit`. The last rate stays.

    Returns:
        An expression.

    Raises:
        ArgumentError: If an argument breaks its rule, or the function returns no rate.

    >>> import rheostax as rx
    >>> rate = rx.compat.keras.LearningRateScheduler(1.0, lambda epoch, lr: lr if epoch < 2 else lr * 0.5, epochs=5)
    >>> [float(rate(epoch)) for epoch in range(6)]
    [1.0, 1.0, 0.5, 0.25, 0.125, 0.125]
    """
    where = "LearningRateScheduler"
    refuse(where, "verbose", verbose, unless=0, why=NOTHING_PRINTED)
    if not callable(schedule):
        raise ArgumentError(f"{where}: schedule must be a function of the epoch and the rate, got {schedule!r}.")
    rate, takes_rate = number(where, "learning_rate", learning_rate), _takes(schedule, 2)
    values: list[float] = []
    for epoch in range(updates(where, "epochs", epochs)):
        rate = float(np.float32(rate))
        rate = number(where, "schedule", schedule(epoch, rate) if takes_rate else schedule(epoch))
        values.append(float(np.float32(rate)))
    changes = [epoch for epoch in range(1, len(values)) if values[epoch] != values[epoch - 1]]
    return PiecewiseConstant([values[epoch] for epoch in (0, *changes)], changes)


def _takes(function: Callable[..., Any], arguments: int) -> bool:
    """Tell whether a function can be called with so many arguments; one that doesn't tell can."""
    try:
        inspect.signature(function).bind(*range(arguments))
    except TypeError:
        return False
    except ValueError:
        return True
    return True
