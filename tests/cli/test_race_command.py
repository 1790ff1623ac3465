"""`rheostax race` as a user meets it."""

import json
import sys

import pytest

from rheostax.cli import main
from rheostax.cli.race import peak_range, run
from rheostax.errors import ArgumentError, DivergedError, RheostaxError
from tests.cli.test_train import rheostax


def race(name="diabetes", **changes):
    """Race as the command line does, but in this process."""
    options = {"learning_rate": "1e-4..1e-1", "count": 2, "epochs": 1, "seed": 0, "metric": "val_loss", "mode": None, "halving": 2}
    return run(name, **(options | {"execution": "sequential", "picture": None, "silent": True} | changes))


def test_a_range_is_raced_and_drawn(tmp_path):
    options = ("--count", "4", "--epochs", "4", "--execution", "sequential", "--json", "--plot", "race.png")
    done = rheostax("race", "diabetes", *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [one["label"] for one in sorted(found["standings"], key=lambda one: float(one["label"]))] == ["0.0001", "0.001", "0.01", "0.1"]
    assert found["rungs"] == [{"end": 18, "entrants": 4}, {"end": 36, "entrants": 2}]
    assert found["updates_charged"] == 18 * 4 + 18 * 2
    assert (tmp_path / "race.png").read_bytes().startswith(b"\x89PNG")


def test_a_grid_is_raced_and_told_in_words():
    found = race(
        learning_rate="Cosine([0.001, 0.01], '1run') * ReduceOnPlateau(monitor='val_r2', mode='max', patience=3)",
        count=None,
        metric="val_r2",
    )
    table = str(found).splitlines()
    assert table[0].split() == ["rank", "updates", "val_r2", "candidate"]
    assert table[1].endswith("init_value=0.01")
    assert table[2].endswith("init_value=0.001")
    assert "18 updates charged" in table[3]
    assert table[4].startswith("winner: Cosine(init_value=0.01, decay_steps=9)")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": "digit"}, "There is no task 'digit'"),
        ({"learning_rate": "1e-1..1e-4"}, "a range LOW..HIGH must have 0 < LOW < HIGH, got '1e-1..1e-4'"),
        ({"learning_rate": "Cosin(0.1, 10)", "count": None}, "Cosine"),
        ({"learning_rate": "1..a"}, "a range must be two numbers, such as 1e-4..1e-1, got '1..a'"),
        ({"learning_rate": "1e-4.."}, "a range must be two numbers, such as 1e-4..1e-1, got '1e-4..'"),
        ({"learning_rate": "Cosine([0.1, 0.2], 10)"}, "--count is for a range LOW..HIGH"),
        ({"execution": "parallel"}, "execution must be one of"),
    ],
)
def test_a_mistake_is_an_error_with_words(changes, said, capsys):
    with pytest.raises(RheostaxError, match=said):
        race(**changes)
    assert capsys.readouterr().out == ""


def test_a_mistake_is_one_line_and_exit_code_2():
    done = rheostax("race", "diabetes", "--learning-rate", "1e-1..1e-4")
    assert done.returncode == 2
    assert done.stderr.startswith("error: --learning-rate: a range LOW..HIGH must")
    assert done.stdout == ""


def test_a_race_in_which_all_diverge_has_failed(monkeypatch, capsys):
    def diverge(*_, **__):
        raise DivergedError("race: every candidate diverged")

    monkeypatch.setattr("rheostax.cli.race.race_task", diverge)
    monkeypatch.setattr(sys, "argv", ["rheostax", "race", "diabetes"])
    with pytest.raises(SystemExit) as left:
        main()
    assert (left.value.code, *capsys.readouterr()) == (1, "", "error: race: every candidate diverged\n")


def test_the_end_of_the_range_is_said():
    found = race(learning_rate="1e-5..1e-3", count=3)
    assert found.to_json()["warnings"][-1] == "the best is at the end of the range 1e-5..1e-3; a better one may lie beyond"


def test_ranges_are_even_in_the_logarithm():
    assert list(peak_range("1e-4..1e-1", 4)) == pytest.approx([1e-4, 1e-3, 1e-2, 1e-1])
    assert list(peak_range(" 0.001 .. 2.5e-1", 2)) == pytest.approx([0.001, 0.25])
    assert peak_range("Cosine(0.1, 10)", 2) is None
    assert peak_range("Join([1e-4..1], 3)", 2) is None
    assert peak_range("1..clip(min_value=0.1)", 2) is None
    with pytest.raises(ArgumentError, match="--count must be at least 2"):
        peak_range("1..2", 1)
