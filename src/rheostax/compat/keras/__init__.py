"""Keras' schedules and the callbacks that drive the rate, by their names (as of Keras 3.15).

The functions take what the classes take, with Keras' defaults. An expression's count is Keras' `optimizer.iterations`, 0 at the
first update. A callback acts once per epoch: its expression comes after an optimizer's rate that is given as first argument.
Keras computes in float32; the expressions have the numbers of its formulas.
"""

from rheostax.compat.keras._callbacks import EarlyStopping, LearningRateScheduler, ReduceLROnPlateau
from rheostax.compat.keras._schedules import (
    CosineDecay,
    CosineDecayRestarts,
    ExponentialDecay,
    InverseTimeDecay,
    PiecewiseConstantDecay,
    PolynomialDecay,
)

__all__ = [
    "CosineDecay",
    "CosineDecayRestarts",
    "EarlyStopping",
    "ExponentialDecay",
    "InverseTimeDecay",
    "LearningRateScheduler",
    "PiecewiseConstantDecay",
    "PolynomialDecay",
    "ReduceLROnPlateau",
]
