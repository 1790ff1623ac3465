"""The warm process, a script of its own: per line of input it imports the package and tests anew, runs them, and answers in a line.

What is compiled for single operations stays, since it belongs to JAX, and so does the arithmetic below the package, which nothing in
it changes; that makes a mutant a matter of less than a second. What could keep anything of an earlier mutant, the modules of the
package and of its tests, is thrown away.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import re
import resource
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

MEMORY = 12 * 2**30  # bytes of addresses: a mutant that collects without end fails then, and doesn't stop the machine
KEPT = "rheostax._twofloat"  # imports nothing of the package, and has compiled functions of its own
STOP = ["-x", "-q", "--tb=no", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:unraisableexception", "-p", "no:threadexception"]


class TimedOut(BaseException):
    """The tests took more processor time than they may."""


class Chosen:
    """A plugin of pytest that keeps the chosen tests of each file, in the order of the files, and remembers what failed."""

    def __init__(self, wanted: list[str]) -> None:
        self.patterns = [(file, re.compile(pattern)) for file, _, pattern in (one.partition("::") for one in wanted)]
        self.files = list(dict.fromkeys(file for file, _ in self.patterns))
        self.ran, self.failed = 0, ""

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = [item for item in items if any(item.nodeid.startswith(file) and p.search(item.nodeid) for file, p in self.patterns)]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.ran += report.when == "call"
        if report.failed and not self.failed:
            self.failed = report.nodeid

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed and not self.failed:
            self.failed = report.nodeid or "collection"


def forget() -> None:
    """Drop the modules that are to be imported again: what comes from the project's folder."""
    here = str(Path.cwd()) + os.sep
    own = {name.partition(".")[0] for name, module in sys.modules.items() if str(getattr(module, "__file__", "")).startswith(here)}
    for name in [name for name in sys.modules if name.partition(".")[0] in own - {"__main__"} and not name.startswith(KEPT)]:
        del sys.modules[name]


@contextlib.contextmanager
def limited(seconds: float) -> Iterator[list[str]]:
    """Raise `TimedOut` after so much processor time of this process: a busy machine makes nobody late. Says so in a list, too."""
    late: list[str] = []  # since pytest takes the exception for one of the test

    def stop(*_: object) -> None:
        late.append("late")
        raise TimedOut

    signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield late
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def run(order: dict[str, Any]) -> dict[str, Any]:
    """Run the tests that are ordered; `outcome` is passed, failed or late."""
    begin, chosen, outcome = time.process_time(), Chosen(order["tests"]), "failed"
    forget()
    with limited(order["limit"]) as late, contextlib.suppress(TimedOut, SystemExit):
        outcome = "passed" if pytest.main([*STOP, *chosen.files], plugins=[chosen]) == pytest.ExitCode.OK else "failed"
    return {"outcome": "late" if late else outcome, "by": chosen.failed, "ran": chosen.ran, "seconds": time.process_time() - begin}


def main() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever the tests print is no answer
    sys.stdout = sys.stderr
    sys.path[:0] = [str(Path("src").absolute()), str(Path.cwd())]
    for number, line in enumerate(sys.stdin):
        answers.write(json.dumps(run(json.loads(line))) + "\n")
        answers.flush()
        if number % 20 == 1:
            gc.collect()
            gc.freeze()  # JAX and what is compiled stay anyway


if __name__ == "__main__":
    main()
