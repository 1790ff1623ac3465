"""Exact resume: model, optimizer, learning rate, recorder and data position, saved and restored as one, on orbax."""

from rheostax.checkpoint._checkpoints import Checkpoints
from rheostax.checkpoint._restored import Restored

__all__ = ["Checkpoints", "Restored"]
