"""What it takes to replay a million observations with a hundred settings, in fresh processes on two cores."""

from __future__ import annotations

import subprocess
import sys

import numpy as np

from benchmarks._measure import Spread
from benchmarks._report import Row, Target, Topic

PROGRAM = """
import os, sys, time
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])
from pathlib import Path
import numpy as np
import rheostax as rx
from rheostax.record import Series

n = int(sys.argv[1])
loss = 2.0 + 3.0 * np.exp(-np.arange(n) / (n / 5)) + 0.2 * np.random.default_rng(0).normal(size=n)
run = rx.RunLog(Path("run"), "csv", {"loss": Series(np.arange(n), loss)}, {})
rule = f"Warmup(1000) * Cosine(3e-4, {n}) * ReduceOnPlateau(accumulation_size=100, patience=%s, factor=%s)"
grid = rule % ([5, 10, 20, 30, 50, 70, 100, 150, 200, 300], [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95])
for _ in range(2):
    wall, cpu = time.perf_counter(), time.process_time()
    found = rx.replay(run, grid)
    print(time.perf_counter() - wall, time.process_time() - cpu)
assert len(found.settings) == 100 and sum(one.decided.cuts for one in found.settings) > 100
"""

AT_MOST = Target("<=", 10.0)


def run(quick: bool = False) -> Topic:
    observations = 20_000 if quick else 1_000_000
    first, again = np.array([_seconds(observations) for _ in range(1 if quick else 3)]).transpose(1, 2, 0)  # each [wall and cpu, rounds]
    rows = [
        Row.measured("compilation included", Spread.of(first[0]), "s", AT_MOST),
        Row.measured("the same, processor time of both cores", Spread.of(first[1]), "s"),
        Row.measured("a second time, compiled", Spread.of(again[0]), "s"),
    ]
    return Topic(f"Replay of {observations:,} observations with 100 settings, on two cores", rows)


def _seconds(observations: int) -> list[list[float]]:
    """Return wall-clock and processor seconds of the first and the second replay."""
    output = subprocess.run([sys.executable, "-c", PROGRAM, str(observations)], check=True, capture_output=True, text=True).stdout
    return [list(map(float, line.split())) for line in output.splitlines()]
