"""Forecasts, against a law that is summed up term by term in float64, and against real curves where they are at hand."""

import os
from pathlib import Path

import numpy as np
import optax
import pytest

import rheostax as rx
from rheostax import forecast
from rheostax.errors import ArgumentError, RunError
from rheostax.record import RunDirectory

CURVES = os.environ.get("RHEOSTAX_LOSS_CURVES", "")  # a folder of real loss curves: llama_25m/*.csv and others
WARMUP, PEAK = 100, 1e-3
FLOOR, SIZE, GAIN, A, B, C, G = 2.0, 0.9, 0.15, 0.5, 0.5, 12.0, 0.5

cosine = rx.Warmup(WARMUP) * rx.Cosine(PEAK, 3_000, 1e-4)
constant = rx.Warmup(WARMUP) * PEAK
step = rx.Warmup(WARMUP) * rx.PiecewiseConstant([PEAK, 3e-4], [1_000])
linear = rx.Warmup(WARMUP) * rx.PiecewiseInterpolate([PEAK, PEAK, 1e-5], [2_000, 3_000])


def rates_of(rate, steps=3_000):
    return np.asarray(rx.simulate(rate, steps), np.float64)


def term_by_term(rates, counts, exponent=1.0, fade=0.0):
    """The multi-power law as it is written: for every count a sum over all falls before it."""
    relative = rates / PEAK
    area = np.concatenate([[0], np.cumsum(relative)]) / 1e3
    progress = np.concatenate([[0], np.cumsum(relative**exponent)]) / 1e3
    losses = []
    for t in counts:
        k = np.arange(WARMUP + 1, t)
        fall = relative[k - 1] - relative[k]
        gained = fall * (1 - (1 + C * relative[k] ** -G * (area[t] - area[k])) ** -B)
        losses.append(FLOOR + SIZE * progress[t] ** -A - GAIN * gained.sum() * area[t] ** -fade)
    return np.array(losses)


def curve(rate, every=50, noise=0.0, seed=0, **law):
    counts = np.arange(WARMUP + every, 3_001, every)
    rates = rates_of(rate)
    loss = term_by_term(rates, counts, **law) + noise * np.random.default_rng(seed).normal(size=len(counts))
    return forecast.Curve(counts, rates[counts - 1], loss, repr(rate)[:40])


@pytest.fixture(scope="module")
def fitted():
    return forecast.fit([curve(cosine), curve(constant), curve(step)], law="multi_power", warmup_steps=WARMUP)


@pytest.mark.parametrize("rate", [cosine, constant, step, linear], ids=["cosine", "constant", "step", "linear"])
def test_blocks_stand_for_all_the_terms(rate):
    """Few blocks and knots in place of a double sum."""
    truth = forecast.Fitted(
        forecast.LAWS["multi_power"], PEAK, WARMUP, np.array([np.log(A), np.log(C), np.log(B), G]), np.array([FLOOR, SIZE, GAIN]),
        np.zeros((7, 7)), 0.0, ("truth",), True,
    )  # fmt: skip
    counts = np.arange(WARMUP + 1, 3_001)
    got = truth.predict(rates_of(rate)).loss
    assert np.abs(got[1:] - term_by_term(rates_of(rate), counts))[20:].max() < 1e-4
    assert (
        np.abs(
            truth.predict(rates_of(rate), [150, 1_001, 1_050, 3_000]).loss - term_by_term(rates_of(rate), [150, 1_001, 1_050, 3_000])
        ).max()
        < 3e-5
    )


def test_a_fit_foretells_a_schedule_that_it_has_not_seen(fitted):
    counts = np.arange(400, 3_001, 100)
    predicted = fitted.predict(rates_of(linear), counts)
    off = np.abs(predicted.loss - term_by_term(rates_of(linear), counts))
    assert off.max() < 5e-3
    assert off.mean() < 1e-3
    assert fitted.coefficients[0] == pytest.approx(FLOOR, abs=0.02)
    # the same with an expression: a number of updates, or counts
    assert fitted.predict(linear, 3_000).final == pytest.approx(predicted.final, rel=1e-6)
    assert fitted.predict(linear, counts).loss == pytest.approx(predicted.loss, rel=1e-6)


