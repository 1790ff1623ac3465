"""A race on a task is what `rheostax train` does, for every candidate."""

import dataclasses

import numpy as np
import pytest

import rheostax as rx
from rheostax.errors import ArgumentError, TaskError
from rheostax.race import peaks, race_task
from rheostax.record import RunDirectory
from rheostax.record.run_directory import METRICS
from rheostax.training import fit, load_task
from tests.support import assert_close

diabetes = load_task("diabetes")
PLATEAU = rx.ReduceOnPlateau(monitor="val_r2", mode="max", patience=1, factor=0.5, rtol=0.9)


def test_each_candidate_is_a_run_of_its_own(tmp_path):
    """With the policy's validations after every epoch, the winner's losses are those of `fit` with its rate."""
    rates = {"low": 0.001 * PLATEAU, "high": 0.03 * PLATEAU}
    result = race_task(diabetes, rates, epochs=4, seed=3, execution="sequential")
    assert result.steps == 36
    assert {one.updates for one in result.standings} == {36}
    assert result.metric == "val_loss"
    for one in result.standings:
        task = dataclasses.replace(diabetes, learning_rate=lambda updates, epochs, rate=one.learning_rate: rate)
        alone = fit(task, epochs=4, seed=3, out=tmp_path / one.label)
        losses = [line["loss"] for line in RunDirectory(alone.path).read_lines(METRICS) if "loss" in line]
        assert_close(np.float32(losses), one.losses, rtol=1e-3)
        assert one.score == pytest.approx(alone.metrics["val_loss"], rel=1e-3)
        assert alone.decisions, "the policy should decide something, or this test sees little"


def test_a_validation_costs_its_examples():
    result = race_task(diabetes, [1e-3, 1e-2], epochs=1, execution="sequential")
    assert result.validation_cost == pytest.approx(100 / 38 / 3)
    assert result.validations == 2
    assert result.cost == pytest.approx(2 + 2 * result.validation_cost / 9)


def test_peaks_are_the_tasks_own_rate_with_another_height():
    found = peaks(diabetes, [1e-2, 1e-1], epochs=10)
    assert list(found) == ["0.01", "0.1"]
    own = diabetes.learning_rate(9, 10)
    for peak, rate in zip((1e-2, 1e-1), found.values(), strict=True):
        np.testing.assert_allclose(rx.simulate(rate, 90), rx.simulate(own, 90) * peak / 3e-3, rtol=1e-6)
        assert rx.simulate(rate, 90).max() == pytest.approx(peak, rel=1e-6)


def test_peaks_that_look_alike_keep_labels_of_their_own():
    found = peaks(diabetes, np.geomspace(1e-3, 1.01e-3, 16), epochs=10)
    assert len(found) == 16
    assert list(found)[:2] == ["0.001", "0.0010007"]
    assert list(peaks(diabetes, [0.0012345], epochs=10)) == ["0.00123"]


def test_wrong_input_is_named():
    with pytest.raises(ArgumentError, match="epochs must be a whole number >= 1, got 0"):
        race_task(diabetes, [0.1], epochs=0)
    with pytest.raises(ArgumentError, match="at least one learning rate, got none"):
        race_task(diabetes, [])
    with pytest.raises(ArgumentError, match=r"metric must be one of 'val_loss', 'val_r2', got 'val_los'\. Did you mean 'val_loss'"):
        race_task(diabetes, [0.1], epochs=1, metric="val_los")
    with pytest.raises(TaskError, match="never above 0"):
        peaks(dataclasses.replace(diabetes, learning_rate=lambda *_: rx.Constant(0.0)), [0.1])
