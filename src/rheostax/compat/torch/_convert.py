"""From a PyTorch scheduler in the middle of a run to an expression that goes on from there. PyTorch isn't imported."""

from __future__ import annotations

import functools
import math
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rheostax._check import did_you_mean
from rheostax._rate import Constant, LearningRate, Product, is_reactive, lower
from rheostax.compat.torch import _factors
from rheostax.compat.torch._compose import ChainedScheduler
from rheostax.compat.torch._cycles import CosineAnnealingLR, CosineAnnealingWarmRestarts, CyclicLR
from rheostax.compat.torch._swa import SWALR
from rheostax.errors import ArgumentError, RheostaxWarning
from rheostax.policies.plateau_rate import PlateauRate
from rheostax.schedules.join import Join
from rheostax.schedules.one_cycle import OneCycle
from rheostax.schedules.shift import Shift

__all__ = ["convert"]

SAME = 1e-6  # PyTorch's own rounding errors in a recursion are far below it, a change by hand above


def convert(scheduler: Any, *, name: str | None = None, group: int | None = None, **arguments: Any) -> LearningRate:
    """Take over from a PyTorch scheduler: at count 0 the expression has the rate that the optimizer has now.

    A rate that was changed by hand stays changed where the schedule multiplies it; a `ReduceLROnPlateau` keeps its best
    metric, its count of bad ones, and its cooldown. PyTorch itself isn't needed: what is read are attributes.

    Args:
        scheduler: A scheduler of torch.optim, or what its `state_dict()` returned.
        name: The class of the scheduler, for a state_dict: "StepLR".
        group: Which parameter group of the optimizer, from 0, if it has several.
        **arguments: What a state_dict doesn't hold: `lr_lambda` of LambdaLR and MultiplicativeLR; `max_lr`, and
            `final_div_factor` if it isn't 1e4, of OneCycleLR; `swa_lr` of SWALR; `parts`, the classes of the parts by name,
            of SequentialLR and ChainedScheduler. For ReduceLROnPlateau, `monitor` and `strict` as in
            `rx.compat.torch.ReduceLROnPlateau`.

    Returns:
        An expression.

    Raises:
        ArgumentError: If the class is unknown, something is missing or left over, or the rate isn't one that the schedule has.

    >>> import rheostax as rx
    >>> state = {"step_size": 30, "gamma": 0.5, "base_lrs": [0.5], "last_epoch": 29, "_last_lr": [0.5]}
    >>> rate = rx.compat.torch.convert(state, name="StepLR")
    >>> [float(rate(count)) for count in range(3)]
    [0.5, 0.25, 0.25]
    """
    source = _Source(scheduler, name, group, dict(arguments))
    rate = source.expression()
    if source.arguments:
        raise ArgumentError(f"convert: {source.name} needs no argument {next(iter(source.arguments))!r} here.")
    return rate if is_reactive(rate) else source.from_now_on(rate)


