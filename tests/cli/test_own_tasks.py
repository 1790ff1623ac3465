"""A task of one's own whose loss is wrong: every command says so in one line, before anything is trained."""

import sys

import pytest
from typer.testing import CliRunner

from rheostax.cli import main
from rheostax.cli.app import app
from rheostax.errors import DivergedError, TaskError

TASKS = """
import dataclasses
import jax.numpy as jnp, numpy as np
from rheostax.tasks.diabetes import task as diabetes

history, random = [], np.random.default_rng(0)

def task_of(change):
    def loss(model, batch):
        value, metrics = diabetes.loss(model, batch)
        return change(value), metrics
    return dataclasses.replace(diabetes, name="mine", loss=loss, learning_rate=lambda updates, epochs: 1e-3)

def keep(value):
    history.append(value)
    return value + 0 * history[0]

keeping = task_of(keep)
asking = task_of(lambda value: value * float(value))
drawing = task_of(lambda value: value * random.normal())
nan = task_of(lambda value: value * jnp.nan)
"""

COMMANDS = {
    "find": ["--repeats", "1", "--quiet"],
    "race": ["--learning-rate", "1e-4..1e-1", "--count", "2", "--epochs", "1", "--quiet"],
    "train": ["--epochs", "1", "--quiet", "--out", "run"],
}


@pytest.fixture
def module(tmp_path, monkeypatch):
    (tmp_path / "impure_tasks.py").write_text(TASKS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "impure_tasks", raising=False)
    return "impure_tasks"


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("task", "says"),
    [
        ("keeping", "loss(model, batch) must be pure, but it keeps values of its own in history, outside of it"),
        ("asking", "loss(model, batch) must be compilable, but it needs the number itself somewhere: float(loss)"),
        ("drawing", "loss(model, batch) must be pure, but traced twice it gives two different computations"),
    ],
)
def test_an_impure_loss(command, task, says, module, tmp_path):
    done = CliRunner().invoke(app, [command, f"{module}:{task}", *COMMANDS[command]])
    assert isinstance(done.exception, TaskError)
    assert str(done.exception).startswith(says)
    assert done.stdout == ""
    assert not (tmp_path / "run").exists()


def test_it_is_one_line_and_exit_code_2(module, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["rheostax", "race", f"{module}:keeping", *COMMANDS["race"]])
    with pytest.raises(SystemExit) as left:
        main()
    out, err = capsys.readouterr()
    assert (left.value.code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("error: loss(model, batch) must be pure")


@pytest.mark.parametrize("command", ["find", "race"])
def test_a_loss_that_is_nan_from_the_start_is_no_matter_of_the_rate(command, module, monkeypatch, capsys):
    done = CliRunner().invoke(app, [command, f"{module}:nan", *COMMANDS[command]])
    assert isinstance(done.exception, DivergedError)
    monkeypatch.setattr(sys, "argv", ["rheostax", command, f"{module}:nan", *COMMANDS[command]])
    with pytest.raises(SystemExit) as left:
        main()
    out, err = capsys.readouterr()
    assert (left.value.code, out) == (1, "")
    assert err.startswith("error: The loss is nan at the first update, before ")
    assert err.endswith("look at the model, the loss and the batches (jax.debug_nans finds the place).\n")
