"""`rx.compat.timm` against timm."""

import dataclasses
import importlib
import importlib.metadata
import importlib.util
import inspect
import re
import sys
import types
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
import torch
from hypothesis import strategies as st

import rheostax as rx
from rheostax._rate import lower
from tests.parity import table
from tests.parity.harness import Comparison, Observed, compare_configurations, positional


def load_schedulers():
    """Import timm.scheduler without timm itself, which would import all of its models and torchvision."""
    package = types.ModuleType("timm")
    package.__path__ = list(importlib.util.find_spec("timm").submodule_search_locations)
    known = sys.modules.get("timm")
    sys.modules["timm"] = package
    try:
        return importlib.import_module("timm.scheduler")
    finally:
        sys.modules.pop("timm")
        if known is not None:
            sys.modules["timm"] = known


schedulers = load_schedulers()

COUNTS = 120

rates = st.floats(1e-5, 1.0)
lengths = st.integers(1, 150)

# timm's cosines, roots and cycles are made of differences of float64: where the rate is nearly 0, what is left is absolute.
DIFFERENCE = 1e-13


def make_optimizer(learning_rate):
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=learning_rate)


def proceed(scheduler):
    seen = []
    for t in range(COUNTS):
        (scheduler.step if scheduler.t_in_epochs else scheduler.step_update)(t)
        seen.append(scheduler.optimizer.param_groups[0]["lr"])
    return np.array(seen)


@st.composite
def arguments(draw, prefix=True, **strategies):
    warm = {
        "warmup_t": draw(st.sampled_from([0, 0]) | st.integers(1, 30)),
        "warmup_lr_init": draw(st.just(0.0) | st.floats(0.0, 0.5)),
        "t_in_epochs": draw(st.booleans()),
    }
    if prefix:
        warm["warmup_prefix"] = draw(st.booleans())
    return {**{name: draw(strategy) for name, strategy in strategies.items()}, **warm}


CYCLES = {
    "t_initial": lengths,
    "lr_min": st.just(0.0) | st.floats(0.0, 0.5),
    # One that isn't 1 is part of the structure, so that each is compiled.
    "cycle_mul": st.sampled_from([1.0, 1.5]),
    "cycle_decay": st.floats(0.3, 1.0),
    "cycle_limit": st.integers(1, 5),
}

CYCLE_DEVIATIONS = "noise is refused, and so is cycle_mul below 1.01 but 1"


@dataclasses.dataclass
class Case:
    """How a class is tried: a strategy for its arguments, and what the table says."""

    configurations: Any
    ours: str
    deviations: str = "noise is refused"
    drift: float = DIFFERENCE


