"""From epochs, samples, tokens and fractions of a run to updates, and from one length of a run to another."""

from __future__ import annotations

import dataclasses
import math
import numbers
from collections.abc import Mapping
from typing import Any

from rheostax._duration import UNITS, Duration
from rheostax._node import counts_observations, durations
from rheostax._rate import Foreign, LearningRate, RateLike, as_learning_rate
from rheostax._words import shown
from rheostax.errors import ArgumentError
from rheostax.schedules.clock import Clock

__all__ = ["RunSize", "resolve", "stretch"]


@dataclasses.dataclass(frozen=True)
class RunSize:
    """How large a run is: what is needed to count its durations in updates. What isn't needed may be left out.

    Args:
        total_steps: Updates of the whole run, a whole number >= 1.
        steps_per_epoch: Updates of one epoch, > 0.
        batch_size: Samples per update, a whole number >= 1; or a dict from the count at which a batch size begins (0 the
            first) to the batch size.
        tokens_per_sample: Tokens per sample, a whole number >= 1.

    Raises:
        ArgumentError: If an argument breaks its rule.
    """

    total_steps: int | None = None
    steps_per_epoch: float | None = None
    batch_size: int | Mapping[int, int] | None = None
    tokens_per_sample: int | None = None

    def __post_init__(self) -> None:
        for name in ("total_steps", "steps_per_epoch", "tokens_per_sample"):
            value = getattr(self, name)
            whole = name != "steps_per_epoch"
            if value is not None and not (_is_number(value) and value > 0 and (not whole or value == int(value))):
                raise ArgumentError(f"{name} must be {'a whole number >= 1' if whole else 'a number > 0'}, got {shown(value)}.")
        if self.batch_size is not None:
            sizes = self.batch_sizes
            good = all(_is_number(size) and size >= 1 and size == int(size) for size in sizes.values())
            if not good or list(sizes) != sorted(sizes) or next(iter(sizes), None) != 0:
                rule = "a whole number >= 1, or a dict of them by the count at which each begins, 0 first and increasing"
                raise ArgumentError(f"batch_size must be {rule}; got {shown(self.batch_size)}.")

    @property
    def batch_sizes(self) -> dict[int, int]:
        """The batch size by the count at which it begins."""
        return dict(self.batch_size) if isinstance(self.batch_size, Mapping) else {0: self.batch_size}  # type: ignore[dict-item]

    @property
    def tick(self) -> int:
        """Samples per tick of the clock for samples and tokens: the largest number that every batch is a multiple of."""
        return math.gcd(*map(int, self.batch_sizes.values()))

    def count(self, duration: Duration, where: str) -> int:
        """Return a duration in updates, or, in samples and tokens, in ticks; rounded to the nearest."""
        for needed in UNITS[duration.unit][1]:
            if getattr(self, needed) is None:
                raise ArgumentError(f"{where} is {duration!r}, which needs the run's {needed}: rx.resolve(rate, {needed}=...).")
        size = {
            "st": lambda: 1,
            "ep": lambda: self.steps_per_epoch,
            "run": lambda: self.total_steps,
            "sa": lambda: 1 / self.tick,
            "tok": lambda: 1 / (self.tick * self.tokens_per_sample),  # type: ignore[operator]
        }[duration.unit]()
        exact = duration.value * float(size)  # type: ignore[arg-type]
        if 0 < exact < 0.5:
            raise ArgumentError(f"{where} is {duration!r}, which is less than half an update here ({exact:.2g}).")
        return _whole(exact, f"{where} is {duration!r}, which")


def _whole(exact: float, what: str) -> int:
    """Round to the nearest; `what` is said of a number that has none."""
    if math.isinf(exact):
        raise ArgumentError(f"{what} comes to more updates than can be counted.")
    return math.floor(exact + 0.5)


def _is_number(value: Any) -> bool:
    try:
        return isinstance(value, numbers.Real) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:  # a whole number that no float is near to
        return False


