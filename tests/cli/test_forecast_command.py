"""`rheostax forecast` as a user meets it."""

import json
import subprocess
import sys

import numpy as np
import pytest
from typer.testing import CliRunner

from rheostax.cli.app import app
from rheostax.errors import ArgumentError, ExpressionError, RunError
from rheostax.record import RunDirectory

WARMUP, PEAK = 100, 1e-3
FIELDS = "run updates total outlook candidates fit notes"


def rheostax(*arguments, fails=False):
    done = CliRunner().invoke(app, ["forecast", *map(str, arguments)])
    if done.exception and not fails and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def logged(start=None, steps=3_000):
    """The lines of a run: its rate, which falls from `start` on, and a loss that follows from it."""
    count = np.arange(steps + 1)
    rates = PEAK * np.minimum(count / WARMUP, 1.0)
    since = np.maximum(count - (steps if start is None else start), 0)
    depth = since / max(steps - (start or 0), 1)
    rates = rates * (1 - depth) if start is not None else rates
    loss = 2 + 0.5 * ((np.cumsum(rates) / PEAK + 1) / 1e3) ** -0.5 - 0.15 * depth * (1 - (1 + since / 60) ** -0.5)
    loss = loss + 0.002 * np.random.default_rng(start or 0).normal(size=steps + 1)
    return [(int(k), rates[k], loss[k]) for k in range(20, steps + 1, 20)]


def table(file, lines):
    file.write_text("step,lr,loss\n" + "".join(",".join(map(str, line)) + "\n" for line in lines))
    return file


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("forecast")
    return table(folder / "live.csv", logged()), table(folder / "finished.csv", logged(1_800)[:-1])


def test_in_words(runs):
    done = rheostax(
        *runs, "--total", 10_000, "--with", "Warmup(100) * Cosine(1e-3, 10_000)", "--with", "Warmup(100) * Linear(1e-3, 0.0, '1run')"
    )
    assert done.exit_code == 0
    assert "live.csv: 3,000 updates of 10,000, 150 losses logged" in done.stdout
    assert "FadingMultiPower, fitted to live.csv, finished.csv; residuals of" in done.stdout
    assert "note: the rate rises up to update 100, which was taken for the warm-up; --warmup says otherwise" in done.stdout
    assert "Start the decay in 2,000 updates, at 5,000:" in done.stdout
    assert "  90% band          against 5,000" in done.stdout
    assert [line.split()[1] for line in done.stdout.splitlines() if line.startswith("*")] == ["5,000"]
    ends = [float(line.split()[0]) for line in done.stdout.split("would end with:")[1].splitlines() if line.strip()]
    assert ends == sorted(ends)
    assert len(ends) == 2


def test_as_json_and_as_a_picture(runs, tmp_path):
    done = rheostax(*runs, "--total", 10_000, "--with", "Warmup(100) * Cosine(1e-3, 10_000)", "--json", "--plot", tmp_path / "it.png")
    found = json.loads(done.stdout)
    assert list(found) == FIELDS.split()
    assert found["outlook"]["can_tell"]
    assert found["outlook"]["start"] == 5_000
    assert found["candidates"][0]["low"] < found["candidates"][0]["loss"] < found["candidates"][0]["high"]
    assert found["fit"]["warmup_steps"] == 100
    assert set(found["fit"]["parameters"]) == {"log a", "log c", "log b", "g", "floor", "size", "gain"}
    assert (tmp_path / "it.png").read_bytes()[:4] == b"\x89PNG"
    assert list(tmp_path.iterdir()) == [tmp_path / "it.png"]


def test_a_live_run_directory(tmp_path):
    folder = RunDirectory.create(tmp_path / "run")
    folder.write("config.json", {"learning_rate": "1e-3", "epochs": 9, "updates_per_epoch": 1_000})
    folder.append("metrics.jsonl", [{"count": k, "learning_rate": rate, "loss": loss} for k, rate, loss in logged()])
    folder.close()
    done = rheostax(folder.path, table(tmp_path / "finished.csv", logged(1_800)), "--total", 10_000)
    assert done.exit_code == 0
    assert "summary.json is missing: the run was killed, or it goes on" in done.stdout


