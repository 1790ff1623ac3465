"""How good forecasts are on public loss curves: `python -m benchmarks.forecast FOLDER`.

FOLDER holds `llama_25m` (columns step, lr, loss) and `llama_124m_lr1e-3` (columns step, learning_rate, train_loss, val_loss, and `runs.csv`
with the final losses). Of what isn't there the table is left out.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import functools
import itertools
import sys
import time
from pathlib import Path

import numpy as np

from rheostax import forecast
from rheostax.forecast import Curve, Fitted, Outlook

FIT = ("cosine_24000", "constant_24000", "wsdcon_9")
UNSEEN = ("constant_72000", "cosine_72000", "wsd_20000_24000", "wsdld_20000_24000", "wsdcon_3", "wsdcon_18")
WARMUP = 2_160
PUBLISHED = ("published for the multi-power law", 0.9988, 0.00376, 0.00110)

FRACTIONS, TOTALS = (0.1, 0.2, 0.4, 0.6, 0.8, 0.9), (15_000, 25_000, 35_000, 50_000)
WARMUP_124M, LEAST = 300, 2_000  # updates; before LEAST there are too few validations, one in 200 updates


def forecasts(folder: Path) -> str:
    """Return the table of the laws, each fitted to three curves and tested on six."""
    read = functools.cache(lambda name: forecast.read_curve(folder / f"{name}.csv"))
    lines = ["| | R2 | mean absolute error | mean relative error | points in the 90% band | processor seconds |", "| --- " * 6 + "|"]
    lines.append(f"| {PUBLISHED[0]} | {PUBLISHED[1]} | {PUBLISHED[2]:.5f} | {PUBLISHED[3]:.5f} | | |")
    forecast.fit([read(name) for name in FIT], warmup_steps=WARMUP)  # scipy is imported
    for law in forecast.LAWS:
        begin = time.process_time()
        fitted = forecast.fit([read(name) for name in FIT], law=law, warmup_steps=WARMUP)
        seconds = time.process_time() - begin
        r2, mae, relative, inside = np.mean([_score(fitted, read(name)) for name in UNSEEN], 0)
        lines.append(f'| `"{law}"` | {r2:.4f} | {mae:.5f} | {relative:.5f} | {inside:.1%} | {seconds:.2f} |')
    return "\n".join(lines)


def _score(fitted: Fitted, one: Curve) -> tuple[float, float, float, float]:
    """Return R2, mean absolute and relative error, and the part of the points in the band."""
    seen = one.step >= WARMUP
    loss = one.loss[seen]
    found = fitted.predict(one.rates(WARMUP), one.step[seen])
    off = found.loss - loss
    r2 = 1 - np.sum(off**2) / np.sum((loss - loss.mean()) ** 2)
    return (
        float(r2),
        float(np.abs(off).mean()),
        float(np.mean(np.abs(off) / loss)),
        float(np.mean((found.low <= loss) & (loss <= found.high))),
    )


def coverage(folder: Path) -> str:
    """Return how much of the curves that weren't fitted the 90% bands cover, over all choices of those that are."""
    curves = [forecast.read_curve(file) for file in sorted(folder.glob("*.csv"))]
    lines = ["| fitted | choices | points in the 90% band | curves with less than half of theirs | half the width |", "| --- " * 5 + "|"]
    for size in (2, 3):
        inside, widths, choices = [], [], 0
        for chosen in itertools.combinations(range(len(curves)), size):
            fitted = forecast.fit([curves[i] for i in chosen], warmup_steps=WARMUP)
            choices += fitted.saw_falls
            for one in (curves[i] for i in range(len(curves)) if i not in chosen and fitted.saw_falls):
                seen = one.step >= WARMUP
                found = fitted.predict(one.rates(WARMUP), one.step[seen])
                inside.append(np.mean((found.low <= one.loss[seen]) & (one.loss[seen] <= found.high)))
                widths.append(np.mean(found.high - found.low) / 2)
        few = np.mean(np.array(inside) < 0.5)
        lines.append(f"| {size} curves | {choices} | {np.mean(inside):.1%} | {few:.1%} | {np.mean(widths):.4f} |")
    return "\n".join(lines)