CASES = {
    "CosineLRScheduler": Case(
        arguments(**CYCLES, k_decay=st.just(1.0) | st.floats(0.5, 3.0)), "`Cosine`; cycles of its own", CYCLE_DEVIATIONS
    ),
    "PolyLRScheduler": Case(
        arguments(power=st.floats(0.4, 4.0), **CYCLES, k_decay=st.floats(0.5, 3.0)), "`Polynomial`; cycles of its own", CYCLE_DEVIATIONS
    ),
    "TanhLRScheduler": Case(
        arguments(lb=st.floats(-8.0, -0.1), ub=st.floats(0.0, 5.0), **{**CYCLES, "cycle_mul": st.sampled_from([1.0, 2.0, 1.1])}),
        "`Tanh`; cycles of its own",
        CYCLE_DEVIATIONS,
    ),
    "StepLRScheduler": Case(
        arguments(
            decay_t=st.integers(1, 60) | st.integers(11, 400).map(lambda tenths: tenths / 10) | st.sampled_from([2.4, 1.1, 0.3]),
            decay_rate=st.floats(0.6, 1.0),
        ),
        "`Step`; one of its own for a broken decay_t",
        "noise is refused, and so is decay_rate above 1",
    ),
    "MultiStepLRScheduler": Case(
        arguments(decay_t=st.lists(st.integers(0, 130), min_size=1, max_size=4).map(sorted), decay_rate=st.floats(0.05, 3.0)),
        "`MultiStep`, `PiecewiseConstant`",
        "noise is refused, and so are milestones out of order",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_trajectories(name, record_property):
    case = CASES[name]

    def trajectories(drawn):
        learning_rate, configuration = drawn
        theirs = getattr(schedulers, name)(make_optimizer(learning_rate), **configuration)
        return getattr(rx.compat.timm, name)(learning_rate, **configuration), proceed(theirs)

    comparison = Comparison("timm", name, case.ours, case.deviations, case.drift)
    compare_configurations(comparison, st.tuples(rates, case.configurations), trajectories, record_property)


@st.composite
def stable_decays(draw):
    learning_rate, steps = draw(rates), draw(lengths)
    more = draw(
        arguments(
            prefix=False,
            decay_t=st.integers(1, steps),
            lr_min=st.floats(0.0, learning_rate),
            stable_fn=st.sampled_from(["constant", "rsqrt", "power"]),
            stable_power=st.floats(0.2, 2.0),
            decay_fn=st.sampled_from(["linear", "1-sqrt", "cosine", "power", "exp"]),
            decay_power=st.floats(0.2, 3.0),
            decay_ratio=st.floats(0.01, 0.9),
        )
    )
    needed = more["warmup_t"] == 0
    return learning_rate, {
        "t_initial": steps,
        "stable_timescale": draw(st.integers(1, 100) | (st.nothing() if needed else st.none())),
        **more,
    }


def test_stable_decays(record_property):
    def trajectories(drawn):
        learning_rate, configuration = drawn
        theirs = schedulers.WSDLRScheduler(make_optimizer(learning_rate), **configuration)
        return rx.compat.timm.WSDLRScheduler(learning_rate, **configuration), proceed(theirs)

    deviations = "noise and functions as decay_fn are refused, and so is lr_min above the rate"
    comparison = Comparison("timm", "WSDLRScheduler", "`WarmupStableDecay`", deviations, DIFFERENCE)
    compare_configurations(comparison, stable_decays(), trajectories, record_property)


def metrics_of(seed, kind):
    random = np.random.default_rng(seed)
    values = np.exp(random.normal(size=100).cumsum() * 0.1) - (1.5 if kind == "signed" else 0.0)
    if kind == "coarse":
        values = np.ceil(values * 4) / 4
    if kind == "nan":
        values[random.random(100) < 0.1] = np.nan
    return values.astype(np.float32)


@st.composite
def plateaus(draw):
    configuration = {
        "mode": draw(st.sampled_from(["min", "max"])),
        "decay_rate": draw(st.floats(0.05, 0.99)),
        "patience_t": draw(st.integers(0, 6)),
        "threshold": draw(st.sampled_from([0.0, 1e-4, 0.25]) | st.integers(0, 50).map(lambda percent: percent / 100)),
        "cooldown_t": draw(st.integers(0, 4)),
        "warmup_t": draw(st.just(0) | st.integers(1, 20)),
        "warmup_lr_init": draw(st.floats(0.0, 0.1)),
        "lr_min": draw(st.just(0.0) | st.floats(0.0, 0.1)),
    }
    strict = draw(st.booleans())
    kind = draw(st.sampled_from(["plain", "coarse", *(["signed", "nan"] if strict else [])]))
    return draw(rates), configuration, strict, draw(st.integers(0, 2**32 - 1)), kind


@pytest.mark.filterwarnings("ignore:PlateauLRScheduler is deprecated:FutureWarning")
def test_plateau(record_property):
    """timm's training script calls step(1, metric) after the first epoch."""
    moved = []

    def trajectories(drawn):
        learning_rate, configuration, strict, seed, kind = drawn
        metrics, theirs = metrics_of(seed, kind), []
        scheduler = schedulers.PlateauLRScheduler(make_optimizer(learning_rate), **configuration)
        for t, metric in enumerate(metrics, 1):
            scheduler.step(t, float(metric))
            theirs.append(scheduler.optimizer.param_groups[0]["lr"])
        moved.append(len(np.unique(theirs[configuration["warmup_t"] :])))
        ours = rx.compat.timm.PlateauLRScheduler(learning_rate, **configuration, strict=strict)
        return Observed(rx.Shift(ours, 1), "value", metrics, np.array(theirs))

    deviations = "noise is refused; relative margins below zero, and NaN: as timm with `strict=True`"
    comparison = Comparison("timm", "PlateauLRScheduler", "`PlateauRate`, after a `Linear` where it warms up", deviations)
    compare_configurations(comparison, plateaus(), trajectories, record_property)
    assert np.median(moved) >= 4, "most of these should have several cuts, or little is compared"


def test_tanh_warms_up_to_where_it_will_be():
    arguments = {"t_initial": 50, "warmup_t": 30, "warmup_lr_init": 0.01}
    ours = rx.compat.timm.TanhLRScheduler(0.5, **arguments)
    theirs = proceed(schedulers.TanhLRScheduler(make_optimizer(0.5), **arguments))
    assert theirs[30] < 0.45  # it doesn't rise to 0.5
    np.testing.assert_allclose(lower(ours).evaluate(ours.init(), jnp.arange(COUNTS)).high, theirs, rtol=2e-7)


@pytest.mark.parametrize("name", rx.compat.timm.__all__)
def test_names_and_defaults_are_theirs(name):
    assert positional(getattr(rx.compat.timm, name), "learning_rate") == positional(getattr(schedulers, name).__init__, "optimizer")


def test_the_page_lists_every_class(request):
    if request.config.getoption("--write-table", False):
        pytest.skip("the page is being written")
    names = {name for name, value in vars(schedulers).items() if inspect.isclass(value) or inspect.isfunction(value)}
    section = table.known("timm")
    assert section.startswith(f"## timm {importlib.metadata.version('timm')}\n")
    rows = dict(re.findall(r"^\| `(\w+)` \| (.+?) \|", section, re.MULTILINE))
    assert set(rows) == names | {"Scheduler"}
    for name, ours in rows.items():
        reason = table.ABSENT["timm"].get(name)
        assert ours == f"none: {reason}" if reason else hasattr(rx.compat.timm, name)
