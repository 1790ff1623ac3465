"""Every topic runs, and what it finds exactly is right; how fast anything is depends on the machine and isn't tested."""

import json
import math
import operator

import pytest

from benchmarks.__main__ import TOPICS, main

RELATIVE = {"nnx", "jax", "compile", "record"}  # topics whose first row is the reference, 1.0 by definition
RELATIONS = {"<=": operator.le, ">=": operator.ge, "==": operator.eq}


@pytest.mark.parametrize("topic", TOPICS)
def test_topic_runs(topic, tmp_path, capsys):
    file = tmp_path / "results.json"
    main(["--quick", "--only", topic, "--json", str(file)])
    results = json.loads(file.read_text())
    assert list(results["topics"]) == [topic]
    assert results["quick"] is True
    assert {"cpu", "cores", "load before", "device", "python", "jax", "flax", "optax"} == set(results["machine"])
    rows = results["topics"][topic]["rows"]
    _check_rows(rows)
    if topic in RELATIVE:
        assert rows[0]["value"] == rows[0]["low"] == rows[0]["high"] == 1.0
        assert all(row["value"] > 0 for row in rows)
    _EXACT.get(topic, lambda rows: None)({row["name"]: row for row in rows})
    printed = capsys.readouterr().out
    assert results["topics"][topic]["title"] in printed
    assert "targets met" in printed
    assert f"jax {results['machine']['jax']}" in printed


def _check_rows(rows):
    assert len({row["name"] for row in rows}) == len(rows) >= 3
    for row in rows:
        assert math.isfinite(row["value"])
        if row["low"] is not None:
            assert row["low"] <= row["value"] <= row["high"]
        if row["target"] is None:
            assert row["met"] is None
        else:
            relation, bound = row["target"].split()
            assert row["met"] is RELATIONS[relation](row["value"], float(bound))


def _check_traces(rows):
    for cause in ("a schedule", "observe, a cut each time", "set_learning_rate", "scale_learning_rate"):
        traces = rows[f"by {cause}: traces"]
        assert traces["value"] == 1
        assert traces["met"] is True
        assert traces["detail"] == "50 different rates in 50 updates"
        assert rows[f"by {cause}: compilations after the first update"]["value"] == 0


def _check_memory(rows):
    assert rows["state of optax.adam, constant rate"]["value"] == 4  # its count, int32
    assert rows["state of adam + optax plateau"]["value"] == 4 + 6 * 4
    assert rows["state of rx.control, schedule x plateau"]["value"] < 200
    assert rows["Variables of rx.Optimizer, schedule x plateau"]["value"] == 1
    assert rows["Variables of nnx.Optimizer, adam + optax plateau"]["value"] == 1 + (1 + 2 * 6) + 6
    peaks = [row for name, row in rows.items() if name.startswith("peak")]
    assert all(row["value"] == pytest.approx(1, abs=0.03) for row in peaks if "rx.control" in row["name"])  # the workload is tiny


def _check_targets_of(count):
    def check(rows):
        assert sum(row["target"] is not None for row in rows.values()) == count

    return check


def _check_race(rows):
    cost = rows["updates and validations charged, in full runs"]
    assert 3 <= cost["value"] <= 3.3  # 4 candidates in two rungs, and a validation of each at its end
    assert all(row["target"] is not None for row in rows.values())


_EXACT = {
    "race": _check_race,
    "traces": _check_traces,
    "memory": _check_memory,
    "nnx": _check_targets_of(3),
    "jax": _check_targets_of(2),
    "scan": _check_targets_of(1),
    "record": _check_targets_of(11),
    "import": _check_targets_of(2),
}


def test_unknown_topic_is_refused(capsys):
    with pytest.raises(SystemExit):
        main(["--only", "nothing"])
    assert "invalid choice: 'nothing'" in capsys.readouterr().err


def test_forecasts_are_skipped_in_so_many_words_without_curves(tmp_path, capsys):
    from benchmarks import forecast

    with pytest.raises(SystemExit, match="Nothing was measured: name the folder with the loss curves"):
        forecast.main([])
    forecast.main([str(tmp_path)])
    told = capsys.readouterr().out
    assert told.count("skipped, there is no") == 4
