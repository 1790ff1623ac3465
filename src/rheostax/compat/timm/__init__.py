"""timm's schedulers by their names (as of timm 1.0.31).

The first argument is the optimizer's rate in place of the optimizer; the others are timm's, with its defaults. An expression's
count is the t of timm's `step(t)` or `step_update(t)`: with `t_in_epochs=True`, timm's default, it is an epoch, and
`rx.Staircase(rate, "1ep")` makes updates of them. Before the first call timm leaves the optimizer at its own rate or at
`warmup_lr_init`; count 0 here is what `step(0)` sets.
"""

from rheostax.compat.timm._cycles import CosineLRScheduler, PolyLRScheduler, TanhLRScheduler
from rheostax.compat.timm._plateau import PlateauLRScheduler
from rheostax.compat.timm._steps import MultiStepLRScheduler, StepLRScheduler
from rheostax.compat.timm._wsd import WSDLRScheduler

__all__ = [
    "CosineLRScheduler",
    "MultiStepLRScheduler",
    "PlateauLRScheduler",
    "PolyLRScheduler",
    "StepLRScheduler",
    "TanhLRScheduler",
    "WSDLRScheduler",
]
