"""`LearningRate`: the one abstraction. Every schedule, policy and combination of them is one.

A learning rate is a tree. Evaluating it takes the count of updates and a state; only policies have something in that
state, and only observations change it:

    state = rate.init()
    state = rate.observe(state, count, {"val_loss": loss})     # when a metric is known
    value = rate.evaluate(state, count)                        # once per update

All three are pure and can be jitted, scanned and vmapped. A node's hyperparameters are pytree leaves of the node.
"""

from __future__ import annotations

import abc
import dataclasses
import functools
import itertools
import operator
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Self, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from rheostax import _check
from rheostax._duration import UNITS, Duration
from rheostax._node import durations, node, show, static
from rheostax._twofloat import TwoFloat, lower_numbers, maximum, minimum, product_with_tiny
from rheostax.errors import ArgumentError

__all__ = [
    "Clip",
    "Constant",
    "Foreign",
    "LearningRate",
    "Metrics",
    "Product",
    "RateLike",
    "Schedule",
    "as_count",
    "as_learning_rate",
    "is_reactive",
    "lower",
    "require_updates",
    "walk",
]

Metrics: TypeAlias = Mapping[str, jax.Array]
RateLike: TypeAlias = "LearningRate | Callable[[Any], Any] | float | jax.Array"


class LearningRate(abc.ABC):
    """An expression of schedules and policies whose value is the learning rate, or a factor of it.

    Combine with `*` (a number, an optax schedule or another expression) and `.clip(min_value, max_value)`. An expression
    without policies is a plain optax schedule: call it with a count.
    """

    monitor: str | None = None  # the metric that this node itself listens to

    def children(self) -> tuple[LearningRate, ...]:
        """Return the expressions this one is made of."""
        return ()

    def init(self) -> Any:
        """Return the state before any observation: a tuple with the state of every child."""
        return tuple(child.init() for child in self.children())

    def child_states(self, state: Any) -> tuple[Any, ...]:
        """Return each child's part of the state."""
        return state

    def observe(self, state: Any, count: jax.Array, metrics: Metrics) -> Any:
        """Return the state after the metrics (by name, `float32 []`) that were observed when `count` updates were done."""
        return tuple(child.observe(part, count, metrics) for child, part in zip(self.children(), state, strict=True))

    def rebuild(self, change: Callable[[str, Any], Any], child: Callable[[LearningRate], LearningRate], check: bool = True) -> Self:
        """Make a node like this one: every duration by `change(name, value)`, every child by `child(node)`; checked anew."""

        def visit(name: str, value: Any, timed: bool) -> Any:
            if isinstance(value, LearningRate):
                return child(value)
            if isinstance(value, tuple):
                return tuple(visit(f"{name}[{i}]", one, timed) for i, one in enumerate(value))
            return change(name, value) if timed and value is not None else value

        new = object.__new__(type(self))
        for field in dataclasses.fields(self):  # type: ignore[arg-type]  # every node is a dataclass
            timed = bool(field.metadata.get("duration"))
            object.__setattr__(new, field.name, visit(field.name, getattr(self, field.name), timed))
        if check:
            getattr(new, "__post_init__", lambda: None)()
        return new

    @abc.abstractmethod
    def evaluate(self, state: Any, count: jax.Array) -> TwoFloat:
        """Return the value at `count` (`int32`, any shape), of count's shape; its `high` is the value as float32."""

    @property
    def horizon(self) -> int | None:
        """The count from which a decay is over and the value stays where it is; None where nothing ends."""
        return None

    def __call__(self, count: Any) -> jax.Array:
        """Return the value at `count`, as an optax schedule does.

        Args:
            count: Number of updates already applied, >= 0; Python, numpy or jax, any integer dtype, any shape.

        Returns:
            `float32` of count's shape.

        Raises:
            ArgumentError: If the expression has a policy: it needs observations, which an optax schedule can't get.
        """
        if is_reactive(self):
            raise ArgumentError(
                f"{self!r} reacts to metrics, so a count alone doesn't give its value. "
                "Use rx.control(optimizer, learning_rate) to train with it, rx.simulate to look at it."
            )
        require_updates(self)
        return self.evaluate(self.init(), as_count(count)).high

    def __mul__(self, other: RateLike) -> LearningRate:
        return Product(_factors(self) + _factors(as_learning_rate(other)))

    def __rmul__(self, other: RateLike) -> LearningRate:
        return Product(_factors(as_learning_rate(other)) + _factors(self))

    def clip(self, min_value: float = 0.0, max_value: float | None = None) -> LearningRate:
        """Bound the value: `min(max(value, min_value), max_value)`.

        The bounds are absolute, in the unit of the value: a floor for the rate itself, however many cuts come.

        Args:
            min_value: Lower bound, >= 0.
            max_value: Upper bound, >= min_value; None for none.

        >>> import rheostax as rx
        >>> rate = rx.Linear(1e-3, 0.0, 10).clip(min_value=2e-4)
        >>> float(rate(9)) == float(rate(10))
        True
        """
        return Clip(self, min_value, max_value)


