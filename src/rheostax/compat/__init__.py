"""Other libraries' learning-rate schedules under their own names, one module per library; none of them is imported.

`rx.compat.torch.StepLR(0.1, step_size=30)` has the class name, the arguments, the defaults and the counting of the peer, and
is an ordinary expression: it can be multiplied, bounded, controlled, simulated. A module is imported when it is used.
"""

import importlib
import pkgutil
from types import ModuleType

__all__ = ["keras", "optax", "timm", "torch", "transformers"]


def __getattr__(name: str) -> ModuleType:
    if any(module.name == name for module in pkgutil.iter_modules(__path__)):
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
