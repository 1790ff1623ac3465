"""Every schedule of the catalogue beside its oracle, with settings and a length from one update to all that int32 counts.

`tests/schedules/test_values.py` compares them, and so does `python -m benchmarks.exactness`, in more ways and prints how far apart
they are.
"""

import dataclasses
import itertools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import rheostax as rx
from tests.oracles import composed, pieces, schedules
from tests.oracles.cycles import LAST
from tests.support import single, ulps

ENDS = [(1e-3, 0.0), (0.3, 0.02), (0.02, 0.3), (0.0, 1e-3), (0.1, 0.1)]  # (init_value, end_value): down, up, and level
POWERS = (0.1, 0.5, 0.9, 1.0, 1.5, 2.0, 3.0)
LONG = (100_000, 2**24 + 1, 100_000_000, 2_000_000_000)


def itself(steps: Any) -> Any:
    """Say that a schedule of that length ends at that count."""
    return steps


@dataclasses.dataclass(frozen=True)
class Family:
    """A schedule, its oracle, how both get their length, settings as rows, and which of its ends it has to hit exactly."""

    schedule: Callable[..., Any]
    reference: Callable[..., Any]
    names: tuple[str, ...] = ()
    rows: list[tuple[float, ...]] = dataclasses.field(default_factory=lambda: [()])
    length: Callable[[Any], dict[str, Any]] = lambda steps: {"steps": steps}
    static: dict[str, Any] = dataclasses.field(default_factory=dict)
    starts: bool = True
    end: Callable[[Any], Any] | None = itself  # the count from which on it stays at a given number; None if it never does
    one_by_one: bool = False  # whether the oracle takes one length at a time
    covers: str = ""
    unit: float | None = None  # measure differences in ulp of this, since values near 0 are differences of larger numbers by definition

    @property
    def name(self) -> str:
        """The schedule's name in the catalogue."""
        return self.covers or self.schedule.__name__

    def arguments(self, row: Any, steps: Any) -> dict[str, Any]:
        return dict(zip(self.names, row, strict=True)) | self.length(steps) | self.static

    def at(self, row: Any, steps: Any, count: Any) -> jax.Array:
        """The schedule's value; settings, length and count may be traced."""
        return self.schedule(**self.arguments(row, steps))(count)

    def everywhere(self, rows: Any, lengths: Any, counts: Any) -> jax.Array:
        """The values for every row of settings at every pair of length and count, `[rows, pairs]`; to be compiled, or not."""
        return jax.vmap(jax.vmap(self.at, (None, 0, 0)), (0, None, None))(rows, lengths, counts)

    def compiled(self, lengths: np.ndarray, counts: np.ndarray) -> np.ndarray:
        """The same from one compiled call."""
        return np.asarray(jax.jit(self.everywhere)(jnp.float32(self.rows), jnp.int32(lengths), jnp.int32(counts)))

    def wanted(self, lengths: np.ndarray, counts: np.ndarray) -> np.ndarray:
        """What they should be, in float64."""
        return np.stack([self._wanted(row, lengths, counts) for row in single(self.rows)])

    def _wanted(self, row: Any, lengths: np.ndarray, counts: np.ndarray) -> np.ndarray:
        if not self.one_by_one:
            return np.broadcast_to(self.reference(counts, **self.arguments(row, lengths)), counts.shape)
        values, order = np.empty(len(counts)), np.argsort(lengths, kind="stable")
        steps, begins = np.unique(lengths[order], return_index=True)
        for length, part in zip(steps.tolist(), np.split(order, begins[1:]), strict=True):
            values[part] = self.reference(counts[part], **self.arguments(row, length))
        return values

    def distance(self, got: np.ndarray, want: np.ndarray) -> np.ndarray:
        """Return how far apart they are, in float32 ulp of what they should be, or of the family's unit."""
        return ulps(got, want) if self.unit is None else np.abs(got - want) / np.spacing(np.float32(self.unit))

    def exact(self, lengths: np.ndarray, counts: np.ndarray) -> np.ndarray:
        """Tell at which pairs the value has to be a given number to the last bit."""
        over = np.zeros(len(counts), bool) if self.end is None else counts >= self.end(lengths)
        return (counts == 0) & self.starts | over


