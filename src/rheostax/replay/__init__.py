"""Feed what a finished run observed to other rules: what they would have decided, not what would have come of it."""

from rheostax.replay._replay import replay
from rheostax.replay._result import Replay, Replayed

__all__ = ["Replay", "Replayed", "replay"]
