"""Shapes of a way: from the parts of a time to the parts of a way.

Each takes the part of the time that is done and the part that is left, and returns the part of the way that is done and the
part that is left, whose sum is 1: all four without cancellation, however small they are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rheostax._twofloat import TwoFloat, exp, exp_and_expm1, expm1, half_cosine, log, log_of_rest, sqrt, where

__all__ = [
    "INTERPOLATIONS",
    "Weights",
    "cosine",
    "decaying",
    "delayed",
    "mirrored",
    "one_minus_sqrt",
    "rex",
    "sigmoid",
    "straight",
    "to_power",
]

Weights = Callable[[TwoFloat, TwoFloat], tuple[TwoFloat, TwoFloat]]


def straight(done: TwoFloat, left: TwoFloat) -> tuple[TwoFloat, TwoFloat]:
    """Weigh a straight line."""
    return done, left


def cosine(done: TwoFloat, left: TwoFloat) -> tuple[TwoFloat, TwoFloat]:
    """Weigh half a cosine: (1 - cos(pi * done)) / 2 and (1 + cos(pi * done)) / 2."""
    early = done.high < left.high
    near = half_cosine(where(early, done, left))
    return where(early, near, 1.0 - near), where(early, 1.0 - near, near)


def one_minus_sqrt(done: TwoFloat, left: TwoFloat) -> tuple[TwoFloat, TwoFloat]:
    """Weigh a root: sqrt(done) and 1 - sqrt(done)."""
    root = sqrt(done)
    return root, left / (root + 1.0)


def mirrored(weights: Weights) -> Weights:
    """Weigh as `weights` do in the mirror: slow where they are fast."""

    def turned(done: TwoFloat, left: TwoFloat) -> tuple[TwoFloat, TwoFloat]:
        way_left, way_done = weights(left, done)
        return way_done, way_left

    return turned


def rex(done: TwoFloat, left: TwoFloat) -> tuple[TwoFloat, TwoFloat]:
    """Weigh a hyperbola: left / (1/2 + left / 2) is left."""
    return done / (left + 1.0), left * 2.0 / (left + 1.0)


def to_power(exponent: Any) -> Weights:
    """Weigh a power of what is left: left ** exponent is left."""

    def weights(done: TwoFloat, left: TwoFloat) -> tuple[TwoFloat, TwoFloat]:
        way_left, way_done = exp_and_expm1(TwoFloat.of(exponent) * log_of_rest(done, left))
        return -way_done, way_left

    return weights


def delayed(exponent: Any, weights: Weights) -> Weights:
    """Weigh as `weights` do after done ** exponent of the time instead of done; for None, as they do."""
    if exponent is None:
        return weights
    towards = to_power(exponent)

    def later(done: TwoFloat, left: TwoFloat) -> tuple[TwoFloat, TwoFloat]:
        rest, passed = towards(left, done)  # the power of what is done, and its complement
        return weights(where(done.high > 0, passed, 0.0), where(done.high > 0, rest, 1.0))

    return later


def decaying(decay_rate: Any) -> Weights:
    """Weigh an exponential that is cut off where it reaches decay_rate: (decay_rate ** done - decay_rate) / (1 - decay_rate)."""

    def weights(done: TwoFloat, left: TwoFloat) -> tuple[TwoFloat, TwoFloat]:
        logarithm = log(TwoFloat.of(decay_rate))
        whole = expm1(logarithm)  # decay_rate - 1
        passed, way_done = exp_and_expm1(done * logarithm)
        return way_done / whole, passed * expm1(left * logarithm) / whole

    return weights


def sigmoid(lower: Any, upper: Any) -> Weights:
    """Weigh (1 - tanh(x)) / 2 with x from lower to upper: that much is left. At neither end it is exactly 0 or 1."""

    def weights(done: TwoFloat, left: TwoFloat) -> tuple[TwoFloat, TwoFloat]:
        twice = (TwoFloat.of(lower) * left + TwoFloat.of(upper) * done) * 2.0
        near = exp(where(twice.high < 0, twice, -twice))  # of the smaller of the two over the larger
        smaller, larger = near / (near + 1.0), 1.0 / (near + 1.0)
        return where(twice.high < 0, smaller, larger), where(twice.high < 0, larger, smaller)

    return weights


INTERPOLATIONS: dict[str, Weights] = {"linear": straight, "cosine": cosine}
