"""`python -m benchmarks.drills`: run the drills and print their figures; exit code 1 if one of them misses what it has to reach."""

from __future__ import annotations

import argparse
import sys
import time

from benchmarks._machine import machine
from benchmarks._report import show, summary
from benchmarks.drills import process_loss

DRILLS = {"process-loss": process_loss}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser("python -m benchmarks.drills", description="Faults on purpose, and what became of the runs.")
    parser.add_argument("--only", action="append", choices=DRILLS, metavar="DRILL", help=f"one of {', '.join(DRILLS)}; may be repeated")
    parser.add_argument("--quick", action="store_true", help="one fault of each kind")
    options = parser.parse_args(arguments)
    begin, where = time.perf_counter(), machine()
    topics = {name: DRILLS[name].run(quick=options.quick) for name in options.only or DRILLS}
    for topic in topics.values():
        show(topic)
    print(summary(topics))
    print(", ".join(f"{key} {value}" for key, value in where.items()), f"({time.perf_counter() - begin:.0f} s)")
    return 0 if all(row.met is not False for topic in topics.values() for row in topic.rows) else 1


if __name__ == "__main__":
    sys.exit(main())
