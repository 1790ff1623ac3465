"""`rx.compat.transformers` against Transformers."""

import inspect
import re

import numpy as np
import pytest
import torch
import transformers.optimization as theirs_module
from hypothesis import assume
from hypothesis import strategies as st
from transformers import trainer_callback

import rheostax as rx
from tests.parity import table
from tests.parity.harness import Comparison, Observed, compare_configurations

COUNTS = 160
compat = rx.compat.transformers

rates = st.floats(1e-5, 1.0)
warmups = st.integers(0, 60)
any_warmups, any_totals = st.integers(0, 170), st.integers(1, 150)
timescales = st.one_of(st.none(), st.integers(1, 20_000))
totals = st.integers(61, 150)  # above every warm-up, below the counts compared: past the end, too
cycles = st.one_of(st.just(0.5), st.floats(0.1, 4.0))
lows = st.floats(0.0, 1.0)

# Where Transformers subtracts nearly equal float64 numbers (1 + cos at its zero) its rounding errors are all that is left.
CANCELLATION = 1e-13

CASES = {
    "get_constant_schedule": ({}, "`Constant`", 0.0),
    "get_constant_schedule_with_warmup": ({"num_warmup_steps": warmups}, "`Warmup`", 0.0),
    "get_linear_schedule_with_warmup": ({"num_warmup_steps": any_warmups, "num_training_steps": any_totals}, "`Join`, `Linear`", 0.0),
    "get_cosine_schedule_with_warmup": (
        {"num_warmup_steps": any_warmups, "num_training_steps": any_totals, "num_cycles": cycles}, "`Cyclic`, or a wave", CANCELLATION
    ),
    "get_polynomial_decay_schedule_with_warmup": (
        {"num_warmup_steps": warmups, "num_training_steps": totals, "lr_end": st.floats(0.0, 9e-6), "power": st.floats(0.2, 4.0)},
        "`Polynomial`", CANCELLATION,
    ),
    "get_inverse_sqrt_schedule": ({"num_warmup_steps": warmups, "timescale": timescales}, "`InverseSqrt`", 0.0),
    "get_cosine_with_min_lr_schedule_with_warmup": (
        {"num_warmup_steps": warmups, "num_training_steps": totals, "num_cycles": cycles, "min_lr_rate": lows},
        "`Cyclic`, or a wave", CANCELLATION,
    ),
    "get_cosine_with_min_lr_schedule_with_warmup_lr_rate": (
        {
            "num_warmup_steps": warmups, "num_training_steps": totals, "num_cycles": cycles, "min_lr_rate": lows,
            "warmup_lr_rate": st.one_of(st.none(), lows),
        },
        "`Cyclic`, or a wave, `Shift`", CANCELLATION,
    ),
    "get_wsd_schedule": (
        {
            "num_warmup_steps": warmups, "num_decay_steps": warmups, "num_stable_steps": warmups, "min_lr_ratio": lows,
            "num_cycles": cycles,
            "warmup_type": st.sampled_from(["linear", "cosine", "1-sqrt"]), "decay_type": st.sampled_from(["linear", "cosine", "1-sqrt"]),
        },
        "`Warmup`, `WarmupStableDecay`, `Cyclic`", CANCELLATION,
    ),
}  # fmt: skip


def optimizer(learning_rate):
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=learning_rate)


def proceed(scheduler, counts):
    scheduler.optimizer.step()
    seen = []
    for _ in range(counts):
        seen.append(scheduler.optimizer.param_groups[0]["lr"])
        scheduler.step()
    return np.array(seen)


@pytest.mark.parametrize("name", CASES)
def test_trajectories(name, record_property):
    strategies, ours, drift = CASES[name]

    def trajectories(drawn):
        learning_rate, arguments = drawn
        theirs = getattr(theirs_module, name)(optimizer(learning_rate), **arguments)
        return getattr(compat, name)(learning_rate, **arguments), proceed(theirs, COUNTS)

    comparison = Comparison("transformers", name, ours, drift=drift)
    compare_configurations(comparison, st.tuples(rates, st.fixed_dictionaries(strategies)), trajectories, record_property)


