"""Which runs are made: every rule is tuned alike, then trained from twenty seeds, and with its number mis-set."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.policies.problems import PROBLEMS
from benchmarks.policies.rules import RULES
from benchmarks.policies.run import Outcome, make_run

__all__ = ["MISSET", "MISSET_SEEDS", "SEEDS", "TUNING", "Book", "chosen", "study"]

SEEDS, TUNING, MISSET_SEEDS = range(20), range(100, 103), range(10)  # no seed that tunes is compared
MISSET = (1 / 30, 1 / 5, 5.0, 30.0)


class Book:
    """Outcomes of runs, kept in a file of JSON lines: what is in it isn't run again."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = path.read_text().splitlines() if path.exists() else []
        self._known: dict[tuple[str, str, str, int], Outcome] = {}
        for line in map(json.loads, lines):
            self._known[line["problem"], line["rule"], line["number"], line["seed"]] = Outcome(line["start"], line["losses"], line["cut"])

    def get(self, problem: str, rule: str, number: float, seed: int) -> Outcome:
        """Return the outcome of a run that was made."""
        return self._known[problem, rule, f"{number:.4g}", seed]

    def holds(self, problem: str, rule: str, number: float, seed: int) -> bool:
        return (problem, rule, f"{number:.4g}", seed) in self._known

    def keep(self, problem: str, rule: str, number: float, seed: int, outcome: Outcome) -> None:
        self._known[problem, rule, f"{number:.4g}", seed] = outcome
        with self.path.open("a") as file:
            run = {"problem": problem, "rule": rule, "number": f"{number:.4g}", "seed": seed}
            file.write(json.dumps(run | outcome._asdict()) + "\n")

    def final(self, problem: str, rule: str, number: float, seed: int) -> float:
        return self.get(problem, rule, number, seed).losses[-1]

    def __len__(self) -> int:
        return len(self._known)


def chosen(book: Book, problem: str, rule: str) -> float:
    """Return the number whose mean loss at the end is lowest over the seeds that tune; a run that fails rules it out."""

    def mean(number: float) -> float:
        finals = [book.final(problem, rule, number, seed) for seed in TUNING]
        return float(np.mean(finals)) if np.isfinite(finals).all() else math.inf

    return min(RULES[rule].numbers, key=mean)


def study(problem: str, book: Book, progress: Callable[[str], None] = lambda words: None) -> None:
    """Make all runs of a problem that aren't in the book."""
    runs: dict[str, Callable[[float, int], Outcome]] = {}

    def train(rule: str, number: float, seed: int) -> None:
        if not book.holds(problem, rule, number, seed):
            if rule not in runs:
                runs[rule] = make_run(PROBLEMS[problem], RULES[rule])
            book.keep(problem, rule, number, seed, runs[rule](number, seed))

    for rule in RULES:
        progress(f"{problem}: {rule}")
        for number in RULES[rule].numbers:
            for seed in TUNING:
                train(rule, number, seed)
        best = chosen(book, problem, rule)
        for seed in SEEDS:
            train(rule, best, seed)
            if RULES[rule].cuts:
                train("constant", best, seed)  # what would have come without the cut
        for factor in MISSET:
            for seed in MISSET_SEEDS:
                train(rule, best * factor, seed)
