"""`rx.compat.torch` against PyTorch."""

import copy
import dataclasses
import re
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from hypothesis import strategies as st
from torch.optim import lr_scheduler, swa_utils

import rheostax as rx
from tests.parity import table
from tests.parity.harness import Comparison, Observed, compare_configurations, positional

COUNTS = 120

rates = st.floats(1e-5, 1.0)  # above 1 a factor below the normal float32 numbers could make a normal rate
decays = st.floats(0.3, 1.0)
factors = st.floats(0.01, 1.0)
lengths = st.integers(1, 150)


def make_optimizer(learning_rate, groups=1):
    parameters = [{"params": [torch.nn.Parameter(torch.zeros(1))]} for _ in range(groups)]
    return torch.optim.SGD(parameters, lr=learning_rate, momentum=0.9)


def scheduler_class(name):
    return getattr(lr_scheduler, name, None) or getattr(swa_utils, name)


def proceed(scheduler, counts):
    """Return the rates of so many updates, from where the scheduler is."""
    seen = []
    scheduler.optimizer.step()  # PyTorch warns where a scheduler steps first
    for _ in range(counts):
        seen.append(scheduler.optimizer.param_groups[0]["lr"])
        scheduler.step()
    return np.array(seen)


@dataclasses.dataclass
class Case:
    """How a class is tried: a strategy for its arguments, and what the table says."""

    configurations: Any
    ours: str
    deviations: str = ""
    drift: float = 0.0
    counts: int = COUNTS


def arguments(**strategies):
    return st.fixed_dictionaries(strategies)


@st.composite
def one_cycles(draw):
    three_phase = draw(st.booleans())
    return {
        "max_lr": draw(rates),
        "total_steps": draw(st.integers(COUNTS, 300)),
        "pct_start": draw(st.floats(0.0, 0.5 if three_phase else 0.99)),
        "anneal_strategy": draw(st.sampled_from(["cos", "linear"])),
        "div_factor": draw(st.floats(1.0, 100.0)),
        "final_div_factor": draw(st.floats(1.0, 1e5)),
        "three_phase": three_phase,
        "cycle_momentum": False,
    }


# PyTorch makes most rates of the one before. Its rounding errors, of 2**-53 per count, stay relative where it multiplies; near
# a rate of 0 that it reaches by subtracting they are absolute, hence the drift of these.
RECURSION = 1e-13

