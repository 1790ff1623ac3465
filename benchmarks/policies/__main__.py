"""`python -m benchmarks.policies`: make the runs that are missing, and print the tables."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

from benchmarks.policies import figures
from benchmarks.policies.problems import PROBLEMS
from benchmarks.policies.study import Book, study


def main() -> None:
    parser = argparse.ArgumentParser("python -m benchmarks.policies", description=__doc__)
    parser.add_argument("--only", action="append", choices=PROBLEMS, metavar="PROBLEM", help="one of the problems; may be repeated")
    parser.add_argument(
        "--runs", type=Path, default=Path("runs/policies.jsonl"), metavar="FILE", help="where outcomes are kept; a second call goes on"
    )
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw them too")
    options = parser.parse_args()
    book, begin = Book(options.runs), time.monotonic()

    def progress(words: str) -> None:
        print(f"{time.monotonic() - begin:6.0f} s  {len(book):6,} runs  {words}", flush=True)

    problems = options.only or list(PROBLEMS)
    for problem in problems:
        study(problem, book, (lambda words: None) if options.json else progress)
    found = figures.summarize(book, problems)
    if options.plot:
        figures.draw(found, options.plot)
    print(json.dumps(found) if options.json else figures.to_markdown(found))


if __name__ == "__main__":
    main()
