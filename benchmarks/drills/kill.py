"""Kill a training with SIGKILL again and again, resume it each time, and compare with the run that nobody disturbed.

    python -m benchmarks.drills.kill --kills 50

A chain is one run, started, killed and resumed until it is over; chains are begun until there were enough kills. Every second kill
waits until a checkpoint is being written (its temporary folder is there), the others come at a random moment. Weights, statistics,
random streams, every record, every decision and the summary are compared to the last bit, times aside. Exit code 1 if any differs.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.drills._worker import STATE
from rheostax.record.run_directory import JOURNAL, METRICS, SUMMARY, RunDirectory

NOT_COMPARED = {"time", "seconds", "path"}


def start(folder: Path) -> subprocess.Popen[bytes]:
    """Start a process that works."""
    return subprocess.Popen([sys.executable, "-m", "benchmarks.drills._worker", str(folder)], stdout=subprocess.DEVNULL)


def unfinished(folder: Path) -> set[str]:
    """Return the checkpoints that are being written, or were when the process was killed."""
    there = folder / "checkpoints"
    return {entry.name for entry in there.iterdir() if "tmp" in entry.name} if there.is_dir() else set()


def records(folder: Path) -> int:
    """Return how far a run is: the length of its records."""
    file = folder / METRICS
    return file.stat().st_size if file.exists() else 0


@dataclasses.dataclass
class Told:
    """What has happened so far."""

    kills: int = 0
    while_saving: int = 0  # kills that left a checkpoint half written
    before_the_first: int = 0  # kills before there was any checkpoint
    after_the_end: int = 0  # processes that were done before their moment came
    chains: int = 0
    differences: list[str] = dataclasses.field(default_factory=list)


def disturb(process: subprocess.Popen[bytes], folder: Path, *, saving: bool, chance: random.Random) -> bool:
    """Kill a process at some moment after it has begun to train; return False if it ended before that."""
    begin, old = records(folder), unfinished(folder)
    moment: float | None = None
    while process.poll() is None:
        now = time.perf_counter()
        if moment is None and saving and unfinished(folder) - old and chance.random() < 0.2:
            moment = now + chance.uniform(0.0, 0.03)
        elif moment is None and not saving and records(folder) != begin:
            moment = now + chance.uniform(0.0, 2.0)
        if moment is not None and now >= moment:
            process.send_signal(signal.SIGKILL)
            process.wait()
            return process.returncode == -signal.SIGKILL
        time.sleep(0.001)
    return False


def chain(folder: Path, told: Told, most: int, chance: random.Random) -> None:
    """Run one training to its end through as many kills as come, `most` in all."""
    told.chains += 1
    while True:
        process = start(folder)
        if told.kills >= most:
            process.wait()
        elif disturb(process, folder, saving=told.kills % 2 == 1, chance=chance):
            told.kills += 1
            told.while_saving += bool(unfinished(folder))
            done = [entry for entry in (folder / "checkpoints").glob("[0-9]*") if entry.name.isdigit()]
            told.before_the_first += not done
            continue
        else:
            told.after_the_end += 1
        if process.returncode:
            raise SystemExit(f"a resumed run ended with exit code {process.returncode}; its folder is {folder}")
        return


def compare(whole: Path, other: Path) -> list[str]:
    """Return what differs between two runs, but for times."""
    found = []
    first, second = np.load(whole / STATE), np.load(other / STATE)
    if set(first) != set(second):
        found.append("the names of the weights")
    found += [f"weights {name}" for name in first if first[name].tobytes() != second[name].tobytes()]
    for name in (METRICS, JOURNAL):
        old, new = (list(map(without_times, RunDirectory(folder).read_lines(name))) for folder in (whole, other))
        found += [f"{name}, line {i + 1}" for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b]
        found += [f"the number of lines of {name}: {len(old)} and {len(new)}"] if len(old) != len(new) else []
    if without_times(RunDirectory(whole).read(SUMMARY)) != without_times(RunDirectory(other).read(SUMMARY)):
        found.append(SUMMARY)
    return found


def without_times(record: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name not in NOT_COMPARED}


def drill(kills: int, seed: int, folder: Path) -> Told:
    """Run the drill.

    Args:
        kills: How many in all.
        seed: Of the moments.
        folder: For the runs.
    """
    os.environ["JAX_COMPILATION_CACHE_DIR"] = str(folder / "compiled")  # so that a resumed process doesn't compile again
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
    chance, told = random.Random(seed), Told()
    if start(folder / "whole").wait():
        raise SystemExit("the undisturbed run failed")
    while told.kills < kills:
        other = folder / f"chain-{told.chains}"
        chain(other, told, kills, chance)
        told.differences += [f"{other.name}: {what}" for what in compare(folder / "whole", other)]
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        told = drill(given.kills, given.seed, Path(folder))
        decisions = len(RunDirectory(Path(folder) / "whole").read_lines(JOURNAL))
        lines = len(RunDirectory(Path(folder) / "whole").read_lines(METRICS))
    print(f"kills               {told.kills}, {told.while_saving} of them with a checkpoint half written, ", end="")
    print(f"{told.before_the_first} before the first checkpoint")
    print(f"runs                {told.chains}, each of {lines} records and {decisions} decisions; {time.perf_counter() - began:.0f} s")
    print(f"differences         {len(told.differences)}")
    print("\n".join(f"  {one}" for one in told.differences[:20]))
    sys.exit(bool(told.differences))


if __name__ == "__main__":
    main()
