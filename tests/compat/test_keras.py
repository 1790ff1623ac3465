"""What `rx.compat.keras` refuses, and what needs no Keras. Its numbers are compared with Keras' in tests/parity."""

import numpy as np
import pytest

import rheostax as rx
from rheostax.compat import keras as ours

COUNTS = np.arange(200)

REFUSED = [
    (
        lambda: ours.ExponentialDecay(-0.1, 5, 0.5),
        r"initial_learning_rate must be a finite number in \[0, inf\), got -0.1",
    ),
    (lambda: ours.ExponentialDecay(0.1, 0, 0.5), r"ExponentialDecay: decay_steps must be a whole number >= 1, got 0"),
    (
        lambda: ours.ExponentialDecay(0.1, 5, 1.5),
        r"ExponentialDecay: decay_rate must be a finite number in \(0, 1\], got 1.5\. A rate",
    ),
    (lambda: ours.ExponentialDecay(0.1, 5, 0.5, staircase="yes"), r"ExponentialDecay: staircase must be one of True, False, got 'yes'"),
    (lambda: ours.PiecewiseConstantDecay([3, 2], [1, 2, 3]), r"boundaries must be in increasing order, got \[3, 2\]"),
    (lambda: ours.PiecewiseConstantDecay([2.5], [1, 2]), r"PiecewiseConstantDecay: boundaries\[0\] must be a whole number >= 0, got 2.5"),
    (lambda: ours.PiecewiseConstantDecay(["1ep"], [1, 2]), r"boundaries\[0\] must be a whole number >= 0, got '1ep'"),
    (
        lambda: ours.PiecewiseConstantDecay([2], [1, -2]),
        r"Decay: values\[1\] must be a finite number in \[0, inf\), got -2",
    ),
    (lambda: ours.PiecewiseConstantDecay([2], [1]), r"boundaries must be one fewer than values, got 1 for 1"),
    (lambda: ours.PolynomialDecay(0.1, 5, power=0.0), r"PolynomialDecay: power must be a finite number in \(0, inf\), got 0.0"),
    (lambda: ours.PolynomialDecay(0.1, 5, end_learning_rate=-1), r"end_learning_rate must be a finite number in \[0, inf\), got -1"),
    (lambda: ours.PolynomialDecay(0.1, 5, cycle=None), r"PolynomialDecay: cycle must be one of True, False, got None"),
    (lambda: ours.InverseTimeDecay(0.1, 5, -1.0), r"InverseTimeDecay: decay_rate must be a finite number in \[0, inf\), got -1.0"),
    (lambda: ours.CosineDecay(0.1, 5, warmup_steps=3), r"CosineDecay: warmup_steps must be 0 without warmup_target, got 3\. Keras ignores"),
    (lambda: ours.CosineDecay(0.1, 5, alpha=-0.1), r"CosineDecay: alpha must be a finite number in \[0, inf\), got -0.1"),
    (lambda: ours.CosineDecayRestarts(0.1, 5, t_mul=0.5), r"CosineDecayRestarts: t_mul must be a finite number in \[1.01, inf\), got 0.5"),
    (lambda: ours.CosineDecayRestarts(0.1, 5, t_mul=np.ones(2)), r"CosineDecayRestarts: t_mul must be one Python number"),
    (lambda: ours.CosineDecayRestarts(0.1, 5, m_mul=1.5), r"CosineDecayRestarts: m_mul must be a finite number in \(0, 1\], got 1.5"),
    (lambda: ours.ReduceLROnPlateau(0.1, verbose=1), r"ReduceLROnPlateau: verbose must be 0, got 1\. Nothing is printed here"),
    (lambda: ours.ReduceLROnPlateau(0.1, factor=1.0), r"ReduceLROnPlateau: factor must be a finite number in \[0, 1\), got 1.0"),
    (lambda: ours.ReduceLROnPlateau(0.1, "val_accuracy"), r"mode must be 'min' or 'max' for monitor='val_accuracy', got 'auto'"),
    (lambda: ours.ReduceLROnPlateau(0.1, mode="lower"), r"ReduceLROnPlateau: mode must be one of 'auto', 'min', 'max', got 'lower'"),
    (lambda: ours.ReduceLROnPlateau(0.1, patience="5ep"), r"ReduceLROnPlateau: patience must be a whole number >= 0, got '5ep'"),
    (lambda: ours.ReduceLROnPlateau(rx.Cosine(0.1, 5)), r"learning_rate must be a number, or rx\.Groups of numbers, got a schedule"),
    (lambda: ours.ReduceLROnPlateau(0.1, strict=1.5), r"ReduceLROnPlateau: strict must be one of True, False, got 1.5"),
    (lambda: ours.EarlyStopping(baseline=0.5), r"EarlyStopping: baseline must be None, got 0.5"),
    (lambda: ours.EarlyStopping(restore_best_weights=True), r"EarlyStopping: restore_best_weights must be False, got True"),
    (lambda: ours.EarlyStopping(start_from_epoch=3), r"EarlyStopping: start_from_epoch must be 0, got 3"),
    (lambda: ours.EarlyStopping("accuracy"), r"EarlyStopping: mode must be 'min' or 'max' for monitor='accuracy'"),
    (lambda: ours.LearningRateScheduler(0.1, 0.5, epochs=3), r"schedule must be a function of the epoch and the rate, got 0.5"),
    (lambda: ours.LearningRateScheduler(0.1, abs, 1, epochs=3), r"LearningRateScheduler: verbose must be 0, got 1"),
    (lambda: ours.LearningRateScheduler(0.1, lambda epoch: None, epochs=3), r"LearningRateScheduler: schedule must be a finite number"),
    (lambda: ours.LearningRateScheduler(0.1, abs, epochs=0), r"LearningRateScheduler: epochs must be a whole number >= 1, got 0"),
    (lambda: ours.PiecewiseConstantDecay(3, [0.1, 0.2]), r"PiecewiseConstantDecay: boundaries must be a list of counts, got 3"),
    (lambda: ours.PiecewiseConstantDecay([3], 0.1), r"PiecewiseConstantDecay: values must be a list of rates, got 0.1"),
]