def test_the_default_law_sees_that_gains_fade():
    own = {"exponent": 0.9, "fade": 0.1}
    runs = [curve(one, **own) for one in (cosine, constant, step)]
    counts = np.arange(400, 3_001, 100)
    want = term_by_term(rates_of(linear), counts, **own)
    off = {
        law: np.abs(forecast.fit(runs, law=law, warmup_steps=WARMUP).predict(rates_of(linear), counts).loss - want).mean()
        for law in forecast.LAWS
    }
    assert off["fading_multi_power"] < 1e-3
    assert off["fading_multi_power"] < off["multi_power"] < 0.02
    assert off["annealing"] < 0.03


def test_a_few_wild_points_hardly_matter(fitted):
    wild = curve(cosine)
    loss = wild.loss.copy()
    loss[[3, 20, 40]] += 2.0
    runs = [forecast.Curve(wild.step, wild.learning_rate, loss), curve(constant), curve(step)]
    other = forecast.fit(runs, law="multi_power", warmup_steps=WARMUP)
    assert other.predict(linear, 3_000).final == pytest.approx(fitted.predict(linear, 3_000).final, abs=5e-3)


def test_bands_cover_and_grow_with_the_noise():
    widths, inside = [], []
    counts = np.arange(400, 3_001, 100)
    want = term_by_term(rates_of(linear), counts)
    for noise in (0.003, 0.02):
        for seed in range(4):
            runs = [curve(one, noise=noise, seed=10 * seed + i) for i, one in enumerate((cosine, constant, step))]
            predicted = forecast.fit(runs, law="multi_power", warmup_steps=WARMUP).predict(rates_of(linear), counts)
            widths.append(np.mean(predicted.high - predicted.low))
            inside.append(np.mean((predicted.low <= want) & (want <= predicted.high)))
    assert np.mean(inside) > 0.85
    assert np.mean(widths[4:]) > 3 * np.mean(widths[:4])
    half = forecast.fit([curve(cosine, noise=0.01), curve(constant)], warmup_steps=WARMUP)
    narrow, wide = (half.predict(linear, [3_000], coverage=coverage) for coverage in (0.5, 0.99))
    assert narrow.low > wide.low
    assert narrow.high < wide.high


def test_the_best_schedule_never_rises_and_keeps_its_bounds(fitted):
    best = fitted.optimize(3_000, min_value=2e-5, pieces=16)
    rates = rates_of(best)
    assert np.all(np.diff(rates[WARMUP:]) <= 1e-9)
    assert rates.max() <= PEAK * (1 + 1e-6)
    assert rates.min() == 0.0  # the warm-up begins there
    assert rates[WARMUP:].min() >= 2e-5 * (1 - 1e-6)
    others = fitted.compare({"best": best, "cosine": cosine, "constant": constant, "step": step, "linear": linear}, 3_000)
    assert next(iter(others)) == "best"
    assert list(others.values()) == sorted(others.values(), key=lambda one: one.final)
    assert fitted.predict(best, 3_000).final < min(one.final for label, one in others.items() if label != "best")


def test_without_falls_a_decay_is_not_foretold():
    flat = forecast.fit(curve(constant), warmup_steps=WARMUP)
    assert not flat.saw_falls
    assert flat.predict(constant, 6_000).final == pytest.approx(term_by_term(rates_of(constant, 6_000), [6_000])[0], abs=0.02)
    for ask in (lambda: flat.predict(cosine, 3_000), lambda: flat.optimize(3_000)):
        with pytest.raises(ArgumentError, match=r"the rate never changed in .*, so what a (change|fall) brings isn't known"):
            ask()


