"""Decide mutants: put each into a copy of the project, and let the warm process run the tests of its module there."""

from __future__ import annotations

import itertools
import json
import os
import select
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

COPIED = ("src", "tests", "conftest.py", "pyproject.toml")
SETTINGS = {"JAX_PLATFORMS": "cpu", "XLA_FLAGS": "", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONDONTWRITEBYTECODE": ""}
WAIT = 20  # seconds on the clock per second of processor time that the tests may take, before a silent process is ended
TIMES = itertools.count(1_000_000_000)  # a new time for every file that is written: Python trusts times where it looks for bytecode


class BrokenTestsError(Exception):
    """The tests of a module fail without any mutation, so they can't tell anything."""


def copy(root: Path, to: Path) -> None:
    """Copy what the tests need."""
    for name in COPIED:
        if (root / name).is_dir():
            shutil.copytree(root / name, to / name, ignore=shutil.ignore_patterns("__pycache__"))
        elif (root / name).exists():
            shutil.copy(root / name, to / name)


class Execution:
    """The warm process over a copy of the project."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._process = folder, None

    def __enter__(self) -> Execution:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def check(self, module: Path, tests: list[str]) -> float:
        """Run the tests of a module as it is, and return the seconds they take."""
        answer = self._ask(tests, 1000.0)
        if answer["outcome"] != "passed" or not answer["ran"]:
            raise BrokenTestsError(f"{module}: without any mutation, {answer['by'] or 'no test ran'} ({answer['outcome']})")
        return answer["seconds"]

    def decide(self, module: Path, mutated: str, tests: list[str], limit: float) -> tuple[str, str, float]:
        """Return what becomes of a mutant, killed, timeout or survived; the test that failed; and the seconds it took."""
        file = self._folder / module
        original = file.read_text()
        try:
            self._write(file, mutated)
            answer = self._ask(tests, limit)
        finally:
            self._write(file, original)
        return {"passed": "survived", "failed": "killed", "late": "timeout"}[answer["outcome"]], answer["by"], answer["seconds"]

    @staticmethod
    def _write(file: Path, text: str) -> None:
        file.write_text(text)
        time = next(TIMES)
        os.utime(file, (time, time))

    def _ask(self, tests: Iterable[str], limit: float) -> dict[str, Any]:
        process = self._process or self._start()
        process.stdin.write(json.dumps({"tests": list(tests), "limit": limit}) + "\n")
        process.stdin.flush()
        ready, _, _ = select.select([process.stdout], [], [], WAIT * limit)
        line = process.stdout.readline() if ready else ""
        if not line:  # it hangs where no signal reaches it, or is gone
            self._end()
            return {"outcome": "late" if not ready else "failed", "by": "" if not ready else "crash", "ran": 0, "seconds": limit}
        return json.loads(line)

    def _start(self) -> subprocess.Popen:
        env = {**os.environ, **SETTINGS, "PYTHONPATH": os.pathsep.join(map(str, (self._folder / "src", self._folder)))}
        command = [sys.executable, "-P", str(Path(__file__).with_name("_worker.py"))]
        self._process = subprocess.Popen(
            command, cwd=self._folder, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        return self._process

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None
