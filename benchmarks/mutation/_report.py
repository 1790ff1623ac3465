"""The score: of the mutants that were tried, how many some test noticed."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from benchmarks.mutation._session import Mutant

OUTCOMES = ("killed", "timeout", "survived")


def interval(killed: int, tried: int, z: float = 1.96) -> tuple[float, float]:
    """Return Wilson's 95% interval of a part that was found in a sample."""
    if not tried:
        return 0.0, 1.0
    part, spread = killed / tried, z * z / tried
    middle = part + spread / 2
    reach = z * math.sqrt(part * (1 - part) / tried + spread / (4 * tried))
    return max(0.0, (middle - reach) / (1 + spread)), min(1.0, (middle + reach) / (1 + spread))


def counted(mutants: Iterable[Mutant]) -> dict[str, Any]:
    """Return the numbers of some mutants; the score is that of those that were tried."""
    mutants = list(mutants)
    found = {outcome: sum(mutant.outcome == outcome for mutant in mutants) for outcome in OUTCOMES}
    tried = sum(found.values())
    noticed = tried - found["survived"]
    return {
        "mutants": len(mutants),
        "tried": tried,
        **found,
        "score": noticed / tried if tried else None,
        "interval": interval(noticed, tried),
    }


def summary(mutants: list[Mutant]) -> dict[str, Any]:
    """Return the numbers per module, per package and of all, and the survivors."""
    modules = sorted({mutant.module for mutant in mutants})
    packages = sorted({module.rpartition("/")[0] for module in modules})
    return {
        "modules": {module: counted(m for m in mutants if m.module == module) for module in modules},
        "packages": {package: counted(m for m in mutants if m.module.startswith(package + "/")) for package in packages},
        "all": counted(mutants),
        "survivors": [
            {"module": m.module, "line": m.line, "where": m.where, "change": m.change} for m in mutants if m.outcome == "survived"
        ],
    }


def table(found: dict[str, Any]) -> str:
    """Write a summary as lines of text."""
    rows = [*found["modules"].items(), *found["packages"].items(), ("all", found["all"])]
    wide = max(len(name) for name, _ in rows)
    lines = [f"{'':{wide}}  mutants  tried  killed  timeout  survived   score"]
    for name, row in rows:
        numbers = f"{row['mutants']:7}  {row['tried']:5}  {row['killed']:6}  {row['timeout']:7}  {row['survived']:8}"
        lines.append(f"{name:{wide}}  {numbers}  {'' if row['score'] is None else format(row['score'], '7.1%')}")
    return "\n".join(lines)
