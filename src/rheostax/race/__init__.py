"""Many learning rates at once: train them side by side, drop the worse half now and then, keep the best."""

from rheostax.race._halving import Rung, rungs
from rheostax.race._result import Race, Standing
from rheostax.race._run import race
from rheostax.race._task import peaks, race_task

__all__ = ["Race", "Rung", "Standing", "peaks", "race", "race_task", "rungs"]
