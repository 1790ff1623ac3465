"""The expressions that are fuzzed: their structure is fixed, so that each is compiled once; their numbers are drawn."""

import dataclasses
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

import rheostax as rx
from tests.fuzz.parts import Bounded, Grouped, Joined, Repeated, Timed, Times
from tests.fuzz.policies import Advanced, Annealed, Greedy, Guard, Held, Middle, Reduce, Restarted, Stopped
from tests.fuzz.statistical import BLOCKS, AdvancedWhenFlat, ReducedWhenFlat, StoppedWhenFlat
from tests.oracles import schedules as formula

ALL = ("set", "pin", "scale", "reset")
rates = st.floats(1e-4, 1.0)
ends = st.sampled_from([0.0, 1e-3]) | st.floats(0.0, 0.5)
lengths = st.integers(30, 300) | st.sampled_from([31, 64, 100_000, 2**31 - 1])
warmups = st.integers(1, 29)


@dataclasses.dataclass(frozen=True)
class Structure:
    """What is drawn, which metrics it hears, how, and what is done to it besides."""

    numbers: Callable[[Any], Any]  # draw -> the model of an expression
    metrics: tuple[str, ...] = ("value",)
    by_update: bool = True  # whether metrics come with updates, or between them
    hands: tuple[str, ...] = ("set", "scale")
    groups: tuple[str | None, ...] = (None,)
    extended: int | None = None  # which factor is a decay whose end can be moved
    stream: str = "levels"  # what its metrics are like


def linear(draw, steps=lengths):
    return Timed(rx.Linear, formula.linear, "transition_steps", init_value=draw(rates), end_value=draw(ends), transition_steps=draw(steps))


def cosine(draw, steps=lengths):
    return Timed(rx.Cosine, formula.cosine, "decay_steps", init_value=draw(rates), decay_steps=draw(steps), end_value=draw(ends))


def warmup(draw):
    return Timed(rx.Warmup, formula.warmup, steps=draw(warmups))


def constant(draw):
    return Timed(rx.Constant, formula.constant, value=draw(rates))


def watch(draw, mode):
    return {
        "mode": mode,
        "patience": draw(st.integers(1, 5)),
        "rtol": draw(st.sampled_from([0.0, 2**-13, 2**-3])),
        "atol": draw(st.sampled_from([0.0, 1 / 16, 0.5])),
        "cooldown": draw(st.integers(0, 3)),
        "accumulation_size": draw(st.integers(1, 3)),
    }


def reduce(draw, monitor="value", mode="min", smallest=(0.0, 0.01, 0.3)):
    factor, min_scale = draw(st.floats(0.3, 0.95)), draw(st.sampled_from(smallest))
    return Reduce(monitor, factor=factor, min_scale=min_scale, **watch(draw, mode))


def of_two_metrics(draw):
    return Times(linear(draw), Middle(reduce(draw, "val_loss", "max")), reduce(draw, smallest=(0.01, 0.3)))


def of_parts(draw):
    first, second = draw(st.integers(1, 60)), draw(st.integers(61, 200))
    exponential = Timed(
        rx.Exponential,
        formula.exponential,
        init_value=draw(rates),
        transition_steps=draw(lengths),
        decay_rate=draw(st.floats(0.1, 0.9)),
        end_value=1e-3,
    )
    parts = [linear(draw), exponential, Times(cosine(draw), reduce(draw))]
    return Bounded(Joined(parts, [first, second]), draw(st.floats(1e-6, 1e-4)), draw(st.floats(1e-3, 0.9)))


def of_cycles(draw):
    inner = Times(linear(draw, st.integers(10, 60)), reduce(draw, smallest=(0.1, 0.3)))
    return Repeated(inner, period=draw(st.integers(5, 60)), factor=draw(st.floats(0.7, 1.0)), limit=draw(st.integers(1, 9)))


def of_groups(draw):
    return Times(warmup(draw), Grouped({"head": Times(cosine(draw), reduce(draw)), "norm": None}, rest=constant(draw)))


def greedy(draw):
    numbers = {name: value for name, value in watch(draw, "min").items() if name != "accumulation_size"}
    own = {
        "factor": draw(st.sampled_from([0.5, 0.8])),
        "warmup": draw(st.integers(0, 3)),
        "min_scale": draw(st.sampled_from([0.1, 0.3, 1.0])),
        "max_scale": draw(st.sampled_from([1.0, 3.0])),
        "min_change": draw(st.sampled_from([0.0, 0.0, 0.21])),
        "reset_after": draw(st.integers(1, 3)),
    }
    return Times(warmup(draw), constant(draw), Greedy("value", **numbers, **own))


def guarded(draw):
    whole = Timed(
        rx.WarmupStableDecay,
        formula.warmup_stable_decay,
        peak_value=draw(rates),
        warmup_steps=draw(warmups),
        decay_steps=draw(st.integers(1, 30)),
        total_steps=draw(st.integers(70, 300)),
        end_value=draw(st.sampled_from([0.0, 1e-5])),
    )
    own = {
        "threshold": draw(st.sampled_from([3.3, 5.7, 10.7])),
        "window": draw(st.integers(3, 8)),
        "factor": draw(st.sampled_from([0.0, 0.1])),
        "recovery": draw(st.integers(1, 5)),
        "max_spikes": draw(st.integers(1, 4)),
    }
    return Times(whole, Guard("val_loss", mode="min", **own))