def good():
    return {"step": np.arange(1, 21) * 100, "learning_rate": np.full(20, 1e-3), "loss": 3 - np.arange(20) / 100}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"loss": np.ones(19)}, "step and loss must have the same length, got 20 and 19"),
        ({"step": [1, 2], "learning_rate": [1, 1], "loss": [1, 2]}, "at least 8 points are needed to say anything, got 2"),
        ({"step": np.r_[np.arange(1, 20), 3] * 100}, "steps must be >= 0 and increase, each once, got 1,900 and then 300"),
        ({"loss": np.r_[np.ones(19), np.nan]}, "loss must be finite, got nan at step 2,000"),
        ({"learning_rate": np.r_[-1e-3, np.ones(19)]}, "learning_rate must be finite and >= 0, got -0.001 at step 100"),
        ({"step": np.arange(1, 21) * 10**9}, "steps count updates, at most 2,147,483,647, got 20,000,000,000. Are they tokens"),
        ({"made": -1}, "made must be a whole number >= 0, got -1"),
        ({"loss": "abc"}, "loss must be a sequence of numbers"),
        ({"loss": np.ones((20, 2))}, r"loss must have one axis, got shape \(20, 2\)"),
    ],
)
def test_a_bad_curve_is_named(changes, said):
    with pytest.raises(ArgumentError, match=f"forecast: curve: {said}"):
        forecast.Curve(**(good() | changes))


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda: forecast.fit([]), "curves must be at least one run, got none"),
        (lambda: forecast.fit(None), "curves must be runs, as rx.forecast.read_curve reads them, got None"),
        (lambda: forecast.fit([3]), r"curves\[0\] must have the arrays step, learning_rate and loss, got int"),
        (lambda: forecast.fit(forecast.Curve(**good()), law="multi_powr"), "got 'multi_powr'. Did you mean 'multi_power'"),
        (
            lambda: forecast.fit(forecast.Curve(**good()), warmup_steps=1_500),
            "at least 8 points after warmup_steps=1,500 are needed, got 6",
        ),
        (lambda: forecast.fit(forecast.Curve(**good()), warmup_steps=-1), "warmup_steps must be a whole number >= 0, got -1"),
        (lambda: forecast.fit(forecast.Curve(**(good() | {"loss": np.ones(20)}))), "the loss is the same everywhere"),
        (
            lambda: forecast.fit(forecast.Curve(**(good() | {"loss": np.linspace(3.0, -1.5, 20)}))),
            "the losses must be >= 0, since the law's floor is, got -1.5. Add to the losses of all runs",
        ),
        (lambda: forecast.fit(forecast.Curve(**(good() | {"learning_rate": np.zeros(20)}))), "the learning rate is 0 everywhere"),
    ],
)
def test_what_cannot_be_fitted_is_named(ask, said):
    with pytest.raises(ArgumentError, match=said):
        ask()


def test_what_cannot_be_predicted_is_named(fitted):
    for arguments, said in (
        ((cosine,), "an expression needs steps, the number of updates"),
        ((cosine, 0), "steps must be a whole number of updates >= 1, or counts, got 0"),
        (([0.1, -0.1],), "learning_rates must be an expression, or the rate of every update, finite and >= 0"),
        ((np.full(100, 1e-3), "abc"), "steps must be whole counts of updates, got 'abc'"),
        ((np.full(100, 1e-3), [20.7]), r"steps must be whole counts of updates, got \[20.7\]"),
        ((rx.Groups({"head/*": 1e-3}, rest=1e-4), 100), "learning_rates must be one rate for all parameters, got groups"),
        (({"a": 1},), "learning_rates must be an expression, or the rate of every update"),
        ((np.full(100, 1e-3), [101]), "steps must lie between 1 and the number of rates, 100; got 101 to 101"),
        ((np.zeros(100),), "learning_rates must be above 0 somewhere"),
        ((rx.Warmup(10) * 1e-3, np.array([1, 100])), "steps must be at least 2, where the first rate above 0 has been used; got 1"),
    ):
        with pytest.raises(ArgumentError, match=said):
            fitted.predict(*arguments)
    for coverage in (1, "0.9"):
        with pytest.raises(ArgumentError, match=r"coverage must be in \(0, 1\), got "):
            fitted.predict(cosine, 3_000, coverage=coverage)
    for arguments, said in (
        ({"steps": 100}, "steps must be a whole number above warm-up and pieces, 140, got 100"),
        ({"steps": 3_000, "max_value": 1e-3, "min_value": 1e-2}, "0 <= min_value <= max_value"),
        ({"steps": 3_000, "pieces": 1}, "pieces must be a whole number >= 2, got 1"),
    ):
        with pytest.raises(ArgumentError, match=said):
            fitted.optimize(**arguments)


def test_a_run_that_begins_at_a_rate_of_zero_is_predicted_from_where_it_moves():
    fitted = forecast.fit([curve(cosine), curve(constant)])
    late = np.r_[np.zeros(5), np.full(95, 1e-3)]
    found = fitted.predict(late)
    assert found.steps[0] == 6
    assert np.all(np.isfinite(found.loss))


