"""Other libraries' learning-rate schedules under their own names, one module per library; none of them is imported.

`rx.compat.torch.StepLR(0.1, step_size=30)` has the class name, the arguments, the defaults and the counting of the peer, and
is an ordinary expression: it can be multiplied, bounded, controlled, simulated. A module is imported when it is used.
"""

from typing import TYPE_CHECKING

from rheostax._later import later

if TYPE_CHECKING:
    from rheostax.compat import keras, optax, timm, torch, transformers

__all__ = ["keras", "optax", "timm", "torch", "transformers"]

if not TYPE_CHECKING:
    __getattr__, __dir__ = later(__name__, {name: f"{__name__}.{name}" for name in __all__})
