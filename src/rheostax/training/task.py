"""`Task`: what to train, on what, and how; and finding one by name."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import optax

from rheostax._check import did_you_mean
from rheostax._rate import LearningRate
from rheostax.errors import TaskError
from rheostax.training.data import Data

__all__ = ["EMBEDDED", "Task", "imported", "load_task"]

EMBEDDED = ("digits", "language", "diabetes")


@dataclasses.dataclass(frozen=True)
class Task:
    """Everything that `rheostax train` needs to know.

    Attributes:
        name: Short name, for folders and titles.
        model: Makes the model: `model(rngs: nnx.Rngs) -> nnx.Module`.
        data: Loads the data: `data() -> Data`, for example `Arrays(training, held_out, batch_size)`.
        loss: `loss(model, batch) -> (loss, metrics)`: a scalar, and a dict of scalars (may be empty), each a mean over the
            batch. Training reports them under these names, validation with `val_` before them: `val_loss`, `val_accuracy`.
        learning_rate: `learning_rate(updates_per_epoch, epochs)` makes the expression; a number or an optax schedule will
            do. Durations may be in epochs and fractions of the run, and in samples if the data has a `batch_size`. Policies
            can monitor `value` (the training loss at every update) and the validation metrics (once per epoch).
        epochs: How many epochs to train at most.
        optimizer: An optax optimizer, not called.
        hyperparameters: Its other arguments.
        goal: The validation metric to show, and which way is better: ("val_loss", "min") or ("val_accuracy", "max").
        updates_per_dispatch: How many updates one compiled call makes at most: more are faster, fewer are told sooner.
    """

    name: str
    model: Callable[[Any], Any]
    data: Callable[[], Data]
    loss: Callable[[Any, Any], tuple[jax.Array, Mapping[str, jax.Array]]]
    learning_rate: Callable[[int, int], LearningRate]
    epochs: int
    optimizer: Callable[..., optax.GradientTransformation] = optax.adamw
    hyperparameters: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    goal: tuple[str, str] = ("val_loss", "min")
    updates_per_dispatch: int = 100

    def __post_init__(self) -> None:
        for field, arguments in (("model", 1), ("data", 0), ("loss", 2), ("learning_rate", 2)):
            function = getattr(self, field)
            try:
                inspect.signature(function).bind(*[None] * arguments)
            except ValueError:  # a built-in without a signature
                continue
            except TypeError:
                takes = ("no arguments", "one argument", "two arguments")[arguments]
                raise TaskError(f"Task: {field} must be a function that takes {takes}, got {function!r}.") from None
        if not isinstance(self.updates_per_dispatch, int) or self.updates_per_dispatch < 1:
            raise TaskError(f"Task: updates_per_dispatch must be a whole number >= 1, got {self.updates_per_dispatch!r}.")
        if len(self.goal) != 2 or self.goal[1] not in ("min", "max"):
            raise TaskError(f'Task: goal must be a metric and "min" or "max", such as ("val_accuracy", "max"); got {self.goal!r}.')


def load_task(name: str) -> Task:
    """Return an embedded task by its name, or a user's by `module:attribute`.

    The attribute is a `Task`, or a function without arguments that returns one. Modules are looked for in the working folder
    too.

    Raises:
        TaskError: If there is no such task, it can't be imported, or isn't a task.
    """
    if ":" not in name:
        if name not in EMBEDDED:
            hint = did_you_mean(name, EMBEDDED)
            if Path(f"{name}.py").is_file():
                hint = f"For the task in {name}.py write '{name}:task'."
            known = f"Embedded are {', '.join(EMBEDDED)}; write your own as 'mypackage.mymodule:task'."
            raise TaskError(f"There is no task {name!r}. {known} {hint}".rstrip())
        name = f"rheostax.tasks.{name}:task"
    found = imported(name)
    if callable(found) and all(p.default is not p.empty for p in inspect.signature(found).parameters.values()):
        try:
            found = found()
        except Exception as error:
            raise TaskError(f"{name} can't make its task: {type(error).__name__}: {error}") from error
    if not isinstance(found, Task):
        raise TaskError(f"{name} must be a rheostax.training.Task or a function that returns one, got {found!r}.")
    return found


def imported(name: str) -> Any:
    """Import what `module:attribute` names; modules are looked for in the working folder too.

    Raises:
        TaskError: If there is no such module or attribute, or the module can't be imported.
    """
    module_name, _, attribute = name.partition(":")
    return _attribute(_module(module_name), module_name, attribute)


def _module(name: str) -> Any:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(f"{error.name}.")):
            raise TaskError(f"The module {name!r} can't be found from {here}. Write mypackage.mymodule:task.") from None
        raise TaskError(f"The module {name!r} can't be imported: it needs {error.name!r}, which isn't installed.") from None
    except Exception as error:
        raise TaskError(f"The module {name!r} can't be imported: {type(error).__name__}: {error}") from error


def _attribute(module: Any, module_name: str, attribute: str) -> Any:
    if not attribute or not hasattr(module, attribute):
        hint = did_you_mean(attribute, [key for key in vars(module) if not key.startswith("_")])
        raise TaskError(f"The module {module_name!r} has no attribute {attribute!r}. {hint}".rstrip())
    return getattr(module, attribute)
