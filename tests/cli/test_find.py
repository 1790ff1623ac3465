"""`rheostax find` as a user meets it: a subprocess, its output, its exit code."""

import json
import re

import pytest

from tests.cli.test_train import rheostax

TASK = """
import dataclasses, jax.numpy as jnp
from rheostax.tasks.diabetes import task as diabetes
task = dataclasses.replace(diabetes, name="mine", learning_rate=lambda updates, epochs: 1e-3)
flat = dataclasses.replace(task, loss=lambda model, batch: (0 * diabetes.loss(model, batch)[0] + batch["progression"].mean() ** 2, {}))
nan = dataclasses.replace(task, loss=lambda model, batch: (diabetes.loss(model, batch)[0] * jnp.nan, {}))
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "my_task.py").write_text(TASK)
    return tmp_path


def test_a_table_a_picture_and_a_suggestion(folder):
    done = rheostax("find", "my_task:task", "--repeats", "2", "--min", "1e-6", "--plot", "finder.png", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert re.match(r"\d+ updates at rates from 1e-06 to 10, 2 repeats; \d+ batches read\nthe loss ran away at a rate of ", done.stdout)
    rows = re.findall(r"^(\w+) +([\d.e-]+) +([\d.e-]+) to +([\d.e-]+)$", done.stdout, re.MULTILINE)
    assert [name for name, *_ in rows] == ["valley", "steepest", "minimum", "slide"]
    assert all(float(low) <= float(value) <= float(high) for _, value, low, high in rows)
    suggestion = float(re.search(r"^suggestion: ([\d.e-]+) \(", done.stdout, re.MULTILINE).group(1))
    assert 1e-3 < suggestion < 1e-1
    assert (folder / "finder.png").read_bytes().startswith(b"\x89PNG")
    assert done.stderr == "See finder.png\n"


def test_json_and_nothing_else(folder):
    done = rheostax("find", "my_task:task", "--repeats", "1", "--steps", "60", "--min", "1e-5", "--max", "0.1", "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    found = json.loads(done.stdout)
    assert found["stopped_at"] == [None]
    assert len(found["learning_rates"]) == len(found["losses"][0]) == found["batches_taken"] == 60
    assert found["learning_rates"][-1] == 0.1
    assert any("hasn't run away" in text for text in found["warnings"])


def test_the_suggestion_is_for_the_length_of_the_run(folder):
    """9 updates an epoch; the task has 200 epochs."""
    found = {}
    for epochs in (), ("--epochs", "25"):
        done = rheostax("find", "my_task:task", "--repeats", "1", "--json", *epochs, cwd=folder)
        found[epochs] = json.loads(done.stdout)
    for one, total in zip(found.values(), (1800, 225), strict=True):
        assert one["total_steps"] == total
        assert one["suggestion"]["value"] == pytest.approx(one["suggestions"]["minimum"]["value"] * (100 / total) ** 0.5, rel=1e-5)
    assert rheostax("find", "my_task:task", "--epochs", "0", cwd=folder).returncode == 2


def test_nothing_to_suggest_is_a_failure_in_words(folder):
    done = rheostax("find", "my_task:flat", "--repeats", "1", cwd=folder)
    assert (done.returncode, "suggestion: none" in done.stdout, "the loss never improves" in done.stdout) == (1, True, True)
    done = rheostax("find", "my_task:nan", "--repeats", "1", "--json", cwd=folder)
    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(r"error: The loss is nan at the first update.*\n", done.stderr)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("find", "digit"), "error: There is no task 'digit'. Embedded are digits, language, diabetes"),
        (("find", "my_task:task", "--steps", "5"), "error: find_learning_rate: steps must be a whole number >= 20, got 5."),
        (("find", "my_task:task", "--plot", "no/where.png"), "error: --plot: there is no folder no."),
    ],
)
def test_a_mistake_gives_exit_code_2_and_one_line(arguments, says, folder):
    done = rheostax(*arguments, cwd=folder)
    assert done.returncode == 2
    assert done.stderr.startswith(says)
    assert done.stderr.count("\n") == 1
