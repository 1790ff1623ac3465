"""A report tells what the run's files hold: compared with the files read by hand, and with the result of the training."""

import json
import math

import numpy as np
import pytest

from rheostax.record.read import read_run
from rheostax.report import report


def records(path, name):
    lines = [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]
    return [(line["count"], line[name]) for line in lines if name in line]


def test_a_run_is_told_as_it_was(results, runs):
    (run,) = report([read_run(runs[0])]).runs
    result = results[0]
    assert (run.name, run.kind, run.complete, run.reason) == ("seed-0", "run directory", True, result.reason)
    assert (run.updates, run.epochs, run.seconds, run.goal) == (result.count, result.epochs, result.seconds, ("val_r2", "max"))
    counts, values = zip(*records(runs[0], "val_r2"), strict=True)
    metric = run.metrics["val_r2"]
    assert (metric.best, metric.final, metric.observations, metric.nonfinite) == (max(values), values[-1], len(values), 0)
    assert metric.best_count == counts[np.argmax(values)]
    losses = [value for _, value in records(runs[0], "loss")]
    assert run.metrics["loss"].best == min(losses)
    rates = [value for _, value in records(runs[0], "learning_rate")]
    rate = run.learning_rate[""]
    assert (rate.first, rate.highest, rate.lowest, rate.final) == (rates[0], max(rates), min(rates), rates[-1])


def test_decisions_are_said_in_the_words_of_the_journal(results, runs):
    (run,) = report([read_run(runs[0])]).runs
    assert len(results[0].decisions) >= 3
    assert [move.words for move in run.decisions] == [str(decision) for decision in results[0].decisions]
    assert run.decisions[0].words.startswith("cut 0.03 -> 0.015 at update ")
    assert [move.epoch for move in run.decisions] == [decision.count / 9 for decision in results[0].decisions]
    times = [move.seconds for move in run.decisions]
    assert times == sorted(times)
    assert 0 < times[0] < times[-1] <= run.seconds
    assert run.cuts == len(run.decisions)


def test_several_runs_are_compared(results, runs):
    told = report([read_run(path) for path in runs])
    assert told.differences == ("seed", "epochs")
    first, second = told.table
    assert (first["run"], first["seed"], first["epochs"], first["updates"]) == ("seed-0", 0, 12, 108)
    assert (second["run"], second["seed"], second["reason"]) == ("seed-1", 1, results[1].reason)
    assert [row["best val_r2"] for row in told.table] == [result.best["val_r2"] for result in results]
    assert [row["final val_loss"] for row in told.table] == [result.metrics["val_loss"] for result in results]
    assert [row["final learning_rate"] for row in told.table] == [result.learning_rate for result in results]
    best = np.argmax([result.best["val_r2"] for result in results])
    assert told.best_run("val_r2") == f"seed-{best}"
    lowest = np.argmin([min(value for _, value in records(path, "val_loss")) for path in runs])
    assert told.best_run("val_loss") == f"seed-{lowest}"
    assert told.best_run("no such metric") is None
    assert told.warnings == ()


def test_json_holds_everything_but_the_curves(runs):
    told = json.loads(json.dumps(report([read_run(path) for path in runs]).to_json(), allow_nan=False))
    assert set(told) == {"runs", "table", "differences", "warnings"}
    run = told["runs"][0]
    assert set(run) == {
        "name", "path", "kind", "complete", "reason", "updates", "epochs", "seconds", "goal", "learning_rate", "metrics", "decisions",
        "journal_lacks", "warnings", "notes", "config",
    }  # fmt: skip
    assert set(run["metrics"]["loss"]) == {"name", "direction", "best", "best_count", "final", "observations", "nonfinite"}
    assert set(run["learning_rate"][""]) == {"first", "highest", "lowest", "final"}
    decision = run["decisions"][0]
    assert decision["words"].endswith(decision["why"])
    assert {"count", "epoch", "seconds", "metric", "old_learning_rate", "new_learning_rate"} <= set(decision)


def test_a_metric_whose_better_side_is_unknown_has_no_best(write):
    path = write(records=[{"count": i, "loss": 1.0 - i, "train/accuracy": i, "gadgets": i} for i in range(3)])
    metrics = report([read_run(path)]).runs[0].metrics
    assert (metrics["loss"].best, metrics["train/accuracy"].best) == (-1.0, 2.0)
    assert (metrics["gadgets"].direction, metrics["gadgets"].best, metrics["gadgets"].final) == (None, None, 2.0)


def test_values_that_are_no_numbers_are_counted_and_left_out(write):
    values = [3.0, math.nan, 1.0, math.inf]
    path = write(records=[{"count": i, "loss": value} for i, value in enumerate(values)])
    metric = report([read_run(path)]).runs[0].metrics["loss"]
    assert (metric.best, metric.best_count, metric.final, metric.observations, metric.nonfinite) == (1.0, 2, 1.0, 4, 2)


