"""Many learning rates at once: train them side by side, drop the worse half now and then, keep the best."""

from typing import TYPE_CHECKING

from rheostax._later import later
from rheostax.race._halving import Rung, rungs
from rheostax.race._result import Race, Standing
from rheostax.race._run import race

if TYPE_CHECKING:
    from rheostax.race._task import peaks, race_task

__all__ = ["Race", "Rung", "Standing", "peaks", "race", "race_task", "rungs"]

if not TYPE_CHECKING:
    __getattr__, __dir__ = later(__name__, dict.fromkeys(("peaks", "race_task"), "rheostax.race._task"))  # that imports the training
