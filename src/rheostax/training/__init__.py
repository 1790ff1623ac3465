"""The training loop behind `rheostax train`, for any task that keeps a small protocol."""

from rheostax.training.data import Arrays, Data
from rheostax.training.fit import fit
from rheostax.training.plan import Plan, Result
from rheostax.training.task import Task, load_task
from rheostax.training.watch import Watcher

__all__ = ["Arrays", "Data", "Plan", "Result", "Task", "Watcher", "fit", "load_task"]
