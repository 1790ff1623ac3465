"""The mutation testing itself: it makes faults, notices those that tests notice, and counts the others."""

import json
import textwrap
from pathlib import Path

import pytest

pytest.importorskip("cosmic_ray", reason="cosmic-ray isn't installed: pip install 'rheostax[mutation]'")

from benchmarks.mutation.__main__ import main

MODULE = "src/rheostax/schedules/tiny.py"
SOURCE = '''
    """A module with faults to be made."""
    from __future__ import annotations


    def doubled(x: int | None) -> int | None:
        if x is None:
            raise ValueError(f"{1} number, {'none' + ' given'}")
        return x * 2


    def untested(x):
        return x - 7


    def counted(n):
        while n:
            n -= 1
        return n
'''
TESTS = """
    import pytest
    from rheostax.schedules.tiny import counted, doubled

    def test_doubled():
        assert doubled(5) == 10
        assert counted(3) == 0
        with pytest.raises(ValueError):
            doubled(None)
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    for name, text in {MODULE: SOURCE, "tests/schedules/test_tiny.py": TESTS}.items():
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(textwrap.dedent(text))
    (tmp_path / "src/rheostax/__init__.py").write_text("")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_what_tests_notice_is_killed_and_the_rest_survives(project, capsys):
    assert main([MODULE, "--limit", "0.5", "--json", "found.json"]) == 0
    found = json.loads(Path("found.json").read_text())
    changes = [one["change"] for one in found["survivors"]]
    assert sorted(changes) == sorted(f"return x - 7  =>  return x {new}" for new in ("+ 7", "- 8", "- 6"))
    numbers = found["all"]
    assert (numbers["mutants"], numbers["survived"]) == (numbers["tried"], 3)
    assert numbers["timeout"] == 2  # `n -= 0` and `n -= 2` never come to an end
    assert numbers["killed"] == numbers["tried"] - 3 - numbers["timeout"]
    assert numbers["score"] == pytest.approx(1 - 3 / numbers["tried"])
    assert Path(MODULE).read_text() == textwrap.dedent(SOURCE)
    printed = capsys.readouterr()
    assert f"({numbers['tried'] - 3} of {numbers['tried']} mutants noticed)" in printed.out
    assert f"{MODULE}:13 untested: return x - 7  =>  return x + 7" in printed.out


def test_a_module_that_is_not_there_is_told(project, capsys):
    assert main(["src/rheostax/schedules/none.py"]) == 2
    assert "There is no src/rheostax/schedules/none.py here" in capsys.readouterr().err
