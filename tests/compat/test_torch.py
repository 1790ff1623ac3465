"""What `rx.compat.torch` refuses, its groups, and state_dicts. Its numbers are compared with PyTorch's in tests/parity."""

import math
import subprocess
import sys
from collections import Counter

import jax.numpy as jnp
import numpy as np
import pytest

import rheostax as rx
from rheostax.compat import torch as ours

COUNTS = np.arange(40)


def test_compat_is_imported_when_it_is_used():
    code = (
        "import sys, rheostax as rx\n"
        "assert not [name for name in sys.modules if name.startswith('rheostax.compat.') and name[16] != '_']\n"
        "rx.compat.torch.StepLR(0.1, 30)\n"
        "assert 'torch' not in sys.modules\n"
        "for missing in (lambda: rx.nothing, lambda: rx.compat.nothing):\n"
        "    try:\n"
        "        missing()\n"
        "    except AttributeError as error:\n"
        "        assert 'nothing' in str(error)\n"
        "    else:\n"
        "        raise SystemExit('there is nothing of that name')\n"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


GROUPS = rx.Groups({"a": 0.1, "b": 0.4})
ONE_CYCLE = ours.OneCycleLR(0.1, 0.2, 9, cycle_momentum=False)
CYCLIC = ours.CyclicLR(0.1, 0.1, 0.2, cycle_momentum=False)


def joined(first, second):
    return ours.SequentialLR(0.1, [first, second], [5])


REFUSED = [
    (lambda: ours.StepLR(0.1, 30, last_epoch=5), r"StepLR: last_epoch must be -1, got 5\. To begin at count n write rx\.Shift"),
    (lambda: ours.StepLR(0.1, 0), r"StepLR: step_size must be a whole number >= 1, got 0"),
    (lambda: ours.StepLR(-0.1, 5), r"StepLR: learning_rate must be a finite number in \[0, inf\), got -0.1"),
    (lambda: ours.StepLR(0.1, 5, gamma=1.1), r"StepLR: gamma must be a finite number in \(0, 1\], got 1.1\. A rate that grows"),
    (lambda: ours.ExponentialLR(0.1, 2.0), r"ExponentialLR: gamma must be a finite number in \(0, 1\], got 2.0"),
    (lambda: ours.MultiStepLR(0.1, [3, 2.5]), r"MultiStepLR: milestones must be a whole number >= 0, got 2.5"),
    (lambda: ours.ConstantLR(0.1, factor=1.5), r"ConstantLR: factor must be a finite number in \[0, 1\], got 1.5"),
    (lambda: ours.LinearLR(0.1, start_factor=0.0), r"LinearLR: start_factor must be a finite number in \(0, 1\], got 0.0"),
    (lambda: ours.PolynomialLR(0.1, power=0.0), r"PolynomialLR: power must be a finite number in \(0, inf\), got 0.0"),
    (lambda: ours.LambdaLR(0.1, 0.5), r"LambdaLR: lr_lambda must be a function of the count, got 0.5"),
    (lambda: ours.LambdaLR(0.1, [abs, abs]), r"LambdaLR: lr_lambda must have one value for each of 1 group, got 2"),
    (lambda: ours.CosineAnnealingLR(0.1, 0), r"CosineAnnealingLR: T_max must be a whole number >= 1, got 0"),
    (lambda: ours.CosineAnnealingWarmRestarts(0.1, 5, T_mult=1.5), r"T_mult must be a whole number >= 1, got 1.5"),
    (lambda: ours.CyclicLR(0.1, 0.1, 0.2, scale_fn=abs), r"CyclicLR: scale_fn must be None, got <built-in function abs>"),
    (lambda: ours.CyclicLR(0.1, 0.1, 0.2, max_momentum=0.9), r"CyclicLR: max_momentum must be None, got 0.9\. Only the learning rate"),
    (lambda: ours.CyclicLR(0.1, 0.1, 0.2, mode="triangle"), r"mode must be one of 'triangular', .* Did you mean 'triangular'\?"),
    (lambda: ours.OneCycleLR(0.1, 0.1, 100, cycle_momentum=True), r"OneCycleLR: cycle_momentum must be False, got True"),
    (lambda: ours.OneCycleLR(0.1, 0.1), r"OneCycleLR: total_steps must be given, or both epochs and steps_per_epoch"),
    (lambda: ours.OneCycleLR(0.1, 0.1, 1), r"OneCycleLR: total_steps must be a whole number >= 2, got 1"),
    (lambda: ours.OneCycleLR(0.1, 0.1, 10, pct_start=0.6, three_phase=True), r"pct_start must be a finite number in \[0, 0.5\], got 0.6"),
    (lambda: ours.SWALR(0.1, 0.05, anneal_strategy="exp"), r"SWALR: anneal_strategy must be one of 'cos', 'linear', got 'exp'"),
    (lambda: ours.SWALR(rx.Cosine(0.1, 5), 0.05), r"SWALR: learning_rate must be a number, or rx\.Groups of numbers, got a schedule"),
    (lambda: ours.ReduceLROnPlateau(0.1, factor=1.0), r"ReduceLROnPlateau: factor must be a finite number in \[0, 1\), got 1.0"),
    (lambda: ours.ReduceLROnPlateau(0.1, threshold=1.5), r"threshold must be a finite number in \[0, 1\], got 1.5"),
    (lambda: ours.ReduceLROnPlateau(0.1, min_lr=[0.1, 0.2]), r"min_lr must have one value for each of 1 group, got 2\. Groups are made by"),
    (lambda: ours.SequentialLR(0.1, [], []), r"SequentialLR: schedulers must be a list of at least one expression, got \[\]"),
    (
        lambda: ours.SequentialLR(0.1, [0.1], []),
        r"schedulers\[0\] must be an expression, such as rx\.compat\.torch\.StepLR\(0\.1, 30\); got 0\.1",
    ),
    (lambda: ours.SequentialLR(0.1, [ours.StepLR(0.2, 3)], []), r"schedulers\[0\] was made for a learning_rate of 0.2, not 0.1"),
    (lambda: ours.SequentialLR(0.1, [ours.StepLR(0.1, 3), ours.MultiplicativeLR(0.1, abs)], [5]), r"schedulers\[1\] must not be a Mult"),
    (lambda: ours.SequentialLR(0.1, ours.StepLR(0.1, 3), []), r"schedulers must be a list of at least one expression, got 0\.1 \* Step"),
    (lambda: ours.SequentialLR(0.1, [ours.StepLR(0.1, 3)], 5), r"SequentialLR: milestones must be a list of counts, got 5"),
    (lambda: ours.SequentialLR(0.1, [ours.StepLR(0.1, 3)], [5]), r"milestones must be one fewer than schedulers, got 1 for 1 schedulers"),
    (lambda: ours.SequentialLR(0.1, [ours.StepLR(0.1, 3)] * 2, [0]), r"SequentialLR: milestones\[0\] must be a whole number >= 1, got 0"),
    (lambda: joined(ours.StepLR(0.1, 3), ONE_CYCLE), r"schedulers\[1\] must not be a OneCycleLR, got OneCycle\("),
    (lambda: joined(CYCLIC, ours.StepLR(0.1, 3)), r"schedulers\[0\] must not be a CyclicLR, got Cyclic\("),
    (lambda: joined(ours.SequentialLR(0.1, [ONE_CYCLE], []), ours.StepLR(0.1, 3)), r"schedulers\[0\] must not be a OneCycleLR, got Join\("),
    (
        lambda: joined(ours.ChainedScheduler([ours.StepLR(0.1, 3)] * 2), ours.StepLR(0.1, 3)),
        r"schedulers\[0\] must not be a ChainedScheduler",
    ),
    (lambda: joined(ours.StepLR(0.1, 3), ours.SWALR(0.1, 0.01, 4)), r"begins at 0\.1, but .* goes on from the rate that it finds, 0\.01:"),
    (
        lambda: ours.SequentialLR(GROUPS, [ours.StepLR(GROUPS, 3), ours.SWALR(GROUPS, 0.01, 4)], [5]),
        r"begins at 0\.1, 0\.4, but PyTorch's SWALR goes on from the rate that it finds, 0\.01, 0\.04:",
    ),
    (
        lambda: ours.SequentialLR(0.1, [ours.StepLR(0.1, 3), ours.SWALR(0.1, 0.01, 4)], ["5ep"]),
        r"schedulers\[1\] is a SWALR, which goes on .* the milestones and the lengths of the part before it must be in updates",
    ),
    (lambda: joined(ours.LinearLR(0.1, total_iters="5ep"), ours.SWALR(0.1, 0.01, 4)), r"schedulers\[1\] is a SWALR.* must be in updates"),
    (lambda: ours.MultiStepLR(0.1, 30), r"MultiStepLR: milestones must be a list of counts, got 30"),
    (
        lambda: ours.LambdaLR(0.1, lambda epoch: 0.5 if epoch < 3 else 1.0),
        r"LambdaLR: lr_lambda must be a function of the count that JAX can .*jnp\.where",
    ),
    (
        lambda: ours.LambdaLR(0.1, lambda epoch: math.exp(-epoch)),
        r"a function of the count that JAX can trace.*jax\.numpy",
    ),
    (lambda: ours.SequentialLR(0.1, [ours.ReduceLROnPlateau(0.1)], []), r"schedulers\[0\] must not react to a metric"),
    (lambda: ours.ChainedScheduler([ours.StepLR(0.1, 3), ours.LambdaLR(0.1, abs)]), r"schedulers\[1\] must multiply the rate"),
    (
        lambda: ours.ChainedScheduler([ours.StepLR(0.1, 3), ours.StepLR(0.2, 3)]),
        r"schedulers\[1\] must be made for the common learning_rate",
    ),
    (
        lambda: ours.ChainedScheduler([ours.CosineAnnealingLR(0.1, 3), ours.CosineAnnealingLR(0.1, 4)], strict=True),
        r"schedulers must hold one CosineAnnealingLR at most with strict=True, got 2: past their T_max they mix",
    ),
    (lambda: ours.ChainedScheduler([ours.StepLR(0.1, 3), ours.StepLR(0.1, 3)], 0.2), r"schedulers\[0\] must be made for the common"),
]


@pytest.mark.parametrize(("make", "says"), REFUSED)
def test_wrong_and_unsupported_arguments_are_refused_by_name(make, says):
    with pytest.raises(rx.ArgumentError, match=says):
        make()


def test_a_sequence_takes_expressions_that_no_peer_made():
    warm, cosine = ours.LinearLR(0.1, 0.1, total_iters=5), rx.Cosine(0.1, 100)
    for parts in ([warm, cosine], [0.1 * rx.Warmup(3) * rx.Cosine(1.0, 100), ours.StepLR(0.1, 3)], [warm, rx.Cyclic(0.1, 0.2, 9)]):
        assert joined(*parts) == rx.Join(parts, [5])
    found = ours.SWALR(0.1, 0.01, anneal_epochs=0)  # which asks for no rate that it finds
    assert joined(ours.StepLR(0.1, 3), found) == rx.Join([ours.StepLR(0.1, 3), found], [5])


def test_a_chain_takes_another_cycle_for_no_cosine():
    parts = [0.1 * rx.Cyclic(1.0, 0.5, 9), ours.StepLR(0.1, 3)]
    assert ours.ChainedScheduler(parts, strict=True) == ours.ChainedScheduler(parts)


def test_strict_chain_is_what_erases_the_others():
    last = ours.CosineAnnealingWarmRestarts(0.1, 7)
    assert ours.ChainedScheduler([ours.StepLR(0.1, 3), last], strict=True) == last


@pytest.mark.parametrize(
    ("make", "arguments"),
    [
        (ours.StepLR, {"step_size": 7}),
        (ours.CosineAnnealingLR, {"T_max": 9, "eta_min": 0.01}),
        (ours.CosineAnnealingWarmRestarts, {"T_0": 9}),
        (ours.CyclicLR, {"base_lr": [0.1, 0.2], "max_lr": [0.5, 0.7], "step_size_up": 4, "cycle_momentum": False}),
        (ours.OneCycleLR, {"max_lr": [0.5, 0.7], "total_steps": 30, "cycle_momentum": False}),
        (ours.SWALR, {"swa_lr": [0.05, 0.03]}),
        (ours.LambdaLR, {"lr_lambda": [lambda epoch: 0.5, lambda epoch: 1 / (1 + epoch)]}),
    ],
)
def test_groups_are_one_expression_each(make, arguments):
    values = rx.simulate(make(GROUPS, **arguments), 40)
    for i, rate in enumerate((0.1, 0.4)):
        own = {key: value[i] if isinstance(value, list) else value for key, value in arguments.items()}
        np.testing.assert_allclose(values[:, i], make(rate, **own)(COUNTS), rtol=1e-7)


def test_a_frozen_group_stays_frozen():
    rate = ours.StepLR(rx.Groups({"a": 0.1, "b": None}), 10)
    assert rate.factors[0].frozen == (False, True)


def state(name, **fields):
    return name, {"base_lrs": [0.1], "_last_lr": [0.1], "last_epoch": 0, **fields}


@pytest.mark.parametrize(
    ("name", "fields", "want"),
    [
        (*state("StepLR", step_size=5, gamma=0.5), ours.StepLR(0.1, 5, 0.5)),
        (*state("MultiStepLR", milestones=Counter([5, 5, 9]), gamma=0.5), ours.MultiStepLR(0.1, [5, 5, 9], 0.5)),
        (*state("ExponentialLR", gamma=0.9), ours.ExponentialLR(0.1, 0.9)),
        (*state("PolynomialLR", total_iters=9, power=2.0), ours.PolynomialLR(0.1, 9, 2.0)),
    ],
)
def test_state_dicts_at_the_start(name, fields, want):
    assert ours.convert(fields, name=name) == want


def test_a_rate_changed_by_hand_stays_changed():
    name, fields = state("ExponentialLR", gamma=0.5, last_epoch=2, _last_lr=[0.2])  # the schedule alone would have 0.025
    np.testing.assert_allclose(ours.convert(fields, name=name)(np.arange(3)), [0.2, 0.1, 0.05], rtol=1e-6)


def test_one_cycle_from_a_state_dict_needs_its_peak():
    phases = [{"end_step": 2.0}, {"end_step": 9}]
    more = {"total_steps": 10, "_schedule_phases": phases, "_anneal_func_type": "cos", "cycle_momentum": True}
    name, fields = state("OneCycleLR", base_lrs=[0.04], _last_lr=[0.04], **more)
    with pytest.warns(rx.RheostaxWarning, match="the momentum that this OneCycleLR cycles isn't converted"):
        rate = ours.convert(fields, name=name, max_lr=1.0)
    np.testing.assert_allclose(rate(COUNTS), ours.OneCycleLR(0.1, 1.0, 10, pct_start=0.3, cycle_momentum=False)(COUNTS), rtol=1e-6)
    with (
        pytest.warns(rx.RheostaxWarning, match="isn't converted"),
        pytest.raises(rx.ArgumentError, match="max_lr must be given for OneCycleLR: a state_dict doesn't hold it"),
    ):
        ours.convert(fields, name=name)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: ours.convert({"_last_lr": [0.1]}), "name, the scheduler's class, is needed for a state_dict; got None with dict"),
        (lambda: ours.convert(3), "name, the scheduler's class, can't be known; got None with int"),
        (lambda: ours.convert({"_last_lr": [0.1]}, name="StepLRs"), "StepLRs isn't known. Did you mean 'StepLR'?"),
        (lambda: ours.convert({"_last_lr": [0.1], "base_lrs": [0.1]}, name="StepLR"), "StepLR must have 'step_size', as PyTorch's has"),
        (lambda: ours.convert({"_last_lr": [0.1, 0.2]}, name="StepLR"), "group must say which of 2 parameter groups, from 0 to 1"),
        (lambda: ours.convert({"_last_lr": [0.1]}, name="StepLR", group=1), "group must be a number from 0 to 0, got 1"),
        (lambda: ours.convert(state("ExponentialLR", gamma=0.5)[1], name="ExponentialLR", swa_lr=1), "needs no argument 'swa_lr' here"),
        (
            lambda: ours.convert(state("CosineAnnealingLR", T_max=9, eta_min=0.01, _last_lr=[0.3])[1], name="CosineAnnealingLR"),
            "the optimizer's rate must be that of its CosineAnnealingLR, 0.1",
        ),
        (
            lambda: ours.convert({"_schedulers": [{}], "_last_lr": [0.1]}, name="ChainedScheduler"),
            "parts must be given for ChainedScheduler",
        ),
        (
            lambda: ours.convert({"_schedulers": [{}], "_last_lr": [0.1]}, name="ChainedScheduler", parts="StepLR"),
            "parts must be a list of the classes' names, one for each of 1; got 'StepLR'",
        ),
        (lambda: ours.convert({}, name="StepLR"), "StepLR must have '_last_lr', as PyTorch's has; it is empty"),
        (lambda: ours.convert({"_last_lr": [0.1]}, name="StepLR", group="a"), "group must be a number from 0 to 0, got 'a'"),
        (lambda: ours.convert({"_last_lr": [0.1]}, name="GreedyLR"), "GreedyLR isn't known. What it has counted can't be taken over"),
    ],
)
def test_what_cannot_be_converted_says_why(make, says):
    with pytest.raises(rx.ArgumentError) as caught:
        make()
    assert says in str(caught.value)


