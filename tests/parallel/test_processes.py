"""Real processes, 2 and 4 of them, agree on one learning rate or stop. `scenarios.py` is what each of them runs."""

import numpy as np
import optax
import pytest

import rheostax as rx
from tests.parallel import scenarios
from tests.parallel.launch import results


@pytest.fixture(scope="module", params=[2, 4], ids="{} processes".format)
def found(request):
    """What each process came to, by scenario."""
    return results("tests.parallel.scenarios", request.param)


def same(found, scenario):
    """Return what all processes came to, which has to be the same to the last digit."""
    assert [one[scenario] for one in found] == [found[0][scenario]] * len(found)
    return found[0][scenario]


def alone(losses):
    """Return the rates after each of these losses, on one process."""
    state, rates = rx.control(optax.sgd, scenarios.RATE).init(scenarios.PARAMS), []
    for loss in losses:
        state = rx.observe(state, val_loss=loss)
        rates.append(scenarios.next_rate(state))
    return rates


def test_different_local_metrics_end_in_the_same_rates(found):
    rates = same(found, "different_metrics")
    assert rates == alone(scenarios.COMMON)
    assert len(set(rates)) == 5
    by_themselves = [alone(scenarios.losses(own, len(found))) for own in range(len(found))]
    assert rates not in by_themselves
    assert by_themselves[0] != by_themselves[-1]


def test_a_metric_that_one_process_knows_is_heard_by_all(found):
    assert same(found, "one_process_knows") == {"rate": float(np.float32(0.05)), "nobody is nothing": True}


def test_an_eager_update_hears_the_mean(found):
    mean = np.mean(1.0 + np.arange(len(found)))
    assert same(found, "eager_update") == {"rate": float(np.float32(0.05)), "dropped": mean}


def test_reductions(found):
    count = len(found)
    got = same(found, "reductions")
    values = np.float64(0.1) + 0.37 * np.arange(count)
    np.testing.assert_allclose(got["mean"], values.mean(), rtol=3e-7)
    np.testing.assert_allclose(got["weighted"], np.average(values, weights=1 + np.arange(count)), rtol=3e-7)
    assert got["min"] == float(np.float32(0.1))
    assert got["max"] == -float(np.float32(0.1))
    assert got["nan"] == ["nan"] * 3
    assert got["unweighted nan"] == 1.0
    assert got["no weight at all"] == {}
    assert got["equal"] is True
    assert got["huge"] == float(np.float32(3e38))
    assert got["many"] == {f"m{i}": i + count - 1.0 for i in range(11)}


@pytest.mark.parametrize(("what", "first"), [("names", "the mean of loss0"), ("number", "the mean of a"), ("how", "the max of a")])
def test_different_names_are_an_error_on_all(found, what, first):
    said = [one["different_names"][what] for one in found]
    assert all(one.startswith("DisagreementError: The processes observe different things: process ") for one in said)
    assert f"process 0 {first}, another something else" in said[0]


def others(count):
    return "processes " + ", ".join(map(str, range(1, count))) + " have" if count > 2 else "process 1 has"


def test_a_local_metric_inside_jit_is_found_out_on_all(found):
    said = [one["local_metric_inside_jit"]["says"] for one in found]
    assert said == [said[0]] * len(found)
    assert "process 0 has 0.0125 at update 4" in said[0]
    assert f"{others(len(found))} 0.1 at update 4" in said[0]
    assert "They differ in observed[1].own.scale.high" in said[0]


def test_a_rate_that_was_changed_by_hand_is_found_out_on_all_at_once(found):
    outcomes = [one["changed_by_hand"] for one in found]
    assert {one["update"] for one in outcomes} == {9}  # compared after update 8, told at the next call
    assert len({one["says"] for one in outcomes}) == 1
    assert "process 1 has 0.025 at update 9" in outcomes[0]["says"]
    rest = "process 0 has" if len(found) == 2 else "processes 0, 2, 3 have"
    assert f"{rest} 0.1 at update 9" in outcomes[0]["says"]
    assert "They differ in manual.value.high" in outcomes[0]["says"]
    assert [one["rate"] for one in outcomes] == [float(np.float32(0.025 if own == 1 else 0.1)) for own in range(len(found))]


def test_different_expressions_are_found_out_on_all(found):
    assert "learning rates of different structure" in same(found, "different_expressions")["says"]


@pytest.mark.parametrize("layout", ["replicated", "fully sharded"])
def test_data_parallel_training_agrees_by_itself(found, layout):
    got = same(found, "data_parallel")[layout]
    assert got["traces"] == 1
    assert got["rate"] == float(np.float32(0.05))
    assert got["w"] == (["P()"] * 2 if layout == "replicated" else ["P(None, 'data')"] * 2)


def test_data_parallel_training_is_that_of_one_process(found):
    alone = scenarios.data_parallel(0, 1)  # on the eight devices of this process
    for layout, got in same(found, "data_parallel").items():
        assert got["loss"] == pytest.approx(alone[layout]["loss"], rel=1e-5)
        assert got["rate"] == alone[layout]["rate"]


def test_reductions_inside_shard_map(found):
    values = 1.0 + np.arange(len(found))
    got = same(found, "inside_shard_map")
    assert got == pytest.approx({"mean": np.average(values, weights=values), "min": 1.0, "max": values[-1]}, rel=1e-6)


def test_different_beginnings_are_an_error_on_all(found):
    got = same(found, "different_beginnings")
    assert "begin with different values of ['w']" in got["values"]
    assert "begin with trees of different structure" in got["shapes"]
    assert got["key"] == "P()"


def test_what_the_first_process_can_not_do_stops_all(found):
    first, *rest = [one["first_process_fails"] for one in found]
    assert first == {"says": "ArgumentError: there is no room", "done": ["done", True, False]}
    assert {one["says"] for one in rest} == {"TaskError: Process 0 can't begin, and says why; so the others don't either."}
    assert [one["done"] for one in rest] == [[None, True, False]] * len(rest)


def test_processes_can_go_their_own_ways(found):
    assert [one["each_for_itself"]["value"] for one in found] == list(range(len(found)))


def test_the_runtime_is_started_once(found):
    started = same(found, "started")
    assert started == {"processes": len(found), "again": "ArgumentError: initialize: JAX's distributed runtime runs already; call it once."}
