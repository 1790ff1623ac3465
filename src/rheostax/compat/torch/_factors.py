"""PyTorch's schedulers that are the optimizer's rate times a factor of the count."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import jax
import jax.numpy as jnp

from rheostax._node import node
from rheostax._rate import Constant, Foreign, LearningRate, Product
from rheostax._twofloat import TwoFloat, where
from rheostax.compat._arguments import by_group, each, number, pick, refuse, whole
from rheostax.errors import ArgumentError
from rheostax.groups import Groups
from rheostax.schedules.exponential import Exponential
from rheostax.schedules.linear import Linear
from rheostax.schedules.multi_step import MultiStep
from rheostax.schedules.piecewise_constant import PiecewiseConstant
from rheostax.schedules.polynomial import Polynomial
from rheostax.schedules.step import Step

__all__ = [
    "ConstantLR",
    "Cumulative",
    "ExponentialLR",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "MultiplicativeLR",
    "PolynomialLR",
    "StepLR",
    "from_the_start",
    "times",
]

Function = Callable[[Any], Any]


def from_the_start(where: str, last_epoch: Any) -> None:
    """Refuse to begin in the middle through PyTorch's argument for it, which expects an optimizer that knows its past."""
    refuse(where, "last_epoch", last_epoch, unless=-1, why="To begin at count n write rx.Shift(rate, n); see also rx.compat.torch.convert.")


def times(where: str, learning_rate: Any, factor: LearningRate) -> LearningRate:
    """Return the rate, or the rate of each group, times a factor."""
    base = by_group(where, learning_rate, lambda rate, i, n: Constant(number(where, "learning_rate", rate)))
    return Product((base, factor))


def LambdaLR(learning_rate: Any, lr_lambda: Function | list[Function], last_epoch: int = -1) -> LearningRate:
    """Multiply the rate with a function of the count: `learning_rate * lr_lambda(count)`.

    Args:
        learning_rate: The optimizer's `lr`, a number >= 0, or `rx.Groups` of numbers.
        lr_lambda: Count (`int32 []`) -> factor >= 0. It is traced: `jnp.where` in place of `if`, `jnp.minimum` of `min`. With
            groups, a list of one function for each is possible.
        last_epoch: -1.

    Returns:
        An expression.

    Raises:
        ArgumentError: If an argument breaks its rule.

    >>> import jax.numpy as jnp, rheostax as rx
    >>> rate = rx.compat.torch.LambdaLR(0.5, lambda epoch: 1 / (1 + epoch))
    >>> [float(rate(count)) for count in (0, 1, 3)]
    [0.5, 0.25, 0.125]
    """
    return _with_functions("LambdaLR", Foreign, learning_rate, lr_lambda, last_epoch)


def MultiplicativeLR(learning_rate: Any, lr_lambda: Function | list[Function], last_epoch: int = -1) -> LearningRate:
    """Multiply the rate again and again: `learning_rate * lr_lambda(1) * ... * lr_lambda(count)`.

    To know its value at a count it multiplies them all, so it takes time in proportion to the count: meant for schedules that
    proceed once per epoch (`rx.Staircase`). For a constant factor use `ExponentialLR`.

    Args:
        learning_rate: The optimizer's `lr`, a number >= 0, or `rx.Groups` of numbers.
        lr_lambda: Count (`int32 []`) -> factor >= 0, traced as in `LambdaLR`; or a list of them, one for each group.
        last_epoch: -1.

    Returns:
        An expression.

    Raises:
        ArgumentError: If an argument breaks its rule.

    >>> import rheostax as rx
    >>> rate = rx.compat.torch.MultiplicativeLR(1.0, lambda epoch: 0.5)
    >>> [float(rate(count)) for count in (0, 1, 3)]
    [1.0, 0.5, 0.125]
    """
    return _with_functions("MultiplicativeLR", Cumulative, learning_rate, lr_lambda, last_epoch)


def _with_functions(where: str, kind: type[Foreign], learning_rate: Any, function: Any, last_epoch: int) -> LearningRate:
    from_the_start(where, last_epoch)
    for one in function if isinstance(function, list | tuple) else [function]:
        _require_traceable(where, one)
    if isinstance(function, list | tuple) and isinstance(learning_rate, Groups):
        return by_group(where, learning_rate, lambda rate, i, n: Constant(rate) * kind(pick(where, "lr_lambda", function, i, n)))
    return times(where, learning_rate, kind(pick(where, "lr_lambda", function, 0, 1)))