def skipping(draw):
    own = {"threshold": draw(st.sampled_from([3.3, 5.7])), "window": draw(st.integers(3, 8)), "factor": draw(st.sampled_from([0.0, 0.1]))}
    own |= {"recovery": draw(st.integers(1, 5)), "max_spikes": draw(st.integers(1, 4))}
    return Times(cosine(draw), Guard("value", mode="min", skip=2, roll_back=True, **own))


def stopping(draw):
    numbers = watch(draw, "max")
    del numbers["cooldown"]  # it asks once and for all
    return Times(linear(draw), Stopped("val_loss", **numbers), reduce(draw))


def restarted(draw):
    part = Times(linear(draw, st.integers(5, 60)), reduce(draw, mode="max", smallest=(0.01, 0.3)))
    return Restarted(part, "value", draw(st.floats(0.5, 1.0)), draw(st.integers(1, 9)), **watch(draw, "min"))


def advanced(draw):
    latest = [draw(st.integers(1, 90)), draw(st.integers(91, 300))]
    return Times(
        warmup(draw), Advanced([constant(draw), cosine(draw), Times(linear(draw), reduce(draw))], "value", latest, **watch(draw, "min"))
    )


def annealed(draw):
    own = {"gain": draw(st.sampled_from([0.0, 0.3, 2.0])), "timescale": draw(st.sampled_from([3.0, 30.0]))}
    own |= {"power": draw(st.floats(0.3, 1.0)), "doubt": draw(st.sampled_from([0.0, 0.2, 1.0]))}
    total = 2 * draw(st.integers(20, 300)) + 1  # no count is then where a block begins by rounding alone
    return Times(
        constant(draw), Annealed("value", total, draw(st.sampled_from([0, 5])), confidence=draw(st.sampled_from([0.0, 1.64])), **own)
    )


def held(draw):
    own = {"init_value": draw(rates), "factor": draw(st.sampled_from([0.0, 0.5]) | st.floats(0.3, 0.95))}
    own |= {"min_value": draw(st.sampled_from([0.0, 1e-3, 0.1])), "min_change": draw(st.sampled_from([0.0, 1e-3, 0.05]))}
    return Times(warmup(draw), Held("value", **own, **watch(draw, "max")))


def watch_for_flatness(draw, mode):
    return {
        "mode": mode,
        "window": draw(st.sampled_from([BLOCKS, 20, 2 * BLOCKS - 1, 2 * BLOCKS])),  # blocks of one value or two, whose mean is exact
        "rtol": draw(st.sampled_from([0.0, 2**-13, 2**-3])),
        "atol": draw(st.sampled_from([1 / 16, 0.5, 4.0])),
        "alpha": draw(st.sampled_from([0.01, 0.3])),
        "blocks": BLOCKS,
    }


def flat(draw):
    own = {"factor": draw(st.floats(0.3, 0.95)), "min_scale": draw(st.sampled_from([0.0, 0.3]))}
    reduced = ReducedWhenFlat("value", **own, **watch_for_flatness(draw, "min"))
    return Times(linear(draw), reduced, StoppedWhenFlat("val_loss", **watch_for_flatness(draw, "max")))


def advanced_when_flat(draw):
    latest = [draw(st.integers(1, 400)), draw(st.integers(401, 3000))]
    parts = [constant(draw), cosine(draw), Times(linear(draw), reduce(draw))]
    return Times(warmup(draw), AdvancedWhenFlat(parts, "value", latest, **watch_for_flatness(draw, "min")))


STRUCTURES = {
    "product": Structure(lambda draw: Times(warmup(draw), cosine(draw), reduce(draw)), hands=ALL, extended=1),
    "two metrics": Structure(of_two_metrics, metrics=("value", "val_loss"), by_update=False, hands=("set", "reset")),
    "join and clip": Structure(of_parts),
    "repeat": Structure(of_cycles, by_update=False, hands=("pin", "reset")),
    "groups": Structure(of_groups, hands=("set", "scale"), groups=("head", "rest")),
    "greedy": Structure(greedy, hands=("set", "pin")),
    "spike guard": Structure(guarded, metrics=("val_loss",), by_update=False, stream="spikes"),
    "guard that skips": Structure(skipping, stream="spikes"),
    "stop": Structure(stopping, metrics=("value", "val_loss"), by_update=False),
    "restart": Structure(restarted, hands=("scale", "reset")),
    "advance": Structure(advanced, by_update=False),
    "held": Structure(held),
    "flat": Structure(flat, metrics=("value", "val_loss"), stream="noise", hands=("set", "scale")),
    "advance when flat": Structure(advanced_when_flat, stream="noise"),
    "anneal": Structure(annealed, stream="spikes", hands=("set", "scale")),
}
