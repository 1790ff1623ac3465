"""PyTorch's schedulers that go up and down between given rates."""

from __future__ import annotations

import warnings
from typing import Any

from rheostax._rate import LearningRate
from rheostax.compat._arguments import by_group, choice, marked, number, pick, refuse, whole
from rheostax.compat.torch._factors import from_the_start, times
from rheostax.errors import ArgumentError, RheostaxWarning
from rheostax.schedules.cosine_restarts import CosineRestarts
from rheostax.schedules.cyclic import Cyclic
from rheostax.schedules.one_cycle import OneCycle

__all__ = ["CosineAnnealingLR", "CosineAnnealingWarmRestarts", "CyclicLR", "OneCycleLR"]

NO_MOMENTUM = "Only the learning rate is driven here; give the optimizer the momentum that it should have."


def CosineAnnealingLR(learning_rate: Any, T_max: int, eta_min: float = 0.0, last_epoch: int = -1) -> LearningRate:
    """Go down to `eta_min` along half a cosine in `T_max` counts, *up again* in as many, and so on, as PyTorch does.

    `eta_min + (learning_rate - eta_min) * (1 + cos(pi * count / T_max)) / 2`. To stay at eta_min use `rx.Cosine`.

    Args:
        learning_rate: The optimizer's `lr`, a number >= 0, or `rx.Groups` of numbers.
        T_max: Half a period in counts, a whole number >= 1.
        eta_min: Lowest rate, >= 0.
        last_epoch: -1.

    Returns:
        An expression.

    Raises:
        ArgumentError: If an argument breaks its rule.

    >>> import rheostax as rx
    >>> rate = rx.compat.torch.CosineAnnealingLR(1.0, T_max=2)
    >>> [float(rate(count)) for count in range(6)]
    [1.0, 0.5, 0.0, 0.5, 1.0, 0.5]
    """
    name = "CosineAnnealingLR"
    from_the_start(name, last_epoch)
    steps, low = whole(name, "T_max", T_max), number(name, "eta_min", eta_min)
    if isinstance(low, float) and low == 0:  # then it is a factor, which a chain can have in it
        return marked(name, times(name, learning_rate, Cyclic(1.0, 0.0, steps, interpolation="cosine")))
    return by_group(name, learning_rate, lambda rate, i, n: Cyclic(rate, low, steps, interpolation="cosine"))


def CosineAnnealingWarmRestarts(learning_rate: Any, T_0: int, T_mult: int = 1, eta_min: float = 0.0, last_epoch: int = -1) -> LearningRate:
    """Go down to `eta_min` along half a cosine and begin again, in cycles of T_0, T_0 * T_mult, T_0 * T_mult**2, ... counts.

    Args:
        learning_rate: The optimizer's `lr`, a number >= 0, or `rx.Groups` of numbers.
        T_0: Counts of the first cycle, a whole number >= 1.
        T_mult: How much longer each cycle is than the one before, a whole number >= 1.
        eta_min: Rate that every cycle goes down to, >= 0.
        last_epoch: -1.

    Returns:
        An expression.

    Raises:
        ArgumentError: If an argument breaks its rule.

    >>> import rheostax as rx
    >>> rate = rx.compat.torch.CosineAnnealingWarmRestarts(1.0, T_0=2, T_mult=2)
    >>> [round(float(rate(count)), 3) for count in range(7)]
    [1.0, 0.5, 1.0, 0.854, 0.5, 0.146, 1.0]
    """
    name = "CosineAnnealingWarmRestarts"
    from_the_start(name, last_epoch)
    steps, low = whole(name, "T_0", T_0), number(name, "eta_min", eta_min)
    longer = whole(name, "T_mult", T_mult)
    return by_group(name, learning_rate, lambda rate, i, n: CosineRestarts(rate, steps, low, length_factor=longer))


def CyclicLR(
    learning_rate: Any,
    base_lr: float | list[float],
    max_lr: float | list[float],
    step_size_up: int = 2000,
    step_size_down: int | None = None,
    mode: str = "triangular",
    gamma: float = 1.0,
    scale_fn: None = None,
    scale_mode: str = "cycle",
    cycle_momentum: bool | None = None,
    base_momentum: None = None,
    max_momentum: None = None,
    last_epoch: int = -1,
) -> LearningRate:
    """Go from `base_lr` to `max_lr` and back in straight lines, in cycles.

    Args:
        learning_rate: The optimizer's `lr`. PyTorch overwrites it with base_lr, so a number here changes nothing; `rx.Groups`
            say which groups there are.
        base_lr: Rate at the ends of the cycles, >= 0, or a list of one for each group.
        max_lr: Rate at the top, >= 0, or a list of one for each group.
        step_size_up: Counts of the rise, a whole number >= 1.
        step_size_down: Counts of the fall, a whole number >= 1; None for as many.
        mode: "triangular", "triangular2" (the amplitude halves with every cycle), or "exp_range" (it is
            `gamma ** count` times that of the start).
        gamma: For "exp_range", in (0, 1].
        scale_fn: None; functions of one's own aren't supported.
        scale_mode: Has a meaning for scale_fn only, as in PyTorch.
        cycle_momentum: False: the momentum isn't cycled here. None, for PyTorch's default of True, warns of that.
        base_momentum: None.
        max_momentum: None.
        last_epoch: -1.

    Returns:
        An expression.

    Raises:
        ArgumentError: If an argument breaks its rule, or an option isn't supported.

    >>> import rheostax as rx
    >>> rate = rx.compat.torch.CyclicLR(0.1, base_lr=0.0, max_lr=1.0, step_size_up=2, cycle_momentum=False)
    >>> [float(rate(count)) for count in range(6)]
    [0.0, 0.5, 1.0, 0.5, 0.0, 0.5]
    """
    name = "CyclicLR"
    from_the_start(name, last_epoch)
    choice(name, "mode", mode, ("triangular", "triangular2", "exp_range"))
    choice(name, "scale_mode", scale_mode, ("cycle", "iterations"))
    refuse(name, "scale_fn", scale_fn, unless=None, why="Multiply the expression with a function of the count where that is what you mean.")
    _no_momentum(name, cycle_momentum, base_momentum, max_momentum)
    up = whole(name, "step_size_up", step_size_up)
    down = up if step_size_down is None else whole(name, "step_size_down", step_size_down)
    gamma = number(name, "gamma", gamma, high=1.0, low_open=True, high_open=False)
    by_cycle, by_update = 0.5 if mode == "triangular2" else 1.0, gamma if mode == "exp_range" else 1.0

    def make(rate: Any, i: int, n: int) -> LearningRate:
        low, high = pick(name, "base_lr", base_lr, i, n), pick(name, "max_lr", max_lr, i, n)
        return Cyclic(number(name, "base_lr", low), number(name, "max_lr", high), up, down, by_cycle, by_update)

    _warn_of_momentum(name, cycle_momentum)
    return marked(name, by_group(name, learning_rate, make))


