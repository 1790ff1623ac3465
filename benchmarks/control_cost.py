"""`python -m benchmarks.control_cost`: what a learning rate that all hosts agree on costs, for 2 to 10,000 hosts.

Bytes and messages are counted from the definition of a ring and of a binary tree. Times are simulated: every message takes
`latency + bytes / bandwidth`, the latency being drawn anew from a log-normal distribution whose upper tail stands for busy switches and
hosts; in each of them a host sends on as soon as it has what it waits for. Nothing here depends on the model.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Sequence

import numpy as np

from benchmarks._report import print_table

HOSTS = (2, 8, 64, 512, 4096, 10_000)
MEDIAN, SPREAD, BANDWIDTH = 20e-6, 0.5, 10e9  # seconds; of its logarithm; bytes per second and host
FLOATS = 8 + 8  # of an observation: up to 8 metrics and their weights
OBSERVATION = 4 * (FLOATS + 2 * 8 + 2)  # values and weights are summed, bounds and the names' fingerprint compared
COMPARISON = 4 * 2 * 3  # three words and their complements
GRADIENT = 2 * 7e9  # bytes of a model of 7 billion bfloat16 parameters, for comparison

Draw = Callable[[int], np.ndarray]


def draw_from(seed: int) -> Draw:
    """Return latencies: log-normal, with a median of MEDIAN."""
    random = np.random.default_rng(seed)
    return lambda count: MEDIAN * np.exp(SPREAD * random.standard_normal(count))


def ring(hosts: int, size: float, draw: Draw) -> float:
    """Simulate a ring: 2 (n - 1) rounds, in each of which every host sends an n-th to its neighbour."""
    ready, transfer = np.zeros(hosts), size / hosts / BANDWIDTH
    for _ in range(2 * (hosts - 1)):
        arrives = ready + draw(hosts) + transfer
        ready = np.maximum(ready, np.roll(arrives, 1))
    return float(ready.max())


def tree(hosts: int, size: float, draw: Draw) -> float:
    """Simulate a binary tree: sums travel up to the root, and the result down again."""
    transfer = size / BANDWIDTH
    ready = np.zeros(hosts)
    for child in range(hosts - 1, 0, -1):  # host i has the children 2 i + 1 and 2 i + 2
        parent = (child - 1) // 2
        ready[parent] = max(ready[parent], ready[child] + draw(1)[0] + transfer)
    known = np.zeros(hosts)
    known[0] = ready[0]
    for child in range(1, hosts):
        known[child] = known[(child - 1) // 2] + draw(1)[0] + transfer
    return float(known.max())


def per_host(kind: str, hosts: int, size: float) -> tuple[float, int, int]:
    """Return bytes that a host sends, the messages that it sends, and how many follow one another.

    Of a tree: what the busiest host sends, one message up and two down.
    """
    if kind == "ring":
        rounds = 2 * (hosts - 1)
        return size * rounds / hosts, rounds, rounds
    depth = math.ceil(math.log2(hosts + 1)) - 1
    return 3 * size, 3, 2 * depth


def simulated(kind: str, hosts: int, size: float, runs: int) -> tuple[float, float]:
    """Return the median and the 99th percentile of the seconds."""
    function = ring if kind == "ring" else tree
    draw = draw_from(hosts)
    low, high = np.percentile([function(hosts, size, draw) for _ in range(runs)], [50, 99])
    return float(low), float(high)


def rows(hosts: Sequence[int], runs: int) -> list[tuple[str, ...]]:
    found = []
    for count in hosts:
        for kind in ("tree", "ring"):
            size, messages, steps = per_host(kind, count, OBSERVATION)
            some = runs if kind == "tree" or count <= 512 else max(runs // 20, 3)
            median, high = simulated(kind, count, OBSERVATION, some)
            found.append((f"{count:,}", kind, f"{size:,.0f}", f"{messages:,}", f"{steps:,}", f"{median * 1e3:,.2f}", f"{high * 1e3:,.2f}"))
    return found


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser("python -m benchmarks.control_cost", description="What control costs on many hosts.")
    parser.add_argument("--runs", type=int, default=100, help="simulated reductions (%(default)s)")
    parser.add_argument("--most", type=int, default=HOSTS[-1], help="hosts at most (%(default)s)")
    options = parser.parse_args(arguments)
    chosen = [count for count in HOSTS if count <= options.most]
    header = ("hosts", "", "bytes sent per host", "messages sent", "one after another", "median ms", "99th percentile ms")
    print_table(f"An observation of up to 8 metrics, {OBSERVATION} bytes", header, rows(chosen, options.runs))
    size, _, _ = per_host("ring", HOSTS[-1], GRADIENT)
    print(f"A comparison takes {COMPARISON} bytes in the place of {OBSERVATION}, with the same messages.")
    print(f"For comparison: the gradients of 7e9 bfloat16 parameters, in a ring of {HOSTS[-1]:,}: {size:.3g} bytes per host and update.")


if __name__ == "__main__":
    main()