def test_hard_restarts(record_property):
    name = "get_cosine_with_hard_restarts_schedule_with_warmup"

    def trajectories(drawn):
        learning_rate, warmup, total, falls = drawn
        rate = getattr(compat, name)(learning_rate, warmup, total, falls)
        theirs = proceed(getattr(theirs_module, name)(optimizer(learning_rate), warmup, total, falls), COUNTS)
        # Where a fall begins exactly at a count, float64 may be a bit short of it, and the rate still 0 for that count.
        done = np.arange(COUNTS) - warmup
        begins = (done >= 0) & (done < total - warmup) & (done * falls % (total - warmup) == 0)
        assert np.all((theirs[begins] == learning_rate) | (theirs[begins] < 1e-12))
        return rate, np.where(begins, learning_rate, theirs)

    comparison = Comparison(
        "transformers", name, "falls along half cosines",
        "a restart falls on its count; in Transformers rounding may delay it by one", CANCELLATION,
    )  # fmt: skip
    compare_configurations(comparison, st.tuples(rates, warmups, totals, st.integers(1, 12)), trajectories, record_property)


def metrics(draw_from):
    return st.lists(draw_from, min_size=COUNTS, max_size=COUNTS)


STREAMS = st.one_of(
    metrics(st.integers(-64, 64).map(lambda i: i / 16)),
    metrics(st.sampled_from([0.0, 1 / 16, 1 / 8])).map(lambda steps: (16 - np.cumsum(steps)).tolist()),
    metrics(st.sampled_from([1.0, 1.0, 1.0, 0.5])),
)


@pytest.mark.parametrize("name", ["GreedyLR", "get_greedy_schedule"])
def test_greedy(name, record_property):
    def trajectories(drawn):
        learning_rate, arguments, stream = drawn
        stream = np.abs(stream) if arguments["threshold_mode"] == "rel" else np.asarray(stream)
        theirs = getattr(theirs_module, name)(optimizer(learning_rate), **arguments)
        seen = []
        for value in stream:
            theirs.step(value)
            seen.append(theirs.optimizer.param_groups[0]["lr"])
        # A rate that rose from its floor and fell back may be left above it by a rounding of float64; Transformers then never begins anew.
        above = np.array(seen) / arguments["min_lr"] - 1
        assume(not np.any((above > 0) & (above <= 1e-9)))
        rate = getattr(compat, name)(learning_rate, **arguments)
        return Observed(rate, "value", stream.astype(np.float32), np.array(seen))

    settings = {
        "mode": st.sampled_from(["min", "max"]), "factor": st.floats(0.3, 0.97), "patience": st.integers(0, 6),
        "threshold": st.sampled_from([0.0, 2**-10, 2**-4]), "threshold_mode": st.sampled_from(["abs", "rel"]),
        "cooldown": st.integers(0, 4), "warmup": st.integers(0, 4), "min_lr": st.floats(1e-4, 5e-3), "max_lr": st.floats(0.5, 2.0),
        "reset_start": st.integers(1, 6),
    }  # fmt: skip
    comparison = Comparison(
        "transformers", name, "`Greedy`", "a negative metric is judged by its size and NaN is left out; `smooth` is refused", drift=1e-13
    )
    compare_configurations(
        comparison, st.tuples(st.floats(0.01, 0.5), st.fixed_dictionaries(settings), STREAMS), trajectories, record_property
    )


