"""`torch.optim.swa_utils.SWALR`."""

from __future__ import annotations

from typing import Any

from rheostax._rate import Constant, LearningRate
from rheostax.compat._arguments import by_group, choice, marked, number, pick, whole
from rheostax.compat.torch._factors import from_the_start
from rheostax.schedules.cosine import Cosine
from rheostax.schedules.linear import Linear

__all__ = ["SWALR"]


def SWALR(
    learning_rate: Any, swa_lr: float | list[float], anneal_epochs: int = 10, anneal_strategy: str = "cos", last_epoch: int = -1
) -> LearningRate:
    """Go from the rate to `swa_lr` in `anneal_epochs` counts, and stay there.

    Args:
        learning_rate: The optimizer's `lr` when this takes over, a number >= 0, or `rx.Groups` of numbers.
        swa_lr: The rate to go to, >= 0, or a list of one for each group.
        anneal_epochs: Counts of the way, a whole number >= 0; 0 for `swa_lr` at once.
        anneal_strategy: "cos" or "linear".
        last_epoch: -1.

    Returns:
        An expression.

    Raises:
        ArgumentError: If an argument breaks its rule.

    >>> import rheostax as rx
    >>> rate = rx.compat.torch.SWALR(1.0, swa_lr=0.5, anneal_epochs=2, anneal_strategy="linear")
    >>> [float(rate(count)) for count in range(4)]
    [1.0, 0.75, 0.5, 0.5]
    """
    from_the_start("SWALR", last_epoch)
    choice("SWALR", "anneal_strategy", anneal_strategy, ("cos", "linear"))
    steps = whole("SWALR", "anneal_epochs", anneal_epochs, low=0)

    def make(rate: Any, i: int, n: int) -> LearningRate:
        goal = number("SWALR", "swa_lr", pick("SWALR", "swa_lr", swa_lr, i, n))
        if isinstance(steps, int) and steps == 0:
            return Constant(goal)
        return Cosine(rate, steps, goal) if anneal_strategy == "cos" else Linear(rate, goal, steps)

    made = by_group("SWALR", learning_rate, make)
    return made if isinstance(steps, int) and steps == 0 else marked("SWALR", made)
