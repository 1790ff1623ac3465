"""The drills, in a short form: real processes, really killed."""

import json

import numpy as np

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