def ends(folder: Path) -> str:
    """Return how well an outlook's fit, to the constant run so far and one finished run, foretells the ends of the other curves."""
    names = [name for name in (*FIT, *UNSEEN) if not name.startswith("constant")]
    curves = {name: forecast.read_curve(folder / f"{name}.csv") for name in names}
    constant = forecast.read_curve(folder / "constant_72000.csv")
    lines = ["| constant run known up to | mean absolute error | ends in the 90% band |", "| --- " * 3 + "|"]
    for now in (12_000, 20_000):
        keep = constant.step <= now
        run = Curve(constant.step[keep], constant.learning_rate[keep], constant.loss[keep], constant.name)
        off, inside = [], []
        for helper in names:
            fitted = forecast.outlook(run, now + 1_000, finished=[curves[helper]], warmup_steps=WARMUP).fitted
            for one in (curves[name] for name in names if name != helper):
                found = fitted.predict(one.rates(WARMUP), one.step[-1:])
                off.append(abs(found.final - one.loss[-1]))
                inside.append(found.low[0] <= one.loss[-1] <= found.high[0])
        lines.append(f"| {now:,} updates | {np.mean(off):.4f} | {np.mean(inside):.0%} of {len(inside)} |")
    return "\n".join(lines)


@dataclasses.dataclass(frozen=True)
class Decays:
    """The runs of the 124M model: a constant one, and linear decays to 0 that branch off it."""

    folder: Path

    @functools.cached_property
    def finals(self) -> dict[str, float]:
        """The final validation losses."""
        with (self.folder / "runs.csv").open() as file:
            return {row["file"].removesuffix(".csv"): float(row["final_val_loss"]) for row in csv.DictReader(file)}

    @functools.cache  # noqa: B019  (one object per process)
    def curve(self, name: str) -> Curve:
        """Return the logged validation losses of a run."""
        return forecast.read_curve(self.folder / f"{name}.csv", loss="val_loss")

    def branch(self, start: int) -> Curve:
        """Return the constant run up to a branching point."""
        one = self.curve("constant_50000")
        keep = (one.step <= start) & (one.step >= WARMUP_124M)
        return Curve(one.step[keep], one.learning_rate[keep], one.loss[keep], one.name)

    def final(self, total: int, fraction: float) -> float:
        """Return the final loss of a decay; for half of the run, which isn't there, the mean of its neighbours: a convex curve is below."""
        if fraction == 0.5:
            return (self.final(total, 0.4) + self.final(total, 0.6)) / 2
        return self.finals[name_of(total, fraction)]

    def best(self, total: int) -> float:
        """Return the lowest final loss of the decays that were run."""
        return min(self.final(total, fraction) for fraction in FRACTIONS)

    @functools.cache  # noqa: B019
    def look(self, start: int, total: int, helper: str, law: str) -> Outlook:
        """Return the outlook at a branching point, with one finished run as help, its final loss included."""
        run = self.branch(max(start, LEAST))
        starts = [one for one in map(functools.partial(start_of, total), FRACTIONS) if one >= run.updates]
        options = {"law": law, "warmup_steps": WARMUP_124M, "starts": starts or None}
        return forecast.outlook(
            run, total, finished=[self.curve(helper)], finals=[(fraction_and_total(helper)[1], self.finals[helper])], **options
        )


@dataclasses.dataclass(frozen=True)
class Score:
    """How the forecasts and the choices were with one finished run as help."""

    helper: str
    error: float
    covered: float
    regret: float  # mean over the budgets, with the advice
    greedy: float  # with the lowest prediction in its place
    chosen: tuple[float, ...]  # fractions, by budget


def score(decays: Decays, helper: str, law: str) -> Score:
    """Forecast every other run from its branching point, and choose a start for every budget."""
    off, covered = [], []
    for total in TOTALS:
        for fraction in FRACTIONS:
            if name_of(total, fraction) != helper:
                found = decays.look(start_of(total, fraction), total, helper, law)
                at = int(np.argmin(np.abs(found.steps - start_of(total, fraction))))
                truth = decays.final(total, fraction)
                off.append(found.loss[at] - truth)
                covered.append(found.low[at] <= truth <= found.high[at])
    chosen = {greedy: [choose(decays, total, helper, law, greedy=greedy) for total in TOTALS] for greedy in (False, True)}
    advice, greedy = (np.mean([regret(decays, total, one) for total, one in zip(TOTALS, chosen[g], strict=True)]) for g in (False, True))
    return Score(helper, float(np.abs(off).mean()), float(np.mean(covered)), float(advice), float(greedy), tuple(chosen[False]))


