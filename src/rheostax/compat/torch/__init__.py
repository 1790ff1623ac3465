"""PyTorch's schedulers by their names (as of torch 2.13), and a converter for those that are in the middle of a run.

The first argument is the optimizer's rate in place of the optimizer; the others are PyTorch's, with its defaults. An
expression's count is the scheduler's `last_epoch` for a `scheduler.step()` after every optimizer update. Where the script
calls `step()` once per epoch, give lengths in epochs and resolve them: `StepLR(0.1, "30ep")`, `rx.resolve(rate,
steps_per_epoch=...)`.
"""

from rheostax.compat.torch._compose import ChainedScheduler, SequentialLR
from rheostax.compat.torch._convert import convert
from rheostax.compat.torch._cycles import CosineAnnealingLR, CosineAnnealingWarmRestarts, CyclicLR, OneCycleLR
from rheostax.compat.torch._factors import (
    ConstantLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    MultiplicativeLR,
    MultiStepLR,
    PolynomialLR,
    StepLR,
)
from rheostax.compat.torch._plateau import ReduceLROnPlateau
from rheostax.compat.torch._swa import SWALR

__all__ = [
    "SWALR",
    "ChainedScheduler",
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "CyclicLR",
    "ExponentialLR",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "MultiplicativeLR",
    "OneCycleLR",
    "PolynomialLR",
    "ReduceLROnPlateau",
    "SequentialLR",
    "StepLR",
    "convert",
]
