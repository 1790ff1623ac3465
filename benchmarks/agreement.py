"""What it costs to keep two processes together: the comparison of their rates, and an observation that is reduced."""

from __future__ import annotations

import numpy as np

from benchmarks._report import Target, Topic, compared
from tests.parallel.launch import results


def run(quick: bool = False) -> Topic:
    updates, rounds = 100, 2 if quick else 15
    of_first = results("benchmarks._agreement_worker", 2, updates, rounds)[0]
    seconds = {name: np.array(sample) for name, sample in of_first.items()}
    judged = [name for name in seconds if name.startswith("Agreement")]
    rows = compared(seconds, updates, Target("<=", 1.02), judged=judged)
    return Topic("Time of a data-parallel update, 2 processes on one machine (gloo)", rows)