class Schedule(LearningRate):
    """A learning rate that is a pure function of the count. Subclasses say how in `at(count)`."""

    @abc.abstractmethod
    def at(self, count: jax.Array) -> TwoFloat | jax.Array:
        """Return the value at `count` (`int32`, >= 0), of count's shape: as `float32`, or more exactly as a `TwoFloat`."""

    def evaluate(self, state: Any, count: jax.Array) -> TwoFloat:
        return TwoFloat.of(self.at(count))


@node
class Constant(Schedule):
    """Hold one value: `value` at every count.

    Args:
        value: Learning rate or factor, >= 0.

    Raises:
        ArgumentError: If value is negative or not finite.

    >>> import rheostax as rx
    >>> print(rx.Constant(1e-3)(7))
    0.001
    """

    value: float

    def __post_init__(self) -> None:
        _check.number(self, "value")

    def at(self, count: jax.Array) -> TwoFloat:
        value = TwoFloat.of(self.value)
        return value.broadcast_to(jnp.broadcast_shapes(jnp.shape(value.high), jnp.shape(count)))


@node
class Foreign(Schedule):
    """Wrap a function of the count, such as an optax schedule, so that it can be combined and controlled.

    Args:
        function: count (`int32 []`) -> value. It is part of the structure: another function means another trace.
    """

    function: Callable[[Any], Any] = static()

    def __post_init__(self) -> None:
        if not callable(self.function):
            raise ArgumentError(f"Foreign: function must be callable with a count, got {self.function!r}.")

    def at(self, count: jax.Array) -> TwoFloat | jax.Array:
        return jnp.asarray(self.function(count), jnp.float32)


@node
class Product(LearningRate):
    """Multiply expressions: the value is the product of the factors' values. Usually written `a * b`.

    Args:
        factors: Expressions, numbers or optax schedules.
    """

    factors: tuple[LearningRate, ...]

    def __post_init__(self) -> None:
        factors = (_factors(as_learning_rate(factor)) for factor in self.factors)
        object.__setattr__(self, "factors", tuple(itertools.chain.from_iterable(factors)))  # flat, as it is written

    def children(self) -> tuple[LearningRate, ...]:
        return self.factors

    def evaluate(self, state: Any, count: jax.Array) -> TwoFloat:
        values = (factor.evaluate(part, count) for factor, part in zip(self.factors, state, strict=True))
        return functools.reduce(product_with_tiny, values)

    @property
    def horizon(self) -> int | None:
        ends = [(end, factor) for factor in self.factors if (end := factor.horizon) is not None]
        if len(ends) > 1 and (silenced := [end for end, factor in ends if _is_zero_at(factor, end)]):
            return min(silenced)  # the rest goes on, times 0
        return max((end for end, _ in ends), default=None)

    def __repr__(self) -> str:
        # Numbers are written bare, unless the first two are: Python would multiply those by itself.
        bare = not all(isinstance(factor, Constant) for factor in self.factors[:2])
        parts = [show(f.value) if isinstance(f, Constant) and (bare or i) else repr(f) for i, f in enumerate(self.factors)]
        return " * ".join(parts)


