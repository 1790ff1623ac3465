"""On what a run is made: what its configuration tells beside its settings."""

from __future__ import annotations

import importlib.metadata
import platform
from typing import Any

import jax

from rheostax._version import __version__

__all__ = ["environment"]


def environment() -> dict[str, Any]:
    """Return the kind of device, and versions."""
    versions = {name: importlib.metadata.version(name) for name in ("jax", "flax", "optax", "numpy")}
    return {"device": jax.devices()[0].device_kind, "python": platform.python_version(), "packages": {"rheostax": __version__} | versions}
