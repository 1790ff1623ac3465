"""On what the figures were measured."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from pathlib import Path

import jax


def machine() -> dict[str, str]:
    """Return processor, device and versions; nothing that names the machine itself."""
    device = jax.devices()[0]
    return {
        "cpu": _cpu(),
        "cores": str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()),
        "load before": f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown",  # far above 0: run it again
        "device": f"{len(jax.devices())} x {device.device_kind} ({device.platform})",
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in ("jax", "flax", "optax")},
    }


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    for line in info.read_text().splitlines() if info.exists() else ():
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            return value.strip()
    return platform.processor() or platform.machine()