CASES = {
    "StepLR": Case(arguments(step_size=st.integers(1, 60), gamma=factors), "`Step`", "gamma above 1 is refused"),
    "MultiStepLR": Case(
        arguments(milestones=st.lists(st.integers(0, 130), min_size=1, max_size=4), gamma=st.floats(0.05, 3.0)),
        "`MultiStep`, `PiecewiseConstant`",
    ),
    "ConstantLR": Case(
        arguments(factor=factors, total_iters=st.integers(0, 150)),
        "`PiecewiseConstant`",
        "factor=0 ends, where PyTorch divides by zero",
    ),
    "LinearLR": Case(
        arguments(start_factor=factors, end_factor=st.floats(0.0, 1.0), total_iters=st.integers(0, 150)), "`Linear`", drift=RECURSION
    ),
    "ExponentialLR": Case(arguments(gamma=decays), "`Exponential`", "gamma above 1 is refused"),
    "PolynomialLR": Case(arguments(total_iters=lengths, power=st.floats(0.2, 4.0)), "`Polynomial`", drift=RECURSION),
    "CosineAnnealingLR": Case(arguments(T_max=lengths, eta_min=st.one_of(st.just(0.0), st.floats(0.0, 0.5))), "`Cyclic`", drift=RECURSION),
    "CosineAnnealingWarmRestarts": Case(
        arguments(T_0=lengths, T_mult=st.integers(1, 3), eta_min=st.floats(0.0, 0.5)), "`CosineRestarts`", drift=RECURSION
    ),
    "CyclicLR": Case(
        arguments(
            base_lr=rates,
            max_lr=rates,
            step_size_up=st.integers(1, 50),
            step_size_down=st.one_of(st.none(), st.integers(1, 50)),
            mode=st.sampled_from(["triangular", "triangular2", "exp_range"]),
            gamma=st.floats(0.9, 1.0),
            cycle_momentum=st.just(False),
        ),
        "`Cyclic`",
        "the momentum isn't cycled, scale_fn is refused, gamma above 1 too",
    ),
    "OneCycleLR": Case(
        one_cycles(),
        "`OneCycle`",
        "the momentum isn't cycled; it stays at the end, where PyTorch rises again and then raises an error",
        drift=RECURSION,
    ),
    "SWALR": Case(
        arguments(swa_lr=rates, anneal_epochs=st.integers(0, 150), anneal_strategy=st.sampled_from(["cos", "linear"])),
        "`Cosine`, `Linear`",
        drift=RECURSION,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_trajectories(name, record_property):
    case = CASES[name]

    def trajectories(drawn):
        learning_rate, configuration = drawn
        theirs = scheduler_class(name)(make_optimizer(learning_rate), **configuration)
        return getattr(rx.compat.torch, name)(learning_rate, **configuration), proceed(theirs, case.counts)

    comparison = Comparison("torch", name, case.ours, case.deviations, case.drift)
    compare_configurations(comparison, st.tuples(rates, case.configurations), trajectories, record_property)


# A function would be another trace for each configuration, so these are made inside one: the function reads a traced table.
tables = st.integers(0, 2**32 - 1).map(lambda seed: np.random.default_rng(seed).uniform(0.5, 1.5, COUNTS).astype(np.float32))
single_rates = st.floats(2.0**-16, 2.0, width=32)


@jax.jit
def with_lambda(learning_rate, factors):
    return jax.vmap(rx.compat.torch.LambdaLR(learning_rate, lambda epoch: factors[epoch]))(jnp.arange(COUNTS))


@jax.jit
def with_product(learning_rate, factors):
    return rx.compat.torch.MultiplicativeLR(learning_rate, lambda epoch: factors[epoch])(jnp.arange(COUNTS))


@pytest.mark.parametrize(("name", "ours"), [("LambdaLR", with_lambda), ("MultiplicativeLR", with_product)])
def test_functions(name, ours, record_property):
    def trajectories(drawn):
        learning_rate, values = drawn
        function = lambda epoch: float(values[min(epoch, COUNTS - 1)])  # noqa: E731
        return ours(np.float32(learning_rate), values), proceed(scheduler_class(name)(make_optimizer(learning_rate), function), COUNTS)

    made_of = {"LambdaLR": "a function of the count", "MultiplicativeLR": "the product of a function's values"}[name]
    comparison = Comparison("torch", name, made_of, "the function is traced: `jnp.where` in place of `if`")
    compare_configurations(comparison, st.tuples(single_rates, tables), trajectories, record_property)


def parts(*kinds):
    return st.tuples(*(st.tuples(st.just(kind), CASES[kind].configurations) for kind in kinds))


def both(learning_rate, chosen):
    """Return the same parts made by PyTorch on one optimizer, and by us."""
    optimizer = make_optimizer(learning_rate)
    theirs = [scheduler_class(kind)(optimizer, **configuration) for kind, configuration in chosen]
    return optimizer, theirs, [getattr(rx.compat.torch, kind)(learning_rate, **configuration) for kind, configuration in chosen]


def test_chained(record_property):
    """A cosine in a chain is compared up to its T_max; past it PyTorch adds what it has no factor for."""
    cosine = st.tuples(st.just("CosineAnnealingLR"), arguments(T_max=st.integers(COUNTS, 200)))
    chains = st.one_of(
        parts("StepLR", "ExponentialLR"),
        parts("ConstantLR", "ExponentialLR"),
        parts("LinearLR", "StepLR", "ConstantLR"),
        st.tuples(parts("LinearLR"), st.tuples(cosine)).map(lambda both: both[0] + both[1]),
    )

    def trajectories(drawn):
        optimizer, theirs, ours = both(*drawn)
        return rx.compat.torch.ChainedScheduler(ours, drawn[0]), proceed(lr_scheduler.ChainedScheduler(theirs, optimizer), COUNTS)

    deviations = (
        "LambdaLR, CyclicLR, OneCycleLR and CosineAnnealingWarmRestarts, which erase what the ones before them did, are refused; with "
        "`strict=True` the last part may be one. A cosine past its T_max stays a factor; with `strict=True` it begins anew as in PyTorch"
    )
    comparison = Comparison("torch", "ChainedScheduler", "a product", deviations, drift=RECURSION)
    compare_configurations(comparison, st.tuples(rates, chains), trajectories, record_property)


@pytest.mark.parametrize("kinds", [["StepLR", None], [None, "ExponentialLR"], ["LinearLR", None, "MultiStepLR"], ["PolynomialLR", None]])
def test_chained_past_the_end_of_a_cosine(kinds):
    """PyTorch adds to a rate that is 0 there, and forgets what the others had made of it."""
    cosine = st.tuples(st.just("CosineAnnealingLR"), arguments(T_max=st.integers(1, 40)))
    mild = {  # so that what a factor is divided by stays within float32
        "StepLR": arguments(step_size=st.integers(8, 60), gamma=st.floats(0.1, 1.0)),
        "ExponentialLR": arguments(gamma=st.floats(0.8, 1.0)),
    }
    chain = st.tuples(*(cosine if kind is None else st.tuples(st.just(kind), mild.get(kind, CASES[kind].configurations)) for kind in kinds))

    def trajectories(drawn):
        optimizer, theirs, ours = both(*drawn)
        ours = rx.compat.torch.ChainedScheduler(ours, drawn[0], strict=True)
        return ours, proceed(lr_scheduler.ChainedScheduler(theirs, optimizer), COUNTS)

    comparison = Comparison("torch", "ChainedScheduler, strict", "", drift=RECURSION)
    compare_configurations(comparison, st.tuples(rates, chain), trajectories, lambda *row: None, at_least=50)


def test_sequential(record_property):
    sequences = st.one_of(
        parts("LinearLR", "CosineAnnealingLR"),
        parts("ConstantLR", "ExponentialLR"),
        parts("ExponentialLR", "CosineAnnealingWarmRestarts"),
        parts("LinearLR", "StepLR", "PolynomialLR"),
    )

    def trajectories(drawn):
        learning_rate, chosen, first, second = drawn
        milestones = [first, first + second][: len(chosen) - 1]
        optimizer, theirs, ours = both(learning_rate, chosen)
        theirs = lr_scheduler.SequentialLR(optimizer, theirs, milestones)
        return rx.compat.torch.SequentialLR(learning_rate, ours, milestones), proceed(theirs, COUNTS)

    deviations = (
        "refused: a MultiplicativeLR that isn't the first, a SWALR that isn't made for the rate that it finds, and CyclicLR, OneCycleLR "
        "and ChainedScheduler, which change where the others begin"
    )
    comparison = Comparison("torch", "SequentialLR", "`Join`", deviations, drift=RECURSION)
    drawn = st.tuples(rates, sequences, st.integers(1, 60), st.integers(1, 60))
    compare_configurations(comparison, drawn, trajectories, record_property)


SETTINGS = {
    "StepLR": {"step_size": 4, "gamma": 0.5},
    "MultiStepLR": {"milestones": [3, 5], "gamma": 0.5},
    "ConstantLR": {"factor": 0.3, "total_iters": 4},
    "LinearLR": {"start_factor": 0.2, "end_factor": 0.9, "total_iters": 6},
    "ExponentialLR": {"gamma": 0.9},
    "PolynomialLR": {"total_iters": 9, "power": 2.0},
    "CosineAnnealingLR": {"T_max": 7, "eta_min": 0.01},
    "CosineAnnealingWarmRestarts": {"T_0": 4, "T_mult": 2, "eta_min": 0.01},
    "CyclicLR": {"base_lr": 0.05, "max_lr": 0.2, "step_size_up": 3, "cycle_momentum": False},
    "OneCycleLR": {"max_lr": 0.3, "total_steps": 60, "cycle_momentum": False},
    "SWALR": {"swa_lr": 0.02, "anneal_epochs": 5},
    "LambdaLR": {"lr_lambda": lambda epoch: 1 / (1 + epoch)},
    "MultiplicativeLR": {"lr_lambda": lambda epoch: 0.95},
}
MILESTONE = 6


def sequence(first, second):
    optimizer = make_optimizer(0.1)
    made = [scheduler_class(kind)(optimizer, **SETTINGS[kind]) for kind in (first, second)]
    return lr_scheduler.SequentialLR(optimizer, made, [MILESTONE])


@pytest.mark.parametrize("first", SETTINGS)
def test_every_pair_in_a_sequence_is_as_in_pytorch_or_refused(first):
    """Which part changes where another begins is seen only beside it."""
    for second in SETTINGS:
        parts = [getattr(rx.compat.torch, kind)(0.1, **SETTINGS[kind]) for kind in (first, second)]
        finds_another = second == "SWALR" and not np.isclose(parts[0](MILESTONE - 1), 0.1)
        must_refuse = {"CyclicLR", "OneCycleLR"} & {first, second} or second == "MultiplicativeLR" or finds_another
        if must_refuse:
            with pytest.raises(rx.ArgumentError, match=r"SequentialLR: schedulers\[\d\] (must not be|begins at)"):
                rx.compat.torch.SequentialLR(0.1, parts, [MILESTONE])
            continue
        ours = rx.compat.torch.SequentialLR(0.1, parts, [MILESTONE])(np.arange(24))
        np.testing.assert_allclose(ours, proceed(sequence(first, second), 24), rtol=1e-6, atol=1e-9, err_msg=second)


@pytest.mark.parametrize(("first", "second"), list(zip(SETTINGS, [*list(SETTINGS)[5:], *list(SETTINGS)[:5]], strict=True)))
def test_a_sequence_is_converted_before_and_after_its_milestone(first, second):
    for count in (4, 9):
        theirs = stopped(sequence(first, second), count)
        if second == "MultiplicativeLR":
            with pytest.raises(rx.ArgumentError, match="part 1 of a SequentialLR must not be a MultiplicativeLR"):
                rx.compat.torch.convert(theirs)
        elif second == "OneCycleLR" and count < MILESTONE:  # which has set the rate that the first multiplies
            with pytest.raises(rx.ArgumentError, match="the optimizer's rate must be that of its SequentialLR"):
                rx.compat.torch.convert(theirs)
        else:
            ours = rx.compat.torch.convert(theirs)(np.arange(15))
            np.testing.assert_allclose(ours, proceed(theirs, 15), rtol=1e-6, atol=1e-9, err_msg=f"from {count}")


def test_a_sequence_with_what_it_finds_goes_on():
    """A SWALR that is made for the rate at its milestone begins there, as PyTorch's does."""
    optimizer = make_optimizer(0.1)
    parts = [lr_scheduler.StepLR(optimizer, 4, 0.5), swa_utils.SWALR(optimizer, 0.02, 5)]
    theirs = lr_scheduler.SequentialLR(optimizer, parts, [MILESTONE])
    peers = rx.compat.torch
    ours = peers.SequentialLR(0.1, [peers.StepLR(0.1, 4, 0.5), peers.SWALR(0.05, 0.02, 5)], [MILESTONE])
    np.testing.assert_allclose(ours(np.arange(20)), proceed(theirs, 20), rtol=1e-6)


def metrics_of(seed, kind):
    """Return a stream with plateaus, exact repetitions and jumps; below zero, or with NaN and infinities, if wanted."""
    random = np.random.default_rng(seed)
    steps = np.where(random.random(COUNTS) < 0.4, random.normal(-0.02, 0.1, COUNTS), 0.0)
    values = np.exp(np.cumsum(steps))
    if kind != "positive":
        values = values - np.median(values)
    if kind == "wild":
        values[random.random(COUNTS) < 0.1] = np.nan
        values[random.random(COUNTS) < 0.02] = np.inf
    return values.astype(np.float32)


@st.composite
def plateaus(draw):
    strict = draw(st.booleans())
    threshold_mode = draw(st.sampled_from(["rel", "abs"]))
    kinds = ["positive", "signed", "wild"] if strict else ["positive"] if threshold_mode == "rel" else ["positive", "signed"]
    configuration = {
        "mode": draw(st.sampled_from(["min", "max"])),
        "factor": draw(st.floats(0.05, 0.99)),
        "patience": draw(st.integers(0, 6)),
        "threshold": draw(st.sampled_from([0.0, 1e-4, 0.01, 0.25]) | st.floats(0.0, 0.5)),
        "threshold_mode": threshold_mode,
        "cooldown": draw(st.integers(0, 4)),
        "min_lr": draw(st.just(0.0) | st.floats(0.0, 0.1)),
        "eps": draw(st.sampled_from([1e-8, 0.0, 1e-3])),
    }
    return draw(rates), configuration, strict, draw(st.integers(0, 2**32 - 1)), draw(st.sampled_from(kinds))


def observe_all(scheduler, metrics):
    seen = []
    for metric in metrics:
        scheduler.step(float(metric))
        seen.append(scheduler.optimizer.param_groups[0]["lr"])
    return np.array(seen)


def test_plateau(record_property):
    moved = []

    def trajectories(drawn):
        learning_rate, configuration, strict, seed, kind = drawn
        metrics = metrics_of(seed, kind)
        theirs = observe_all(lr_scheduler.ReduceLROnPlateau(make_optimizer(learning_rate), **configuration), metrics)
        moved.append(len(np.unique(theirs)))
        return Observed(rx.compat.torch.ReduceLROnPlateau(learning_rate, **configuration, strict=strict), "value", metrics, theirs)

    deviations = "relative margins below zero, and NaN: as PyTorch with `strict=True`"
    comparison = Comparison("torch", "ReduceLROnPlateau", "`PlateauRate`", deviations)
    compare_configurations(comparison, plateaus(), trajectories, record_property)
    assert np.median(moved) >= 4, "most of these should have several cuts, or little is compared"


def stopped(scheduler, count):
    """Let a scheduler do so many updates, and change nothing else."""
    proceed(scheduler, count)
    return scheduler


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("saved", [False, True], ids=["live", "state_dict"])
def test_converted_in_the_middle(name, saved, record_property):
    """What goes on in PyTorch and what goes on here are the same, from any count on."""
    missing = {"OneCycleLR": ("max_lr", "final_div_factor"), "SWALR": ("swa_lr",)}.get(name, ())

    def trajectories(drawn):
        learning_rate, configuration, count = drawn
        comparison.start = learning_rate
        theirs = stopped(scheduler_class(name)(make_optimizer(learning_rate), **configuration), count)
        if saved:
            more = {key: configuration[key] for key in missing}
            ours = rx.compat.torch.convert(copy.deepcopy(theirs.state_dict()), name=name, **more)
        else:
            ours = rx.compat.torch.convert(theirs)
        return ours, proceed(theirs, COUNTS - 60)

    comparison = Comparison("torch", f"{name}, converted", "", drift=1e-11)
    drawn = st.tuples(rates, CASES[name].configurations, st.integers(0, 60))
    compare_configurations(comparison, drawn, trajectories, lambda *row: None, at_least=20)


def test_plateaus_converted_in_the_middle():
    def trajectories(drawn):
        (learning_rate, configuration, strict, seed, kind), count = drawn
        metrics = np.where(np.isfinite(values := metrics_of(seed, kind)), values, np.float32(1.0))
        theirs = lr_scheduler.ReduceLROnPlateau(make_optimizer(learning_rate), **configuration)
        observe_all(theirs, metrics[:count])
        if count % 2:
            ours = rx.compat.torch.convert(theirs, strict=strict, monitor="loss")
        else:
            ours = rx.compat.torch.convert(theirs.state_dict(), name="ReduceLROnPlateau", strict=strict, monitor="loss")
        return Observed(ours, "loss", metrics[count:], observe_all(theirs, metrics[count:]))

    comparison = Comparison("torch", "ReduceLROnPlateau, converted", "")
    compare_configurations(comparison, st.tuples(plateaus(), st.integers(0, 80)), trajectories, lambda *row: None, at_least=50)


def test_compositions_converted_in_the_middle():
    optimizer = make_optimizer(0.1)
    warm, decay = lr_scheduler.LinearLR(optimizer, 0.1, total_iters=7), lr_scheduler.ExponentialLR(optimizer, 0.9)
    chained = stopped(lr_scheduler.ChainedScheduler([warm, decay], optimizer), 5)
    np.testing.assert_allclose(rx.compat.torch.convert(chained)(np.arange(30)), proceed(chained, 30), rtol=2e-7)
    optimizer = make_optimizer(0.1)
    warm, decay = lr_scheduler.LinearLR(optimizer, 0.1, total_iters=7), lr_scheduler.CosineAnnealingLR(optimizer, 20)
    sequential = stopped(lr_scheduler.SequentialLR(optimizer, [warm, decay], [7]), 11)
    np.testing.assert_allclose(rx.compat.torch.convert(sequential)(np.arange(12)), proceed(sequential, 12), rtol=2e-7)
    function = lr_scheduler.LambdaLR(make_optimizer(0.1), lambda epoch: 1 / (1 + epoch))
    rate = rx.compat.torch.convert(stopped(function, 4))
    np.testing.assert_allclose(rate(np.arange(9)), proceed(function, 9), rtol=2e-7)


def test_a_group_of_several_and_a_rate_changed_by_hand():
    optimizer = make_optimizer(0.1, groups=2)
    optimizer.param_groups[1]["lr"] = 0.3
    theirs = stopped(lr_scheduler.ExponentialLR(optimizer, 0.9), 3)
    optimizer.param_groups[1]["lr"] = 1.0
    rate = rx.compat.torch.convert(theirs, group=1)
    theirs.step()
    np.testing.assert_allclose(rate(np.arange(2)), [1.0, optimizer.param_groups[1]["lr"]], rtol=2e-7)


def test_floors_by_group():
    metrics, floors = np.ones(40, np.float32), [1e-3, 0.02, 0.0]
    theirs = lr_scheduler.ReduceLROnPlateau(make_optimizer(0.1, groups=3), patience=1, factor=0.3, min_lr=floors)
    want = []
    for metric in metrics:
        theirs.step(metric)
        want.append([group["lr"] for group in theirs.optimizer.param_groups])
    groups = rx.Groups({"a": 0.1, "b": 0.1, "c": 0.1})
    ours = rx.simulate(rx.compat.torch.ReduceLROnPlateau(groups, patience=1, factor=0.3, min_lr=floors), 40, {"value": metrics})
    np.testing.assert_allclose(ours, want, rtol=2e-7)
    assert len({tuple(row) for row in ours.tolist()}) > 5


@pytest.mark.parametrize("strict", [False, True])
def test_what_strict_means(strict):
    """A negative metric that stays the same never makes PyTorch cut, and NaN does."""
    for metrics in (np.full(12, -1.0, np.float32), np.full(12, np.nan, np.float32)):
        theirs = observe_all(lr_scheduler.ReduceLROnPlateau(make_optimizer(0.1), patience=1), metrics)
        rate = rx.compat.torch.ReduceLROnPlateau(0.1, patience=1, strict=strict)
        state = rate.init()
        for metric in metrics:
            state = rate.observe(state, jnp.int32(0), {"value": jnp.float32(metric)})
        ours = float(rate.evaluate(state, jnp.int32(0)).high)
        assert np.isclose(ours, theirs[-1], rtol=1e-6) == strict


MOMENTUM = {"cycle_momentum", "base_momentum", "max_momentum"}  # None here, so that what isn't cycled is said


@pytest.mark.parametrize("name", [name for name in rx.compat.torch.__all__ if name != "convert"])
def test_names_and_defaults_are_theirs(name):
    ours = positional(getattr(rx.compat.torch, name), "learning_rate")
    theirs = positional(scheduler_class(name).__init__, "optimizer")
    assert list(ours) == list(theirs)
    differs = {argument for argument in ours if ours[argument] != theirs[argument]}
    assert differs == (MOMENTUM if name in ("CyclicLR", "OneCycleLR") else set())


def test_the_page_lists_every_class(request):
    if request.config.getoption("--write-table", False):
        pytest.skip("the page is being written")
    names = [*lr_scheduler.__all__, "SWALR"]
    section = table.known("torch")
    assert section.startswith(f"## torch {torch.__version__.partition('+')[0]}\n")
    rows = dict(re.findall(r"^\| `(\w+)` \| (.+?) \|", section, re.MULTILINE))
    assert sorted(rows) == sorted(names)
    for name in names:
        assert hasattr(rx.compat.torch, name) or rows[name].startswith("none: "), name
        reason = table.ABSENT["torch"].get(name)
        assert rows[name] == f"none: {reason}" if reason else hasattr(rx.compat.torch, name)