def test_a_sequence_is_converted_from_a_state_dict():
    warm = {"start_factor": 0.5, "end_factor": 1.0, "total_iters": 4, "base_lrs": [0.5], "last_epoch": 4, "_last_lr": [0.5]}
    step = {"step_size": 2, "gamma": 0.5, "base_lrs": [0.5], "last_epoch": 3, "_last_lr": [0.25]}
    fields = {"_milestones": [4], "last_epoch": 7, "_last_lr": [0.25], "_schedulers": [warm, step]}
    rate = ours.convert(fields, name="SequentialLR", parts=["LinearLR", "StepLR"])
    np.testing.assert_array_equal(rate(np.arange(4)), np.float32([0.25, 0.125, 0.125, 0.0625]))


@pytest.mark.parametrize("make", [lambda **more: ours.CyclicLR(0.1, 0.1, 0.2, **more), lambda **more: ours.OneCycleLR(0.1, 0.2, 9, **more)])
def test_momentum_that_is_left_out_is_said(make):
    with pytest.warns(rx.RheostaxWarning, match=r"LR: PyTorch cycles the momentum too, unless cycle_momentum=False") as caught:
        make()
    assert caught[0].filename == __file__
    make(cycle_momentum=False)  # a warning would be an error


def test_a_product_of_values_takes_counts_of_any_shape():
    rate = ours.MultiplicativeLR(0.5, lambda epoch: jnp.where(epoch > 2, 0.5, 1.0))
    np.testing.assert_array_equal(rate(np.arange(6).reshape(2, 3)), np.float32([[0.5, 0.5, 0.5], [0.25, 0.125, 0.0625]]))
