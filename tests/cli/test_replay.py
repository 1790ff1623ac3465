"""`rheostax replay` as a user meets it."""

import json
import re
import shutil
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from rheostax.cli.app import app
from rheostax.errors import RheostaxError
from rheostax.record import RunDirectory

RULE = "0.1 * ReduceOnPlateau(monitor='val_loss', patience=2, factor=0.5)"


def rheostax(*arguments, fails=False):
    done = CliRunner().invoke(app, ["replay", *map(str, arguments)])
    if done.exception and not fails:
        raise done.exception
    return done


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run directory whose rule is RULE, with the journal that it made."""
    folder = RunDirectory.create(tmp_path_factory.mktemp("runs") / "run")
    losses = [3.0, 2.0, 2.1, 2.2, 1.0, 1.5, 1.5]
    folder.write("config.json", {"learning_rate": RULE, "epochs": 7, "updates_per_epoch": 2})
    rates = [0.1] * 8 + [0.05] * 6
    lines = [{"count": i, "learning_rate": rate, "loss": 1.0} for i, rate in enumerate(rates)]
    lines += [{"count": 2 * i + 2, "learning_rate": rates[2 * i + 1], "val_loss": loss} for i, loss in enumerate(losses)]
    folder.append("metrics.jsonl", sorted(lines, key=lambda line: (line["count"], "loss" in line)))
    why = "val_loss had not improved on {} by {} for 2 observations"
    policy = "ReduceOnPlateau(monitor='val_loss', patience=2, factor=0.5)"
    moments = [(8, 2.2, 2.0, 0.1, 0.05, why.format(2, 0.0002)), (14, 1.5, 1.0, 0.05, 0.025, why.format(1, 0.0001))]
    names = ("count", "value", "best", "old_learning_rate", "new_learning_rate", "why")
    journal = [dict(zip(names, moment, strict=True)) | {"policy": policy, "metric": "val_loss"} for moment in moments]
    folder.append("journal.jsonl", journal)
    folder.close()
    return folder.path


def test_its_own_rule_decides_what_happened(run):
    found = json.loads(rheostax(run, "--json").stdout)
    assert found["settings"][0]["decisions"] == found["happened"]["decisions"] != []
    assert found["settings"][0]["differs_at"] is None
    assert found["updates"] == 14
    assert "summary.json is missing: the run was killed, or it goes on" in found["notes"]
    told = rheostax(run).stdout
    assert "It replays decisions, not losses" in told
    assert re.search(r"^the run +2 +0 +8 +14 +0.05 +1.1$", told, re.MULTILINE)
    assert re.search(r"^replayed +2 +0 +8 +14 +0.05 +1.1 +nowhere$", told, re.MULTILINE)
    assert told.count("-> 0.05 at update 8: val_loss had not improved on 2") == 2


def test_a_grid_as_a_table_in_words_and_as_json(run):
    rule = RULE.replace("patience=2", "patience=[1, 2, 9]")
    told = rheostax(run, "--with", rule, "--verbose", "--most", "1").stdout
    rows = re.findall(r"^(1|2|9) +(\d) +0 +(\S+) +(\S+) +(\S+) +(\S+) +(\S+)$", told, re.MULTILINE)
    assert [(row[0], row[1], row[2]) for row in rows] == [("1", "4", "6"), ("2", "2", "8"), ("9", "0", "-")]
    assert [row[-1] for row in rows] == ["6", "nowhere", "8"]
    assert "what it would have decided with patience=1:" in told
    assert "... and 3 more; --most tells more of them" in told
    assert "with patience=9: nothing" in told
    found = json.loads(rheostax(run, "--with", rule, "--json", "--most", "1").stdout)
    assert [one["chosen"] for one in found["settings"]] == [{"patience": 1}, {"patience": 2}, {"patience": 9}]
    assert [len(one["decisions"]) + one["decisions_left_out"] for one in found["settings"]] == [4, 2, 0]


def test_another_metric_and_columns_by_name(tmp_path):
    file = tmp_path / "log.csv"
    file.write_text("tick,power,accuracy\n" + "".join(f"{i},0.1,{value}\n" for i, value in enumerate([0.1, 0.5, 0.4, 0.3, 0.3])))
    rule = "0.1 * ReduceOnPlateau(mode='max', patience=2)"
    found = json.loads(
        rheostax(file, "--with", rule, "--monitor", "accuracy", "--count", "tick", "--learning-rate", "power", "--json").stdout
    )
    assert [one["count"] for one in found["settings"][0]["decisions"]] == [3]
    assert found["observed"] == {"value": {"metric": "accuracy", "observations": 5}}
    says = "a log of this kind holds no journal of decisions"
    assert found["happened"] == {"decisions": None, "journal_lacks": says, "learning_rate": 0.1}
    by_name = json.loads(rheostax(file, "--with", rule, "--monitor", "value=accuracy", "--count", "tick", "--json").stdout)
    assert by_name["settings"][0]["decisions"] == found["settings"][0]["decisions"]


def test_a_policy_alone_stands_in_the_place_of_the_runs_own(run, tmp_path):
    """Otherwise it would hear the training loss, and give factors beside rates."""
    done = rheostax(run, "--with", "ReduceOnPlateau(patience=[1, 2], factor=0.5)", "--json")
    found = json.loads(done.stdout)
    assert found["factors"] is False
    assert found["observed"] == {"val_loss": {"metric": "val_loss", "observations": 7}}
    assert [one["learning_rate"] for one in found["settings"]] == [RULE.replace("patience=2", f"patience={p}") for p in (1, 2)]
    assert [one["differs_at"] for one in found["settings"]] == [6, None]
    assert "note: the rule names no metric, so it hears 'val_loss', as the run's own does; monitor='value' is" in done.stderr
    assert "note: the rule has no rate of its own, so it stands in the place of the run's own policy" in done.stderr
    # What is said is taken as it is said.
    for arguments in (("--with", "ReduceOnPlateau(monitor='value')"), ("--with", "ReduceOnPlateau()", "--monitor", "loss")):
        done = rheostax(run, *arguments, "--json")
        assert json.loads(done.stdout)["observed"] == {"value": {"metric": "loss", "observations": 14}}
        assert "names no metric" not in done.stderr
    done = rheostax(run, "--with", "0.2 * ReduceOnStatisticalPlateau()")  # made for the loss of every update
    assert "note: what the policy monitors as 'value' is the run's 'loss'; monitor=..., or --monitor, chooses another of" in done.stderr
    assert "the place of" not in done.stderr


def test_factors_are_not_compared_with_rates(run, tmp_path):
    copy = shutil.copytree(run, tmp_path / "copy")
    (copy / "config.json").write_text('{"learning_rate": "Constant(value=0.1)"}')
    rule = "ReduceOnPlateau(monitor='val_loss', patience=2, factor=0.5)"
    done = rheostax(copy, "--with", rule, "--plot", tmp_path / "picture.svg")
    assert "last factor  sum of factors" in done.stdout
    assert re.search(r"^the run +2 +0 +8 +14 +- +-$", done.stdout, re.MULTILINE)
    assert re.search(r"^replayed +2 +0 +8 +14 +0.5 +11 +-$", done.stdout, re.MULTILINE)
    found = json.loads(rheostax(copy, "--with", rule, "--json").stdout)
    assert (found["factors"], found["settings"][0]["differs_at"]) == (True, None)


def test_a_journal_that_is_whole_empty_cut_or_missing(run, tmp_path):
    """Nothing decided and nothing known are two things."""
    copy = shutil.copytree(run, tmp_path / "copy")
    journal = copy / "journal.jsonl"

    def happened():
        done = rheostax(copy, "--json")
        told = rheostax(copy).stdout
        return json.loads(done.stdout)["happened"], re.sub("note: summary.*\n", "", done.stderr), told

    found, err, told = happened()
    assert (len(found["decisions"]), found["journal_lacks"], err) == (2, None, "")
    lines = journal.read_text()
    journal.write_text(lines[:-9])
    found, err, told = happened()
    says = "journal.jsonl was cut in its last line (2), which was left out"
    assert (len(found["decisions"]), found["journal_lacks"], err) == (1, says, f"warning: {says}\n")
    assert f"and maybe more: {says}" in told
    assert re.search(r"^the run +\? +\? +\? +\? +0.05 +1.1$", told, re.MULTILINE)
    journal.write_text("")
    found, err, told = happened()
    assert (found["decisions"], found["journal_lacks"], err) == ([], None, "")
    assert "what happened: no policy decided anything" in told
    assert re.search(r"^the run +0 +0 +- +- +0.05 +1.1$", told, re.MULTILINE)
    journal.unlink()
    found, err, told = happened()
    says = "journal.jsonl is missing: what the policies decided is unknown"
    assert (found["decisions"], found["journal_lacks"], err) == (None, says, f"warning: {says}\n")
    assert f"what happened: unknown, so there is nothing to compare the decisions with: {says}" in told
    assert re.search(r"^the run +\? +\? +\? +\? +0.05 +1.1$", told, re.MULTILINE)


@pytest.mark.parametrize("name", ["picture.png", "picture.svg"])
def test_pictures(run, tmp_path, name):
    rheostax(run, "--with", RULE.replace("patience=2", "patience=[1, 2]"), "--plot", tmp_path / name)
    assert [file.name for file in tmp_path.iterdir()] == [name]  # nothing temporary
    assert (tmp_path / name).read_bytes().startswith(b"\x89PNG" if name.endswith("png") else b"<?xml")


def test_columns_for_a_run_that_has_none_are_mentioned(run, tmp_path):
    notes = json.loads(rheostax(run, "--count", "tick", "--run", "best", "--json").stdout)["notes"]
    assert "count='tick' wasn't used: it is for tables" in notes
    assert "run='best' wasn't used: it is for exports of Weights & Biases" in notes
    file = tmp_path / "log.csv"
    file.write_text("step,val_loss\n0,1.0\n1,2.0\n")
    notes = json.loads(rheostax(file, "--with", RULE, "--count", "step", "--run", "best", "--json").stdout)["notes"]
    assert notes == ["run='best' wasn't used: it is for exports of Weights & Biases"]


def test_mistakes(run, tmp_path):
    for arguments, words in [
        ((run, "--plot", tmp_path / "picture.gif"), "ends with .png or .svg"),
        ((run, "--plot", tmp_path / "no" / "picture.png"), "--plot: there is no folder"),
        ((run, "--with", "Cosine(0.1, 10)"), "reacts to no metric"),
        ((run, "--monitor", "a=loss", "--monitor", "loss"), "NAME=METRIC"),
        ((run, "--monitor", "acuracy"), "metrics are loss, val_loss"),
        ((run, "--monitor", ""), "A policy monitors ''"),
        ((run, "--steps-per-epoch", "0"), "steps_per_epoch must be a number > 0, got 0.0"),
        ((tmp_path / "none",), "no such file"),
    ]:
        done = rheostax(*arguments, fails=True)
        assert isinstance(done.exception, RheostaxError)
        assert words in str(done.exception)
    assert list(tmp_path.iterdir()) == []


def test_a_mistake_is_one_line_and_exit_code_2(run):
    program = "from rheostax.cli import main; main()"
    command = [sys.executable, "-c", program, "replay", str(run), "--with", "ReduceOnPlatau(patience=3)"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "ReduceOnPlateau" in done.stderr
    assert "Traceback" not in done.stderr