def test_a_schedule_of_optax_and_a_text_are_rates_too(fitted):
    want = fitted.predict(rx.Cosine(1e-3, 3_000), [3_000]).final
    found = fitted.compare({"optax": optax.cosine_decay_schedule(1e-3, 3_000), "ours": rx.Cosine(1e-3, 3_000)}, 3_000)
    assert found["ours"].final == want
    np.testing.assert_allclose(found["optax"].final, want, rtol=1e-5)
    assert fitted.compare(["Cosine(1e-3, 3000)"], 3_000)["Cosine(1e-3, 3000)"].final == want


def test_curves_are_read_from_logs(tmp_path):
    file = tmp_path / "log.csv"
    file.write_text("step,lr,train_loss,val_loss\n" + "".join(f"{100 * k},0.001,{4 - k / 10},{5 - k / 10}\n" for k in range(1, 12)))
    assert forecast.read_curve(file).loss[0] == 3.9
    assert forecast.read_curve(file, loss="val_loss").loss[-1] == pytest.approx(3.9)
    with pytest.raises(RunError, match=r"has no metric 'val_los'; there are train_loss, val_loss\. Did you mean 'val_loss'"):
        forecast.read_curve(file, loss="val_los")
    bare = tmp_path / "bare.csv"
    bare.write_text("step,loss\n" + "".join(f"{k},{k}\n" for k in range(12)))
    with pytest.raises(RunError, match="tells no learning rate, and a forecast needs it"):
        forecast.read_curve(bare)


def test_a_run_directory_tells_how_many_updates_were_made(tmp_path):
    """Its losses tell the count before their update, so the last of 30 updates is that at count 29."""
    run = RunDirectory.create(tmp_path / "run")
    run.write("config.json", {})
    run.append("metrics.jsonl", [{"count": k, "learning_rate": 1e-3, "loss": 3 - k / 100} for k in range(30)])
    run.write("summary.json", {"count": 30})
    run.close()
    read = forecast.read_curve(tmp_path / "run")
    assert (read.step[-1], read.updates, len(read.rates(0))) == (29, 30, 30)


def test_a_jump_of_the_rate_stays_a_jump():
    steps = np.arange(10, 110, 10)
    rates = np.where(steps < 60, 1.0, 0.5)
    full = forecast.Curve(steps, rates, np.ones(10)).rates(5)
    assert full[:5] == pytest.approx(np.arange(5) / 5)
    assert np.all(full[5:59] == 1.0)
    assert np.all(full[60:] == 0.5)


@pytest.mark.skipif(not CURVES, reason="RHEOSTAX_LOSS_CURVES names no folder of loss curves (llama_25m/*.csv and others)")
def test_real_curves_are_foretold_better_than_published():
    """Three curves to fit, six unseen; the figures of arXiv 2503.12811 are R2 0.9988, MAE 0.00376, mean relative error 0.00110."""
    folder = Path(CURVES, "llama_25m")
    read = lambda name: forecast.read_curve(folder / f"{name}.csv")  # noqa: E731
    fitted = forecast.fit([read(name) for name in ("cosine_24000", "constant_24000", "wsdcon_9")], warmup_steps=2_160)
    figures = []
    for name in ("constant_72000", "cosine_72000", "wsd_20000_24000", "wsdld_20000_24000", "wsdcon_3", "wsdcon_18"):
        one = read(name)
        seen = one.step >= 2_160
        off = fitted.predict(one.rates(2_160), one.step[seen]).loss - one.loss[seen]
        figures.append(
            (
                1 - np.sum(off**2) / np.sum((one.loss[seen] - one.loss[seen].mean()) ** 2),
                np.abs(off).mean(),
                np.mean(np.abs(off) / one.loss[seen]),
            )
        )
    r2, mae, relative = np.mean(figures, 0)
    assert r2 >= 0.9990
    assert mae <= 0.0035
    assert relative <= 0.0010
    best = fitted.predict(fitted.optimize(24_000), [24_000]).final
    assert best < fitted.predict(read("wsdld_20000_24000").rates(2_160)).final
    assert best < fitted.predict(read("cosine_24000").rates(2_160)).final
