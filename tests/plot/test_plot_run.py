"""The picture of a run shows the run's numbers."""

import math
from pathlib import Path

import numpy as np
import pytest

from rheostax.plot import plot_run, plot_runs, save_figure
from rheostax.plot.panels import COLORS, in_steps
from rheostax.record.read import RunLog, Series

RECORDS = [{"count": i, "epoch": i / 2, "learning_rate": 1e-3 * 0.1 ** (i // 2), "loss": 1.0 / (i + 1)} for i in range(6)]
RECORDS += [{"count": 2 * i, "epoch": i, "learning_rate": 1e-3, "val_loss": 0.5 / i, "val_accuracy": 0.1 * i} for i in (1, 2, 3)]
JOURNAL = [{"count": 2, "new_learning_rate": 1e-4}, {"count": 4, "new_learning_rate": 1e-5}]


def lines(axis):
    return {line.get_label(): line.get_xydata().tolist() for line in axis.get_lines()}


def test_panels_hold_loss_goal_and_rate_on_shared_axes():
    figure = plot_run(RECORDS, JOURNAL, goal="val_accuracy", title="a run")
    loss, accuracy, rate = figure.axes
    assert [axis.get_ylabel() for axis in figure.axes] == ["loss", "accuracy", "learning rate"]
    assert rate.get_xlabel() == "updates"
    assert lines(loss)["val_loss"] == [[2, 0.5], [4, 0.25], [6, pytest.approx(0.5 / 3)]]
    assert lines(accuracy)["val_accuracy"] == [[2, pytest.approx(0.1)], [4, pytest.approx(0.2)], [6, pytest.approx(0.3)]]
    drawn = rate.get_lines()[0].get_xydata()
    assert drawn[:, 0].tolist() == [0, 1, 2, 3, 4, 5]
    assert drawn[:, 1].tolist() == [record["learning_rate"] for record in RECORDS[:6]]
    assert loss.get_shared_x_axes().joined(loss, rate)


def test_every_decision_is_marked_and_labelled_with_the_new_rate():
    figure = plot_run(RECORDS, JOURNAL, goal="val_loss")
    for axis in figure.axes:
        marks = [line.get_xdata()[0] for line in axis.get_lines() if len(line.get_xdata()) == 2 and len(set(line.get_xdata())) == 1]
        assert marks == [2, 4]
    assert [text.get_text() for text in figure.axes[-1].texts] == ["0.0001", "1e-05"]


def test_groups_have_a_line_each():
    records = [{"count": i, "learning_rate": {"head": 0.1, "body": 0.01}, "loss": 1.0} for i in range(3)]
    axis = plot_run(records, [], goal="val_loss").axes[-1]
    assert lines(axis) == {"head": [[0, 0.1], [1, 0.1], [2, 0.1]], "body": [[0, 0.01], [1, 0.01], [2, 0.01]]}


def test_an_empty_run_and_missing_values_can_be_drawn():
    png = save_figure(plot_run([{"count": 0, "learning_rate": 0.0, "loss": None}], [], goal="val_accuracy"))
    assert png.startswith(b"\x89PNG")


def log(name, learning_rate, journal=(), **series):
    rates = {group: Series(np.arange(len(rate)), np.array(rate)) for group, rate in learning_rate.items()}
    metrics = {metric: Series(np.array(counts), np.array(values)) for metric, (counts, values) in series.items()}
    return RunLog(Path(name), "run directory", metrics, rates, list(journal), {"goal": ["val_accuracy", "max"]})


RUNS = [
    log("a", {"": [0.1, 0.1, 0.01]}, JOURNAL[:1], loss=([0, 1, 2], [3.0, math.inf, 1.0]), val_loss=([3], [1.5]), val_accuracy=([3], [0.5])),
    log("b", {"head": [0.2, 0.1], "body": [0.1, 0.001]}, val_loss=([1, 2], [1.0, 0.5]), speed=([1], [4.0])),
]


def test_one_run_has_a_colour_per_metric_and_gaps_for_what_is_no_number():
    loss, accuracy, rate = plot_runs(RUNS[:1], ["a"]).axes
    assert [axis.get_ylabel() for axis in (loss, accuracy, rate)] == ["loss", "accuracy", "learning rate"]
    drawn = lines(loss)
    np.testing.assert_array_equal(drawn["loss"], [[0, 3.0], [1, math.nan], [2, 1.0]])
    assert drawn["val_loss"] == [[3, 1.5]]
    assert [text.get_text() for text in rate.texts] == ["0.0001"]
    assert len({line.get_color() for line in loss.get_lines()}) == 3  # with the decision's


def test_several_runs_have_a_colour_each_and_groups_a_style():
    figure = plot_runs(RUNS, ["one", "two"], title="both")
    assert [axis.get_ylabel() for axis in figure.axes] == ["loss", "accuracy", "speed", "learning rate"]
    loss, *_, rate = figure.axes
    first, second = COLORS[:2]
    assert [line.get_color() for line in loss.get_lines()] == [first, first, second]  # validation and decision; validation
    assert [(line.get_color(), line.get_linestyle()) for line in rate.get_lines()] == [
        (first, "-"),
        (first, ":"),  # the decision
        (second, "-"),
        (second, "--"),
    ]
    assert [text.get_text() for text in rate.get_legend().get_texts()] == ["one", "two"]
    assert rate.get_yscale() == "log"
    assert rate.get_xlabel() == "updates"


def test_a_rate_is_drawn_as_steps_unless_that_would_be_made_up():
    """Steps where every update is told, or where a rate mostly stays; lines through a few points of a smooth decay."""
    falling = np.linspace(1.0, 0.0, 20)
    assert in_steps(range(20), falling)
    assert not in_steps(range(0, 2000, 100), falling)
    assert in_steps(range(0, 2000, 100), [1.0] * 10 + [0.1] * 10)
    assert not in_steps([5], [1.0])
    rate = plot_runs(RUNS[:1], ["a"]).axes[-1]
    assert rate.get_lines()[0].get_drawstyle() == "steps-post"
    assert [group.get_offsets().tolist() for group in rate.collections] == [[[2, 1e-4]]]  # a triangle where the cut left the rate
    assert plot_run(RECORDS, JOURNAL, goal="val_loss").axes[-1].get_lines()[0].get_drawstyle() == "steps-post"


def test_a_picture_is_the_same_each_time_and_scales():
    first, second = (save_figure(plot_runs(RUNS, ["one", "two"]), kind="svg") for _ in range(2))
    assert first == second
    assert b"<svg" in first
    assert save_figure(plot_runs([log("empty", {})], ["empty"])).startswith(b"\x89PNG")
