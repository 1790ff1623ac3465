"""`rx.compat.optax` against optax, which computes in float64 here, as x64 is on while it is asked."""

import functools
import inspect

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import strategies as st

import rheostax as rx
from tests.parity import table
from tests.parity.harness import Comparison, Observed, compare_configurations

COUNTS = 200
compat = rx.compat.optax

values = st.floats(0.0, 1.0).map(lambda value: value if value > 1e-6 else 0.0)
peaks = st.floats(1e-4, 1.0)
lengths = st.integers(1, 150)
begins = st.integers(0, 60)
scales = st.dictionaries(st.integers(1, 180), st.floats(0.01, 2.0), max_size=4)

EXPONENTIAL = {
    "transition_steps": st.integers(1, 60),
    "decay_rate": st.floats(0.5, 1.0, exclude_max=True),
    "transition_begin": begins,
    "staircase": st.booleans(),
    "end_value": st.one_of(st.none(), st.floats(0.0, 1e-4)),
}

# optax subtracts nearly equal numbers near the end of a decay: its own rounding errors in float64 are all that is left there.
CANCELLATION = 1e-14

STAIRS = "decay_rate above 1 is refused; a stair falls on its count, which optax's quotient may miss by one"

CASES = {
    "constant_schedule": ({"value": values}, "`Constant`", ""),
    "linear_schedule": (
        {"init_value": values, "end_value": values, "transition_steps": lengths, "transition_begin": begins},
        "`Linear`",
        "",
    ),
    "polynomial_schedule": (
        {"init_value": values, "end_value": values, "power": st.floats(0.2, 4.0), "transition_steps": lengths, "transition_begin": begins},
        "`Polynomial`",
        "",
    ),
    "exponential_decay": ({"init_value": values, **EXPONENTIAL}, "`Exponential`", STAIRS),
    "cosine_decay_schedule": (
        {"init_value": values, "decay_steps": lengths, "alpha": values, "exponent": st.one_of(st.just(1.0), st.floats(0.2, 4.0))},
        "`Cosine`, or a power of it",
        "",
    ),
    "piecewise_constant_schedule": ({"init_value": values, "boundaries_and_scales": scales}, "`PiecewiseConstant`", ""),
    "piecewise_interpolate_schedule": (
        {"interpolate_type": st.sampled_from(["linear", "cosine"]), "init_value": values, "boundaries_and_scales": scales},
        "`PiecewiseInterpolate`",
        "",
    ),
    "linear_onecycle_schedule": (
        {
            "transition_steps": st.integers(20, 150),
            "peak_value": peaks,
            "pct_start": st.floats(0.1, 0.4),
            "pct_final": st.floats(0.5, 0.9),
            "div_factor": st.floats(1.0, 100.0),
            "final_div_factor": st.floats(1.0, 1e4),
        },
        "`PiecewiseInterpolate`",
        "phases must end at different counts",
    ),
    "cosine_onecycle_schedule": (
        {
            "transition_steps": st.integers(20, 150),
            "peak_value": peaks,
            "pct_start": st.floats(0.1, 0.9),
            "div_factor": st.floats(1.0, 100.0),
            "final_div_factor": st.floats(1.0, 1e4),
        },
        "`PiecewiseInterpolate`",
        "phases must end at different counts",
    ),
    "warmup_constant_schedule": ({"init_value": values, "peak_value": values, "warmup_steps": lengths}, "`Linear`", ""),
    "warmup_cosine_decay_schedule": (
        {
            "init_value": values,
            "peak_value": peaks,
            "warmup_steps": st.integers(1, 60),
            "decay_steps": st.integers(61, 150),
            "end_value": values,
            "exponent": st.one_of(st.just(1.0), st.floats(0.2, 4.0)),
        },
        "`Join`, `Linear`, `Cosine`",
        "",
    ),
    "warmup_exponential_decay_schedule": (
        {"init_value": values, "peak_value": peaks, "warmup_steps": st.integers(1, 60), **EXPONENTIAL},
        "`Join`, `Linear`, `Exponential`",
        STAIRS,
    ),
}


def proceed(schedule, later=0.0):
    """Return optax's values in float64; for counts that are a trifle `later`, if a quotient must not fall short of a whole number."""
    with jax.enable_x64(True):
        counts = jnp.arange(COUNTS, dtype=jnp.int64)
        found = jax.vmap(schedule)(jnp.where(counts > 0, counts + later, 0.0) if later else counts)
        return np.broadcast_to(np.asarray(found, np.float64), COUNTS)


def ended(theirs, init_value, end_value, power, transition_steps, transition_begin):
    """Put the end where optax leaves a root of its rounding error, 1 - count / steps, which isn't always 0 there."""
    over = np.arange(COUNTS) >= transition_begin + transition_steps
    left = abs(init_value - end_value) * np.finfo(float).eps ** power
    np.testing.assert_allclose(theirs[over], end_value, rtol=1e-15, atol=left)
    return np.where(over, end_value, theirs)


@pytest.mark.parametrize("name", CASES)
def test_trajectories(name, record_property):
    strategies, ours, deviations = CASES[name]

    def trajectories(arguments):
        later = 1e-9 if arguments.get("staircase") else 0.0
        theirs = proceed(getattr(optax, name)(**arguments), later)
        if name == "polynomial_schedule":
            theirs = ended(theirs, **arguments)
        return getattr(compat, name)(**arguments), theirs

    comparison = Comparison("optax", name, ours, deviations, CANCELLATION)
    compare_configurations(comparison, st.fixed_dictionaries(strategies), trajectories, record_property)


