"""`python -m benchmarks.promises`: run the tests of every promise, and write what they found into the documentation."""

from __future__ import annotations

import argparse
import dataclasses
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from pathlib import Path

from benchmarks._machine import machine
from benchmarks._promised import PROMISES, Promise

PAGE = Path(__file__).parents[1] / "docs" / "promises.md"
MARK = "<!-- from here on written by `make promises` -->\n"


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What the tests of a promise did."""

    passed: int
    failed: tuple[str, ...]
    seconds: float
    figures: tuple[str, ...]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser("python -m benchmarks.promises", description=__doc__)
    parser.add_argument("--only", type=int, nargs="*", metavar="NUMBER", help="these promises, and don't write the page")
    options = parser.parse_args(arguments)
    chosen = [one for one in PROMISES if not options.only or one.number in options.only]
    outcomes = run(chosen)
    for promise in chosen:
        print(f"{promise.number:2}  {_result(outcomes[promise.number])}  {promise.text}")
        print("".join(f"    failed: {name}\n" for name in outcomes[promise.number].failed), end="")
    broken = [one for one in chosen if outcomes[one.number].failed or not outcomes[one.number].passed]
    if not options.only and not broken:
        write(outcomes)
    return 1 if broken else 0


def run(promises: list[Promise]) -> dict[int, Outcome]:
    """Run the tests of some promises, each test once, in one run of pytest."""
    wanted = list(dict.fromkeys(test for promise in promises for test in promise.tests))
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.xml")
        command = [sys.executable, "-m", "pytest", "-q", "-n", "2", f"--junitxml={report}", "-o", "junit_family=xunit1", *wanted]
        done = subprocess.run(command, cwd=PAGE.parents[1], check=False, stdout=2)  # what it prints is progress
        if not report.is_file():
            raise SystemExit(f"pytest ended with {done.returncode} and left no report.")
        cases = [_case(element) for element in ET.parse(report).iter("testcase")]
    return {promise.number: _outcome(promise, cases) for promise in promises}


@dataclasses.dataclass(frozen=True)
class Case:
    """One test that ran."""

    name: str  # as pytest names it, without its parameters
    whole: str
    bad: bool
    skipped: bool
    seconds: float
    figures: tuple[str, ...]


def _case(element: ET.Element) -> Case:
    name = f"{element.get('file', '')}::{element.get('name', '')}"
    figures = [one.get("value", "") for one in element.iter("property") if one.get("name") == "figure"]
    bad = element.find("failure") is not None or element.find("error") is not None
    return Case(
        name.partition("[")[0], name, bad, element.find("skipped") is not None, float(element.get("time", 0)), tuple(figures)
    )  # fmt: skip


def _outcome(promise: Promise, cases: list[Case]) -> Outcome:
    own = [case for case in cases if any(case.name == test or case.name.startswith(test + "::") for test in promise.tests)]
    return Outcome(
        sum(not case.bad and not case.skipped for case in own),
        tuple(case.whole for case in own if case.bad),
        sum(case.seconds for case in own),
        tuple(dict.fromkeys(figure for case in own for figure in case.figures)),
    )


def _result(outcome: Outcome) -> str:
    total = outcome.passed + len(outcome.failed)
    return f"{outcome.passed} of {total} passed"


def write(outcomes: dict[int, Outcome]) -> None:
    """Write everything below the mark anew."""
    rows = ["| | promise | tests | passed | found |", "| --- | --- | --- | --- | --- |"]
    for promise in PROMISES:
        outcome = outcomes[promise.number]
        tests = "<br>".join(f"`{test.removeprefix('tests/')}`" for test in promise.tests)
        rows.append(f"| {promise.number} | {promise.text} | {tests} | {_result(outcome)} | {'<br>'.join(outcome.figures)} |")
    above = PAGE.read_text().partition(MARK)[0]
    here = machine()
    where = (
        f"On {here['cpu']}, {here['cores']} cores, Python {here['python']}, jax {here['jax']}, flax {here['flax']}, optax {here['optax']}."
    )
    PAGE.write_text(above + MARK + "\n" + "\n".join(rows) + f"\n\n{where}\n")


if __name__ == "__main__":
    sys.exit(main())
