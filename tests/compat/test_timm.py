"""What `rx.compat.timm` refuses, and what needs no timm. Its numbers are compared with timm's in tests/parity."""

import numpy as np
import pytest

import rheostax as rx
from rheostax.compat import timm as ours

COUNTS = np.arange(100)

EVERY = [
    (ours.CosineLRScheduler, {"t_initial": 20}),
    (ours.PolyLRScheduler, {"t_initial": 20}),
    (ours.TanhLRScheduler, {"t_initial": 20}),
    (ours.StepLRScheduler, {"decay_t": 7, "decay_rate": 0.5}),
    (ours.MultiStepLRScheduler, {"decay_t": [7, 13], "decay_rate": 0.5}),
    (ours.WSDLRScheduler, {"t_initial": 20, "decay_t": 10}),
    (ours.PlateauLRScheduler, {}),
]
SCHEDULES = EVERY[:-1]


@pytest.mark.parametrize(("make", "arguments"), EVERY)
def test_noise_and_other_options_of_the_base_class_are_refused(make, arguments):
    name = make.__name__
    with pytest.raises(rx.ArgumentError, match=rf"{name}: noise_range_t must be None, got \(5, 9\)\. .* multiply with rx\.Noise"):
        make(0.1, **arguments, noise_range_t=(5, 9))
    with pytest.raises(rx.ArgumentError, match=rf"{name}: initialize must be True, got False"):
        make(0.1, **arguments, initialize=False)
    with pytest.raises(rx.ArgumentError, match=rf"{name}: warmup_t must be a whole number >= 0, got -1"):
        make(0.1, **arguments, warmup_t=-1)
    with pytest.raises(rx.ArgumentError, match=rf"{name}: warmup_lr_init must be a finite number in \[0, inf\), got -0.1"):
        make(0.1, **arguments, warmup_lr_init=-0.1)
    with pytest.raises(rx.ArgumentError, match=rf"{name}: learning_rate must be a finite number in \[0, inf\), got -1"):
        make(-1, **arguments)


@pytest.mark.parametrize(("make", "arguments"), SCHEDULES)
def test_what_a_count_is_must_be_said_by_true_or_false(make, arguments):
    with pytest.raises(rx.ArgumentError, match=r"t_in_epochs must be one of True, False, got 'ep'"):
        make(0.1, **arguments, t_in_epochs="ep")


REFUSED = [
    (lambda: ours.CosineLRScheduler(0.1, 0), r"CosineLRScheduler: t_initial must be a whole number >= 1, got 0"),
    (lambda: ours.CosineLRScheduler(0.1, 5, lr_min=-1), r"CosineLRScheduler: lr_min must be a finite number in \[0, inf\), got -1"),
    (
        lambda: ours.CosineLRScheduler(0.1, 5, cycle_mul=0.5),
        r"CosineLRScheduler: cycle_mul must be a finite number in \[1.01, inf\), got 0.5",
    ),
    (lambda: ours.CosineLRScheduler(0.1, 5, cycle_mul=np.ones(2)), r"CosineLRScheduler: cycle_mul must be one Python number"),
    (lambda: ours.CosineLRScheduler(0.1, 5, cycle_decay=0), r"CosineLRScheduler: cycle_decay must be a finite number in \(0, 1\], got 0"),
    (lambda: ours.CosineLRScheduler(0.1, 5, cycle_limit=0), r"CosineLRScheduler: cycle_limit must be a whole number >= 1, got 0"),
    (lambda: ours.CosineLRScheduler(0.1, 5, k_decay=0), r"CosineLRScheduler: k_decay must be a finite number in \(0, inf\), got 0"),
    (lambda: ours.CosineLRScheduler(0.1, 5, warmup_prefix=1.5), r"CosineLRScheduler: warmup_prefix must be one of True, False, got 1.5"),
    (lambda: ours.PolyLRScheduler(0.1, 5, power=0), r"PolyLRScheduler: power must be a finite number in \(0, inf\), got 0"),
    (lambda: ours.TanhLRScheduler(0.1, 5, lb=2.0, ub=1.0), r"TanhLRScheduler: ub must be above lb, 2.0, got 1.0"),
    (lambda: ours.TanhLRScheduler(0.1, 5, ub=30.0), r"TanhLRScheduler: ub must be a finite number in \[-20, 20\], got 30.0"),
    (
        lambda: ours.TanhLRScheduler(0.1, 5, warmup_t="1ep"),
        r"TanhLRScheduler: warmup_t must be one whole number where warmup_prefix=False",
    ),
    (lambda: ours.StepLRScheduler(0.1, 0), r"StepLRScheduler: decay_t must be a whole number >= 1, got 0"),
    (lambda: ours.StepLRScheduler(0.1, -2.4), r"StepLRScheduler: decay_t must be a finite number in \(0, inf\), got -2.4"),
    (lambda: ours.StepLRScheduler(0.1, 2**0.5), r"StepLRScheduler: decay_t must be a whole number, or one with a denominator up to 1000"),
    (lambda: ours.StepLRScheduler(0.1, 99999.999), r"StepLRScheduler: decay_t must be a whole number, or one with a denominator up to"),
    (lambda: ours.StepLRScheduler(0.1, 5, 1.1), r"StepLRScheduler: decay_rate must be a finite number in \(0, 1\], got 1.1\. A rate that"),
    (lambda: ours.MultiStepLRScheduler(0.1, [9, 5]), r"MultiStepLRScheduler: decay_t must be in order, got \[9, 5\]"),
    (lambda: ours.MultiStepLRScheduler(0.1, [5.5]), r"MultiStepLRScheduler: decay_t\[0\] must be a whole number >= 0, got 5.5"),
    (lambda: ours.WSDLRScheduler(0.1, 5, 6), r"WSDLRScheduler: decay_t must be at most t_initial, 5, got 6"),
    (
        lambda: ours.WSDLRScheduler(0.1, 5, 2, decay_fn=abs),
        r"WSDLRScheduler: decay_fn must be one of 'linear', '1-sqrt', .*, got <built-in",
    ),
    (lambda: ours.WSDLRScheduler(0.1, 5, 2, stable_fn="flat"), r"WSDLRScheduler: stable_fn must be one of 'constant', 'rsqrt', 'power'"),
    (lambda: ours.WSDLRScheduler(0.1, 5, 2, stable_fn="rsqrt"), r"WSDLRScheduler: stable_timescale must be a whole number >= 1 for stable"),
    (lambda: ours.WSDLRScheduler(0.1, 5, 2, lr_min=0.5), r"WSDLRScheduler: learning_rate must be a finite number in \[0.5, inf\), got 0.1"),
    (lambda: ours.WSDLRScheduler(0.1, 5, 2, decay_ratio=1.0), r"WSDLRScheduler: decay_ratio must be a finite number in \(0, 1\), got 1.0"),
    (lambda: ours.PlateauLRScheduler(0.1, 1.0), r"PlateauLRScheduler: decay_rate must be a finite number in \[0, 1\), got 1.0"),
    (lambda: ours.PlateauLRScheduler(0.1, patience_t=-1), r"PlateauLRScheduler: patience_t must be a whole number >= 0, got -1"),
    (lambda: ours.PlateauLRScheduler(0.1, threshold=2.0), r"PlateauLRScheduler: threshold must be a finite number in \[0, 1\], got 2.0"),
    (lambda: ours.PlateauLRScheduler(0.1, mode="up"), r"PlateauLRScheduler: mode must be one of 'min', 'max', got 'up'"),
    (lambda: ours.PlateauLRScheduler(0.1, warmup_t="1ep"), r"PlateauLRScheduler: warmup_t must be a whole number >= 0, got '1ep'"),
    (lambda: ours.MultiStepLRScheduler(0.1, 5), r"MultiStepLRScheduler: decay_t must be a list of epochs, got 5"),
]


