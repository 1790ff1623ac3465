"""Write the figures of `benchmarks.exactness` into the documentation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks._sweep import WAYS

PAGE = Path(__file__).parents[1] / "docs" / "exactness.md"
MARK = "<!-- from here on written by `make exactness ARGS=--write-table` -->\n"


def write(results: dict[str, Any]) -> None:
    """Write everything below the mark anew, from what the command writes as JSON."""
    above = PAGE.read_text().partition(MARK)[0]
    below = [_table(results["schedules"]), _checks(results), _machine(results["machine"])]
    PAGE.write_text(above + MARK + "\n" + "\n\n".join(below) + "\n")


def _table(schedules: list[dict[str, Any]]) -> str:
    """One line for each schedule, with the largest difference of all its settings."""
    lines = ["| schedule | settings | values | " + " | ".join(WAYS) + " |", "| --- " * (3 + len(WAYS)) + "|"]
    for name in sorted({one["schedule"] for one in schedules}):
        own = [one for one in schedules if one["schedule"] == name]
        largest = [f"{max(one['largest'][way] for one in own):.2f}" for way in WAYS]
        lines.append(f"| `{name}` | {len(own)} | {sum(one['compared'] for one in own):,} | {' | '.join(largest)} |")
    return "\n".join(lines)


def _checks(results: dict[str, Any]) -> str:
    last, polynomial = results["different last values"], results["polynomial"]
    return "\n".join([
        f"- {sum(one['compared'] for one in results['schedules']):,} values in all, of which "
        f"{sum(one['improper'] for one in results['schedules'])} are negative or not finite, and "
        f"{sum(one['missed'] for one in results['schedules'])} aren't the given value where they have to be.",
        f"- {sum(bool(one['types']) for one in results['schedules'])} of {len(results['schedules'])} settings have another value for "
        "another integer type of the count: int32, uint32, int64 and uint64, of numpy and of jax.",
        f"- Different values in the last 1,000 updates of a horizon of 1e8: {', '.join(f'`{name}` {n:,}' for name, n in last.items())}.",
        f"- A compiled polynomial to 0 with a power of 0.5, 0.9 or 1.5, over {polynomial['horizons']:,} horizons: at its end "
        f"`optax.polynomial_schedule` is NaN for {polynomial['optax NaN']:,} of them, ours wrong for {polynomial['ours wrong']:,}.",
    ])  # fmt: skip


def _machine(machine: dict[str, str]) -> str:
    return f"On {machine['device']}, Python {machine['python']}, jax {machine['jax']}, optax {machine['optax']}."
