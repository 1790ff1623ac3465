"""The laws beside their formulae, summed up update by update, and what their bands cover of runs that weren't fitted."""

import itertools
import os
from pathlib import Path

import numpy as np
import pytest

import rheostax as rx
from rheostax import forecast

CURVES = os.environ.get("RHEOSTAX_LOSS_CURVES", "")
STEPS, WARMUP, PEAK = 3_000, 100, 1e-3
COUNTS = np.arange(200, STEPS + 1, 50)

SCHEDULES = {
    "constant": rx.Warmup(WARMUP) * PEAK,
    "cosine": rx.Warmup(WARMUP) * rx.Cosine(PEAK, STEPS, 1e-4),
    "linear": rx.Warmup(WARMUP) * rx.PiecewiseInterpolate([PEAK, PEAK, 0.0], [1_800, STEPS]),
    "late": rx.Warmup(WARMUP) * rx.PiecewiseInterpolate([PEAK, PEAK, 0.0], [2_600, STEPS]),
    "step": rx.Warmup(WARMUP) * rx.PiecewiseConstant([PEAK, 3e-4], [1_500]),
    "low": rx.Warmup(WARMUP) * rx.PiecewiseConstant([PEAK, 1e-4], [1_000]),
}
RATES = {name: np.asarray(rx.simulate(rate, STEPS), np.float64) for name, rate in SCHEDULES.items()}


def known(law, parameters, coefficients):
    """A law with parameters that are given, not fitted."""
    size = len(parameters) + 3
    family = forecast.LAWS[law]
    return forecast.Fitted(
        family, PEAK, WARMUP, np.array(parameters), np.array(coefficients), np.zeros((size, size)), 0.0, ("known",), True
    )


def terms(law, rates, parameters):
    """What falls of the rate gain, at every count of COUNTS."""
    return known(law, parameters, [0.0, 0.0, -1.0]).predict(rates, COUNTS).loss


@pytest.mark.parametrize("name", SCHEDULES)
def test_functional_law_is_noise_that_is_forgotten(name):
    """Integrate the noise of every update, rate ** 2 * (1 + c * T) ** -(1 + b), with the rate at its peak from the start."""
    c, b = 12.0, 0.4
    rates = RATES[name].copy()
    rates[:WARMUP] = PEAK
    relative = rates / PEAK
    area = np.concatenate([[0], np.cumsum(relative)]) / 1e3
    # the integral of the kernel over an update's own stretch of the area, exactly
    noise = [np.sum(relative[:t] * ((1 + c * (area[t] - area[1 : t + 1])) ** -b - (1 + c * (area[t] - area[:t])) ** -b)) for t in COUNTS]
    own = np.concatenate([[0], np.cumsum(RATES[name] / PEAK)]) / 1e3
    start = (1 + c * own[COUNTS]) ** -b - (1 + c * area[COUNTS]) ** -b  # the library's sum begins with the warm-up's smaller rates
    want = 1.0 - np.array(noise)
    assert terms("functional", RATES[name], [0.0, np.log(c), np.log(b)]) - start == pytest.approx(want, abs=2e-3)


@pytest.mark.parametrize(("name", "start"), [("linear", 1_800), ("late", 2_600)])
def test_minimal_decay_is_what_it_says_of_a_linear_decay(name, start):
    k, b = 0.08, 0.5
    d = np.maximum(COUNTS - start, 0) / 1e3
    depth = np.where(d > 0, d * 1e3 / (STEPS - start), 0.0)
    got = terms("minimal_decay", RATES[name], [0.0, np.log(k), np.log(b)])
    assert got == pytest.approx(depth * (1 - (1 + d / k) ** -b), abs=2e-3)
    assert got[-1] == pytest.approx(1 - (1 + (STEPS - start) / 1e3 / k) ** -b, abs=2e-3)


@pytest.mark.parametrize("law", ["functional", "minimal_decay"])
def test_a_law_is_found_again_from_its_own_curves(law):
    usual = forecast.LAWS[law]
    made = known(law, np.array(usual.mean) + 0.3 * np.array(usual.deviation), [2.0, 0.5, 0.2])
    curves = {name: made.predict(RATES[name], COUNTS).loss for name in ("constant", "cosine", "linear")}
    runs = [forecast.Curve(COUNTS, RATES[name][COUNTS - 1], loss) for name, loss in curves.items()]
    fitted = forecast.fit(runs, law=law, warmup_steps=WARMUP)
    for name in ("late", "linear"):
        assert fitted.predict(RATES[name], COUNTS).loss == pytest.approx(made.predict(RATES[name], COUNTS).loss, abs=4e-3)


