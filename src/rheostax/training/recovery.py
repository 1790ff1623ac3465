"""How a run goes back to its last good state, when a spike guard of its learning rate asks for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp

from rheostax._control_state import ControlState
from rheostax._words import plain
from rheostax.errors import TaskError
from rheostax.record.journal import WENT_BACK, Decision, rate_at
from rheostax.rollback import Rollback
from rheostax.state import apply, asks_to_go_back, guards, guards_of, should_roll_back
from rheostax.training.plan import Plan
from rheostax.training.spread import Spread

__all__ = ["Recovery", "rolled_back"]

COPIES = 10  # per epoch


class Recovery:
    """Keep good copies of a run in the host's memory, and bring the last one back.

    The data isn't rolled back, and neither is the count: the updates that are undone count as skipped ones, so the run has as many
    as it was planned to have, and its schedule ends with them.

    Args:
        updates_per_epoch: Updates in an epoch; copies are made ten times in each.
        warn: Hears where there is nothing to go back to.
    """

    def __init__(self, updates_per_epoch: int, warn: Callable[[str], Any]) -> None:
        self._every, self._last = max(1, updates_per_epoch // COPIES), -1
        self._rollback = Rollback(warn=warn)

    @classmethod
    def of(cls, optimizer: Any, plan: Plan, spread: Spread, warn: Callable[[str], Any]) -> Recovery | None:
        """Return one for a run whose learning rate may ask for a rollback, or None.

        Raises:
            TaskError: If no process could hold a copy, because each has only a part of the weights.
        """
        if not guards(optimizer):
            return None
        if spread.fully_sharded and plan.processes > 1:
            raise TaskError(
                "SpikeGuard(roll_back=True) needs a copy of all weights in each process, which fully_sharded divides among several. "
                "Leave fully_sharded away, or roll_back."
            )
        return cls(plan.updates_per_epoch, warn)

    def check(self, optimizer: Any, model: Any, count: int) -> bool:
        """Go back if that is asked for, else make a copy if it is time for one; tell whether the run went back."""
        if count // self._every == self._last and not bool(should_roll_back(optimizer)):
            return False
        self._last, before = count // self._every, self._rollback.rollbacks
        self._rollback.check(optimizer, model)
        if self._rollback.rollbacks == before:
            return False
        apply(optimizer, lambda _, state: state.replace(state.body._replace(count=jnp.int32(count))))
        return True


def rolled_back(lost: ControlState, restored: ControlState) -> Decision:
    """Return what the journal tells of a rollback: which guard asked for it, and the rates at this count before and after."""
    before, after = lost.fetch(), restored.fetch()
    guard, seen, _ = next(one for one in guards_of(before) if asks_to_go_back(*one))
    return Decision(
        count=int(before.count), policy=repr(guard), metric=guard.monitor, value=plain(seen.last), best=None,
        old_learning_rate=rate_at(before, before.count), new_learning_rate=rate_at(after, before.count), why=WENT_BACK,
    )  # fmt: skip
