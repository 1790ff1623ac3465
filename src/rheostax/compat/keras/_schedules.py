"""`keras.optimizers.schedules`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rheostax._rate import LearningRate
from rheostax.compat._arguments import choice, each, number, updates, whole
from rheostax.compat._cycles import Cycles, length_factor
from rheostax.compat.keras._decays import CyclePolynomial, InverseTime
from rheostax.errors import ArgumentError
from rheostax.schedules.cosine import Cosine
from rheostax.schedules.cosine_restarts import CosineRestarts
from rheostax.schedules.exponential import Exponential
from rheostax.schedules.join import Join
from rheostax.schedules.linear import Linear
from rheostax.schedules.piecewise_constant import PiecewiseConstant
from rheostax.schedules.polynomial import Polynomial

__all__ = ["CosineDecay", "CosineDecayRestarts", "ExponentialDecay", "InverseTimeDecay", "PiecewiseConstantDecay", "PolynomialDecay"]


def ExponentialDecay(
    initial_learning_rate: float, decay_steps: int, decay_rate: float, staircase: bool = False, name: str = "ExponentialDecay"
) -> LearningRate:
    """Decay by a factor per `decay_steps` counts: `initial_learning_rate * decay_rate ** (count / decay_steps)`, never ending.

    Args:
        initial_learning_rate: Rate at count 0, >= 0.
        decay_steps: Counts per factor, a whole number >= 1.
        decay_rate: Factor, in (0, 1]; above 1, which would grow without bound, isn't supported.
        staircase: Whether to round the exponent down, so that the rate falls in steps.
        name: A label; nothing depends on it.

    Returns:
        An expression.

    Raises:
        ArgumentError: If an argument breaks its rule.

    >>> import rheostax as rx
    >>> rate = rx.compat.keras.ExponentialDecay(1.0, decay_steps=2, decay_rate=0.25)
    >>> [float(rate(count)) for count in range(4)]
    [1.0, 0.5, 0.25, 0.125]
    """
    where = "ExponentialDecay"
    choice(where, "staircase", staircase, (True, False))
    factor = number(
        where, "decay_rate", decay_rate, high=1.0, low_open=True, high_open=False, advice="A rate that grows forever isn't supported."
    )
    return Exponential(_initial(where, initial_learning_rate), whole(where, "decay_steps", decay_steps), factor, staircase=staircase)


def _initial(where: str, initial_learning_rate: Any) -> Any:
    return number(where, "initial_learning_rate", initial_learning_rate)


def PiecewiseConstantDecay(boundaries: Sequence[int], values: Sequence[float], name: str = "PiecewiseConstant") -> LearningRate:
    """Hold one value after another: values[i + 1] begins *after* boundaries[i], at the count that follows it, as in Keras.

    Args:
        boundaries: The last counts of the values, whole numbers >= 0 in increasing order, one fewer than values.
        values: Rates, each >= 0.
        name: A label; nothing depends on it.

    Returns:
        An expression.

    Raises:
        ArgumentError: If an argument breaks its rule.

    >>> import rheostax as rx
    >>> rate = rx.compat.keras.PiecewiseConstantDecay([2, 4], [1.0, 0.5, 0.25])
    >>> [float(rate(count)) for count in range(6)]
    [1.0, 1.0, 1.0, 0.5, 0.5, 0.25]
    """
    where = "PiecewiseConstantDecay"
    last = [
        updates(where, f"boundaries[{i}]", boundary, low=0) for i, boundary in enumerate(each(where, "boundaries", boundaries, "counts"))
    ]
    if sorted(set(last)) != last:
        raise ArgumentError(f"{where}: boundaries must be in increasing order, got {last}.")
    rates = [number(where, f"values[{i}]", value) for i, value in enumerate(each(where, "values", values, "rates"))]
    if len(last) != len(rates) - 1:
        raise ArgumentError(f"{where}: boundaries must be one fewer than values, got {len(last)} for {len(rates)}.")
    return PiecewiseConstant(rates, [boundary + 1 for boundary in last])


def PolynomialDecay(
    initial_learning_rate: float,
    decay_steps: int,
    end_learning_rate: float = 0.0001,
    power: float = 1.0,
    cycle: bool = False,
    name: str = "PolynomialDecay",
) -> LearningRate:
    """Decay to `end_learning_rate` along a power of the part that is left, and stay; with `cycle`, begin anew.

    `end + (initial - end) * (1 - count / n) ** power`, where n is `decay_steps`; with `cycle`, the first multiple of it that isn't
    below the count. So the rate is that of the end at each multiple, and jumps up after it, less far each time.

    Args:
        initial_learning_rate: Rate at count 0, >= 0.
        decay_steps: Counts of the decay, a whole number >= 1.
        end_learning_rate: Rate at the end, >= 0.
        power: Exponent, > 0.
        cycle: Whether to go on with longer decays.
        name: A label; nothing depends on it.

    Returns:
        An expression.

    Raises:
        ArgumentError: If an argument breaks its rule.

    >>> import rheostax as rx
    >>> rate = rx.compat.keras.PolynomialDecay(1.0, decay_steps=2, end_learning_rate=0.0, cycle=True)
    >>> [float(rate(count)) for count in range(6)]
    [1.0, 0.5, 0.0, 0.25, 0.0, 0.1666666716337204]
    """
    where = "PolynomialDecay"
    choice(where, "cycle", cycle, (True, False))
    initial, end = _initial(where, initial_learning_rate), number(where, "end_learning_rate", end_learning_rate)
    steps, exponent = whole(where, "decay_steps", decay_steps), number(where, "power", power, low_open=True)
    return (CyclePolynomial if cycle else Polynomial)(initial, end, exponent, steps)


def InverseTimeDecay(
    initial_learning_rate: float, decay_steps: int, decay_rate: float, staircase: bool = False, name: str = "InverseTimeDecay"
) -> LearningRate:
    """Decay with the inverse of the time: `initial_learning_rate / (1 + decay_rate * count / decay_steps)`, never ending.

    Args:
        initial_learning_rate: Rate at count 0, >= 0.
        decay_steps: Counts in which the denominator grows by decay_rate, a whole number >= 1.
        decay_rate: How fast, >= 0.
        staircase: Whether to round count / decay_steps down, so that the rate falls in steps.
        name: A label; nothing depends on it.

    Returns:
        An expression.

    Raises:
        ArgumentError: If an argument breaks its rule.

    >>> import rheostax as rx
    >>> rate = rx.compat.keras.InverseTimeDecay(1.0, decay_steps=2, decay_rate=2.0)
    >>> [float(rate(count)) for count in (0, 1, 3, 7)]
    [1.0, 0.5, 0.25, 0.125]
    """
    where = "InverseTimeDecay"
    choice(where, "staircase", staircase, (True, False))
    steps, speed = whole(where, "decay_steps", decay_steps), number(where, "decay_rate", decay_rate)
    return InverseTime(_initial(where, initial_learning_rate), steps, speed, staircase)


def CosineDecay(
    initial_learning_rate: float,
    decay_steps: int,
    alpha: float = 0.0,
    name: str = "CosineDecay",
    warmup_target: float | None = None,
    warmup_steps: int = 0,
) -> LearningRate:
    """Decay along half a cosine to `alpha` times the top, and stay; with `warmup_target`, rise to that in a straight line before.

    The top is `warmup_target`, or `initial_learning_rate` without one; the decay takes `decay_steps` counts *after* the warm-up.

    Args:
        initial_learning_rate: Rate at count 0, >= 0.
        decay_steps: Counts of the decay, a whole number >= 1.
        alpha: The end, as a part of the top, >= 0.
        name: A label; nothing depends on it.
        warmup_target: Rate at the end of the warm-up, >= 0; None for no warm-up.
        warmup_steps: Counts of the warm-up, a whole number >= 0; 0 without warmup_target, where Keras leaves it out of account.

    Returns:
        An expression.

    Raises:
        ArgumentError: If an argument breaks its rule.

    >>> import rheostax as rx
    >>> rate = rx.compat.keras.CosineDecay(0.0, decay_steps=2, warmup_target=1.0, warmup_steps=2)
    >>> [float(rate(count)) for count in range(6)]
    [0.0, 0.5, 1.0, 0.5, 0.0, 0.0]
    """
    where = "CosineDecay"
    initial, steps, low = _initial(where, initial_learning_rate), whole(where, "decay_steps", decay_steps), number(where, "alpha", alpha)
    warm = whole(where, "warmup_steps", warmup_steps, low=0)
    if warmup_target is None:
        if warm != 0:
            raise ArgumentError(f"{where}: warmup_steps must be 0 without warmup_target, got {warm!r}. Keras ignores it then.")
        return Cosine(initial, steps, low * initial)
    top = number(where, "warmup_target", warmup_target)
    decay = Cosine(top, steps, low * top)
    return decay if warm == 0 else Join([Linear(initial, top, warm), decay], [warm])


def CosineDecayRestarts(
    initial_learning_rate: float,
    first_decay_steps: int,
    t_mul: float = 2.0,
    m_mul: float = 1.0,
    alpha: float = 0.0,
    name: str = "SGDRDecay",
) -> LearningRate:
    """Decay along half a cosine to `alpha * initial_learning_rate`, jump up, and so on, in cycles that grow longer and lower.

    Cycle i takes `first_decay_steps * t_mul ** i` counts, not rounded, and is `m_mul ** i` times as high above its end.

    Args:
        initial_learning_rate: Rate at count 0, >= 0.
        first_decay_steps: Counts of the first cycle, a whole number >= 1.
        t_mul: How much longer each cycle is than the one before; 1, or a number from 1.01.
        m_mul: How much lower, in (0, 1].
        alpha: The end of every cycle, as a part of initial_learning_rate, >= 0.
        name: A label; nothing depends on it.

    Returns:
        An expression.

    Raises:
        ArgumentError: If an argument breaks its rule.

    >>> import rheostax as rx
    >>> rate = rx.compat.keras.CosineDecayRestarts(1.0, first_decay_steps=2, m_mul=0.5)
    >>> [round(float(rate(count)), 3) for count in range(7)]
    [1.0, 0.5, 0.5, 0.427, 0.25, 0.073, 0.25]
    """
    where = "CosineDecayRestarts"
    initial, steps = _initial(where, initial_learning_rate), whole(where, "first_decay_steps", first_decay_steps)
    end = number(where, "alpha", alpha) * initial
    lower = number(where, "m_mul", m_mul, high=1.0, low_open=True, high_open=False)
    longer = length_factor(where, "t_mul", t_mul)
    if longer.is_integer():
        return CosineRestarts(initial, steps, end, int(longer), lower)
    return Cycles(initial, steps, end, longer, amplitude_factor=lower)