def stable(**static: Any) -> Family:
    def length(steps: Any) -> dict[str, Any]:
        half_life = {"half_life": (steps + 19) // 20} if static.get("decay") == "half-life" else {}
        return {"warmup_steps": (steps + 4) // 6, "decay_steps": (steps + 2) // 3, "total_steps": steps, **half_life}

    if "stable" in static:
        static["stable_timescale"] = 7
    names = ("peak_value", "end_value", "init_value", "stable_power", "decay_power", "decay_rate")
    rows = [(0.3, 0.0, 0.0, 0.51, 0.4, 0.5), (0.3, 0.02, 0.1, 1.0, 1.7, 0.01), (0.3, 0.5, 0.4, 0.2, 3.0, 0.9)]
    end = None if static.get("decay") == "half-life" else itself
    return Family(rx.WarmupStableDecay, schedules.warmup_stable_decay, names, rows, length, static, end=end)


def decay(schedule: Any, reference: Any, names: Any = (), values: Any = ((),), length: str = "decay_steps", **options: Any) -> Family:
    rows = [(*ends, *more) for ends, more in itertools.product(ENDS, values)]
    return Family(schedule, reference, ("init_value", "end_value", *names), rows, lambda steps: {length: steps}, **options)


def polynomial(names: Any, values: Any) -> Family:
    return decay(rx.Polynomial, schedules.polynomial, names, values, "transition_steps")


def exponential(**static: Any) -> Family:
    rows = [(0.3, 0.5), (0.3, 0.96), (1e-3, 1e-4), (0.1, 0.9999999), (0.1, 1.0)]
    length = {"length": lambda steps: {"transition_steps": steps}, "end": None, "starts": "end_value" not in static}
    return Family(rx.Exponential, schedules.exponential, ("init_value", "decay_rate"), rows, static=static, **length)


def warmup(shape: str, rows: Any = ((0.0,), (0.1,), (1.0,)), names: tuple[str, ...] = ("init_value",)) -> Family:
    return Family(rx.Warmup, schedules.warmup, names, list(rows), lambda steps: {"steps": steps}, {"shape": shape})


def begun(steps: Any) -> dict[str, Any]:
    return {"timescale": steps, "transition_begin": (steps + 1) // 2}


def power(schedule: Any, reference: Any, names: tuple[str, ...], rows: Any) -> Family:
    return Family(schedule, reference, names, rows, begun, starts=False, end=None)


def marks(n: Any) -> tuple[Any, ...]:
    return n // 3 + 1, n // 2 + 2, n + 3


def pieced(schedule: Any, reference: Any, length: Any, end: Any = None, starts: bool = True, **static: Any) -> Family:
    return Family(schedule, reference, length=length, static=static, starts=starts, end=end, one_by_one=True)


def over_marks(schedule: Any, reference: Any, **static: Any) -> Family:
    given = {"values": (0.3, 0.05, 0.6, 0.01), **static}
    return pieced(schedule, reference, lambda n: {"boundaries": marks(n)}, lambda n: n + 3, **given)


def one_cycle(**changes: Any) -> Family:
    fixed = {"init_value": 0.01, "peak_value": 0.3, "end_value": 1e-6, **changes}
    starts = fixed.get("pct_start", 0.3) > 0
    return pieced(rx.OneCycle, pieces.one_cycle, lambda n: {"total_steps": n}, itself, starts, **fixed)


def cyclic(**changes: Any) -> Family:
    fixed = {"init_value": 0.01, "peak_value": 0.3, **changes}
    return pieced(rx.Cyclic, pieces.cyclic, lambda n: {"up_steps": n // 2 + 1, "down_steps": n // 3 + 1}, **fixed)


def restarts(end: Any = None, **changes: Any) -> Family:
    fixed = {"init_value": 0.3, "end_value": 0.001, **changes}
    return pieced(rx.CosineRestarts, pieces.cosine_restarts, lambda n: {"decay_steps": n // 3 + 1}, end, **fixed)


def around(covers: str, schedule: Any, reference: Any, end: Any = None, **options: Any) -> Family:
    return Family(schedule, reference, covers=covers, end=end, **options)


def cosine_of(steps: Any) -> Any:
    return rx.Cosine(0.3, steps, end_value=0.01)


def extended(steps: Any, rewarm: bool) -> Any:
    return rx.Extended(cosine_of(steps // 2 + 1), cosine_of(steps), steps // 3, steps // 4 + 1 if rewarm else 0)


def noise(distribution: str, unit: float | None = None) -> Family:
    fixed = {"seed": 5, "distribution": distribution}
    rows = [(0.67,), (0.1,), (1.0,)]
    return Family(rx.Noise, composed.noise, ("amplitude",), rows, lambda n: {"end": n}, fixed, starts=False, unit=unit)


ALONE = {
    "constant": Family(rx.Constant, schedules.constant, ("value",), [(0.3,), (0.0,)], lambda steps: {}, end=lambda steps: 0 * steps),
    "linear": decay(rx.Linear, schedules.linear, length="transition_steps"),
    "cosine": decay(rx.Cosine, schedules.cosine),
    "cosine, k-decay": decay(rx.Cosine, schedules.cosine, ("k_decay",), [(0.4,), (1.0,), (1.5,), (3.0,)]),
    "polynomial": polynomial(("power",), [(power,) for power in POWERS]),
    "polynomial, k-decay": polynomial(("power", "k_decay"), [(0.5, 0.7), (2.0, 1.5)]),
    "exponential": exponential(),
    "exponential, staircase": exponential(staircase=True),
    "exponential, floor": exponential(end_value=0.02),
    "rex": decay(rx.Rex, schedules.rex),
    "tanh": decay(rx.Tanh, schedules.tanh, ("lower", "upper"), [(-7.0, 3.0), (-2.0, 1.0), (1.0, 20.0), (-20.0, -1.0)], starts=False),
    "inverse square root": power(rx.InverseSqrt, schedules.inverse_sqrt, ("init_value",), [(0.3,), (1e-5,)]),
    "power": power(rx.Power, schedules.power, ("init_value", "power"), [(0.3, 0.51), (0.3, 1.0), (0.01, 2.0)]),
    "noam": Family(
        rx.Noam, schedules.noam, ("factor",), [(1.0,), (0.3,)], lambda n: {"warmup_steps": n}, {"d_model": 512}, starts=False, end=None
    ),
    "warm-up": warmup("linear"),
    "warm-up, cosine": warmup("cosine"),
    "warm-up, 1-sqrt": warmup("1-sqrt"),
    "warm-up, exponential": warmup("exponential", [(1e-3,), (0.1,), (1.0,)]),
    "warm-up, polynomial": warmup(
        "polynomial", [(init_value, power) for init_value in (0.0, 0.1) for power in POWERS], ("init_value", "power")
    ),
    **{f"stable, {decay}": stable(decay=decay) for decay in ("linear", "cosine", "1-sqrt", "power", "exponential", "half-life")},
    **{f"{name}, linear": stable(stable=name) for name in ("inverse_sqrt", "power")},
    "power, half-life": stable(stable="power", decay="half-life"),
    "noise, uniform": noise("uniform"),
    "noise, normal": noise("normal", unit=1.0),
}

PIECES = {
    "step": pieced(rx.Step, pieces.step, lambda n: {"transition_steps": n // 7 + 1}, init_value=0.3, factor=0.7),
    "multi-step": pieced(rx.MultiStep, pieces.multi_step, lambda n: {"boundaries": marks(n)}, init_value=0.3, factor=0.1),
    "multi-step, up": pieced(rx.MultiStep, pieces.multi_step, lambda n: {"boundaries": marks(n)}, init_value=1e-3, factor=3.3),
    "constants": over_marks(rx.PiecewiseConstant, pieces.piecewise_constant),
    "lines": over_marks(rx.PiecewiseInterpolate, pieces.piecewise_interpolate),
    "cosines": over_marks(rx.PiecewiseInterpolate, pieces.piecewise_interpolate, interpolation="cosine"),
    "one cycle": one_cycle(),
    "one cycle, linear": one_cycle(interpolation="linear", pct_start=0.45),
    "one cycle, three phases": one_cycle(three_phase=True, pct_start=0.4),
    "one cycle, three lines": one_cycle(three_phase=True, interpolation="linear", pct_start=0.21),
    "one cycle, past its peak": one_cycle(pct_start=-0.2),
    "one cycle, from zero to zero": one_cycle(init_value=0.0, end_value=0.0),
    "one cycle, upside down": one_cycle(init_value=0.5, peak_value=0.001, end_value=0.2),
    "cyclic, triangular": cyclic(),
    "cyclic, triangular2": cyclic(amplitude_factor=0.5, init_value=0.0),
    "cyclic, exp_range": cyclic(decay_rate=0.9999),
    "cyclic, cosine": cyclic(interpolation="cosine", peak_value=0.0, init_value=0.2),
    "restarts, even": restarts(),
    "restarts, longer": restarts(length_factor=2, amplitude_factor=0.8),
    "restarts, three times": restarts(lambda n: 13 * (np.int64(n) // 3 + 1), length_factor=3, peak_factor=0.5, limit=3),
    "restarts, to zero": restarts(end_value=0.0, amplitude_factor=0.5),
}

COMPOSED = {
    "product": around("Product", lambda steps: rx.Warmup(steps // 10 + 1) * cosine_of(steps), composed.product, itself),
    "join": around(
        "Join",
        lambda steps: rx.Join([rx.Linear(0.0, 0.3, steps // 4 + 1), rx.Cosine(0.3, steps - steps // 4, 0.02)], [steps // 4 + 1]),
        composed.join,
        lambda n: n + 1,
    ),
    "shift": around("Shift", lambda steps: rx.Shift(cosine_of(steps), steps // 4), composed.shift, lambda n: n - n // 4, starts=False),
    "staircase": around(
        "Staircase", lambda steps: rx.Staircase(cosine_of(steps // 3 + 1), 3), composed.staircase, lambda n: n // 3 * 3 + 3
    ),
    "clock": around(
        "Clock",
        lambda steps: rx.Clock(rx.Linear(1.0, 0.0, steps), [steps // 4 + 1], [1, 3]),
        composed.clock,
        lambda n: n // 4 + 1 + (n - n // 4 + 1) // 3,
    ),
    "extended": around("Extended", extended, composed.extended, static={"rewarm": False}),
    "extended, re-warmed": around("Extended", extended, composed.extended, itself, static={"rewarm": True}),
    "repeat": around(
        "Repeat",
        lambda steps: rx.Repeat(cosine_of(steps // 5 + 1), steps // 5 + 1, length_factor=1.5, factor=0.9, limit=5),
        composed.repeat,
        one_by_one=True,
    ),
    "repeat, evenly": around("Repeat", lambda steps: rx.Repeat(rx.Linear(1.0, 0.0, steps), steps, factor=0.99), composed.repeat_evenly),
}

FAMILIES = ALONE | PIECES | COMPOSED


def pairs(family: Family, shortest: int = 2000, whole: int = 100, near: int = 1000) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return lengths and counts: all counts of each length up to `whole`, the ends of each up to `shortest`, and parts of the longest.

    As many for every family, so that what works on arrays of their number is compiled once.
    """
    random, short, middle, close = np.random.default_rng(7), np.arange(1, whole + 1), np.arange(1, shortest + 1), np.arange(near)
    end = family.end or (lambda steps: 2 * np.asarray(steps, np.int64))
    ends = end(middle)
    at = (middle * 0, middle * 0 + 1, middle // 2, middle - 2, middle - 1, middle, middle + 1, ends - 1, ends, ends + 1)
    found = {
        "short": [(np.repeat(short, whole + 3), np.tile(np.arange(whole + 3), len(short)))],
        "ends": [(middle, counts) for counts in at],
        "long": [
            (np.full(len(counts), steps), counts)
            for steps in LONG
            for counts in (
                close,
                steps - close,
                steps // 2 + close - near // 2,
                random.integers(0, steps, 3 * near),
                steps + close,
                np.int64(end(steps)) + close - near // 2,
            )
        ],
    }
    joined = {name: tuple(np.concatenate(part) for part in zip(*parts, strict=True)) for name, parts in found.items()}
    return {name: (lengths, np.clip(counts, 0, LAST)) for name, (lengths, counts) in joined.items()}