def test_bands_cover_what_other_laws_have_made():
    """Curves of the annealing law and of the functional one, with correlated noise: what is fitted is neither, and a band says so."""
    inside = []
    for seed, law in enumerate(["annealing", "functional", "annealing", "functional"]):
        random = np.random.default_rng(seed)
        family = forecast.LAWS[law]
        parameters = np.array(family.mean) + 0.5 * np.array(family.deviation) * random.normal(size=len(family.mean))
        made = known(law, parameters, [2.5, 0.6, 0.15])
        runs = {}
        for name in SCHEDULES:
            noise = np.zeros(len(COUNTS))
            for i, one in enumerate(0.003 * random.normal(size=len(COUNTS))):
                noise[i] = 0.5 * noise[i - 1] * (i > 0) + one
            runs[name] = forecast.Curve(COUNTS, RATES[name][COUNTS - 1], made.predict(RATES[name], COUNTS).loss + noise, name)
        for chosen in (("constant", "cosine"), ("constant", "step", "late"), ("cosine", "linear", "low")):
            fitted = forecast.fit([runs[name] for name in chosen], warmup_steps=WARMUP)
            for name in set(SCHEDULES) - set(chosen):
                found = fitted.predict(RATES[name], COUNTS)
                inside.append(np.mean((found.low <= runs[name].loss) & (runs[name].loss <= found.high)))
    assert 0.85 < np.mean(inside) < 0.995
    assert np.mean(np.array(inside) < 0.5) < 0.05


def test_many_points_of_one_run_do_not_make_a_law_certain():
    """Ten times the points, with a tenth of the noise's variance for their means: the errors of a law don't average out."""
    counts = {every: np.arange(200, STEPS + 1, every) for every in (50, 5)}
    ends = {}
    for every, at in counts.items():
        noise = 0.003 * np.random.default_rng(0).normal(size=len(at))
        loss = 2 + 0.5 * (np.cumsum(RATES["cosine"])[at - 1]) ** -0.5 + 500 * 0.1 * RATES["cosine"][at - 1] + noise
        fitted = forecast.fit(forecast.Curve(at, RATES["cosine"][at - 1], loss), warmup_steps=WARMUP)
        found = fitted.predict(RATES["late"], [STEPS])
        ends[every] = float((found.high - found.low)[0])
    assert ends[5] > 0.6 * ends[50]


def test_of_very_many_points_neighbours_are_averaged():
    at = np.arange(WARMUP, STEPS + 1)
    loss = 2 + 0.5 * np.cumsum(RATES["step"])[at - 1] ** -0.5
    noisy = loss + 0.05 * np.random.default_rng(0).normal(size=len(at))
    full = forecast.fit(forecast.Curve(at, RATES["step"][at - 1], noisy), warmup_steps=WARMUP)
    assert full.deviation == pytest.approx(0.05 / np.sqrt(3), rel=0.1)  # 2,901 points, three by three
    assert full.predict(RATES["step"], [STEPS]).final == pytest.approx(loss[-1], abs=0.01)


@pytest.mark.skipif(not CURVES, reason="RHEOSTAX_LOSS_CURVES names no folder of loss curves (llama_25m/*.csv and others)")
def test_bands_cover_nine_tenths_of_unseen_real_curves():
    """Of the choices of three curves out of nine, every fifth, the six others of which are foretold."""
    curves = [forecast.read_curve(file) for file in sorted(Path(CURVES, "llama_25m").glob("*.csv"))]
    inside = []
    for chosen in list(itertools.combinations(range(len(curves)), 3))[::5]:
        fitted = forecast.fit([curves[i] for i in chosen], warmup_steps=2_160)
        for one in (curves[i] for i in range(len(curves)) if i not in chosen and fitted.saw_falls):
            seen = one.step >= 2_160
            found = fitted.predict(one.rates(2_160), one.step[seen])
            inside.append(np.mean((found.low <= one.loss[seen]) & (one.loss[seen] <= found.high)))
    assert len(inside) > 90
    assert 0.85 < np.mean(inside) < 0.97
    assert np.mean(np.array(inside) < 0.5) < 0.1


@pytest.mark.skipif(not CURVES, reason="RHEOSTAX_LOSS_CURVES names no folder of loss curves (llama_124m_lr1e-3/*.csv and others)")
def test_the_decay_oracle_on_real_runs():
    """Some of the finished runs as help: error, coverage and regret of the others, as `make forecast` prints them for all."""
    from benchmarks.forecast import Decays, score

    decays = Decays(Path(CURVES, "llama_124m_lr1e-3"))
    helpers = ("0.4_15000", "0.1_15000", "0.4_25000", "0.9_35000", "0.4_50000")
    found = [score(decays, f"wsd_linear_decay_{helper}", "fading_multi_power") for helper in helpers]
    assert found[0].error <= 0.006
    assert 0.85 <= found[0].covered <= 0.97
    assert np.mean([one.error for one in found]) <= 0.006
    assert 0.85 <= np.mean([one.covered for one in found]) <= 0.97
    assert max(one.regret for one in found) <= 0.0015