def _no_momentum(name: str, cycle: Any, base: Any, most: Any) -> None:
    refuse(name, "cycle_momentum", False if cycle is None else cycle, unless=False, why=NO_MOMENTUM)
    refuse(name, "base_momentum", base, unless=None, why=NO_MOMENTUM)
    refuse(name, "max_momentum", most, unless=None, why=NO_MOMENTUM)


def _warn_of_momentum(name: str, cycle: Any) -> None:
    if cycle is None:
        message = f"{name}: PyTorch cycles the momentum too, unless cycle_momentum=False. {NO_MOMENTUM} Say cycle_momentum=False here."
        warnings.warn(message, RheostaxWarning, stacklevel=3)


def OneCycleLR(
    learning_rate: Any,
    max_lr: float | list[float],
    total_steps: int | None = None,
    epochs: int | None = None,
    steps_per_epoch: int | None = None,
    pct_start: float = 0.3,
    anneal_strategy: str = "cos",
    cycle_momentum: bool | None = None,
    base_momentum: None = None,
    max_momentum: None = None,
    div_factor: float = 25.0,
    final_div_factor: float = 1e4,
    three_phase: bool = False,
    last_epoch: int = -1,
) -> LearningRate:
    """Rise to `max_lr` and fall to far below the start: with N = total_steps, the top is at count pct_start * N - 1.

    The lowest rate is that of count N - 1, the last of N updates, as in PyTorch. It stays there; PyTorch rises again at
    count N and raises an error after it.

    Args:
        learning_rate: The optimizer's `lr`. PyTorch overwrites it, so a number here changes nothing; `rx.Groups` say which
            groups there are.
        max_lr: Rate at the top, >= 0, or a list of one for each group.
        total_steps: Counts of the cycle, a whole number >= 2; else `epochs` and `steps_per_epoch`.
        epochs: With steps_per_epoch, in place of total_steps; a whole number >= 1.
        steps_per_epoch: With epochs, a whole number >= 1.
        pct_start: Part of the cycle that rises, in [0, 1); in [0, 0.5] with three_phase.
        anneal_strategy: "cos" or "linear".
        cycle_momentum: False: the momentum isn't cycled here. None, for PyTorch's default of True, warns of that.
        base_momentum: None.
        max_momentum: None.
        div_factor: The first rate is max_lr / div_factor; > 0.
        final_div_factor: The last rate is the first / final_div_factor; > 0.
        three_phase: Whether to fall to the first rate as fast as it rose, and then to the last.
        last_epoch: -1.

    Returns:
        An expression.

    Raises:
        ArgumentError: If an argument breaks its rule, or an option isn't supported.

    >>> import rheostax as rx
    >>> rate = rx.compat.torch.OneCycleLR(0.1, max_lr=1.0, total_steps=10, pct_start=0.5, cycle_momentum=False)
    >>> [round(float(rate(count)), 3) for count in (0, 4, 9)]
    [0.04, 1.0, 0.0]
    """
    name = "OneCycleLR"
    from_the_start(name, last_epoch)
    choice(name, "anneal_strategy", anneal_strategy, ("cos", "linear"))
    _no_momentum(name, cycle_momentum, base_momentum, max_momentum)
    if total_steps is None:
        if epochs is None or steps_per_epoch is None:
            raise ArgumentError(f"{name}: total_steps must be given, or both epochs and steps_per_epoch.")
        total_steps = int(whole(name, "epochs", epochs)) * int(whole(name, "steps_per_epoch", steps_per_epoch))
    steps = int(whole(name, "total_steps", total_steps, low=2, advice="With one step there is no way up and down."))
    limits = {"high": 0.5, "high_open": False} if three_phase else {"high": 1.0}
    start = number(name, "pct_start", pct_start, **limits)
    first, last = number(name, "div_factor", div_factor, low_open=True), number(name, "final_div_factor", final_div_factor, low_open=True)
    shape = "cosine" if anneal_strategy == "cos" else "linear"

    def make(rate: Any, i: int, n: int) -> LearningRate:
        peak = number(name, "max_lr", pick(name, "max_lr", max_lr, i, n))
        init = peak / first
        top = (start * steps - 1) / (steps - 1)  # PyTorch's last count is steps - 1, and its top one before pct_start
        return OneCycle(init, peak, init / last, steps - 1, top, three_phase=three_phase, interpolation=shape)

    _warn_of_momentum(name, cycle_momentum)
    return marked(name, by_group(name, learning_rate, make))