cosine_cycles = st.fixed_dictionaries({**CASES["warmup_cosine_decay_schedule"][0], "exponent": st.just(1.0)})


def test_sgdr_schedule(record_property):
    comparison = Comparison("optax", "sgdr_schedule", "`Join`", drift=CANCELLATION)
    drawn = st.lists(cosine_cycles, min_size=2, max_size=2)  # each structure compiles for seconds
    compare_configurations(
        comparison, drawn, lambda given: (compat.sgdr_schedule(given), proceed(optax.sgdr_schedule(given))), record_property
    )


def test_join_schedules(record_property):
    def trajectories(drawn):
        first, second, third, (a, gap) = drawn
        parts = [getattr(optax, name)(**arguments) for name, arguments in (first, second, third)]
        ours = [getattr(compat, name)(**arguments) for name, arguments in (first, second, third)]
        return compat.join_schedules(ours, [a, a + gap]), proceed(optax.join_schedules(parts, [a, a + gap]))

    part = st.tuples(st.just("linear_schedule"), st.fixed_dictionaries(CASES["linear_schedule"][0]))
    comparison = Comparison("optax", "join_schedules", "`Join`", drift=CANCELLATION)
    drawn = st.tuples(part, part, part, st.tuples(st.integers(1, 80), st.integers(1, 80)))
    compare_configurations(comparison, drawn, trajectories, record_property)


@functools.cache
def peer_of(factor, rtol, atol):
    """Return optax's scales for metrics; what it checks in Python is fixed, so that few are compiled."""

    @jax.jit
    def scales(metrics, patience, cooldown, size, least):
        tx = optax.contrib.reduce_on_plateau(factor, patience, rtol, atol, cooldown, size, least)

        def update(state, value):
            _, state = tx.update(jnp.float64(1.0), state, value=value)
            return state, state.scale

        return jax.lax.scan(update, tx.init(jnp.float64(1.0)), metrics)[1]

    return scales


def metrics_of(seed, kind):
    """Return a stream with plateaus and exact repetitions, in eighths, so that means are nowhere within rounding of a margin."""
    random = np.random.default_rng(seed)
    steps = np.where(random.random(COUNTS) < 0.4, random.integers(-3, 3, COUNTS), 0)
    values = np.abs(40 + np.cumsum(steps)) / 8 + 1
    if kind != "positive":
        values = values - np.median(values)
    if kind == "wild":
        values[random.random(COUNTS) < 0.05] = np.nan
        values[random.random(COUNTS) < 0.02] = np.inf
        values[random.random(COUNTS) < 0.005] = -np.inf
    return values.astype(np.float32)


def test_reduce_on_plateau(record_property):
    cuts = []

    def trajectories(drawn):
        (factor, rtol, atol), numbers, strict, seed, kind = drawn
        kind = kind if strict else "positive"
        metrics = metrics_of(seed, kind)
        with jax.enable_x64(True):
            theirs = np.asarray(peer_of(factor, rtol, atol)(metrics, *numbers), np.float64)
        cuts.append(len(np.unique(theirs)))
        names = ("patience", "cooldown", "accumulation_size", "min_scale")
        ours = compat.reduce_on_plateau(factor, rtol=rtol, atol=atol, strict=strict, **dict(zip(names, numbers, strict=True)))
        return Observed(ours, "value", metrics, theirs)

    deviations = "metrics below zero, NaN and infinities: as optax with `strict=True`; patience=0 is refused"
    comparison = Comparison("optax", "reduce_on_plateau", "`ReduceOnPlateau`; `rx.reduce_on_plateau` in a chain", deviations)
    drawn = st.tuples(
        st.sampled_from([(0.1, 1e-4, 0.0), (0.5, 0.01, 0.0), (0.75, 0.003, 0.07), (0.3, 0.0, 0.03)]),
        st.tuples(st.integers(1, 8), st.integers(0, 5), st.integers(1, 5), st.sampled_from([1e-25, 0.01, 0.125])),
        st.booleans(),
        st.integers(0, 2**32 - 1),
        st.sampled_from(["positive", "signed", "wild"]),
    )
    compare_configurations(comparison, drawn, trajectories, record_property)
    assert np.median(cuts) >= 4, "most of these should have several cuts, or little is compared"


def their(name):
    return getattr(optax.contrib if name == "reduce_on_plateau" else optax, name)


@pytest.mark.parametrize("name", compat.__all__)
def test_names_and_defaults_are_theirs(name):
    ours, theirs = (inspect.signature(function).parameters for function in (getattr(compat, name), their(name)))
    assert [(p.name, p.default) for p in ours.values() if p.kind != p.KEYWORD_ONLY] == [(p.name, p.default) for p in theirs.values()]


def test_the_page_lists_every_schedule(request):
    if request.config.getoption("--write-table", False):
        pytest.skip("the page is being written")
    public = [name for name in dir(optax.schedules) if inspect.isfunction(getattr(optax.schedules, name)) and not name.startswith("_")]
    public += [name for name in dir(optax.contrib) if name == "reduce_on_plateau" or "lr" in name.split("_")]
    page = table.known("optax")
    assert [name for name in public if f"`{name}`" not in page] == []