def test_groups_have_a_rate_each(write):
    records = [{"count": i, "loss": 1.0, "learning_rate": {"head": 0.1 / (i + 1), "body": 0.01}} for i in range(2)]
    move = {"count": 1, "metric": "loss", "value": None, "best": None, "policy": "P()", "why": "of a test"}
    move |= {"old_learning_rate": {"head": 0.1, "body": 0.01}, "new_learning_rate": {"head": 0.05, "body": 0.01}}
    (run,) = report([read_run(write(records=records, journal=[move]))]).runs
    assert {group: rate.final for group, rate in run.learning_rate.items()} == {"head": 0.05, "body": 0.01}
    assert run.decisions[0].words == "cut {head: 0.1, body: 0.01} -> {head: 0.05, body: 0.01} at update 1: of a test"


def test_json_is_strict_whatever_the_files_hold(write):
    move = {"count": 1, "value": None, "old_learning_rate": 0.1, "new_learning_rate": 0.05}
    path = write(
        records=[{"count": 0, "loss": None, "learning_rate": None}], journal=[move], summary={"warnings": "none", "seconds": "long"}
    )
    (path / "config.json").write_text(
        '{"rate": NaN, "goal": "low", "updates_per_epoch": "many", "learning_rate": 3, "bounds": [Infinity, 1]}'
    )
    told = json.loads(json.dumps(report([read_run(path)]).to_json(), allow_nan=False))["runs"][0]
    assert (told["config"]["rate"], told["config"]["bounds"], told["goal"], told["epochs"]) == (None, [None, 1], None, None)
    assert (told["decisions"][0]["value"], told["decisions"][0]["words"][:8]) == (None, "cut 0.1 ")
    assert (told["metrics"]["loss"]["final"], told["learning_rate"][""]["final"], told["seconds"]) == (None, None, None)


def test_records_of_the_journal_that_are_damaged_are_left_out(write):
    good = {"count": 3, "old_learning_rate": 0.1, "new_learning_rate": 0.2, "why": "it was time"}
    bad = [{}, {"count": "3"} | good | {"count": "3"}, good | {"old_learning_rate": {"a": 1.0}}, good | {"new_learning_rate": None}]
    (run,) = report([read_run(write(records=[{"count": 0, "loss": 1.0}], journal=[*bad, good]))]).runs
    assert [move.words for move in run.decisions] == ["raised 0.1 -> 0.2 at update 3: it was time"]
    assert run.cuts == 0
    assert run.journal_lacks == "journal.jsonl: 2 records that are no decision left out"


def test_decisions_are_known_or_none_or_unknown(write):
    """Three things, which look alike in a list: a journal with decisions, one without, and none or a damaged one."""
    move = {"count": 1, "metric": "loss", "old_learning_rate": 0.1, "new_learning_rate": 0.05, "why": "it was time"}
    records = [{"count": i, "loss": 1.0} for i in range(3)]
    paths = [write(name, records=records, journal=[move] * n) for name, n in {"a": 2, "b": 0, "c": 2, "d": 2}.items()]
    (paths[2] / "journal.jsonl").unlink()
    with (paths[3] / "journal.jsonl").open("a") as stream:
        stream.write('{"count": 2, "pol')
    told = report([read_run(path) for path in paths])
    assert [run.journal_lacks for run in told.runs] == [
        None, None, "journal.jsonl is missing: what the policies decided is unknown",
        "journal.jsonl was cut in its last line (3), which was left out",
    ]  # fmt: skip
    assert [(row["decisions"], row["cuts"]) for row in told.table] == [(2, 2), (0, 0), (None, None), (None, None)]
    written = [run["decisions"] for run in told.to_json()["runs"]]
    assert [one if one is None else len(one) for one in written] == [2, 0, None, 2]


def test_decisions_without_rates_are_not_counted(write):
    moves = [{"count": i, "old_learning_rate": rate, "new_learning_rate": 0.05} for i, rate in enumerate([0.1, None])]
    (run,) = report([read_run(write(records=[{"count": 0, "loss": 1.0}], journal=moves))]).runs
    assert (len(run.decisions), run.journal_lacks) == (1, "of 1 decision no rates are recorded")


def test_names_are_the_shortest_that_tell_runs_apart(write):
    paths = [write("a/run"), write("b/run"), write("c")]
    assert [run.name for run in report([read_run(path) for path in paths]).runs] == ["a/run", "b/run", "c"]
    with pytest.raises(ValueError, match="argument 2"):
        report([read_run(paths[0])], names=["one", "two"])


def test_a_table_of_another_tool_is_reported_too(tmp_path):
    file = tmp_path / "log.csv"
    file.write_text("step,lr,val_loss\n0,0.1,\n10,0.1,2.5\n20,0.05,2.0\n")
    (run,) = report([read_run(file)]).runs
    assert (run.kind, run.complete, run.epochs, run.seconds, run.decisions) == ("csv", True, None, None, ())
    assert (run.metrics["val_loss"].best, run.learning_rate[""].final) == (2.0, 0.05)
    assert run.warnings == ()
    assert run.journal_lacks == "a log of this kind holds no journal of decisions"
