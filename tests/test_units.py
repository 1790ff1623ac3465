"""Durations in epochs, samples, tokens and fractions of a run; stretching."""

import dataclasses
import itertools
from fractions import Fraction

import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rheostax as rx
from rheostax._duration import parse
from rheostax.training import fit, load_task

SIZE = {"total_steps": 2_000, "steps_per_epoch": 50, "batch_size": 32, "tokens_per_sample": 128}


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [
        ("10ep", 10, "ep"),
        ("5000st", 5000, "st"),
        ("1e9tok", 1e9, "tok"),
        ("0.1run", 0.1, "run"),
        ("1_000_000sa", 1e6, "sa"),
        (" 1.5e+3 sa ", 1500, "sa"),
    ],
)
def test_texts_are_durations(text, value, unit):
    assert parse(text) == rx.Duration(value, unit)


@pytest.mark.parametrize("text", ["", "ep", "10", "10 epochs", "-1ep", "1eep", "nanep", "infst", "1.2.3ep", "10ep5", "__import__('os')"])
def test_other_texts_are_none(text):
    assert parse(text) is None
    with pytest.raises(
        rx.ArgumentError, match=r"whole number >= 1, got .*\. In other units than updates a length is a text such as '10ep'"
    ):
        rx.Cosine(0.1, text)


@given(st.floats(0, 1e15), st.sampled_from(["st", "ep", "sa", "tok", "run"]))
def test_a_duration_is_written_as_it_is_read(value, unit):
    duration = rx.Duration(value, unit)
    assert eval(repr(duration)) == str(duration)
    assert parse(str(duration)).value == pytest.approx(value, rel=1e-14)
    assert parse(str(duration)).unit == unit


@pytest.mark.parametrize(("value", "unit", "says"), [
    (1, "epochs", "unit must be one of 'st', 'ep', 'sa', 'tok', 'run', got 'epochs'"),
    (-1, "ep", "value must be a finite number >= 0, got -1"),
    (float("inf"), "ep", "got inf"),
    ("3", "ep", "got '3'"),
    (None, "ep", "got None"),
    (10**400, "ep", r"got 10+\.\.\. \(401 characters\)"),
])  # fmt: skip
def test_wrong_durations_are_refused(value, unit, says):
    with pytest.raises(rx.ArgumentError, match=says):
        rx.Duration(value, unit)


@pytest.mark.parametrize(("duration", "steps"), [
    ("10ep", 500), ("0.5ep", 25), ("70st", 70), ("0.1run", 200), ("6400sa", 200), ("4096tok", 1), ("1e6tok", 244),
    (rx.Duration(2, "ep"), 100), ("0.01ep", 1), ("100sa", 3),
])  # fmt: skip
def test_durations_are_counted_to_the_nearest_update(duration, steps):
    assert rx.resolve(rx.Warmup(duration), **SIZE) == rx.Warmup(steps)


def test_steps_need_no_resolving():
    assert rx.Warmup("70st") == rx.Warmup(70)
    with pytest.raises(rx.ArgumentError, match=r"Warmup: steps must be a whole number >= 1, got 0.5"):
        rx.Warmup("0.5st")


@pytest.mark.parametrize(
    ("duration", "needs"), [("1ep", "steps_per_epoch"), ("1sa", "batch_size"), ("1run", "total_steps"), ("1tok", "batch_size")]
)
def test_what_is_missing_is_named(duration, needs):
    with pytest.raises(rx.ArgumentError, match=rf"'{duration}', which needs the run's {needs}: rx\.resolve\(rate, {needs}=\.\.\.\)"):
        rx.resolve(rx.Cosine(1.0, duration))
    rate = rx.Warmup(3) * rx.Cosine(1.0, duration)
    for use in (
        lambda: rate(0),
        lambda: rx.simulate(rate, 3),
        lambda: rx.control(optax.sgd, rate).init(jnp.ones(2)),
        lambda: rx.describe(rate),
    ):
        with pytest.raises(rx.ArgumentError, match=rf"Cosine: decay_steps is '{duration}'.*rx.resolve\(rate, {needs}="):
            use()
    with pytest.raises(rx.ArgumentError, match=r"isn.t counted|is not counted"):
        _ = rx.Cosine(1.0, duration).horizon


