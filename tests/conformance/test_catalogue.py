"""A new schedule or policy is found by itself, and can't be forgotten."""

import importlib
import inspect
import sys

import pytest

import rheostax as rx
from rheostax._rate import LearningRate
from tests.conformance.catalogue import CLASSES, EXAMPLES, concrete_classes, sample_arguments

NEW_FILE = '''
"""A schedule that isn't there yet."""
from rheostax._node import node
from rheostax._rate import Schedule

@node
class Staircase(Schedule):
    init_value: float
    {argument}: int

    def at(self, count):
        return count * 0.0
'''


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package with one new file; call it with the name of the schedule's second argument."""

    def make(argument):
        folder = tmp_path / "newcomers"
        folder.mkdir()
        (folder / "__init__.py").write_text("")
        (folder / "staircase.py").write_text(NEW_FILE.replace("{argument}", argument))
        (folder / "_private.py").write_text("raise ImportError('a private module is not looked at')")
        monkeypatch.syspath_prepend(tmp_path)
        return importlib.import_module("newcomers")

    yield make
    for name in [name for name in sys.modules if name.startswith("newcomers")]:
        del sys.modules[name]


def test_a_new_file_is_picked_up(package):
    (found,) = concrete_classes(package("transition_steps"))
    assert found.__name__ == "Staircase"
    assert found(**sample_arguments(found)).transition_steps > 0


def test_an_unknown_argument_says_where_to_add_a_sample(package):
    (found,) = concrete_classes(package("stairs"))
    with pytest.raises(
        LookupError, match=r"'stairs' of newcomers\.staircase\.Staircase; add one to SAMPLES in tests/conformance/catalogue\.py"
    ):
        sample_arguments(found)


def test_the_catalogue_is_complete():
    names = {cls.__name__ for cls in CLASSES}
    assert names >= {"Constant", "Linear", "Cosine", "Exponential", "Polynomial", "Warmup", "WarmupStableDecay", "Join", "ReduceOnPlateau"}
    assert len(names) == len(CLASSES)


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_every_class_is_public_and_documented(cls):
    assert cls.__name__ in rx.__all__
    assert getattr(rx, cls.__name__) is cls
    text = inspect.getdoc(cls)
    for part in ("Args:", "Raises:", ">>> "):
        assert part in text, part
    for parameter in inspect.signature(cls).parameters:
        assert f"\n    {parameter}: " in text, parameter


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_exercise_every_argument(name):
    """A sample that is the default would hide a mistake in what is not the default."""
    rate = EXAMPLES[name]
    assert isinstance(rate, LearningRate)
    for parameter in inspect.signature(type(rate)).parameters.values():
        if isinstance(parameter.default, float | int) and name in {cls.__name__ for cls in CLASSES}:
            assert getattr(rate, parameter.name) != parameter.default, parameter.name
