"""PyTorch's schedulers that are made of others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from rheostax._duration import Duration
from rheostax._node import durations
from rheostax._rate import Constant, Foreign, LearningRate, Product, as_learning_rate, is_reactive, walk
from rheostax.compat._arguments import each, made_as, marked, whole
from rheostax.compat.torch._factors import Cumulative, from_the_start
from rheostax.compat.torch._renewed import Renewed
from rheostax.errors import ArgumentError
from rheostax.groups import Groups
from rheostax.schedules.cyclic import Cyclic
from rheostax.schedules.join import Join

__all__ = ["ChainedScheduler", "SequentialLR"]


def SequentialLR(learning_rate: Any, schedulers: Sequence[Any], milestones: Iterable[int], last_epoch: int = -1) -> LearningRate:
    """Use one after another, each from its own count 0: the i-th begins at milestones[i - 1].

    Args:
        learning_rate: The optimizer's `lr`: that of the parts, which each have it as their own first argument.
        schedulers: Expressions, made by the functions here or otherwise; at least one.
        milestones: Counts at which the second, third, ... begins; increasing whole numbers >= 1, one fewer than schedulers.
        last_epoch: -1.

    Returns:
        An expression.

    Raises:
        ArgumentError: If an argument breaks its rule; for a `ReduceLROnPlateau` among the parts, as in PyTorch; for a
            `MultiplicativeLR` that isn't the first, which in PyTorch goes on from wherever the rate is; for a `SWALR` that isn't made
            for the rate that it finds; and for a `CyclicLR`, `OneCycleLR` or `ChainedScheduler`, which change what the other parts do.

    >>> import rheostax as rx
    >>> from rheostax.compat.torch import CosineAnnealingLR, LinearLR, SequentialLR
    >>> rate = SequentialLR(1.0, [LinearLR(1.0, 0.25, total_iters=2), CosineAnnealingLR(1.0, T_max=2)], milestones=[3])
    >>> [round(float(rate(count)), 3) for count in range(6)]
    [0.25, 0.625, 1.0, 1.0, 0.5, 0.0]
    """
    from_the_start("SequentialLR", last_epoch)
    parts = _parts("SequentialLR", schedulers)
    for i, part in enumerate(parts):
        own = part.factors[0] if isinstance(part, Product) else None
        if isinstance(own, Constant) and not isinstance(learning_rate, Groups) and own != Constant(learning_rate):
            raise ArgumentError(
                f"SequentialLR: schedulers[{i}] was made for a learning_rate of {own.value!r}, not {learning_rate!r}; in PyTorch all parts "
                "share the optimizer's. To join what is independent use rx.Join."
            )
        if i and any(isinstance(node, Cumulative) for node, _ in walk(part)):
            raise ArgumentError(
                f"SequentialLR: schedulers[{i}] must not be a MultiplicativeLR: it would go on from wherever the rate is, which isn't "
                "supported. Put it first, or use a LambdaLR."
            )
        changes = made_as(part) & {"ChainedScheduler", "CyclicLR", "OneCycleLR"}
        if len(parts) > 1 and changes:
            raise ArgumentError(
                f"SequentialLR: schedulers[{i}] must not be a {changes.pop()}, got {part!r}: in PyTorch it changes where the other parts "
                "begin, which isn't supported. To join what is independent use rx.Join."
            )
    given = each("SequentialLR", "milestones", milestones, "counts")
    ends = [whole("SequentialLR", f"milestones[{i}]", end) for i, end in enumerate(given)]
    if len(ends) != len(parts) - 1:
        raise ArgumentError(f"SequentialLR: milestones must be one fewer than schedulers, got {len(ends)} for {len(parts)} schedulers.")
    for i, part in enumerate(parts[1:], start=1):
        if "SWALR" in made_as(part):
            _require_continued(i, part, parts[i - 1], ends[i - 1], ends[i - 2] if i > 1 else 0)
    return Join(parts, ends)


def _require_continued(i: int, part: LearningRate, before: LearningRate, begin: Any, began: Any) -> None:
    """Refuse a SWALR that isn't made for the rate that it finds: PyTorch's goes on from that one."""
    lengths = [begin, began, *(value for both in (part, before) for node, _ in walk(both) for _, value in durations(node))]
    if any(isinstance(length, Duration) for length in lengths):
        raise ArgumentError(
            f"SequentialLR: schedulers[{i}] is a SWALR, which goes on from the rate that it finds; for that to be known, the milestones "
            "and the lengths of the part before it must be in updates."
        )
    found, first = np.asarray(before(begin - began - 1)), np.asarray(part(0))
    if not np.allclose(found, first, rtol=1e-6, atol=0):
        raise ArgumentError(
            f"SequentialLR: schedulers[{i}] begins at {_told(first)}, but PyTorch's SWALR goes on from the rate that it finds, "
            f"{_told(found)}: give it that as its learning_rate. To join what is independent use rx.Join."
        )


def _told(rates: np.ndarray) -> str:
    return ", ".join(f"{rate:.6g}" for rate in np.atleast_1d(rates))


def ChainedScheduler(schedulers: Sequence[Any], learning_rate: Any = None, *, strict: bool = False) -> LearningRate:
    """Let several act at once: the rate times the factor of each.

    PyTorch steps them in turn on one number. Those that multiply it (`StepLR`, `MultiStepLR`, `ConstantLR`, `LinearLR`,
    `ExponentialLR`, `PolynomialLR`, `MultiplicativeLR`, and `CosineAnnealingLR` with eta_min=0 up to its T_max) make the
    product that this is. Those that *set* it (`LambdaLR`, `CyclicLR`, `OneCycleLR`, `CosineAnnealingWarmRestarts`) erase what
    the ones before them did, at every step and without a word; that is refused here.

    Args:
        schedulers: Expressions made by the functions here with one learning_rate; at least one.
        learning_rate: In the place of PyTorch's optional optimizer: None, or that of the parts.
        strict: Let a last part that sets the rate erase the others, as PyTorch does; and let a cosine that has come to 0 begin anew
            past its T_max, where PyTorch forgets what the others did before.

    Returns:
        An expression.

    Raises:
        ArgumentError: If a part isn't the common rate times a factor, or reacts to a metric.

    >>> import rheostax as rx
    >>> from rheostax.compat.torch import ChainedScheduler, ConstantLR, ExponentialLR
    >>> rate = ChainedScheduler([ConstantLR(1.0, factor=0.5, total_iters=2), ExponentialLR(1.0, gamma=0.5)])
    >>> [float(rate(count)) for count in range(4)]
    [0.5, 0.25, 0.25, 0.125]
    """
    parts = _parts("ChainedScheduler", schedulers)
    if strict and len(parts) > 1 and _sets(parts[-1]):
        return marked("ChainedScheduler", parts[-1])
    if len(parts) == 1:
        return parts[0]
    for i, part in enumerate(parts):
        if _sets(part):
            raise ArgumentError(
                f"ChainedScheduler: schedulers[{i}] must multiply the rate, but {part!r} sets it: in PyTorch it erases what those before "
                "it did. To have both, multiply the expression with factors such as rx.Step(1.0, 30, 0.1); with strict=True, one that is "
                "last may erase the others."
            )
    products = [part for part in parts if isinstance(part, Product)]
    base = products[0].factors[0]
    for i, product in enumerate(products):
        if product.factors[0] != base or (learning_rate is not None and base != as_learning_rate(learning_rate)):
            raise ArgumentError(
                f"ChainedScheduler: schedulers[{i}] must be made for the common learning_rate, got {product.factors[0]!r} beside {base!r}."
            )
    factors = _renewed(products) if strict else [product.factors[1:] for product in products]
    return marked("ChainedScheduler", Product((base, *(factor for some in factors for factor in some))))


def _renewed(products: list[Product]) -> list[tuple[LearningRate, ...]]:
    """Return the factors of a chain as PyTorch has them past the end of a cosine among them."""
    cosines = [i for i, product in enumerate(products) if "CosineAnnealingLR" in made_as(product)]
    if len(cosines) > 1:
        rule = "must hold one CosineAnnealingLR at most with strict=True"
        raise ArgumentError(f"ChainedScheduler: schedulers {rule}, got {len(cosines)}: past their T_max they mix.")
    factors = [product.factors[1:] for product in products]
    for at in cosines:
        (cosine,) = factors[at]
        assert isinstance(cosine, Cyclic)
        factors = [
            some if i == at else tuple(Renewed(factor, cosine.up_steps, int(i > at)) for factor in some) for i, some in enumerate(factors)
        ]
    return factors


def _parts(name: str, schedulers: Any) -> list[LearningRate]:
    parts = [] if isinstance(schedulers, LearningRate) or not isinstance(schedulers, Iterable) else list(schedulers)
    if not parts:
        raise ArgumentError(f"{name}: schedulers must be a list of at least one expression, got {schedulers!r}.")
    for i, part in enumerate(parts):
        if not isinstance(part, LearningRate):
            raise ArgumentError(f"{name}: schedulers[{i}] must be an expression, such as rx.compat.torch.StepLR(0.1, 30); got {part!r}.")
        if is_reactive(part):
            raise ArgumentError(
                f"{name}: schedulers[{i}] must not react to a metric, got {part!r}; PyTorch has no ReduceLROnPlateau in there either. "
                "Multiply with rx.ReduceOnPlateau instead."
            )
    return parts


def _sets(part: LearningRate) -> bool:
    """Tell whether PyTorch's scheduler sets the rate, or is for another reason more than the rate times a factor."""
    if not (isinstance(part, Product) and isinstance(part.factors[0], Constant | Groups)):
        return True
    return any(isinstance(node, Foreign) and not isinstance(node, Cumulative) for node, _ in walk(part))