def regret(decays: Decays, total: int, fraction: float) -> float:
    """Return how much higher a decay ends than the best that was run."""
    return decays.final(total, fraction) - decays.best(total)


def choose(decays: Decays, total: int, helper: str, law: str, *, greedy: bool) -> float:
    """Look at every branching point in turn, and at half the budget, and begin the decay where it is advised; return its fraction."""
    for fraction in sorted((*FRACTIONS, 0.5), reverse=True):
        now = start_of(total, fraction)
        found = decays.look(now, total, helper, law)
        advised = int(found.steps[np.argmin(found.loss)]) if greedy else found.start
        if advised <= max(now, int(found.steps[0])):
            return fraction
    return min(FRACTIONS)


def start_of(total: int, fraction: float) -> int:
    """Return the count at which a decay over a fraction of the run begins."""
    return round(total * (1 - fraction))


def fraction_and_total(name: str) -> tuple[float, int]:
    """Read a run's name."""
    *_, fraction, total = name.split("_")
    return float(fraction), int(total)


def linear(total: int, fraction: float) -> np.ndarray:
    """Return the rates of a run with a linear decay to 0 over its last fraction."""
    count, start = np.arange(total), start_of(total, fraction)
    return 1e-3 * np.minimum(count / WARMUP_124M, 1.0) * np.minimum(1.0, (total - count) / (total - start))


def oracle(folder: Path, law: str) -> str:
    """Return the table of the decay oracle: a row for each finished run that may help."""
    decays = Decays(folder)
    scores = [score(decays, name_of(total, fraction), law) for total in TOTALS for fraction in FRACTIONS]
    prior = {fraction: float(np.mean([regret(decays, total, fraction) for total in TOTALS])) for fraction in (0.4, 0.5, 0.6)}
    lines = ["| finished run | mean absolute error | outcomes in the 90% band | regret | without shrinking | chosen |", "| --- " * 6 + "|"]
    for one in scores:
        fractions = ", ".join(f"{fraction:g}" for fraction in one.chosen)
        fraction, total = fraction_and_total(one.helper)
        cells = f"{one.error:.4f} | {one.covered:.0%} | {one.regret:.4f} | {one.greedy:.4f} | {fractions}"
        lines.append(f"| {total:,} updates, decay over {fraction:g} | {cells} |")
    figures = [np.mean([getattr(one, name) for one in scores]) for name in ("error", "covered", "regret", "greedy")]
    lines.append("| mean | {:.4f} | {:.0%} | {:.4f} | {:.4f} | |".format(*figures))
    lines += [f"| always {fraction:g} | | | {value:.4f} | | |" for fraction, value in prior.items()]
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser("python -m benchmarks.forecast", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", help="the loss curves")
    parser.add_argument("--law", default="fading_multi_power", choices=forecast.LAWS, help="of the second table")
    parser.add_argument("--only", choices=("laws", "coverage", "ends", "oracle"), help="one of the tables")
    options = parser.parse_args(arguments)
    if options.folder is None:
        sys.exit("Nothing was measured: name the folder with the loss curves, as in make forecast ARGS=curves.")
    tables = {
        "laws": ("llama_25m", forecasts),
        "coverage": ("llama_25m", coverage),
        "ends": ("llama_25m", ends),
        "oracle": ("llama_124m_lr1e-3", lambda folder: oracle(folder, options.law)),
    }
    for label, (name, table) in tables.items():
        if options.only in (None, label):
            folder = options.folder / name
            print(f"\n{name}\n\n{table(folder)}" if folder.is_dir() else f"\n{name}: skipped, there is no {folder}", flush=True)


def name_of(total: int, fraction: float) -> str:
    """Return the name of a run."""
    return f"wsd_linear_decay_{fraction}_{total}"


if __name__ == "__main__":
    main()