@pytest.mark.parametrize(("make", "says"), REFUSED)
def test_wrong_and_unsupported_arguments_are_refused_by_name(make, says):
    with pytest.raises(rx.ArgumentError, match=says):
        make()


def cuts(patience, cooldown):
    """Return the first observations, from 1, after which the rate is lower."""
    rate = ours.ReduceLROnPlateau(1.0, patience=patience, cooldown=cooldown, factor=0.5)
    values = rx.simulate(rate, 17, {"val_loss": np.ones(17)})
    return (np.flatnonzero(np.diff(values, prepend=1.0)) + 1).tolist()


def test_where_a_flat_metric_cuts():
    assert cuts(3, 2) == [4, 8, 12, 16]
    assert cuts(0, 0) == cuts(1, 0) == cuts(1, 1) == list(range(2, 18))


def test_groups_are_cut_together():
    rate = ours.ReduceLROnPlateau(rx.Groups({"a": 0.1, "b": 0.4}), patience=2, factor=0.5, min_lr=0.1)
    np.testing.assert_allclose(rx.simulate(rate, 4, {"val_loss": np.ones(4)}), [[0.1, 0.4]] * 2 + [[0.1, 0.2]] * 2, rtol=1e-6)


def test_lengths_take_units():
    rate = rx.resolve(ours.CosineDecay(0.0, "2ep", warmup_target=1.0, warmup_steps="1ep"), steps_per_epoch=10)
    np.testing.assert_array_equal(rate(COUNTS), ours.CosineDecay(0.0, 20, warmup_target=1.0, warmup_steps=10)(COUNTS))
    rate = rx.resolve(ours.CosineDecayRestarts(1.0, "2ep", t_mul=1.5), steps_per_epoch=10)
    np.testing.assert_array_equal(rate(COUNTS), ours.CosineDecayRestarts(1.0, 20, t_mul=1.5)(COUNTS))


def test_a_broken_factor_restarts_between_counts():
    """With 3 counts and 1.5, cycles begin at 0, 3, 7.5, 14.25: count 8 is half a count after a restart."""
    rate = ours.CosineDecayRestarts(1.0, 3, t_mul=1.5)
    want = [(1 + np.cos(np.pi * part)) / 2 for part in (0.0, 1 / 3, 2 / 3, 0.0, 1 / 4.5, 0.5 / 6.75)]
    np.testing.assert_allclose([rate(count) for count in (0, 1, 2, 3, 4, 8)], want, rtol=1e-6)


def test_functions_are_called_as_keras_calls_them():
    seen = []

    def schedule(epoch, rate):
        seen.append((epoch, rate))
        return rate * 0.7

    ours.LearningRateScheduler(0.1, schedule, epochs=3)
    single = [float(np.float32(0.1))]
    for _ in range(2):
        single.append(float(np.float32(single[-1] * 0.7)))
    assert seen == list(enumerate(single))
    of_the_epoch = ours.LearningRateScheduler(0.1, lambda epoch: 0.5**epoch, epochs=3)
    assert [float(of_the_epoch(epoch)) for epoch in range(4)] == [1.0, 0.5, 0.25, 0.25]