def resolve(
    learning_rate: RateLike,
    *,
    total_steps: int | None = None,
    steps_per_epoch: float | None = None,
    batch_size: int | Mapping[int, int] | None = None,
    tokens_per_sample: int | None = None,
) -> LearningRate:
    """Count every duration of an expression in updates, now that the run's size is known.

    Wherever a schedule takes a number of steps it takes a duration as well: `"10ep"`, `"5000st"`, `"1e6sa"`, `"1e9tok"`,
    `"0.1run"`, or an `rx.Duration`. They are rounded to the nearest update.

    Where the batch size changes during the run (`batch_size={0: 256, 10_000: 512}`), what is given in samples or tokens
    proceeds with the samples: the rate goes on from where it is, only faster per update. Such a part can't have other
    units in it, since there are two clocks then.

    Args:
        learning_rate: A rheostax expression.
        total_steps: Updates of the whole run, a whole number >= 1; needed for "run".
        steps_per_epoch: Updates of one epoch, > 0; needed for "ep".
        batch_size: Samples per update, a whole number >= 1, or a dict of them by the count at which each begins; needed
            for "sa" and "tok".
        tokens_per_sample: Tokens per sample, a whole number >= 1; needed for "tok".

    Returns:
        The same expression with whole numbers.

    Raises:
        ArgumentError: If something that is needed isn't given, or a duration comes to less than half an update.

    >>> import rheostax as rx
    >>> rate = rx.Warmup("2ep") * rx.Cosine(3e-4, decay_steps="1run")
    >>> rx.resolve(rate, steps_per_epoch=50, total_steps=4_000)
    Warmup(steps=100) * Cosine(init_value=0.0003, decay_steps=4000)
    """
    return _resolve(as_learning_rate(learning_rate), RunSize(total_steps, steps_per_epoch, batch_size, tokens_per_sample), ticking=False)


def _resolve(node: LearningRate, size: RunSize, *, ticking: bool) -> LearningRate:
    """Resolve a node; `ticking` tells that its counts are ticks already, since it is part of something in samples."""
    own = {name: value for name, value in durations(node) if not counts_observations(node, name)}
    by_samples = {name for name, value in own.items() if isinstance(value, Duration) and value.unit in ("sa", "tok")}
    clock = bool(by_samples) and len(size.batch_sizes if size.batch_size is not None else {0: 1}) > 1
    if (clock or ticking) and own and len(by_samples) < len(own):
        odd = next(name for name in own if name not in by_samples)
        raise ArgumentError(
            f"{type(node).__name__}: {odd} is {own[odd]!r}, but the batch size changes and other durations are in samples or tokens. "
            "Give all of them in samples or tokens."
        )

    def change(name: str, value: Any) -> Any:
        where = f"{type(node).__name__}: {name}"
        if isinstance(value, Duration) and name not in own and len(size.batch_sizes) > 1 and value.unit in ("sa", "tok"):
            raise ArgumentError(f"{where} is {value!r}, a number of observations that changes with the batch size. Give it in epochs.")
        return size.count(value, where) if isinstance(value, Duration) else value

    new = node.rebuild(change, lambda child: _resolve(child, size, ticking=clock or ticking))
    if not clock or ticking:
        return new
    counts = tuple(size.batch_sizes)[1:]
    return Clock(new, counts, tuple(batch // size.tick for batch in size.batch_sizes.values()))


def stretch(learning_rate: RateLike, factor: float) -> LearningRate:
    """Make every duration of an expression longer or shorter by one factor.

    Warm-ups, decays, boundaries and periods are multiplied and rounded to the nearest update; a fraction of the run ("run")
    stays that fraction. Patience is a number of observations, not a duration, and stays too.

    Args:
        learning_rate: A rheostax expression.
        factor: What to multiply with, a finite number > 0.

    Returns:
        The stretched expression.

    Raises:
        ArgumentError: If the factor is no such number, a duration would come to no update, or a part is a foreign function.

    >>> import rheostax as rx
    >>> rx.stretch(rx.Warmup(100) * rx.Cosine(3e-4, 2_000), 1.5)
    Warmup(steps=150) * Cosine(init_value=0.0003, decay_steps=3000)
    """
    if not (_is_number(factor) and factor > 0):
        raise ArgumentError(f"stretch: factor must be a finite number > 0, got {shown(factor)}.")
    return _stretch(as_learning_rate(learning_rate), float(factor))


def _stretch(node: LearningRate, factor: float) -> LearningRate:
    if isinstance(node, Foreign):
        raise ArgumentError(f"{node!r} is a foreign function of the count, whose durations aren't known. Use a rheostax schedule.")

    def change(name: str, value: Any) -> Any:
        if counts_observations(node, name) or (isinstance(value, Duration) and value.unit == "run"):
            return value
        if isinstance(value, Duration):
            return value * factor
        return _whole(value * factor, f"{type(node).__name__}: {name} is {value!r}, and {factor:g} times that")

    return node.rebuild(change, lambda child: _stretch(child, factor))
