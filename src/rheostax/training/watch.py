"""What a run tells while it goes on."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from rheostax.errors import RheostaxWarning

if TYPE_CHECKING:
    from rheostax.checkpoint import Restored
    from rheostax.record.journal import Decision, Rates
    from rheostax.training.plan import Plan, Result

__all__ = ["Watcher"]


class Watcher:
    """Hear what happens in a run. Does nothing, except that warnings become Python warnings; override what you need."""

    def begin(self, plan: Plan) -> None:
        """Hear what is going to be done."""

    def resumed(self, restored: Restored) -> None:
        """Hear where a run goes on, and what of its checkpoint was kept; after `begin`."""

    def updated(self, count: int, metrics: dict[str, float], learning_rate: Rates) -> None:
        """Hear, after each dispatch, how many updates are applied, the last one's training metrics, and its rate."""

    def validated(self, epoch: int, metrics: dict[str, float], learning_rate: Rates) -> None:
        """Hear the validation metrics after an epoch (1, 2, ...)."""

    def decided(self, decision: Decision) -> None:
        """Hear a policy's decision, at once."""

    def warned(self, text: str) -> None:
        """Hear of something that is probably not what was meant."""
        warnings.warn(text, RheostaxWarning, stacklevel=3)

    def end(self, result: Result) -> None:
        """Hear how it ended; called also after an interruption."""

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *exception: Any) -> None:
        return None
