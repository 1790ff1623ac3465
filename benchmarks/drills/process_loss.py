"""`python -m benchmarks.drills.process_loss`: lose one of several training processes.

Kill it, or let it fail, see how long the others last, and go on with another number of processes.

What has to come out: none of the others ends well or hangs (they end within the heartbeat timeout and a little more), and the run that
goes on from the last save has, update by update, the rates of a run that nothing happened to.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks._machine import machine
from benchmarks._report import Row, Target, Topic, show, summary
from tests.parallel.launch import finish, start

WORKER, EPOCHS, HEARTBEAT, GRACE, PATIENCE = "benchmarks.drills._lost_process", 8, 5, 10, 600  # the last three in seconds


@dataclasses.dataclass(frozen=True)
class Loss:
    """What to do to whom."""

    processes: int
    victim: int
    epoch: int  # after which it happens
    go_on_with: int
    kind: str = "killed"  # or "failed": with an exception, after which Python ends in order

    def __str__(self) -> str:
        return f"process {self.victim} of {self.processes} {self.kind} after epoch {self.epoch}, then {self.go_on_with}"


LOSSES = (
    Loss(4, 3, 5, 2),
    Loss(2, 0, 6, 4),
    Loss(2, 1, 4, 1),
    Loss(4, 0, 3, 4),
    Loss(4, 1, 6, 1, "failed"),
    Loss(2, 0, 5, 2, "failed"),
)


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What came of a loss."""

    seconds: float  # from the loss until the last of the others had ended
    codes: list[int]  # of the others
    kept: int  # epochs that were saved when they had ended
    different: int  # updates, of all, whose rate isn't that of the undisturbed run


def run(quick: bool = False) -> Topic:
    with tempfile.TemporaryDirectory() as folder:
        undisturbed = whole_run(Path(folder, "undisturbed"), 2)
        rows = []
        for i, loss in enumerate(LOSSES[:1] if quick else LOSSES):
            found = drill(loss, Path(folder, str(i)), undisturbed, np.random.default_rng(i))
            codes = f"the others ended with {sorted(set(found.codes))}"
            limit = Target("<=", HEARTBEAT + GRACE)
            rows.append(Row(f"{loss}: seconds until all had ended", found.seconds, "s", target=limit, detail=codes))
            detail = f"of {len(undisturbed):,}; went on after epoch {found.kept}"
            rows.append(Row("  updates with another rate", found.different, "", target=Target("==", 0), detail=detail))
    return Topic(f"Processes lost, heartbeat timeout {HEARTBEAT} s", rows)


def whole_run(folder: Path, processes: int) -> list[float]:
    """Train without any loss, and return the rate of every update."""
    _go(folder, processes)
    return history(folder)


def drill(loss: Loss, folder: Path, undisturbed: list[float], random: np.random.Generator) -> Outcome:
    """Lose a process, wait for the others, go on, and compare."""
    folder.mkdir(parents=True)
    fail_at = loss.epoch + 1 if loss.kind == "failed" else 0
    began = _started(folder, loss, fail_at)
    _wait_for_epoch(began[loss.victim], loss.epoch)
    if loss.kind == "killed":
        time.sleep(random.uniform(0, 0.3))  # anywhere: in an update, a validation or a save
        began[loss.victim].send_signal(signal.SIGKILL)
    lost = time.monotonic()
    done = finish(began, timeout=HEARTBEAT + 60)
    seconds = time.monotonic() - lost
    codes = [code for i, (code, _, _) in enumerate(done) if i != loss.victim]
    if 0 in codes:
        raise AssertionError(f"a process went on without process {loss.victim}: exit codes {codes}")
    kept = max((int(one.name) for one in (folder / "saves").glob("*") if one.name.isdecimal()), default=0)
    _go(folder, loss.go_on_with)
    rates = history(folder)
    if len(rates) != len(undisturbed):
        raise AssertionError(f"{len(rates)} updates instead of {len(undisturbed)}")
    return Outcome(seconds, codes, kept, sum(a != b for a, b in zip(rates, undisturbed, strict=True)))


def _started(folder: Path, loss: Loss, fail_at: int) -> list[subprocess.Popen[str]]:
    """Start the processes, the victim with the order to fail."""
    arguments = [[folder, EPOCHS, HEARTBEAT, fail_at if i == loss.victim else 0] for i in range(loss.processes)]
    return start(WORKER, loss.processes, each=arguments)


def _go(folder: Path, processes: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for code, out, err in finish(start(WORKER, processes, folder, EPOCHS, HEARTBEAT), timeout=PATIENCE):
        if code:
            raise AssertionError(f"a training process ended with {code}:\n{out}\n{err}")


def _wait_for_epoch(process: subprocess.Popen[str], epoch: int) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith(f"epoch {epoch} "):
            return
    raise AssertionError(f"the process ended before epoch {epoch}: {process.communicate()[1]}")


def history(folder: Path) -> list[float]:
    """Return the rate of every update; of an epoch that was done twice, because its save was lost, that of the last time."""
    files = sorted(folder.glob("rates-from-*.jsonl"), key=lambda file: int(file.stem.rsplit("-", 1)[1]))
    epochs: dict[int, list[float]] = {}
    for file in files:
        epochs |= {record["epoch"]: record["rates"] for record in map(json.loads, file.read_text().splitlines())}
    return [rate for epoch in sorted(epochs) for rate in epochs[epoch]]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser("python -m benchmarks.drills.process_loss", description="Lose training processes, and go on.")
    parser.add_argument("--quick", action="store_true", help="one loss in place of six")
    begin, where = time.perf_counter(), machine()
    topic = run(quick=parser.parse_args(arguments).quick)
    show(topic)
    print(summary({"process-loss": topic}))
    print(", ".join(f"{key} {value}" for key, value in where.items()), f"({time.perf_counter() - begin:.0f} s)")
    return 0 if all(row.met for row in topic.rows) else 1


if __name__ == "__main__":
    sys.exit(main())
