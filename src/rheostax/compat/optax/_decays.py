"""Optax's schedules of one piece."""

from __future__ import annotations

from typing import Any

from rheostax._rate import Constant, LearningRate
from rheostax.compat._arguments import number, whole
from rheostax.compat.optax._cosine_power import CosinePower
from rheostax.schedules import Cosine, Exponential, Join, Linear, Polynomial

__all__ = ["constant_schedule", "cosine_decay", "cosine_decay_schedule", "exponential_decay", "linear_schedule", "polynomial_schedule"]


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
    return cosine_decay(init_value, decay_steps, end_value, number(where, "exponent", exponent, low_open=True))


def cosine_decay(init_value: Any, decay_steps: Any, end_value: Any, exponent: Any) -> LearningRate:
    """Fall along half a cosine, or a power of it."""
    plain = Cosine(init_value, decay_steps, end_value)
    return plain if exponent == 1 else CosinePower(init_value, decay_steps, end_value, exponent)