def _require_traceable(where: str, function: Any) -> None:
    if not callable(function):
        raise ArgumentError(f"{where}: lr_lambda must be a function of the count, got {function!r}.")
    try:
        jax.eval_shape(function, jax.ShapeDtypeStruct((), jnp.int32))
    except TypeError as error:  # JAX's own among them
        home = getattr(getattr(function, "func", function), "__module__", None) or ""
        instead = "Use jnp.where in place of `if`, and jax.numpy in place of math and numpy."
        if home.partition(".")[0] == "transformers":
            instead = "This one is Transformers': use its name in rx.compat.transformers, or rx.compat.transformers.convert."
        told = f"{type(error).__name__}: {str(error).strip().splitlines()[0]}"
        raise ArgumentError(f"{where}: lr_lambda must be a function of the count that JAX can trace. {instead} It says: {told}") from None


@node
class Cumulative(Foreign):
    """Multiply the values of a function at 1, 2, ..., count."""

    def at(self, count: jax.Array) -> TwoFloat:
        def multiply(k: jax.Array, product: TwoFloat) -> TwoFloat:
            return where(k <= count, product * TwoFloat.of(self.function(k)), product)

        one = TwoFloat(jnp.ones(jnp.shape(count), jnp.float32), jnp.zeros(jnp.shape(count), jnp.float32))
        return jax.lax.fori_loop(jnp.int32(1), jnp.max(count) + 1, multiply, one)


def StepLR(learning_rate: Any, step_size: int, gamma: float = 0.1, last_epoch: int = -1) -> LearningRate:
    """Multiply the rate by `gamma` every `step_size` counts: `learning_rate * gamma ** (count // step_size)`.

    Args:
        learning_rate: The optimizer's `lr`, a number >= 0, or `rx.Groups` of numbers.
        step_size: Counts from cut to cut, a whole number >= 1.
        gamma: Factor, in (0, 1]; above 1, which would grow without bound, isn't supported.
        last_epoch: -1.

    Returns:
        An expression.

    Raises:
        ArgumentError: If an argument breaks its rule.

    >>> import rheostax as rx
    >>> rate = rx.compat.torch.StepLR(0.5, step_size=30)
    >>> [round(float(rate(count)), 4) for count in (0, 29, 30, 60)]
    [0.5, 0.5, 0.05, 0.005]
    """
    from_the_start("StepLR", last_epoch)
    size = whole("StepLR", "step_size", step_size)
    return times("StepLR", learning_rate, Step(1.0, size, _gamma("StepLR", gamma)))


def _gamma(where: str, gamma: Any) -> Any:
    return number(where, "gamma", gamma, high=1.0, low_open=True, high_open=False, advice="A rate that grows forever isn't supported.")


def MultiStepLR(learning_rate: Any, milestones: Iterable[int], gamma: float = 0.1, last_epoch: int = -1) -> LearningRate:
    """Multiply the rate by `gamma` at each of some counts; twice at one that is given twice.

    Args:
        learning_rate: The optimizer's `lr`, a number >= 0, or `rx.Groups` of numbers.
        milestones: Counts >= 0, in any order; durations in other units have to be in order.
        gamma: Factor, > 0.
        last_epoch: -1.

    Returns:
        An expression.

    Raises:
        ArgumentError: If an argument breaks its rule.

    >>> import rheostax as rx
    >>> rate = rx.compat.torch.MultiStepLR(0.5, milestones=[30, 80])
    >>> [round(float(rate(count)), 4) for count in (29, 30, 80)]
    [0.5, 0.05, 0.005]
    """
    from_the_start("MultiStepLR", last_epoch)
    gamma = number("MultiStepLR", "gamma", gamma, low_open=True)
    given = [whole("MultiStepLR", "milestones", milestone, low=0) for milestone in each("MultiStepLR", "milestones", milestones, "counts")]
    if not all(isinstance(milestone, int) for milestone in given):
        return times("MultiStepLR", learning_rate, MultiStep(1.0, tuple(given), gamma))
    often = Counter(given)
    first, later = often.pop(0, 0), sorted(often)
    if not first and len(later) == len(given):
        return times("MultiStepLR", learning_rate, MultiStep(1.0, tuple(later), gamma))
    exponents = [first + sum(often[m] for m in later[:i]) for i in range(len(later) + 1)]
    return times("MultiStepLR", learning_rate, PiecewiseConstant([gamma**exponent for exponent in exponents], later))


