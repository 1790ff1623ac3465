"""What `rx.compat.transformers` refuses, and how. Its numbers are compared with Transformers' own in tests/parity."""

import re

import pytest

import rheostax as rx

hf = rx.compat.transformers


@pytest.mark.parametrize(("make", "says"), [
    (lambda: hf.get_scheduler("linaer", 1e-3), "name must be one of 'linear', 'cosine'"),
    (lambda: hf.get_scheduler("linear", 1e-3, num_training_steps=10), "'linear' needs num_warmup_steps"),
    (lambda: hf.get_scheduler("cosine", 1e-3, 5), "'cosine' needs num_training_steps"),
    (lambda: hf.get_scheduler("cosine", 1e-3, 5, 10, {"cycles": 2}), "unexpected keyword argument 'cycles'"),
    (lambda: hf.get_linear_schedule_with_warmup(1e-3, -1, 10), "num_warmup_steps must be a whole number >= 0, got -1"),
    (lambda: hf.get_linear_schedule_with_warmup(1e-3, "1ep", 10), "num_warmup_steps must be a whole number of updates, got '1ep'"),
    (lambda: hf.get_linear_schedule_with_warmup(1e-3, 1, 10, last_epoch=4), "last_epoch must be -1, got 4"),
    (lambda: hf.get_cosine_schedule_with_warmup(1e-3, 1, 10, num_cycles=0), "num_cycles must be a finite number in (0, inf), got 0"),
    (lambda: hf.get_cosine_with_hard_restarts_schedule_with_warmup(1e-3, 10, 10), "num_training_steps must be above num_warmup_steps, 10"),
    (lambda: hf.get_cosine_with_min_lr_schedule_with_warmup(1e-3, 1, 10), "either min_lr or min_lr_rate must be given"),
    (lambda: hf.get_cosine_with_min_lr_schedule_with_warmup(1e-3, 1, 10, min_lr=1e-2), "min_lr must be a finite number in [0, 0.001]"),
    (lambda: hf.get_polynomial_decay_schedule_with_warmup(1e-8, 1, 10), "lr_end must be below the rate, 1e-08; got 1e-07"),
    (lambda: hf.get_polynomial_decay_schedule_with_warmup(rx.Groups({"a": 0.1}, rest=0.2), 1, 10), "lr_end is one rate for all"),
    (lambda: hf.get_wsd_schedule(1e-3, 5, 5), "either num_training_steps or num_stable_steps must be given"),
    (lambda: hf.get_wsd_schedule(1e-3, 5, 5, 20, 10), "either num_training_steps or num_stable_steps must be given"),
    (lambda: hf.get_wsd_schedule(1e-3, 5, 6, 10), "num_training_steps must be at least the warm-up and the decay, 5 + 6; got 10"),
    (lambda: hf.get_wsd_schedule(1e-3, 5, 5, 10, decay_type="sqrt"), "decay_type must be one of 'linear', 'cosine', '1-sqrt', got 'sqrt'"),
    (lambda: hf.GreedyLR(1e-4), "learning_rate must be a finite number in [0.001, 1]"),
    (lambda: hf.GreedyLR(0.1, smooth=True), "smooth must be False, got True. Average the metric before observing it."),
    (lambda: hf.GreedyLR(0.1, verbose=True), "verbose must be False, got True"),
    (lambda: hf.GreedyLR(0.1, min_lr=[0.01, 0.02]), "min_lr must have one value for each of 1 group, got 2"),
    (lambda: hf.get_scheduler("cosine", 0.1, 1, 10, "foo"), "scheduler_specific_kwargs must be a dict of arguments for 'cosine', got"),
    (lambda: hf.convert({"last_epoch": 3}), "From a state_dict go on with get_scheduler(name, ..., count=state['last_epoch'])"),
])  # fmt: skip
def test_what_is_wrong_is_said(make, says):
    with pytest.raises(rx.ArgumentError, match=re.escape(says)):
        make()


def test_groups_have_rates_of_their_own():
    rate = hf.get_scheduler("linear", rx.Groups({"head/*": 1e-3}, rest=1e-4), 0, 10)
    assert rx.simulate(rate, 6)[5].tolist() == pytest.approx([5e-4, 5e-5])


def test_a_greedy_rate_has_bounds_per_group():
    rate = hf.GreedyLR(rx.Groups({"head/*": 0.1}, rest=0.2), patience=0, factor=0.5, min_lr=[0.05, 0.15])
    rates = rx.simulate(rate, 6, {"value": [1.0] * 6})
    assert rates[-1].tolist() == pytest.approx([0.05, 0.15])
