"""What `rx.compat.optax` refuses, and how. Its numbers are compared with optax's own in tests/parity."""

import re

import pytest

import rheostax as rx

ox = rx.compat.optax


@pytest.mark.parametrize(("make", "says"), [
    (lambda: ox.linear_schedule(1.0, 0.0, 0), "transition_steps must be a whole number >= 1, got 0"),
    (lambda: ox.linear_schedule(1.0, 0.0, 5, -3), "transition_begin must be a whole number >= 0, got -3"),
    (lambda: ox.polynomial_schedule(1.0, 0.0, -1.0, 5), "power must be a finite number in (0, inf), got -1.0"),
    (lambda: ox.exponential_decay(1.0, 5, 1.5), "decay_rate must be a finite number in (0, 1], got 1.5"),
    (lambda: ox.cosine_decay_schedule(1.0, 5, exponent=0), "exponent must be a finite number in (0, inf), got 0"),
    (lambda: ox.piecewise_constant_schedule(1.0, {5: -1.0}), "boundaries_and_scales must be a finite number in [0, inf), got -1.0"),
    (lambda: ox.piecewise_interpolate_schedule("cubic", 1.0, {5: 0.5}), "interpolation must be one of 'linear', 'cosine', got 'cubic'"),
    (lambda: ox.cosine_onecycle_schedule(3, 1.0), "pct_start must be at least one update of 3, got 0.3"),
    (lambda: ox.linear_onecycle_schedule("1run", 1.0), "transition_steps must be a whole number of updates, got '1run'"),
    (lambda: ox.warmup_cosine_decay_schedule(0.0, 1.0, 10, 10), "decay_steps must be above warmup_steps, 10, which it includes; got 10"),
    (lambda: ox.sgdr_schedule([]), "cosine_kwargs must hold the arguments of at least one cycle, got none"),
    (lambda: ox.sgdr_schedule(3), "sgdr_schedule: cosine_kwargs must be a list of dicts of arguments, got 3"),
    (lambda: ox.sgdr_schedule([{"foo": 1}]), "cosine_kwargs[0] must hold the arguments of a warmup_cosine_decay_schedule, got {'foo': 1}"),
    (lambda: ox.piecewise_constant_schedule(1.0, [3]), "boundaries_and_scales must be a dict from count to scale, got [3]"),
    (lambda: ox.reduce_on_plateau(patience=0), "patience must be a whole number >= 1, got 0"),
])  # fmt: skip
def test_what_is_wrong_is_said(make, says):
    with pytest.raises(rx.ArgumentError, match=re.escape(says)):
        make()


def test_a_schedule_without_boundaries_is_constant():
    assert ox.piecewise_constant_schedule(0.5) == rx.Constant(0.5) == ox.piecewise_interpolate_schedule("linear", 0.5)


def test_they_can_be_stretched_and_extended():
    rate = ox.warmup_cosine_decay_schedule(0.0, 1.0, 10, 100)
    assert rx.stretch(rate, 2.0) == ox.warmup_cosine_decay_schedule(0.0, 1.0, 20, 200)
    assert rx.extend(rate, 200, at=60).horizon == 200