@node
class Clip(LearningRate):
    """Bound an expression's value; see `LearningRate.clip`."""

    rate: LearningRate
    min_value: float = 0.0
    max_value: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "rate", as_learning_rate(self.rate))
        _check.number(self, "min_value")
        if self.max_value is not None:
            concrete = not isinstance(self.min_value, jax.core.Tracer) and np.ndim(self.min_value) == 0
            _check.number(self, "max_value", low=float(self.min_value) if concrete else 0.0)

    def children(self) -> tuple[LearningRate, ...]:
        return (self.rate,)

    def evaluate(self, state: Any, count: jax.Array) -> TwoFloat:
        value = maximum(self.rate.evaluate(state[0], count), self.min_value)
        return value if self.max_value is None else minimum(value, self.max_value)

    @property
    def horizon(self) -> int | None:
        return self.rate.horizon

    def __repr__(self) -> str:
        bounds = [f"min_value={show(self.min_value)}"] if not _is_zero(self.min_value) else []
        bounds += [f"max_value={show(self.max_value)}"] if self.max_value is not None else []
        inner = f"({self.rate!r})" if isinstance(self.rate, Product) else repr(self.rate)
        return f"{inner}.clip({', '.join(bounds)})"


def _is_zero(value: Any) -> bool:
    return isinstance(value, float) and value == 0.0


def _is_zero_at(rate: LearningRate, count: int) -> bool:
    """Tell whether a pure schedule is certainly 0 at a count; where hyperparameters are traced, nothing is certain."""
    if is_reactive(rate):
        return False
    value = rate(count)
    return not isinstance(value, jax.core.Tracer) and not np.any(value)


def _factors(rate: LearningRate) -> tuple[LearningRate, ...]:
    return rate.factors if isinstance(rate, Product) else (rate,)


def as_learning_rate(rate: RateLike) -> LearningRate:
    """Make an expression of a number or an optax schedule; leave an expression as it is."""
    if isinstance(rate, LearningRate):
        return rate
    if isinstance(rate, type):
        raise ArgumentError(
            f"A learning rate must be an expression, an optax schedule or a number, got the class {rate.__name__}; call it."
        )
    if callable(rate):
        return Foreign(rate)
    return Constant(rate)  # type: ignore[arg-type]  # its check quotes what isn't a number


def as_count(count: Any) -> jax.Array:
    """Make a count `int32`, clamped to [0, 2**31 - 1] whatever integer type and size it comes in."""
    if isinstance(count, jax.Array):
        if not jnp.issubdtype(count.dtype, jnp.integer):
            raise ArgumentError(f"count must be a whole number, got an array of {count.dtype}.")
        count = jnp.maximum(count, 0)
        if jnp.iinfo(count.dtype).max > _check.INT32_MAX:
            count = jnp.minimum(count, jnp.asarray(_check.INT32_MAX, count.dtype))
        return count.astype(jnp.int32)
    if isinstance(count, np.ndarray) and count.ndim:
        if count.dtype.kind not in "iu":
            raise ArgumentError(f"count must be a whole number, got an array of {count.dtype}.")
        return jnp.asarray(np.clip(count, 0, _check.INT32_MAX).astype(np.int32))
    try:
        return jnp.asarray(min(max(operator.index(count), 0), _check.INT32_MAX), jnp.int32)
    except TypeError:
        raise ArgumentError(f"count must be a whole number, got {count!r}.") from None


def walk(rate: LearningRate, state: Any = None) -> Iterator[tuple[LearningRate, Any]]:
    """Yield every node of the tree with its part of the state (None without a state), parents first."""
    yield rate, state
    children = rate.children()
    parts = (None,) * len(children) if state is None else rate.child_states(state)
    for child, part in zip(children, parts, strict=True):
        yield from walk(child, part)


def require_updates(rate: LearningRate) -> None:
    """Refuse durations that aren't counted in updates yet."""
    for part, _ in walk(rate):
        for name, value in durations(part):
            if isinstance(value, Duration):
                needed = ", ".join(f"{need}=..." for need in UNITS[value.unit][1])
                raise ArgumentError(
                    f"{type(part).__name__}: {name} is {value!r}, which isn't counted in updates yet. Say how large the run is: "
                    f"rx.resolve(rate, {needed})."
                )


def lower(rate: LearningRate) -> LearningRate:
    """Return the expression with arrays for numbers, ready to be computed with; refuse durations in other units."""
    require_updates(rate)
    return lower_numbers(rate)


def is_reactive(rate: LearningRate) -> bool:
    """Tell whether any part of the expression listens to a metric."""
    return any(part.monitor is not None for part, _ in walk(rate))