@pytest.mark.parametrize(("make", "says"), REFUSED)
def test_wrong_and_unsupported_arguments_are_refused_by_name(make, says):
    with pytest.raises(rx.ArgumentError, match=says):
        make()


@pytest.mark.parametrize(("make", "arguments"), SCHEDULES)
def test_groups_are_one_expression_each(make, arguments):
    values = rx.simulate(make(rx.Groups({"a": 0.1, "b": 0.4}), **arguments, warmup_t=3), 30)
    for i, rate in enumerate((0.1, 0.4)):
        np.testing.assert_allclose(values[:, i], make(rate, **arguments, warmup_t=3)(np.arange(30)), rtol=1e-7)


@pytest.mark.parametrize("prefix", [False, True])
def test_lengths_take_units(prefix):
    more = {"warmup_prefix": prefix, "cycle_limit": 2, "cycle_mul": 1.5}
    rate = rx.resolve(ours.CosineLRScheduler(1.0, "2ep", warmup_t="1ep", **more), steps_per_epoch=10)
    np.testing.assert_array_equal(rate(COUNTS), ours.CosineLRScheduler(1.0, 20, warmup_t=10, **more)(COUNTS))


def test_broken_steps_cut_where_they_are_passed():
    rate = ours.StepLRScheduler(1.0, 2.4, 0.97)
    np.testing.assert_allclose(rate(COUNTS), 0.97 ** (COUNTS * 5 // 12), rtol=1e-6)
    late = ours.StepLRScheduler(1.0, 1.1, 0.97)  # the float is above 1.1, so 11 of them are more than 11 counts
    np.testing.assert_allclose(late(COUNTS), [0.97 ** (float(count) // 1.1) for count in COUNTS], rtol=1e-6)
    far = 2**31 - 2
    np.testing.assert_allclose(ours.StepLRScheduler(1.0, 2.4, 1 - 2**-30)(far), (1 - 2**-30) ** (far * 5 // 12), rtol=1e-6)


def test_cycles_end_where_they_end():
    assert ours.CosineLRScheduler(1.0, 10, cycle_limit=3).horizon == 30
    assert ours.CosineLRScheduler(1.0, 10, cycle_limit=3, cycle_mul=1.5).horizon == 48  # 47.5
    assert ours.CosineLRScheduler(1.0, 10, cycle_limit=99, cycle_mul=3.0).horizon is None  # beyond every count
    rate = ours.TanhLRScheduler(1.0, 10, lr_min=0.25, cycle_limit=3, cycle_mul=1.5)
    assert float(rate(47)) > 0.25
    assert float(rate(48)) == 0.25 == float(rate(2**31 - 1))