def test_get_scheduler(record_property):
    """By the Trainer's names, and from any count on."""
    specific = {
        "polynomial": {"lr_end": 1e-6, "power": 2.0},
        "cosine_with_min_lr": {"min_lr_rate": 0.1}, "cosine_warmup_with_min_lr": {"min_lr": 1e-6},
        "warmup_stable_decay": {"num_decay_steps": 20},
    }  # fmt: skip
    names = [name for name in compat._scheduler.NAMES if name not in ("reduce_lr_on_plateau", "greedy", "cosine_with_restarts")]

    def trajectories(drawn):
        name, learning_rate, warmup, total, count = drawn
        kwargs = specific.get(name)
        theirs = theirs_module.get_scheduler(name, optimizer(learning_rate), warmup, total, kwargs)
        rate = compat.get_scheduler(name, learning_rate, warmup, total, kwargs, count=count)
        return rate, proceed(theirs, count + COUNTS)[count:]

    comparison = Comparison("transformers", "get_scheduler", "the above by name", "`count` goes on from there", CANCELLATION)
    drawn = st.tuples(st.sampled_from(names), rates, st.integers(0, 40), totals, st.integers(0, 100))
    compare_configurations(comparison, drawn, trajectories, record_property)


def test_a_scheduler_in_the_middle_of_a_run_is_taken_over(record_property):
    def trajectories(drawn):
        name, learning_rate, warmup, total, count = drawn
        kwargs = {"cosine_with_min_lr": {"min_lr_rate": 0.1}, "cosine_warmup_with_min_lr": {"min_lr_rate": 0.2}}.get(name)
        kwargs = {"num_decay_steps": 20} if name == "warmup_stable_decay" else kwargs
        theirs = theirs_module.get_scheduler(name, optimizer(learning_rate), warmup, total, kwargs)
        proceed(theirs, count)
        rate = compat.convert(theirs)
        return rate, proceed(theirs, COUNTS)

    names = [name for name in compat._scheduler.NAMES if name not in ("reduce_lr_on_plateau", "greedy", "cosine_with_restarts")]
    comparison = Comparison("transformers", "convert", "`Shift`", "from a live scheduler", CANCELLATION)
    drawn = st.tuples(st.sampled_from(names), rates, st.integers(0, 40), totals, st.integers(0, 100))
    compare_configurations(comparison, drawn, trajectories, record_property)


def test_a_plateau_is_pytorchs():
    theirs = theirs_module.get_scheduler("reduce_lr_on_plateau", optimizer(0.5), scheduler_specific_kwargs={"patience": 1, "factor": 0.5})
    assert type(theirs) is torch.optim.lr_scheduler.ReduceLROnPlateau
    ours = compat.get_scheduler("reduce_lr_on_plateau", 0.5, scheduler_specific_kwargs={"patience": 1, "factor": 0.5})
    assert ours == rx.compat.torch.ReduceLROnPlateau(0.5, patience=1, factor=0.5)
    theirs.step(1.0)
    assert compat.convert(theirs).best_value == 1.0


def test_names_and_defaults_are_theirs():
    assert set(compat._scheduler.NAMES) == {kind.value for kind in transformers_names()}
    for name in compat.__all__:
        if name == "convert":
            continue
        ours, theirs = (inspect.signature(getattr(module, name)).parameters for module in (compat, theirs_module))
        shared = [parameter for parameter in theirs if parameter not in ("optimizer", "kwargs")]
        assert set(shared) <= set(ours), name
        assert [theirs[p].default for p in shared] == [ours[p].default for p in shared], name


def transformers_names():
    return theirs_module.SchedulerType


def test_the_page_lists_every_schedule(request):
    if request.config.getoption("--write-table", False):
        pytest.skip("the page is being written")
    public = [
        name
        for name, value in vars(theirs_module).items()
        if re.fullmatch(r"get_\w*schedule\w*", name) or (inspect.isclass(value) and re.search("LR$|Schedule$|Scheduler$", name))
    ]
    public.remove("LambdaLR")  # PyTorch's
    public += [name for name in vars(trainer_callback) if "Stopping" in name]
    page = table.known("transformers")
    missing = [name for name in public if f"`{name}`" not in page]
    assert missing == []