class _Source:
    """A scheduler or a state_dict, and one group of it."""

    def __init__(self, scheduler: Any, name: str | None, group: int | None, arguments: dict[str, Any]) -> None:
        live = not isinstance(scheduler, Mapping)
        if live == (name is not None) or (live and not hasattr(scheduler, "state_dict")):
            what = "is for a state_dict only" if live and name else "is needed for a state_dict" if not live else "can't be known"
            raise ArgumentError(f"convert: name, the scheduler's class, {what}; got {name!r} with {type(scheduler).__name__}.")
        self.fields: Mapping[str, Any] = vars(scheduler) if live else scheduler
        self.name = type(scheduler).__name__ if live else str(name)
        known = next((base.__name__ for base in type(scheduler).__mro__ if base.__name__ in _KNOWN), None)
        same = f"It is a {known}; if it changes nothing in that, convert(scheduler.state_dict(), name={known!r})."
        self.hint = _NOT_CONVERTED.get(self.name, same if known else "")
        self.arguments = arguments
        optimizer = getattr(scheduler, "optimizer", None)
        self.groups = optimizer.param_groups if optimizer is not None else None
        rates = self.field("_last_lr")
        if group is None and len(rates) > 1:
            raise ArgumentError(f"convert: group must say which of {len(rates)} parameter groups, from 0 to {len(rates) - 1}.")
        self.group = group or 0
        if not isinstance(self.group, int) or not 0 <= self.group < len(rates):
            raise ArgumentError(f"convert: group must be a number from 0 to {len(rates) - 1}, got {group!r}.")

    def field(self, key: str) -> Any:
        if key not in self.fields:
            there = f"there are {', '.join(map(repr, self.fields))}" if self.fields else "it is empty"
            raise ArgumentError(f"convert: {self.name} must have {key!r}, as PyTorch's has; {there}.")
        return self.fields[key]

    def of_group(self, key: str) -> float:
        """Return a number of the optimizer's parameter group, or else the argument of that name."""
        if self.groups is not None and key in self.groups[self.group]:
            return float(self.groups[self.group][key])
        return float(self.argument(key))

    def argument(self, key: str, *default: Any) -> Any:
        if key not in self.arguments and not default:
            raise ArgumentError(f"convert: {key} must be given for {self.name}: a state_dict doesn't hold it.")
        return self.arguments.pop(key, *default)

    @property
    def now(self) -> float:
        """The optimizer's rate."""
        return float(self.field("_last_lr")[self.group] if self.groups is None else self.groups[self.group]["lr"])

    @property
    def base(self) -> float:
        return float(self.field("base_lrs")[self.group])

    @property
    def count(self) -> int:
        return int(self.parts[0].count if self.name == "ChainedScheduler" else self.field("last_epoch"))

    @functools.cached_property
    def parts(self) -> list[_Source]:
        schedulers = self.field("_schedulers")
        if not any(isinstance(part, Mapping) for part in schedulers):
            return [_Source(part, None, self.group, self.arguments) for part in schedulers]
        names = self.argument("parts")
        if not isinstance(names, list | tuple) or len(names) != len(schedulers):
            raise ArgumentError(f"convert: parts must be a list of the classes' names, one for each of {len(schedulers)}; got {names!r}.")
        return [_Source(part, name, self.group, self.arguments) for part, name in zip(schedulers, names, strict=True)]

    def expression(self) -> LearningRate:
        """Return the expression of the whole schedule, from its count 0."""
        if self.name not in _KNOWN:
            raise ArgumentError(f"convert: {self.name} isn't known. {self.hint or did_you_mean(self.name, _KNOWN)}".rstrip())
        return _KNOWN[self.name](self)

    def from_now_on(self, rate: LearningRate) -> LearningRate:
        """Begin at the scheduler's count, at the optimizer's rate."""
        count, now = self.count, self.now
        expected = float(_value(lower(rate), jnp.int32(count)))
        own = rate.factors[0] if isinstance(rate, Product) else None
        largest = own.value if isinstance(own, Constant) else max(now, expected)  # what is left of PyTorch's rounding errors scales with it
        if not math.isclose(expected, now, rel_tol=SAME, abs_tol=1e-12 * largest) and self.name not in _OVERWRITING:
            if not isinstance(own, Constant) or expected == 0:
                raise ArgumentError(
                    f"convert: the optimizer's rate must be that of its {self.name}, {expected:.9g} at count {count}, got {now:.9g}. Set "
                    "it back in PyTorch, convert, and use rx.set_learning_rate."
                )
            rate = Product((Constant(own.value * (now / expected)), *rate.factors[1:]))  # type: ignore[attr-defined]
        return Shift(rate, count) if count else rate


@jax.jit
def _value(rate: LearningRate, count: jax.Array) -> jax.Array:
    return rate.evaluate(rate.init(), count).high


_OVERWRITING = {"LambdaLR", "CyclicLR", "OneCycleLR", "CosineAnnealingWarmRestarts"}  # their next step forgets the rate of now


def _direct(make: Callable[..., LearningRate], *fields: str) -> Callable[[_Source], LearningRate]:
    """Make the expression of fields that have the arguments' names."""
    return lambda source: make(source.base, **{field: source.field(field) for field in fields})


def _multi_step(source: _Source) -> LearningRate:
    milestones = source.field("milestones")
    several = [count for count, times in milestones.items() for _ in range(times)]
    return _factors.MultiStepLR(source.base, several, source.field("gamma"))


def _with_function(make: Callable[..., LearningRate]) -> Callable[[_Source], LearningRate]:
    def expression(source: _Source) -> LearningRate:
        function = source.field("lr_lambdas")[source.group]
        return make(source.base, function if callable(function) else source.argument("lr_lambda"))

    return expression


def _cyclic(source: _Source) -> LearningRate:
    if source.fields.get("_scale_fn_custom") is not None:
        raise ArgumentError("convert: CyclicLR must not have a scale_fn of its own; that isn't supported.")
    _no_momentum(source)
    total = round(source.field("total_size"))
    up = round(total * source.field("step_ratio"))
    high, gamma = float(source.field("max_lrs")[source.group]), source.field("gamma")
    return CyclicLR(source.base, source.base, high, up, total - up, source.field("mode"), gamma, cycle_momentum=False)


