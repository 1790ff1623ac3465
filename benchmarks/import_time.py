"""What importing rheostax takes above importing flax and optax, in fresh processes."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np

from benchmarks._measure import Spread
from benchmarks._report import Row, Target, Topic

PEERS = """
import time
begin = time.perf_counter()
import jax, optax
from flax import nnx
peers = time.perf_counter()
"""
OURS = "import rheostax\n"
PRINT = "end = time.perf_counter(); print(end - begin, end - peers)"

AT_MOST = Target("<=", 0.1)


def run(quick: bool = False) -> Topic:
    _seconds(OURS)  # fills the file cache, writes bytecode
    rounds = [(_seconds(""), _seconds(OURS)) for _ in range(1 if quick else 9)]
    without, together = np.array(rounds).transpose(1, 2, 0)  # each [total and above, rounds]
    rows = [
        Row.measured("flax and optax", Spread.of(without[0]), "s"),
        Row.measured("rheostax after them, in one process", Spread.of(together[1]), "s", AT_MOST),
        Row.measured("difference of two processes, with and without", Spread.of(together[0] - without[0]), "s", AT_MOST),
    ]
    return Topic("Import time", rows)


def _seconds(ours: str) -> tuple[float, float]:
    """Return the seconds that all imports took, and those after the peers'."""
    command = [sys.executable, "-c", PEERS + ours + PRINT]
    # An installed package has bytecode, as the peers have; an editable one in an environment that writes none hasn't.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    output = subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout
    total, above = map(float, output.split())
    return total, above