def test_nothing_is_no_length():
    with pytest.raises(rx.ArgumentError, match="Warmup: steps must be longer than nothing, got '0ep'"):
        rx.Warmup("0ep")
    with pytest.raises(rx.ArgumentError, match=r"Warmup: steps is '0.001ep', which is less than half an update here"):
        rx.resolve(rx.Warmup("0.001ep"), **SIZE)
    wsd = rx.resolve(rx.WarmupStableDecay(1.0, "0ep", "0.2run", "1run"), **SIZE)
    assert wsd == rx.WarmupStableDecay(1.0, 0, 400, 2000)


def test_rules_between_arguments_are_kept_when_they_are_known():
    with pytest.raises(rx.ArgumentError, match=r"total_steps must be at least warmup_steps \+ decay_steps = 100 \+ 1950, got 2000"):
        rx.resolve(rx.WarmupStableDecay(1.0, "2ep", 1950, "1run"), **SIZE)
    with pytest.raises(rx.ArgumentError, match=r"increasing order, got \(500, 400\)"):
        rx.resolve(rx.Join([1.0, 0.1, 0.01], ["10ep", "0.2run"]), **SIZE)


def test_the_whole_tree_is_resolved_and_the_rest_of_it_kept():
    rate = rx.Join([rx.Warmup("1ep") * 0.5, (rx.Cosine(1.0, "0.5run") * rx.ReduceOnPlateau(patience=3)).clip(1e-3)], ["2ep"]) * rx.Groups(
        {"a": 0.1}, rest=None
    )
    want = rx.Join([rx.Warmup(50) * 0.5, (rx.Cosine(1.0, 1000) * rx.ReduceOnPlateau(patience=3)).clip(1e-3)], [100]) * rx.Groups(
        {"a": 0.1}, rest=None
    )
    assert rx.resolve(rate, **SIZE) == want
    assert rx.resolve(want) == want


@pytest.mark.parametrize(("given", "says"), [
    ({"total_steps": 0}, "total_steps must be a whole number >= 1, got 0"),
    ({"total_steps": 1.5}, "total_steps must be a whole number >= 1, got 1.5"),
    ({"steps_per_epoch": -1}, "steps_per_epoch must be a number > 0, got -1"),
    ({"batch_size": 0}, "batch_size must be a whole number >= 1.*got 0"),
    ({"batch_size": {5: 32}}, "0 first and increasing; got {5: 32}"),
    ({"batch_size": {0: 32, 7: 64, 5: 32}}, "0 first and increasing"),
    ({"batch_size": {}}, "0 first and increasing; got {}"),
    ({"tokens_per_sample": "128"}, "tokens_per_sample must be a whole number >= 1, got '128'"),
    ({"total_steps": 10**400}, "total_steps must be a whole number >= 1, got 1000"),
])  # fmt: skip
def test_a_size_that_is_none_is_refused(given, says):
    with pytest.raises(rx.ArgumentError, match=says):
        rx.resolve(rx.Constant(1.0), **given)


def test_numbers_of_numpy_are_numbers():
    rate = rx.Join([rx.Warmup("1ep"), rx.Cosine(1.0, "0.5run")], ["1ep"])
    want = rx.resolve(rate, total_steps=100, steps_per_epoch=10)
    assert rx.resolve(rate, total_steps=np.int64(100), steps_per_epoch=np.float32(10)) == want


# Batch sizes that change.


def samples_seen(batch_sizes, steps):
    """Return the samples before each update, counted one by one."""
    sizes = [next(size for start, size in reversed(batch_sizes.items()) if start <= count) for count in range(steps)]
    return np.array([0, *itertools.accumulate(sizes)])[:-1]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 60), st.integers(1, 40)), min_size=1, max_size=3), st.integers(1, 30), st.integers(100, 20_000))
