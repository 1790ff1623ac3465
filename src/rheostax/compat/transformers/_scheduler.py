"""Transformers' schedules by the names that its Trainer takes, and a converter for those in the middle of a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rheostax._check import one_of
from rheostax._rate import LearningRate
from rheostax.compat.torch import convert as convert_torch
from rheostax.compat.transformers import _cosines, _greedy, _lines, _wsd
from rheostax.errors import ArgumentError
from rheostax.schedules.shift import Shift

__all__ = ["NAMES", "convert", "get_scheduler"]

# name, function, whether it takes num_warmup_steps and num_training_steps
NAMES: dict[str, tuple[Callable[..., LearningRate], bool, bool]] = {
    "linear": (_lines.get_linear_schedule_with_warmup, True, True),
    "cosine": (_cosines.get_cosine_schedule_with_warmup, True, True),
    "cosine_with_restarts": (_cosines.get_cosine_with_hard_restarts_schedule_with_warmup, True, True),
    "polynomial": (_lines.get_polynomial_decay_schedule_with_warmup, True, True),
    "constant": (_lines.get_constant_schedule, False, False),
    "constant_with_warmup": (_lines.get_constant_schedule_with_warmup, True, False),
    "inverse_sqrt": (_lines.get_inverse_sqrt_schedule, True, False),
    "reduce_lr_on_plateau": (_greedy.get_reduce_on_plateau_schedule, False, False),
    "cosine_with_min_lr": (_cosines.get_cosine_with_min_lr_schedule_with_warmup, True, True),
    "cosine_warmup_with_min_lr": (_cosines.get_cosine_with_min_lr_schedule_with_warmup_lr_rate, True, True),
    "warmup_stable_decay": (_wsd.get_wsd_schedule, True, True),
    "greedy": (_greedy.get_greedy_schedule, False, False),
}


def get_scheduler(
    name: str,
    learning_rate: Any,
    num_warmup_steps: int | None = None,
    num_training_steps: int | None = None,
    scheduler_specific_kwargs: Mapping[str, Any] | None = None,
    *,
    count: int = 0,
) -> LearningRate:
    """Return the schedule that `TrainingArguments(lr_scheduler_type=name)` means.

    Args:
        name: "linear", "cosine", "cosine_with_restarts", "polynomial", "constant", "constant_with_warmup", "inverse_sqrt",
            "reduce_lr_on_plateau", "cosine_with_min_lr", "cosine_warmup_with_min_lr", "warmup_stable_decay" or "greedy".
        learning_rate: The optimizer's `lr`, a number >= 0, or `rx.Groups` of numbers.
        num_warmup_steps: Updates of warm-up, for those that have one.
        num_training_steps: Updates of the run, for those that end.
        scheduler_specific_kwargs: Other arguments of the function; the Trainer's `lr_scheduler_kwargs`.
        count: Updates that were made before: the expression goes on from there. Policies begin anew.

    Returns:
        An expression.

    Raises:
        ArgumentError: If the name is unknown, or an argument is missing or breaks its rule.

    >>> import rheostax as rx
    >>> rate = rx.compat.transformers.get_scheduler("linear", 1.0, num_warmup_steps=2, num_training_steps=6, count=3)
    >>> [float(rate(count)) for count in (0, 1, 3)]
    [0.75, 0.5, 0.0]
    """
    name = str(getattr(name, "value", name))  # Transformers' enum holds the word
    one_of("get_scheduler: name", name, NAMES)
    function, warms_up, ends = NAMES[name]
    if not isinstance(scheduler_specific_kwargs, Mapping | None):
        got = repr(scheduler_specific_kwargs)
        raise ArgumentError(f"get_scheduler: scheduler_specific_kwargs must be a dict of arguments for {name!r}, got {got}.")
    given: dict[str, Any] = dict(scheduler_specific_kwargs or {})
    for argument, value, needed in (("num_warmup_steps", num_warmup_steps, warms_up), ("num_training_steps", num_training_steps, ends)):
        if needed and value is not None:
            given[argument] = value
        elif needed and not (name == "warmup_stable_decay" and argument == "num_training_steps"):
            raise ArgumentError(f"get_scheduler: {name!r} needs {argument}.")
    rate = _call(function, learning_rate, given)
    return Shift(rate, count) if count else rate


def _call(function: Callable[..., LearningRate], learning_rate: Any, given: Mapping[str, Any]) -> LearningRate:
    try:
        return function(learning_rate, **given)
    except TypeError as error:  # an argument that the function doesn't have
        raise ArgumentError(str(error)) from None


def convert(scheduler: Any, *, group: int | None = None, **arguments: Any) -> LearningRate:
    """Take over from a scheduler that Transformers made: at count 0 the expression has the rate that the optimizer has now.

    Args:
        scheduler: What `get_scheduler` or `trainer.lr_scheduler` is: a `LambdaLR` or a `ReduceLROnPlateau` of PyTorch's.
            A state_dict doesn't hold the function; go on from one with `get_scheduler(name, ..., count=state["last_epoch"])`.
        group: Which parameter group of the optimizer, from 0, if it has several.
        **arguments: `monitor` and `strict` for a ReduceLROnPlateau.

    Returns:
        An expression.

    Raises:
        ArgumentError: If the scheduler isn't one of Transformers'.

    Source: `functools.partial` keeps the arguments of the function that Transformers gives to `LambdaLR`.
    """
    if type(scheduler).__name__ == "ReduceLROnPlateau":
        return convert_torch(scheduler, group=group, **arguments)
    functions = getattr(scheduler, "lr_lambdas", None)
    if not functions:
        raise ArgumentError(
            f"convert: scheduler must be a LambdaLR or ReduceLROnPlateau that Transformers made, got {type(scheduler).__name__}. "
            "From a state_dict go on with get_scheduler(name, ..., count=state['last_epoch'])."
        )
    rates = [float(base) for base in scheduler.base_lrs]
    if group is None and len(rates) > 1:
        raise ArgumentError(f"convert: group must say which of {len(rates)} parameter groups, from 0 to {len(rates) - 1}.")
    function = functions[group or 0]
    known = dict(getattr(function, "keywords", {}))
    rate = _of_lambda(getattr(getattr(function, "func", function), "__name__", ""), rates[group or 0], known)
    return Shift(rate, int(scheduler.last_epoch)) if scheduler.last_epoch else rate


def _of_lambda(function: str, rate: float, known: dict[str, Any]) -> LearningRate:
    """Return the schedule that one of Transformers' functions of the step, with its arguments, comes from."""
    if function == "_get_cosine_schedule_with_warmup_lr_lambda" and "min_lr_rate" in known:
        return _cosines.get_cosine_with_min_lr_schedule_with_warmup(rate, **known)
    if function == "_get_polynomial_decay_schedule_with_warmup_lr_lambda":
        known.pop("lr_init", None)
    names: dict[str, Callable[..., LearningRate]] = {
        "_get_constant_lambda": _lines.get_constant_schedule,
        "_get_constant_schedule_with_warmup_lr_lambda": _lines.get_constant_schedule_with_warmup,
        "_get_linear_schedule_with_warmup_lr_lambda": _lines.get_linear_schedule_with_warmup,
        "_get_cosine_schedule_with_warmup_lr_lambda": _cosines.get_cosine_schedule_with_warmup,
        "_get_cosine_with_hard_restarts_schedule_with_warmup_lr_lambda": _cosines.get_cosine_with_hard_restarts_schedule_with_warmup,
        "_get_polynomial_decay_schedule_with_warmup_lr_lambda": _lines.get_polynomial_decay_schedule_with_warmup,
        "_get_inverse_sqrt_schedule_lr_lambda": _lines.get_inverse_sqrt_schedule,
        "_get_cosine_with_min_lr_schedule_with_warmup_lr_rate_lambda": _cosines.get_cosine_with_min_lr_schedule_with_warmup_lr_rate,
        "_get_wsd_scheduler_lambda": _wsd.get_wsd_schedule,
    }
    if function not in names:
        raise ArgumentError(f"convert: scheduler must be one that Transformers made, got a LambdaLR of {function or 'no function'!r}.")
    return names[function](rate, **known)
