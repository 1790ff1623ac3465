"""What the runs say, with intervals.

A loss says something within its problem only. So it is counted in parts of the fall that tuned cosine brings there: 0 is where cosine
ends, 1 where the run begins, and below 0 is better than cosine. A run that ends without a number, or above where it began, counts as 1.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.policies.problems import PROBLEMS
from benchmarks.policies.rules import RULES
from benchmarks.policies.study import MISSET, MISSET_SEEDS, SEEDS, TUNING, Book, chosen

__all__ = ["draw", "summarize", "to_markdown"]

REFERENCE = "cosine to zero"
NEAR = 0.01  # a run is at the target when this part of cosine's fall is missing
DRAWS = 4000  # of the bootstrap


def interval(samples: Any) -> tuple[float, float, float]:
    """Return the mean over problems, and 95% of it in a bootstrap of problems, and of seeds within each: rows are problems."""
    rows = [np.asarray(row, float) for row in samples]
    random = np.random.default_rng(0)
    means = np.stack([row[random.integers(0, len(row), (DRAWS, len(row)))].mean(1) for row in rows])
    if len(rows) > 1:
        means = np.take_along_axis(means, random.integers(0, len(rows), (len(rows), DRAWS)), 0)
    low, high = np.quantile(means.mean(0), (0.025, 0.975))
    return float(np.mean([row.mean() for row in rows])), float(low), float(high)


class _Scale:
    """Losses of one problem as parts of the fall that tuned cosine brings."""

    def __init__(self, book: Book, problem: str) -> None:
        self.book, self.problem = book, problem
        self.best = {rule: chosen(book, problem, rule) for rule in RULES}
        runs = [self.run(REFERENCE, seed) for seed in SEEDS]
        self.top, self.bottom = np.mean([run.start for run in runs]), np.mean([run.losses[-1] for run in runs])

    def run(self, rule: str, seed: int, factor: float = 1.0, of: str | None = None) -> Any:
        return self.book.get(self.problem, rule, self.best[of or rule] * factor, seed)

    def __call__(self, losses: Any) -> np.ndarray:
        missing = (np.asarray(losses, float) - self.bottom) / (self.top - self.bottom)
        return np.where(np.isfinite(missing), np.minimum(missing, 1.0), 1.0)

    def missing(self, rule: str, factor: float = 1.0, seeds: Iterable[int] = SEEDS) -> np.ndarray:
        return self([self.run(rule, seed, factor).losses[-1] for seed in seeds])

    def time(self, rule: str) -> np.ndarray:
        """Return the part of each run after which it is at the target; 1 where it never is."""
        near = self([self.run(rule, seed).losses for seed in SEEDS]) <= NEAR
        return np.where(near.any(1), (near.argmax(1) + 1) / near.shape[1], 1.0)

    def reached(self, rule: str) -> np.ndarray:
        return (self([self.run(rule, seed).losses for seed in SEEDS]) <= NEAR).any(1)

    def cuts(self, rule: str) -> tuple[int, int]:
        """Return in how many runs a metric lowered the rate, and in how many of them too early.

        Too early: the twin without a cut lowers its best loss by another hundredth of its fall so far, within a quarter of a run.
        """
        problem, cut, false = PROBLEMS[self.problem], 0, 0
        for seed in SEEDS:
            if (count := self.run(rule, seed).cut) is None:
                continue
            twin = self.run("constant", seed, of=rule)
            seen = max(1, count // problem.every)
            before, later = min(twin.losses[:seen]), min(twin.losses[seen : seen + problem.evaluations // 4], default=np.inf)
            cut, false = cut + 1, false + bool(later < before - 0.01 * (twin.start - before))
        return cut, false


def summarize(book: Book, problems: list[str]) -> dict[str, Any]:
    """Return all figures, as they are printed and drawn."""
    scales = [_Scale(book, problem) for problem in problems]
    reference = {scale.problem: scale.missing(REFERENCE) for scale in scales}
    found: dict[str, Any] = {"problems": {}, "rules": {}, "charge": {}}
    for scale in scales:
        found["problems"][scale.problem] = {
            rule: {
                "number": scale.best[rule],
                "loss": float(np.mean([scale.run(rule, seed).losses[-1] for seed in SEEDS])),
                "beside_cosine": interval([scale.missing(rule) - reference[scale.problem]]),
            }
            for rule in RULES
        }
    for rule, details in RULES.items():
        cuts = np.sum([scale.cuts(rule) for scale in scales], axis=0) if details.cuts else None
        found["rules"][rule] = {
            "beside_cosine": interval([scale.missing(rule) - reference[scale.problem] for scale in scales]),
            "reached": interval([scale.reached(rule) for scale in scales]),
            "time": interval([scale.time(rule) for scale in scales]),
            "sooner_than_cosine": interval([scale.time(rule) - scale.time(REFERENCE) for scale in scales]),
            "misset": {
                f"{Fraction(factor).limit_denominator(100)}": interval([scale.missing(rule, factor, MISSET_SEEDS) for scale in scales])
                for factor in MISSET
            },
            "cuts": None if cuts is None else {"runs": len(SEEDS) * len(scales), "cut": int(cuts[0]), "false": int(cuts[1])},
            "runs_to_tune": len(details.numbers) * len(TUNING),
        }
    return found


def _verdict(one: tuple[float, float, float]) -> str:
    """Mark what the interval tells apart from 0: below is better."""
    return "better" if one[2] < 0 else "worse" if one[1] > 0 else ""


def _percent(one: tuple[float, float, float]) -> str:
    return "{:+.1f} ({:+.1f} to {:+.1f})".format(*(100 * value for value in one))


def to_markdown(found: dict[str, Any]) -> str:
    """Write three tables: over all problems, per problem, and with a number that is mis-set."""
    return "\n\n".join((_overall(found), _by_problem(found), _misset(found)))


def _table(header: Iterable[str], lines: Iterable[Iterable[str]]) -> str:
    header = list(header)
    rows = [header, ["---"] * len(header), *map(list, lines)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _overall(found: dict[str, Any]) -> str:
    def line(rule: str, one: dict[str, Any]) -> list[str]:
        verdicts = [_verdict(problem[rule]["beside_cosine"]) for problem in found["problems"].values()]
        cuts = one["cuts"] and f"{one['cuts']['false']} of {one['cuts']['cut']}"
        return [
            rule,
            _percent(one["beside_cosine"]),
            f"{verdicts.count('better')} / {verdicts.count('worse')}",
            f"{100 * one['reached'][0]:.0f}%",
            "{:.2f} ({:.2f} to {:.2f})".format(*one["time"]),
            cuts or "",
        ]

    header = (
        "",
        "end beside cosine, % of its fall",
        "problems better / worse",
        "runs at the target",
        "time to it, in runs",
        "first cuts too early",
    )
    return _table(header, (line(rule, one) for rule, one in found["rules"].items()))


def _by_problem(found: dict[str, Any]) -> str:
    def cell(one: dict[str, Any]) -> str:
        mark = {"better": " ▼", "worse": " ▲", "": ""}[_verdict(one["beside_cosine"])]
        return f"{one['loss']:.4f}{mark}"

    lines = ([rule, *(cell(problem[rule]) for problem in found["problems"].values())] for rule in found["rules"])
    return _table(("", *found["problems"]), lines)


def _misset(found: dict[str, Any]) -> str:
    factors = next(iter(found["rules"].values()))["misset"]
    lines = ([rule, *(_percent(one["misset"][factor]) for factor in factors)] for rule, one in found["rules"].items())
    return _table(("", *(f"x {factor}" for factor in factors)), lines)


def draw(found: dict[str, Any], path: Path) -> None:
    """Draw each rule's end beside cosine's, and what remains of the fall when its number is mis-set."""
    from matplotlib.figure import Figure  # noqa: PLC0415

    rules = list(found["rules"])
    figure = Figure(figsize=(11, 5), layout="constrained")
    ends, wrong = figure.subplots(1, 2, sharey=True, width_ratios=(1, 1.2))
    places = np.arange(len(rules))[::-1]
    mean, low, high = 100 * np.array([found["rules"][rule]["beside_cosine"] for rule in rules]).T
    ends.axvline(0, color="#9a9a9a", linewidth=0.8)
    ends.errorbar(mean, places, xerr=(mean - low, high - mean), fmt="o", color="#1f5fa8", capsize=3)
    ends.set(yticks=places, yticklabels=rules, xlabel="end beside tuned cosine, % of its fall (left is better)", title="Tuned")
    for factor, color in zip(next(iter(found["rules"].values()))["misset"], ("#0f2f54", "#8fbce6", "#e8a87c", "#b3541e"), strict=True):
        values = [100 * found["rules"][rule]["misset"][factor][0] for rule in rules]
        wrong.plot(values, places, "o", color=color, label=f"x {factor}")
    wrong.set(xlabel="% of cosine's fall that is missing", title="Its number mis-set")
    wrong.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    for axis in (ends, wrong):
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(axis="both", color="#e6e6e6", linewidth=0.6)
    figure.savefig(path, dpi=140)