def test_a_decay_in_samples_proceeds_with_the_samples(changes, first, horizon):
    starts = list(itertools.accumulate(gap for gap, _ in changes))
    batch_sizes = {0: first} | {start: size for start, (_, size) in zip(starts, changes, strict=True)}
    rate = rx.resolve(rx.Linear(1.0, 0.0, f"{horizon}sa"), batch_size=batch_sizes)
    tick = np.gcd.reduce(list(batch_sizes.values()))
    ticks = np.floor(horizon / tick + 0.5)
    want = 1 - np.minimum(samples_seen(batch_sizes, 300) / tick / ticks, 1)
    np.testing.assert_allclose(rx.simulate(rate, 300), want, rtol=3e-7, atol=1e-9)


def test_learning_of_a_larger_batch_mid_run_moves_nothing_that_has_been():
    rate = rx.Warmup("6400tok") * rx.Cosine(1e-3, "1e6tok")
    known = {"tokens_per_sample": 8}
    before = rx.resolve(rate, batch_size=32, **known)
    after = rx.resolve(rate, batch_size={0: 32, 1000: 128}, **known)
    np.testing.assert_allclose(rx.simulate(after, 1001), rx.simulate(before, 1001), rtol=3e-7)
    steps = np.abs(np.diff(rx.simulate(after, 1700)))
    assert steps.max() <= 4.2 * np.abs(np.diff(rx.simulate(before, 3000))).max()  # four times as fast, but no jump
    assert float(after(999 + (3906 - 999) // 4 + 2)) == 0


def test_two_clocks_in_one_part_are_refused():
    with pytest.raises(rx.ArgumentError, match="WarmupStableDecay: warmup_steps is 10, but the batch size changes"):
        rx.resolve(rx.WarmupStableDecay(1.0, 10, "1000sa", "5000sa"), batch_size={0: 2, 10: 4})
    with pytest.raises(rx.ArgumentError, match="Cosine: decay_steps is 100, but the batch size changes"):
        rx.resolve(rx.Join([rx.Warmup("100sa"), rx.Cosine(1.0, 100)], ["100sa"]), batch_size={0: 2, 10: 4})
    mixed = rx.resolve(rx.Warmup(10) * rx.Cosine(1.0, "1000sa"), batch_size={0: 2, 10: 4})
    assert mixed == rx.Warmup(10) * rx.Clock(rx.Cosine(1.0, 500), [10], [1, 2])


def test_a_clock_stops_at_the_largest_count():
    rate = rx.Clock(rx.Linear(1.0, 0.0, 2**31 - 1), [10], [1, 2**20])
    assert float(rate(2**31 - 1)) == 0
    assert float(rate(10 + 2**11)) == 0
    assert 0 < float(rate(10 + 2**11 - 1)) < 1e-3


def test_the_horizon_of_a_clock_is_where_its_rate_ends():
    for left, want in [(5, 5), (10, 10), (11, 11), (12, 11), (13, 12), (40, 22)]:
        rate = rx.Clock(rx.Linear(1.0, 0.0, left), [10, 20], [1, 2, 7])
        assert rate.horizon == want
        assert float(rate(want)) == 0
        assert float(rate(want - 1)) > 0
    assert rx.Clock(rx.Constant(1.0), [10], [1, 2]).horizon is None


def test_a_policy_hears_its_metrics_under_another_clock():
    rate = rx.Clock(rx.Join([1.0, rx.ReduceOnPlateau(patience=1, factor=0.5)], [10]), [4], [1, 3])
    rates = rx.simulate(rate, 10, {"value": np.ones(10)})
    np.testing.assert_array_equal(rates, [1, 1, 1, 1, 1, 1, 1, 0.5, 0.25, 0.125])  # the second part begins at count 6


@pytest.mark.parametrize(("given", "says"), [
    (([5], [1]), "boundaries must be one fewer than ticks, got 1 for 1"),
    (([5], [1, 0]), r"ticks must be whole numbers >= 1, got \(1, 0\)"),
    (([5], [1, 1.5]), "ticks must be whole numbers >= 1"),
    (([5], 3), "ticks must be whole numbers >= 1, got 3"),
    (([5, 5], [1, 2, 3]), "increasing order"),
])  # fmt: skip
def test_wrong_clocks_are_refused(given, says):
    with pytest.raises(rx.ArgumentError, match=says):
        rx.Clock(rx.Constant(1.0), *given)


# Stretching.


def test_stretching_multiplies_every_duration():
    rate = (
        rx.Join([rx.Warmup(10), rx.Cosine(1.0, "3ep")], [20])
        * rx.WarmupStableDecay(1.0, 3, "0.2run", "1e6tok")
        * rx.ReduceOnPlateau(patience=7, cooldown=3, accumulation_size=4)
    )
    want = (
        rx.Join([rx.Warmup(25), rx.Cosine(1.0, "7.5ep")], [50])
        * rx.WarmupStableDecay(1.0, 8, "0.2run", "2.5e6tok")
        * rx.ReduceOnPlateau(patience=7, cooldown=3, accumulation_size=4)
    )
    assert rx.stretch(rate, 2.5) == want
    assert rx.stretch(rate, 1) == rate


def test_a_stretched_rate_takes_the_same_values_later():
    rate = rx.Warmup(10) * rx.Cosine(1.0, 100)
    np.testing.assert_allclose(rx.simulate(rx.stretch(rate, 3), 400)[::3], rx.simulate(rate, 134), rtol=1e-6)


def test_a_factor_may_be_any_number():
    assert rx.stretch(rx.Warmup(100), Fraction(3, 2)) == rx.stretch(rx.Warmup(100), np.float32(1.5)) == rx.Warmup(150)


@pytest.mark.parametrize("factor", [0, -1, float("nan"), float("inf"), "2", None, True, 10**400])
def test_a_factor_that_is_none_is_refused(factor):
    with pytest.raises(rx.ArgumentError, match="stretch: factor must be a finite number > 0"):
        rx.stretch(rx.Warmup(10), factor)


def test_what_no_number_counts_is_refused():
    with pytest.raises(rx.ArgumentError, match="Cosine: decay_steps is '1e308ep', which comes to more updates than can be counted"):
        rx.resolve(rx.Cosine(0.1, "1e308ep"), steps_per_epoch=100)
    with pytest.raises(rx.ArgumentError, match=r"Cosine: decay_steps is 100, and 1e\+308 times that comes to more updates"):
        rx.stretch(rx.Cosine(0.1, 100), 1e308)


def test_what_cannot_be_stretched_says_so():
    with pytest.raises(rx.ArgumentError, match="foreign function of the count"):
        rx.stretch(optax.cosine_decay_schedule(1.0, 10), 2)
    with pytest.raises(rx.ArgumentError, match="Warmup: steps must be a whole number >= 1, got 0"):
        rx.stretch(rx.Warmup(10), 0.01)


def test_fit_knows_how_large_the_run_is(tmp_path):
    task = dataclasses.replace(
        load_task("diabetes"),
        learning_rate=lambda *_: rx.Warmup("1ep") * rx.Linear(1e-2, 1e-3, "1run") * rx.Exponential(1.0, "190sa", 0.99),
    )
    result = fit(task, epochs=2, out=tmp_path / "run")
    assert (
        '"learning_rate": "Warmup(steps=9) * Linear(init_value=0.01, end_value=0.001, transition_steps=18)'
        in (result.path / "config.json").read_text()
    )


def test_what_is_not_counted_yet_is_written_as_it_is_made():
    rate = rx.Warmup("2ep") * rx.Join([1.0, rx.Cosine(1.0, "0.5run")], ["1e6tok"])
    assert eval(repr(rate), vars(rx).copy()) == rate
    assert "boundaries=['1e6tok']" in repr(rate)