def ConstantLR(learning_rate: Any, factor: float = 1.0 / 3, total_iters: int = 5, last_epoch: int = -1) -> LearningRate:
    """Multiply the rate by `factor` until count `total_iters`; with total_iters=0, forever, as PyTorch does.

    Args:
        learning_rate: The optimizer's `lr`, a number >= 0, or `rx.Groups` of numbers.
        factor: In [0, 1]. With 0 PyTorch divides by zero when it ends; here the rate comes back.
        total_iters: Counts with the factor, a whole number >= 0.
        last_epoch: -1.

    Returns:
        An expression.

    Raises:
        ArgumentError: If an argument breaks its rule.

    >>> import rheostax as rx
    >>> rate = rx.compat.torch.ConstantLR(0.5, factor=0.5, total_iters=4)
    >>> [float(rate(count)) for count in (0, 3, 4)]
    [0.25, 0.25, 0.5]
    """
    from_the_start("ConstantLR", last_epoch)
    factor = number("ConstantLR", "factor", factor, high=1.0, high_open=False)
    end = whole("ConstantLR", "total_iters", total_iters, low=0)
    forever = isinstance(end, int) and end == 0
    return times("ConstantLR", learning_rate, Constant(factor) if forever else PiecewiseConstant([factor, 1.0], [end]))


def LinearLR(
    learning_rate: Any, start_factor: float = 1.0 / 3, end_factor: float = 1.0, total_iters: int = 5, last_epoch: int = -1
) -> LearningRate:
    """Multiply the rate by a factor that goes from `start_factor` to `end_factor` in a straight line, and stays there.

    With total_iters=0 it stays at start_factor, as in PyTorch.

    Args:
        learning_rate: The optimizer's `lr`, a number >= 0, or `rx.Groups` of numbers.
        start_factor: Factor at count 0, in (0, 1].
        end_factor: Factor from count total_iters on, in [0, 1].
        total_iters: Counts of the way, a whole number >= 0.
        last_epoch: -1.

    Returns:
        An expression.

    Raises:
        ArgumentError: If an argument breaks its rule.

    >>> import rheostax as rx
    >>> rate = rx.compat.torch.LinearLR(1.0, start_factor=0.5, total_iters=4)
    >>> [float(rate(count)) for count in (0, 2, 4, 9)]
    [0.5, 0.75, 1.0, 1.0]
    """
    from_the_start("LinearLR", last_epoch)
    start = number("LinearLR", "start_factor", start_factor, high=1.0, low_open=True, high_open=False)
    end = number("LinearLR", "end_factor", end_factor, high=1.0, high_open=False)
    steps = whole("LinearLR", "total_iters", total_iters, low=0)
    stays = isinstance(steps, int) and steps == 0
    return times("LinearLR", learning_rate, Constant(start) if stays else Linear(start, end, steps))


def ExponentialLR(learning_rate: Any, gamma: float, last_epoch: int = -1) -> LearningRate:
    """Multiply the rate by `gamma` at every count: `learning_rate * gamma ** count`.

    Args:
        learning_rate: The optimizer's `lr`, a number >= 0, or `rx.Groups` of numbers.
        gamma: Factor, in (0, 1]; above 1, which would grow without bound, isn't supported.
        last_epoch: -1.

    Returns:
        An expression.

    Raises:
        ArgumentError: If an argument breaks its rule.

    >>> import rheostax as rx
    >>> rate = rx.compat.torch.ExponentialLR(1.0, gamma=0.5)
    >>> [float(rate(count)) for count in (0, 1, 3)]
    [1.0, 0.5, 0.125]
    """
    from_the_start("ExponentialLR", last_epoch)
    return times("ExponentialLR", learning_rate, Exponential(1.0, 1, _gamma("ExponentialLR", gamma)))


def PolynomialLR(learning_rate: Any, total_iters: int = 5, power: float = 1.0, last_epoch: int = -1) -> LearningRate:
    """Decay to 0: `learning_rate * (1 - min(count / total_iters, 1)) ** power`.

    Args:
        learning_rate: The optimizer's `lr`, a number >= 0, or `rx.Groups` of numbers.
        total_iters: Counts of the decay, a whole number >= 1.
        power: Exponent, > 0.
        last_epoch: -1.

    Returns:
        An expression.

    Raises:
        ArgumentError: If an argument breaks its rule.

    >>> import rheostax as rx
    >>> rate = rx.compat.torch.PolynomialLR(1.0, total_iters=4, power=2.0)
    >>> [float(rate(count)) for count in (0, 2, 4)]
    [1.0, 0.25, 0.0]
    """
    from_the_start("PolynomialLR", last_epoch)
    steps = whole("PolynomialLR", "total_iters", total_iters)
    return times("PolynomialLR", learning_rate, Polynomial(1.0, 0.0, number("PolynomialLR", "power", power, low_open=True), steps))