def _one_cycle(source: _Source) -> LearningRate:
    _no_momentum(source)
    phases, last = source.field("_schedule_phases"), source.field("total_steps") - 1
    peak = source.of_group("max_lr")
    end = source.base / source.argument("final_div_factor", 1e4) if source.groups is None else source.of_group("min_lr")
    shape = "cosine" if source.field("_anneal_func_type") == "cos" else "linear"
    return OneCycle(source.base, peak, end, last, phases[0]["end_step"] / last, three_phase=len(phases) > 2, interpolation=shape)


def _no_momentum(source: _Source) -> None:
    if source.field("cycle_momentum"):
        message = f"convert: the momentum that this {source.name} cycles isn't converted; the rate is."
        warnings.warn(message, RheostaxWarning, stacklevel=5)


def _swa(source: _Source) -> LearningRate:
    goal, steps, shape = source.of_group("swa_lr"), source.field("anneal_epochs"), source.field("_anneal_strategy")
    done = min(1.0, source.count / max(1, steps)) if steps else 1.0
    way = (1 - np.cos(np.pi * done)) / 2 if shape == "cos" else done
    start = goal if done == 1 else (source.now - way * goal) / (1 - way)
    return SWALR(max(start, 0.0), goal, steps, shape)


def _plateau(source: _Source) -> LearningRate:
    relative = source.field("threshold_mode") == "rel"
    best, threshold = float(source.field("best")), float(source.field("threshold"))
    return PlateauRate(
        source.now,
        monitor=source.argument("monitor", "value"),
        mode=source.field("mode"),
        factor=float(source.field("factor")),
        patience=source.field("patience") + 1,
        rtol=threshold if relative else 0.0,
        atol=0.0 if relative else threshold,
        cooldown=source.field("cooldown"),
        min_value=float(source.field("min_lrs")[source.group]),
        min_change=float(source.field("eps")),
        strict=source.argument("strict", False),
        best_value=None if math.isinf(best) else best,
        plateau_count=source.field("num_bad_epochs"),
        cooldown_count=source.field("cooldown_counter"),
    )


def _sequential(source: _Source) -> LearningRate:
    milestones = source.field("_milestones")
    rates: list[LearningRate] = []
    for i, part in enumerate(source.parts):
        if i and part.name == "MultiplicativeLR":
            raise ArgumentError(
                f"convert: part {i} of a SequentialLR must not be a MultiplicativeLR, which goes on from wherever the rate is."
            )
        if i and part.name == "SWALR" and source.count < milestones[i - 1]:  # it will begin at the rate that the part before ends at
            last = milestones[i - 1] - 1 - (milestones[i - 2] if i > 1 else 0)
            start = float(_value(lower(rates[-1]), jnp.int32(last)))
            rates.append(SWALR(start, part.of_group("swa_lr"), part.field("anneal_epochs"), part.field("_anneal_strategy")))
        else:
            rates.append(part.expression())
    return Join(rates, milestones)


def _chained(source: _Source) -> LearningRate:
    return ChainedScheduler([part.expression() for part in source.parts], strict=True)


_NOT_CONVERTED = {
    "GreedyLR": "What it has counted can't be taken over; begin anew with rx.compat.transformers.GreedyLR and the rate of now."
}

_KNOWN: dict[str, Callable[[_Source], LearningRate]] = {
    "ChainedScheduler": _chained,
    "ConstantLR": _direct(_factors.ConstantLR, "factor", "total_iters"),
    "CosineAnnealingLR": _direct(CosineAnnealingLR, "T_max", "eta_min"),
    "CosineAnnealingWarmRestarts": _direct(CosineAnnealingWarmRestarts, "T_0", "T_mult", "eta_min"),
    "CyclicLR": _cyclic,
    "ExponentialLR": _direct(_factors.ExponentialLR, "gamma"),
    "LambdaLR": _with_function(_factors.LambdaLR),
    "LinearLR": _direct(_factors.LinearLR, "start_factor", "end_factor", "total_iters"),
    "MultiStepLR": _multi_step,
    "MultiplicativeLR": _with_function(_factors.MultiplicativeLR),
    "OneCycleLR": _one_cycle,
    "PolynomialLR": _direct(_factors.PolynomialLR, "total_iters", "power"),
    "ReduceLROnPlateau": _plateau,
    "SWALR": _swa,
    "SequentialLR": _sequential,
    "StepLR": _direct(_factors.StepLR, "step_size", "gamma"),
}