def test_without_a_fall_it_cannot_be_told(runs):
    done = rheostax(runs[0], "--total", 10_000, "--with", "Cosine(1e-3, 10_000)")
    assert done.exit_code == 1
    assert "Start the decay in 2,000 updates, at 5,000: it can't be told: the rate has never fallen" in done.stdout
    assert "no schedule was compared: the rate never changed in what was fitted" in done.stdout
    found = json.loads(rheostax(runs[0], "--total", 10_000, "--json").stdout)
    assert found["outlook"]["can_tell"] is False
    assert found["outlook"]["starts"][0]["loss"] is None


def test_a_finished_run_is_compared_with_other_schedules(runs):
    done = rheostax(runs[1], "--with", "Warmup(100) * Cosine(1e-3, '1run')")
    assert done.exit_code == 0
    assert "so there is no outlook for it" in done.stdout
    assert "what schedules of 2,980 updates would end with:" in done.stdout
    with pytest.raises(RunError, match=r"finished.csv is over: it has made 2,980 updates of 2,980\. --total sets a later end"):
        rheostax(runs[1])


def damaged(change):
    lines = logged()
    if change == "shuffled":
        return [lines[i] for i in np.random.default_rng(0).permutation(len(lines))]
    if change == "doubled":
        return lines + lines[-10:]
    if change == "nan":
        return [(k, rate, float("nan") if k == 400 else loss) for k, rate, loss in lines]
    return [line for line in lines if not 800 < line[0] < 1_900]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("shuffled", "loss: the counts weren't in order and were sorted"),
        ("doubled", "10 counts came more than once; the last value of each was taken"),
        ("nan", "1 point whose loss isn't finite left out"),
        ("gap", "nothing was logged between 800 and 1,900"),
    ],
)
def test_what_was_wrong_with_a_log_is_said_and_changes_little(runs, tmp_path, change, said):
    done = rheostax(table(tmp_path / "live.csv", damaged(change)), runs[1], "--total", 10_000, "--json")
    found, whole = json.loads(done.stdout), json.loads(rheostax(*runs, "--total", 10_000, "--json").stdout)
    assert any(said in note for note in found["notes"])
    ends = [{row["start"]: row["loss"] for row in one["outlook"]["starts"]}[5_000] for one in (found, whole)]
    assert ends[0] == pytest.approx(ends[1], abs=0.01)


def test_what_cannot_be_read_or_fitted_is_named(runs, tmp_path):
    few = table(tmp_path / "few.csv", logged()[:5])
    constant = table(tmp_path / "constant.csv", [(k, rate, 2.0) for k, rate, _ in logged()])
    bare = tmp_path / "bare.csv"
    bare.write_text("step,loss\n" + "".join(f"{k},{k}\n" for k in range(12)))
    for arguments, kind, said in (
        ([few, "--total", 100], ArgumentError, "few.csv: at least 8 points are needed to say anything, got 5"),
        ([constant, "--total", 10_000], ArgumentError, "the loss is the same everywhere, so nothing can be concluded from it"),
        ([bare, "--total", 100], RunError, "tells no learning rate, and a forecast needs it"),
        ([tmp_path / "none.csv"], RunError, "There is no run at"),
        ([*runs, "--total", 10_000, "--law", "multi"], ArgumentError, "law must be one of"),
        ([*runs, "--total", 10_000, "--with", "Cosin(1e-3, 10)"], ExpressionError, "Cosin"),
        ([*runs, "--total", 10_000, "--plot", "it.txt"], RunError, "--plot must name a file that ends with .png or .svg"),
        ([*runs, "--total", 10_000, "--loss", "los"], RunError, "has no metric 'los'"),
    ):
        done = rheostax(*arguments, fails=True)
        assert isinstance(done.exception, kind), done.output
        assert said in str(done.exception)


def test_a_mistake_is_one_line(runs):
    code = "from rheostax.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code, "forecast", runs[1]], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        (["--with", "Cosin(1)"], ExpressionError, "Did you mean 'Cosine'"),
        (["--law", "nope"], ArgumentError, "law must be one of"),
        (["--coverage", 2], ArgumentError, r"coverage must be in \(0, 1\), got 2"),
    ],
)
def test_a_mistake_is_named_before_a_run_is_read(runs, arguments, error, says):
    """Also where the run is over, and nothing would be compared."""
    done = rheostax(runs[1], *arguments, fails=True)
    assert isinstance(done.exception, error)
    with pytest.raises(error, match=says):
        raise done.exception
