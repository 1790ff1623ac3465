"""`python -m benchmarks.false_cuts`: how often rules cut the rate while the loss still falls, and how long they wait on a plateau."""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path

import numpy as np

from benchmarks._machine import machine
from benchmarks._report import print_table
from benchmarks.false_cuts import figures, logs, rules
from benchmarks.false_cuts.bank import CORRELATIONS, FAMILIES, NOISES, SIZES, STEPS, WINDOW
from benchmarks.false_cuts.measure import SHOWN, Family, interval, measure


def main(arguments: list[str] | None = None) -> int:
    options = _parse(arguments)
    begin, where = time.perf_counter(), machine()
    limits, families = rules.thresholds(rules.ALPHAS), []
    for name in options.only or FAMILIES:
        families.append(measure(name, options.seeds, limits))
        print(f"{name}: {families[-1].false('ours').sum()} false cuts, {time.perf_counter() - begin:.0f} s", flush=True)
    show(families)
    folder = os.environ.get("RHEOSTAX_LOSS_CURVES")
    if folder is None:
        print("Real logs: left out; RHEOSTAX_LOSS_CURVES names no folder of them.")
    else:
        print_table("Real logs, window of 64 logged losses: the log's line of the first cut", logs.HEADER, logs.rows(Path(folder)))
    if options.figures:
        figures.draw(families, options.figures)
    if options.json:
        options.json.write_text(json.dumps({"machine": where, "families": [summary(one) for one in families]}, indent=1) + "\n")
    print(", ".join(f"{key} {value}" for key, value in where.items()), f"({time.perf_counter() - begin:.0f} s)")
    good = all(one.false("ours").mean() <= SHOWN for one in families)
    return 0 if good else 1


def show(families: list[Family]) -> None:
    """Print false cuts of all rules, then the delays of ours and the oracle's."""
    kinds = f"{len(NOISES)} kinds of noise, {STEPS:,} updates, window {WINDOW:,}"
    lines = []
    for one in families:
        count, total = int(one.false("ours").sum()), len(one.ends)
        low, high = interval(count, total)
        peers = [max(one.false(rule).mean() for rule in one.cuts if rule.startswith(start)) for start in SHOWN_PEERS]
        mine = one.name, f"{count} of {total:,}", f"{low:.2%} to {high:.2%}", f"{one.false('oracle').mean():.1%}"
        lines.append((*mine, *(f"{peer:.0%}" for peer in peers)))
    header = ("family", "false cuts", "95% interval", "oracle", *SHOWN_PEERS)
    print_table(f"False cuts in a run at alpha = {SHOWN:.0%} ({kinds})", header, lines)
    ending = [one for one in families if (one.ends < STEPS).any()]
    lines = []
    for one in ending:
        mine, best = (np.median(one.delays(rule)) / WINDOW for rule in ("ours", "oracle"))
        lines.append((one.name, f"{mine:.2f}", f"{best:.2f}", f"{mine / best:.2f}", "pass" if mine <= 2 * best else "MISS"))
    print_table("Median delay after the end of progress, in windows", ("family", "ours", "oracle", "ratio", "<= 2"), lines)
    for one in ending:
        pairs = zip(SIZES, one.by_noise("ours"), one.by_noise("oracle"), strict=True)
        lines = [(f"{size:.0%}", *(f"{a:.1f} ({b:.1f})" for a, b in zip(mine, best, strict=True))) for size, mine, best in pairs]
        print_table(f"{one.name}: median delay in windows, ours (oracle)", ("noise", *(f"AR {c:g}" for c in CORRELATIONS)), lines)


SHOWN_PEERS = (
    "optax, every update",
    "PyTorch, every update",
    *(f"{peer}, means of windows, patience {patience}" for patience in (2, 10) for peer in ("optax", "PyTorch")),
)


def summary(one: Family) -> dict[str, object]:
    rate = {rule: float(one.false(rule).mean()) for rule in one.cuts}
    delay = {rule: float(np.median(one.delays(rule))) for rule in one.cuts} if (one.ends < STEPS).any() else {}
    return {"family": one.name, "runs": len(one.ends), "alpha": SHOWN, "false cuts": rate, "median delay": delay}


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m benchmarks.false_cuts", description="False cuts of plateau rules, and their delays.")
    parser.add_argument("--seeds", type=int, default=8, help="runs of each family with each of the 64 kinds of noise")
    parser.add_argument("--only", action="append", choices=FAMILIES, metavar="FAMILY", help="one family; may be repeated")
    parser.add_argument("--figures", type=Path, metavar="FOLDER", help="draw the figures of the documentation into it")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    raise SystemExit(main())
