"""The decay oracle: where a run would land, what is advised, and when nothing can be told."""

import dataclasses
import json

import numpy as np
import pytest

from rheostax import forecast
from rheostax.errors import ArgumentError
from rheostax.plot import plot_outlook

WARMUP, PEAK, NOW, TOTAL = 100, 1e-3, 3_000, 10_000
TRUTH = {"floor": 2.0, "size": 0.6, "gain": 0.2, "a": 0.5, "c": 12.0, "b": 0.5, "g": 0.5}


def decay(total, start):
    """The rates of a run with a warm-up and a linear decay to 0."""
    count = np.arange(total)
    return PEAK * np.minimum(count / WARMUP, 1.0) * np.minimum(1.0, (total - count) / (total - start))


def losses(rates, counts, *, floor, size, gain, a, c, b, g, fade=0.1, exponent=0.9):
    """The law that is fitted by default, as a sum over all falls; `gain` is what an endless decay brings."""
    relative = rates / PEAK
    area = np.concatenate([[0], np.cumsum(relative)]) / 1e3
    progress = np.concatenate([[0], np.cumsum(relative**exponent)]) / 1e3
    found = []
    for t in counts:
        k = np.arange(WARMUP + 1, t)
        fall = relative[k - 1] - relative[k]
        gained = fall * (1 - (1 + c * np.maximum(relative[k], 1e-4) ** -g * (area[t] - area[k])) ** -b)
        found.append(floor + size * progress[t] ** -a - gain * gained.sum() * area[t] ** -fade)
    return np.array(found)


def curve(rates, *, name, noise=0.002, seed=0, until=None, **law):
    counts = np.arange(WARMUP + 40, (until or len(rates)) + 1, 40)
    counts = counts[counts < len(rates)]
    loss = losses(rates, counts, **(TRUTH | law)) + noise * np.random.default_rng(seed).normal(size=len(counts))
    return forecast.Curve(counts, rates[counts], loss, name)


def running(**law):
    return curve(decay(50_000, 49_999)[: NOW + 1], name="running", **law)


@pytest.fixture(scope="module")
def found():
    return forecast.outlook(running(), TOTAL, finished=[curve(decay(3_000, 1_800), name="finished", seed=1)], warmup_steps=WARMUP)


def test_a_law_is_held_at_a_shape_of_its_own_unless_it_says_itself_what_is_usual(found):
    helper = curve(decay(3_000, 1_800), name="finished", seed=1)
    shape = [np.log(100.0), np.log(0.1), 0.9]
    law = dataclasses.replace(forecast.LAWS["fading_multi_power"], mean=(np.log(0.5), *shape))
    own = forecast.outlook(running(), TOTAL, finished=[helper], law=law, warmup_steps=WARMUP)
    np.testing.assert_allclose(own.fitted.parameters[1:], shape, atol=0.4)
    np.testing.assert_allclose(found.fitted.parameters[1:], [np.log(30.0), np.log(0.25), 0.7], atol=0.4)


def test_ends_are_foretold_within_their_bands(found):
    assert found.can_tell
    assert found.now == NOW - (NOW - WARMUP) % 40
    assert found.steps[0] == found.now
    assert found.usual == TOTAL // 2
    assert found.usual in found.steps
    want = np.array([losses(decay(TOTAL, int(start)), [TOTAL], **TRUTH)[0] for start in found.steps])
    assert np.abs(found.loss - want)[:-3].max() < 0.02
    assert np.all((found.low < want) & (want < found.high))
    half = int(np.flatnonzero(found.steps == found.usual)[0])
    assert found.gain[half] == found.gain_error[half] == 0.0
    assert np.all(np.abs(found.gain - (want[half] - want)) <= found.gain_error + 1e-9)
    # what both have in common cancels: a difference of neighbours is known much better than either
    assert np.all(found.gain_error[half - 1 : half + 2] < 0.2 * (found.high - found.low)[half])


def test_half_the_budget_unless_another_start_is_clearly_better(found):
    assert found.start == found.usual
    assert "half the budget" in found.reason
    # with a gain that comes at once and a progress that goes on, a late start is far better
    law = {"gain": 0.02, "c": 300.0, "b": 1.0, "size": 1.5, "a": 0.15, "floor": 1.0}
    runs = [curve(decay(3_000, start), name=f"from {start}", noise=5e-4, seed=start, **law) for start in (1_000, 2_400, 2_800)]
    late = forecast.outlook(running(noise=5e-4, **law), 60_000, finished=runs, warmup_steps=WARMUP)
    at = int(np.flatnonzero(late.steps == late.start)[0])
    assert late.start > late.usual
    assert late.gain[at] > late.gain_error[at]
    assert f"a decay from {late.start:,} is predicted to end" in late.reason
    assert late.wait == late.start - late.now
    ends = {start: losses(decay(60_000, start), [60_000], **(TRUTH | law))[0] for start in (late.start, late.usual)}
    assert ends[late.start] < ends[late.usual]


