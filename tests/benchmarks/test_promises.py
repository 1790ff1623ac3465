"""The page of promises: every promise has tests that exist, and the page names them."""

import ast
import re
from pathlib import Path

import pytest

from benchmarks import promises
from benchmarks._promised import PROMISES

ROOT = Path(__file__).parents[2]


def test_there_are_nineteen():
    assert [promise.number for promise in PROMISES] == list(range(1, 20))


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: str(promise.number))
def test_its_tests_exist(promise):
    assert promise.tests
    for test in promise.tests:
        file, _, name = test.partition("::")
        found = [node.name for node in ast.parse((ROOT / file).read_text()).body if isinstance(node, ast.FunctionDef)]
        assert name in found if name else any(one.startswith("test_") for one in found), test


def test_the_page_is_about_them():
    rows = re.findall(r"^\| (\d+) \| (.*?) \| (.*?) \| (\d+) of (\d+) passed", promises.PAGE.read_text(), re.M)
    assert [(int(number), text) for number, text, *_ in rows] == [(promise.number, promise.text) for promise in PROMISES]
    for promise, (_, _, tests, passed, total) in zip(PROMISES, rows, strict=True):
        assert [f"tests/{test}" for test in re.findall("`(.*?)`", tests)] == list(promise.tests)
        assert int(passed) == int(total) > 0


def test_a_broken_promise_is_told(tmp_path, monkeypatch, capsys):
    file = tmp_path / "test_two.py"
    file.write_text(
        "def test_kept(record_property):\n    record_property('figure', 'one of one')\n\n\ndef test_broken():\n    raise ValueError\n"
    )
    monkeypatch.setattr(promises, "PAGE", tmp_path / "docs" / "promises.md")
    kept, broken = (promises.Promise(n, name, (f"test_two.py::test_{name}",)) for n, name in ((1, "kept"), (2, "broken")))
    found = promises.run([kept, broken])
    assert (found[1].passed, found[1].failed, found[1].figures) == (1, (), ("one of one",))
    assert (found[2].passed, found[2].failed) == (0, ("test_two.py::test_broken",))
    monkeypatch.setattr(promises, "PROMISES", (kept, broken))
    monkeypatch.setattr(promises, "run", lambda chosen: {one.number: found[one.number] for one in chosen})
    assert promises.main([]) == 1
    assert not promises.PAGE.exists()
    assert "0 of 1 passed  broken\n    failed: test_two.py::test_broken" in capsys.readouterr().out
    assert promises.main(["--only", "1"]) == 0
