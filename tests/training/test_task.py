"""Finding tasks by name."""

import dataclasses

import pytest

from rheostax.errors import TaskError
from rheostax.training import Task, load_task
from rheostax.training.task import EMBEDDED


@pytest.mark.parametrize("name", EMBEDDED)
def test_embedded_tasks_load(name):
    assert isinstance(load_task(name), Task)
    assert load_task(name).name == name


MODULES = {
    "a_task": "from rheostax.tasks.diabetes import task\ndef make(): return task\nnumber = 3\n"
    "def fail(): raise ValueError('no such\\nfile')\n",
    "a_broken_task": "raise RuntimeError('no data here')\n",
    "a_task_in_need": "import a_package_that_nobody_has\n",
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name, text in MODULES.items():
        (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))


@pytest.mark.parametrize("attribute", ["task", "make"])
def test_own_task_is_found_in_the_working_folder(folder, attribute):
    assert load_task(f"a_task:{attribute}").name == "diabetes"


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("digit", r"no task 'digit'.*digits, language, diabetes.*Did you mean 'digits'"),
        ("no_such_module:task", r"'no_such_module' can't be found"),
        ("a_task:tusk", r"no attribute 'tusk'.*Did you mean 'task'"),
        ("a_task:", r"no attribute ''"),
        ("a_task:number", r"a_task:number must be a rheostax.training.Task.*got 3"),
        ("json:loads", r"json:loads must be a rheostax.training.Task.*got <function loads"),
        ("a_task", r"no task 'a_task'.*For the task in a_task.py write 'a_task:task'"),
        ("a_broken_task:task", r"can't be imported: RuntimeError: no data here"),
        ("a_task:fail", r"a_task:fail can't make its task: ValueError: no such"),
        ("a_task_in_need:task", r"needs 'a_package_that_nobody_has'"),
    ],
)
def test_what_is_no_task_is_explained(folder, name, says):
    with pytest.raises(TaskError, match=says):
        load_task(name)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"model": lambda: None}, "model must be a function that takes one argument"),
        ({"data": 3}, "data must be a function that takes no arguments, got 3"),
        ({"loss": lambda model: 0.0}, "loss must be a function that takes two arguments"),
        ({"learning_rate": 1e-3}, "learning_rate must be a function that takes two arguments, got 0.001"),
        ({"goal": ("val_accuracy", "maximize")}, '"min" or "max"'),
        ({"updates_per_dispatch": 0}, "updates_per_dispatch must be a whole number >= 1, got 0"),
    ],
)
def test_a_task_that_breaks_the_protocol_is_refused(change, says):
    with pytest.raises(TaskError, match=says):
        dataclasses.replace(load_task("diabetes"), **change)