def test_after_half_the_budget_now_is_the_usual_start():
    late = forecast.outlook(running(), 5_000, finished=[curve(decay(3_000, 1_800), name="finished")], warmup_steps=WARMUP, starts=[4_000])
    assert late.usual == late.now
    assert late.steps.tolist() == [late.now, 4_000]


def test_without_a_fall_it_cannot_be_told():
    flat = forecast.outlook(running(), TOTAL, warmup_steps=WARMUP)
    assert not flat.can_tell
    assert flat.start == TOTAL // 2
    assert np.all(np.isnan(flat.loss))
    assert "the rate has never fallen" in flat.reason
    assert any("which leaves gain, log c, log b, g of the law unknown: log a run whose rate falls" in note for note in flat.notes)
    told = json.loads(json.dumps(flat.to_json(), allow_nan=False))
    assert told["can_tell"] is False
    assert told["starts"][0] == {"start": flat.now, "loss": None, "low": None, "high": None, "gain": None, "gain_error": None}


def test_finals_move_losses_and_no_advice(found):
    run, helper = running(), curve(decay(3_000, 1_800), name="finished", seed=1)
    end = losses(decay(3_000, 1_800), [3_000], **TRUTH)[0] - 0.1
    moved = forecast.outlook(run, TOTAL, finished=[helper], finals=[(3_000, end)], warmup_steps=WARMUP)
    assert np.abs(moved.loss - found.loss + 0.1).max() < 0.01
    assert moved.gain == pytest.approx(found.gain)
    assert moved.start == found.start


def test_as_json_and_in_a_picture(found):
    told = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert told["start"] == found.start
    assert told["wait"] == found.start - found.now
    assert [row["start"] for row in told["starts"]] == found.steps.tolist()
    assert [row["loss"] for row in told["starts"]] == found.loss.tolist()
    assert told["fitted_to"] == ["running", "finished"]
    figure = plot_outlook(running(), found, {"half": found.fitted.predict(decay(TOTAL, 5_000), [TOTAL])}, title="a run")
    above, below = figure.axes
    labels = [text.get_text() for axis in (above, below) for text in axis.get_legend().get_texts()]
    assert {"logged", "now", "half", "90% band", "band of the difference", "predicted end"} <= set(labels)
    assert len(plot_outlook(running(), forecast.outlook(running(), TOTAL, warmup_steps=WARMUP)).axes) == 1


def test_notes_say_what_speaks_against_it():
    fallen = curve(decay(4_000, 2_000)[: NOW + 1], name="running")
    assert any("the rate of running has fallen already, from 0.001 to" in note for note in forecast.outlook(fallen, TOTAL).notes)
    noted = dataclasses.replace(running(), notes=("3 points whose loss isn't finite left out",))
    assert "running: 3 points whose loss isn't finite left out" in forecast.outlook(noted, TOTAL, warmup_steps=WARMUP).notes


def test_runs_of_other_batch_sizes_are_refused():
    small, large = (dataclasses.replace(running(), batch_size=size, name=f"of {size}") for size in (32, 64))
    with pytest.raises(ArgumentError, match="the runs have other batch sizes, 32 in of 32, 64 in of 64"):
        forecast.fit([small, large], warmup_steps=WARMUP)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"total": 2_980}, "total must be a whole number above the 2,980 updates that running has made, got 2980"),
        ({"total": 1e4}, "total must be a whole number"),
        ({"coverage": 1.0}, r"coverage must be in \(0, 1\), got 1.0"),
        ({"starts": [100]}, r"starts must be whole numbers from 2,980 to 9,999, got \[100\]"),
        ({"starts": [TOTAL]}, "starts must be whole numbers"),
        ({"finals": [(3_000, 2.0)]}, r"finals must be \(updates, loss\) for each of the 0 finished runs"),
        ({"warmup_steps": 10_000}, "total must be above warmup_steps=10,000, got 10,000"),
    ],
)
def test_bad_arguments_are_named(arguments, said):
    with pytest.raises(ArgumentError, match=said):
        forecast.outlook(running(), **({"total": TOTAL} | arguments))


def test_a_run_that_has_decayed_has_no_outlook():
    over = curve(decay(3_000, 1_800), name="over")
    over = dataclasses.replace(over, learning_rate=np.where(over.step > 2_900, 0.0, over.learning_rate))
    with pytest.raises(ArgumentError, match="the rate of over is 0 at its last point, so it has decayed already"):
        forecast.outlook(over, TOTAL)
