"""Optional dependencies: imported when they are needed, and named when they are missing."""

from __future__ import annotations

import importlib
from types import ModuleType

from rheostax.errors import MissingExtraError

__all__ = ["load"]


def load(module: str, *, extra: str) -> ModuleType:
    """Import a module that comes with one of rheostax's extras.

    Raises:
        MissingExtraError: If it isn't installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        package = module.partition(".")[0]
        if error.name is None or error.name.partition(".")[0] != package:
            raise  # the package is there, but something that it needs isn't
        raise MissingExtraError(f"This needs {package}, which isn't installed: pip install 'rheostax[{extra}]'.") from None
