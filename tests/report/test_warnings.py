"""What looks wrong in a run is found, once, and nothing is found in a run that is all right."""

import dataclasses
import math

import pytest

from rheostax.record.read import read_run
from rheostax.report import report


def warnings(path):
    return list(report([read_run(path)]).runs[0].warnings)


def steady(count, rate=0.1, **more):
    return [{"count": i, "loss": 1.0, "learning_rate": rate} | more for i in range(count)]


def test_a_good_run_has_none(runs):
    assert warnings(runs[0]) == []


def test_a_killed_run_is_told_up_to_where_it_is_whole(results, copy):
    (copy / "summary.json").unlink()
    text = (copy / "metrics.jsonl").read_bytes()
    (copy / "metrics.jsonl").write_bytes(text[: len(text) // 2])
    journal = (copy / "journal.jsonl").read_bytes()
    (copy / "journal.jsonl").write_bytes(journal[:-5])
    (run,) = report([read_run(copy)]).runs
    assert not run.complete
    assert run.reason == "unfinished: killed, or still going on"
    assert 0 < run.updates < results[0].count
    assert run.warnings[0].startswith("the run did not come to its end: killed, or still going on; what is told ends after ")
    assert f"{run.updates:,} updates" in run.warnings[0]
    assert len(run.decisions) == len(results[0].decisions) - 1
    assert any("metrics.jsonl was cut" in note for note in run.notes)
    assert any("summary.json is missing" in note for note in run.notes)


def test_a_run_that_died_before_its_first_update(copy):
    (copy / "summary.json").unlink()
    (copy / "metrics.jsonl").write_text("")
    (copy / "journal.jsonl").write_text("")
    assert warnings(copy) == ["nothing was recorded: the run ended before its first update"]


def test_files_that_are_missing_cut_or_damaged_are_warned_of(results, copy):
    journal = copy / "journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join([lines[0], b"not json\n", *lines[2:-1], lines[-1][:9]]))
    cut = f"journal.jsonl was cut in its last line ({len(lines)}), which was left out"
    assert warnings(copy) == [cut, "journal.jsonl: 1 damaged line left out (2)"]
    journal.write_bytes(b"".join(lines[:-1]))  # no line is damaged, but the summary tells more decisions
    assert warnings(copy) == [f"journal.jsonl ends after {len(lines) - 1} decisions, but summary.json tells of {len(lines)}"]
    journal.unlink()
    (copy / "config.json").write_text("{")
    (copy / "metrics.jsonl").unlink()
    (copy / "summary.json").write_text("[]")
    told = ["journal.jsonl is missing: what the policies decided is unknown", "metrics.jsonl is missing"]
    assert warnings(copy) == ["config.json is damaged and was left out", "summary.json holds no object and was left out", *told]


def test_failure_and_interruption_are_told(write):
    failed = write("failed", records=steady(2), summary={"failed": True, "reason": "the training loss was NaN"})
    assert warnings(failed) == ["the run failed: the training loss was NaN"]
    interrupted = write("interrupted", records=steady(2), summary={"interrupted": True, "reason": "interrupted"})
    assert warnings(interrupted) == ["the run was interrupted after 2 updates"]


def test_a_metric_that_never_arrived(write):
    config = {"learning_rate": "0.1 * ReduceOnPlateau(monitor='val_acc', patience=3) * SpikeGuard(monitor='value')"}
    says = "ReduceOnPlateau waited for 'val_acc', which never arrived; recorded were loss"
    assert warnings(write("a", config=config, records=steady(2), summary={})) == [says]
    own = {"learning_rate": "Mine(depth=3) * ReduceOnPlateau(monitor='val_acc', patience=3)"}  # words that only its author's program knows
    assert warnings(write("b", config=own, records=steady(2), summary={})) == [says]
    told = ["ReduceOnPlateau has heard nothing of 'val_acc' in 2 updates; pass update(..., val_acc=...)"]
    assert warnings(write("c", config=config, records=steady(2), summary={"warnings": told})) == told
    assert warnings(write("d", config=config, records=steady(2, val_acc=0.5), summary={})) == []


def test_observations_that_are_no_numbers(write):
    records = [*steady(3), {"count": 1, "val_loss": math.nan}, {"count": 2, "val_loss": math.inf}, {"count": 3, "val_loss": 1.0}]
    assert warnings(write("a", records=records, summary={})) == ["2 of 3 observations of 'val_loss' are NaN or infinite"]
    told = ["ReduceOnPlateau left out 2 NaN or infinite values of 'val_loss'"]
    assert warnings(write("b", records=records, summary={"warnings": told})) == told


@pytest.mark.parametrize(("updates", "warned"), [(100, False), (105, False), (106, True), (200, True)])
def test_a_schedule_that_ends_before_the_run(write, updates, warned):
    config = {"learning_rate": "Cosine(init_value=0.1, decay_steps=100, end_value=0.01)", "epochs": 2, "updates_per_epoch": updates / 2}
    path = write(config=config, records=steady(updates), summary={})
    part = {106: "6%", 200: "50%"}.get(updates)
    says = f"the schedule ends at update 100 but the run made {updates}: for {part} of it the rate stayed at its end value"
    assert warnings(path) == [says] * warned


def test_a_schedule_that_ends_before_the_run_is_told_once(write):
    config = {"learning_rate": "Cosine(init_value=0.1, decay_steps=100)"}
    told = ["the schedule ends at update 100 but the run may have 200; from there on the rate stays at its end value"]
    assert warnings(write(config=config, records=steady(200), summary={"warnings": told})) == told


@pytest.mark.parametrize(("epochs", "made", "warned"), [(2, 100, True), (4, 200, False), (4, 100, False)])
def test_a_schedule_that_goes_on_after_the_run(write, epochs, made, warned):
    """One that a policy ended early isn't meant."""
    config = {"learning_rate": "Cosine(init_value=0.1, decay_steps=200)", "epochs": epochs, "updates_per_epoch": 50}
    says = "the schedule goes on to update 200 but the run was to have 100, 50% of that: the rate never comes to its end value"
    assert warnings(write(config=config, records=steady(made), summary={})) == [says] * warned


@pytest.mark.parametrize(("since", "warned"), [(51, False), (50, True), (0, False)])
def test_a_rate_that_was_at_its_floor_for_half_the_run(write, since, warned):
    records = [{"count": i, "loss": 1.0, "learning_rate": 0.1 if i < since else 0.001} for i in range(101)]
    says = f"the rate stood at its lowest, 0.001, for {(100 - since)}% of the run: from update {since} on"
    assert warnings(write(records=records, summary={})) == [says] * warned


def test_a_floor_that_is_the_end_of_the_schedule_is_told_once(write):
    config = {"learning_rate": "Linear(init_value=0.1, end_value=0.001, transition_steps=20)"}
    records = [{"count": i, "loss": 1.0, "learning_rate": max(0.1 - 0.00495 * i, 0.001)} for i in range(100)]
    told = warnings(write(config=config, records=records, summary={}))
    assert told == ["the schedule ends at update 20 but the run made 100: for 80% of it the rate stayed at its end value"]


def test_the_floor_of_a_group_is_told_with_its_name(write):
    records = [{"count": i, "loss": 1.0, "learning_rate": {"head": 0.1 if i < 20 else 0.01, "body": 0.5}} for i in range(101)]
    says = "the rate of 'head' stood at its lowest, 0.01, for 80% of the run: from update 20 on"
    assert warnings(write(records=records, summary={})) == [says]


def test_runs_that_can_not_be_compared(write, runs):
    digits = write("a", config={"task": "digits"}, records=steady(2), summary={})
    told = report([read_run(runs[0]), read_run(digits)])
    assert told.warnings == ("the runs have different tasks (diabetes, digits): their metrics can't be compared",)
    plain = [read_run(write(name, records=[{"count": 0, name: 1.0}], summary={})) for name in ("b", "c")]
    assert report(plain).warnings == ("the runs have no metric in common",)
    goals = [dataclasses.replace(log, config={"goal": [name, "min"]}) for log, name in zip(plain, "bc", strict=True)]
    assert "different goals" in report(goals).warnings[0]
