"""`python -m benchmarks`: run the topics, print their tables, say what was missed and on which machine."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

from benchmarks import agreement, compile_time, import_time, memory, race, recording, replay, scanned_loop, traces, update_jax, update_nnx
from benchmarks._machine import machine
from benchmarks._report import show, summary

TOPICS = {
    "nnx": update_nnx,
    "jax": update_jax,
    "scan": scanned_loop,
    "record": recording,
    "traces": traces,
    "compile": compile_time,
    "import": import_time,
    "memory": memory,
    "replay": replay,
    "race": race,
    "agreement": agreement,
}


def main(arguments: list[str] | None = None) -> None:
    options = _parse(arguments)
    begin, where, topics = time.perf_counter(), machine(), {}
    for name in options.only or TOPICS:
        topics[name] = TOPICS[name].run(quick=options.quick)
        show(topics[name])
    print(summary(topics))
    print(", ".join(f"{key} {value}" for key, value in where.items()), f"({time.perf_counter() - begin:.0f} s)")
    if options.json:
        results = {name: {"title": topic.title, "rows": [row.to_json() for row in topic.rows]} for name, topic in topics.items()}
        options.json.write_text(json.dumps({"machine": where, "quick": options.quick, "topics": results}, indent=1) + "\n")


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m benchmarks", description="Speed and memory of rheostax beside plain Flax and Optax.")
    parser.add_argument("--only", action="append", choices=TOPICS, metavar="TOPIC", help=f"one of {', '.join(TOPICS)}; may be repeated")
    parser.add_argument("--quick", action="store_true", help="few rounds of less work: shows that it runs, not how fast")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
