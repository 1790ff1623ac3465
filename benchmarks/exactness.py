"""`python -m benchmarks.exactness`: how far every schedule of the catalogue is from its definition in float64.

Each is evaluated at 62,300 pairs of a horizon and a count: all counts of each horizon up to 100, the ends of each up to 2,000, and
beginning, middle, end, what comes after it, and random counts of 1e5, 2**24 + 1, 1e8 and 2e9. "jit" is one compiled call that has
the horizons and hyperparameters as arguments, under `vmap`; "eager" is the same operation by operation, and "scan" pair by pair
with unsigned counts, both at 21,730 of the pairs; "constants" is a schedule with Python numbers, called and compiled, at two horizons.

The exit code is 1 if a value is more than 4 float32 ulp off, negative or not finite, or isn't the given value at and after its end to
the last bit; if another integer type of the count gives another value; or if one of the checks of the last updates fails.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import dataclasses
import functools
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks import _exactness_page, _near_the_end, _sweep
from benchmarks._machine import machine
from benchmarks._report import print_table
from benchmarks._sweep import LIMIT, WAYS, Finding
from tests.oracles.families import FAMILIES

LAST = 1000


def main(arguments: list[str] | None = None) -> int:
    options = _parse(arguments)
    begin, where = time.perf_counter(), machine()
    names = [name for name in FAMILIES if not options.only or any(word in name for word in options.only)]
    ends = _near_the_end.optax_is_no_number, _near_the_end.ours_is_wrong
    tasks = [functools.partial(one, options.quick) for one in ends] + [functools.partial(_near_the_end.different_values, last=LAST)]
    tasks += [functools.partial(_examine, name, options.quick) for name in names]
    theirs, ours, different, *findings = _done(tasks, options.jobs)
    grid = len(_near_the_end.horizons(options.quick))
    _show(findings)
    print(f"\nValues of the last {LAST:,} updates of a horizon of 1e8: {', '.join(f'{name} {n:,}' for name, n in different.items())}")
    print(f"A compiled polynomial to 0 at its end, {grid:,} horizons: optax is NaN for {theirs:,}, ours is wrong for {ours:,}")
    fine = all(one.fine for one in findings) and different["Linear"] == different["Cosine"] == LAST and ours == 0
    print(_verdict(findings, fine))
    print(", ".join(f"{key} {value}" for key, value in where.items()), f"({time.perf_counter() - begin:.0f} s)")
    polynomial = {"horizons": grid, "optax NaN": theirs, "ours wrong": ours}
    schedules = [dataclasses.asdict(one) | {"schedule": FAMILIES[one.name].name, "fine": one.fine} for one in findings]
    results = {"machine": where, "quick": options.quick, "limit": LIMIT, "fine": fine, "schedules": schedules}
    results |= {"different last values": different, "polynomial": polynomial}
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n")
    if options.write_table and fine:
        _exactness_page.write(results)
    return 0 if fine else 1


def _examine(name: str, quick: bool) -> Finding:
    return _sweep.examine(name, FAMILIES[name], quick)


def _done(tasks: Sequence[Callable[[], Any]], jobs: int) -> list[Any]:
    """Call each, in some processes at once: compiling, which is most of the work, keeps one core busy."""
    if jobs == 1:
        return [task() for task in tasks]
    with concurrent.futures.ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as pool:
        return [one.result() for one in [pool.submit(task) for task in tasks]]


def _show(findings: list[Finding]) -> None:
    header = ("schedule", "", "values", *WAYS, "improper", "ends missed", "types", "")
    lines = [
        (
            FAMILIES[one.name].name,
            one.name,
            f"{one.compared:,}",
            *(f"{one.largest[way]:.2f}" for way in WAYS),
            str(one.improper),
            str(one.missed),
            ", ".join(one.types) or "same",
            "pass" if one.fine else "MISS",
        )
        for one in findings
    ]
    print_table("Largest difference from float64, in float32 ulp", header, lines)


def _verdict(findings: list[Finding], fine: bool) -> str:
    """Say what was compared, and where the worst of those that aren't fine was."""
    compared, largest = sum(one.compared for one in findings), max(max(one.largest.values()) for one in findings)
    words = f"{compared:,} values of {len(findings)} settings: at most {largest:.2f} ulp off, {LIMIT:g} allowed."
    misses = [f"{one.name}: {one.worst}" for one in findings if not one.fine]
    return "\n  ".join([words + (" All is well." if fine else " Not all is well:"), *misses])


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m benchmarks.exactness", description="How far every schedule is from float64.")
    parser.add_argument("--only", action="append", metavar="WORD", help="schedules with this in their name; may be repeated")
    parser.add_argument("--quick", action="store_true", help="fewer horizons and counts")
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1), metavar="N", help="processes (%(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    parser.add_argument("--write-table", action="store_true", help="write docs/exactness.md from what was found; for all schedules only")
    options = parser.parse_args(arguments)
    if options.write_table and (options.only or options.quick):
        parser.error("--write-table: the page is made of all figures, without --only and --quick")
    if options.only and not any(word in name for word in options.only for name in FAMILIES):
        parser.error(f"--only: no schedule has {' or '.join(map(repr, options.only))} in its name; there are {', '.join(FAMILIES)}")
    return options


if __name__ == "__main__":
    sys.exit(main())
