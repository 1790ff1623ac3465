"""The drills, in a short form: real processes, really killed."""

import json

import numpy as np

from benchmarks.drills import resume
from benchmarks.drills._worker import STATE
from benchmarks.drills.kill import compare, drill
from rheostax.record.run_directory import JOURNAL, METRICS, SUMMARY


def test_a_training_that_is_killed_and_resumed_ends_as_the_undisturbed_one(tmp_path):
    told = drill(3, seed=0, folder=tmp_path)
    assert told.differences == []
    assert told.kills == 3
    assert told.while_saving > 0


def run(folder, **changes):
    folder.mkdir()
    np.savez(folder / STATE, **{"w": np.ones(3, np.float32)} | changes.get("weights", {}))
    (folder / METRICS).write_text(json.dumps({"count": 0, "loss": changes.get("loss", 1.0), "time": changes.get("time", 0.0)}) + "\n")
    (folder / JOURNAL).write_text("")
    (folder / SUMMARY).write_text(json.dumps({"reason": changes.get("reason", "over"), "seconds": 1.0, "path": str(folder)}))
    return folder


def test_the_comparison_sees_what_differs(tmp_path):
    whole = run(tmp_path / "whole")
    assert compare(whole, run(tmp_path / "same", time=3.0)) == []
    assert compare(whole, run(tmp_path / "weights", weights={"w": np.float32([1, 1, np.nextafter(np.float32(1), np.float32(2))])})) == [
        "weights w"
    ]
    assert compare(whole, run(tmp_path / "loss", loss=1.5)) == [f"{METRICS}, line 1"]
    assert compare(whole, run(tmp_path / "reason", reason="other")) == [SUMMARY]


def test_runs_of_modules_and_trees_go_on_from_a_cut_to_the_last_bit():
    """In float32 and bfloat16, with x64 off and on; the drill does so with every schedule and policy."""
    told = resume.drill(["join with a policy"], cuts=2, seed=0, told=resume.Told())
    assert told.differences == []
    assert (told.runs, told.restores, told.moved) == (8, 16, 8)
    assert told.updates > 100


def test_the_drill_sees_what_a_restore_forgets(monkeypatch):
    def of_the_beginning(self, checkpoints, count):
        return self.begin()

    monkeypatch.setattr(resume.OfTrees, "restored", of_the_beginning)
    told = resume.Told()
    resume.check("tree", "ReduceOnPlateau", "bfloat16", [0, 7], told)
    assert told.differences == ["ReduceOnPlateau, tree of bfloat16, x64 off: cut at 7, after 7 updates"]
