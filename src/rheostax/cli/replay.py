"""`rheostax replay`: what other settings would have decided, as a table, in words, as JSON, as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import typer

from rheostax._words import counted, say
from rheostax.cli import files
from rheostax.errors import ArgumentError
from rheostax.plot.replay import plot_replay
from rheostax.record.read import RunLog, read_run
from rheostax.replay import Replay, Replayed, replay

__all__ = ["run", "to_json", "words"]

PLAINLY = "It replays decisions, not losses: with other rates the metrics would have been others from the first difference on."


def run(
    path: Path,
    rule: str | None,
    *,
    monitor: Sequence[str],
    total_steps: int | None,
    steps_per_epoch: float | None,
    picture: Path | None,
    **columns: str | None,
) -> Replay:
    """Read the run, replay it, and draw that, if a picture is wanted."""
    files.require_picture(picture)
    log = read_run(path, **columns)
    found = replay(log, rule, monitor=_monitor(monitor), total_steps=total_steps, steps_per_epoch=steps_per_epoch)
    for note in found.notes:
        typer.echo(f"{'warning' if note in log.damage else 'note'}: {note}", err=True)
    if picture is not None:
        _draw(found, picture)
    return found


def _monitor(given: Sequence[str]) -> str | dict[str, str] | None:
    """Read `--monitor METRIC`, or `--monitor NAME=METRIC` once for each of the policies' names."""
    if len(given) == 1 and "=" not in given[0]:
        return given[0]
    pairs = {}
    for one in given:
        name, equals, metric = one.partition("=")
        if not equals:
            raise ArgumentError(f"--monitor must be NAME=METRIC where it is given several times, got {one!r}.")
        pairs[name] = metric
    return pairs or None


def to_json(found: Replay, *, most: int) -> dict[str, Any]:
    """Return a replay as plain numbers and text."""
    log = found.run
    return {
        "run": str(log.path),
        "kind": log.kind,
        "updates": found.updates,
        "observed": {name: {"metric": metric, "observations": len(log.series[metric].heard[0])} for name, metric in found.observed.items()},
        "caution": PLAINLY,
        "factors": found.factors,
        "notes": list(found.notes),
        "happened": {
            "decisions": log.journal or (None if log.journal_lacks else []),
            "journal_lacks": log.journal_lacks,
            "learning_rate": _last_rates(log),
        },
        "settings": [
            {
                "chosen": one.chosen,
                "learning_rate": repr(one.learning_rate),
                "cuts": one.decided.cuts,
                "raises": one.decided.raises,
                "first": _at(one, 0),
                "last": _at(one, -1),
                "differs_at": None if found.factors else one.differs_at(log),
                "final_learning_rate": one.final,
                "sum_of_learning_rates": one.total,
                "decisions": [decision.to_json() for decision in one.first_decisions(most)],
                "decisions_left_out": max(len(one.decided.count) - most, 0),
            }
            for one in found.settings
        ],
    }


def words(found: Replay, *, verbose: bool, most: int) -> str:
    """Write a replay for people."""
    log = found.run
    metrics = dict.fromkeys(found.observed.values())
    heard = ", ".join(f"{counted(len(log.series[metric].heard[0]), 'observation')} of {metric}" for metric in metrics)
    lines = [f"{log.path} ({log.kind}): {counted(found.updates, 'update')}, {heard or 'nothing observed'}", PLAINLY]
    one_rule = len(found.settings) == 1
    rule = repr(found.settings[0].learning_rate) if one_rule else f"{len(found.settings)} settings"
    lines += ["", *_table(found), ""] if not one_rule else ["", f"replayed  {rule}", "", *_table(found), ""]
    if log.journal or log.kind == "run directory":
        lines += [*_happenings(log, most), ""]
    for one in found.settings if verbose or one_rule else ():
        decisions = one.first_decisions(most)
        left = len(one.decided.count) - most
        lines.append(f"{_title(one)}:" if decisions else f"{_title(one)}: nothing")
        lines += [f"  {decision}" for decision in decisions] + ([f"  ... and {left:,} more; --most tells more of them"] if left > 0 else [])
        lines.append("")
    return "\n".join(lines).rstrip()


def _title(one: Replayed) -> str:
    values = ", ".join(f"{name}={value}" for name, value in one.chosen.items())
    return f"what it would have decided{f' with {values}' if values else ''}"


def _happenings(log: RunLog, most: int) -> list[str]:
    """Tell the run's own decisions, and what isn't known of them."""
    if not log.journal and not log.journal_lacks:
        return ["what happened: no policy decided anything"]
    if not log.journal:
        return [f"what happened: unknown, so there is nothing to compare the decisions with: {log.journal_lacks}"]
    more = [f"  and maybe more: {log.journal_lacks}"] if log.journal_lacks else []
    return ["what happened:", *(f"  {_told(entry)}" for entry in log.journal[:most]), *more]


def _told(entry: dict[str, Any]) -> str:
    old, new = entry.get("old_learning_rate"), entry.get("new_learning_rate")
    rates = f"{say(old, 3)} -> {say(new, 3)} " if old is not None and new is not None else ""
    return f"{rates}at update {entry.get('count')}: {entry.get('why', '')}"


def _table(found: Replay) -> list[str]:
    """Lay out a row per setting, and one for what happened."""
    names = list(dict.fromkeys(name for one in found.settings for name in one.chosen))
    left = max(len(names), 1)
    ends = ("last factor", "sum of factors") if found.factors else ("last rate", "sum of rates")
    rows = [[*(names or [""]), "cuts", "raises", "first", "last", *ends, "differs at"]]
    if found.run.learning_rate:
        rows.append(["the run", *[""] * (left - 1), *_happened(found), ""])
    for one in found.settings:
        chosen = [_short(one.chosen.get(name, "")) for name in names] or ["replayed"]
        when = [f"{at:,}" if (at := _at(one, i)) is not None else "-" for i in (0, -1)]
        moves = [f"{one.decided.cuts:,}", f"{one.decided.raises:,}", *when]
        rows.append([*chosen, *moves, say(one.final, 3), say(one.total, 4), _differs(found, one)])
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    pads = [str.ljust] * left + [str.rjust] * (len(widths) - left)
    return ["  ".join(pad(cell, width) for pad, cell, width in zip(pads, row, widths, strict=True)).rstrip() for row in rows]


def _happened(found: Replay) -> list[str]:
    """Return the cells of the run itself."""
    run = found.run
    counts = [entry["count"] for entry in run.journal if isinstance(entry.get("count"), int)]
    ends = [f"{counts[0]:,}", f"{counts[-1]:,}"] if counts else ["-", "-"]
    told = ["?"] * 4 if run.journal_lacks else [*(str(number) for number in _directions(run.journal)), *ends]
    return [*told, *(["-", "-"] if found.factors else [say(_last_rates(run), 3), _sum(run, found.updates)])]


def _differs(found: Replay, one: Replayed) -> str:
    if found.factors:  # which are no rates to compare
        return "-"
    at = one.differs_at(found.run)
    return f"{at:,}" if at is not None else "nowhere" if found.run.learning_rate else "?"


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _directions(journal: list[dict[str, Any]]) -> tuple[int, int]:
    moves = [(_mean(entry.get("old_learning_rate")), _mean(entry.get("new_learning_rate"))) for entry in journal]
    return sum(new < old for old, new in moves), sum(new > old for old, new in moves)


def _mean(rate: Any) -> float:
    values = list(rate.values()) if isinstance(rate, dict) else [rate]
    return float(np.mean([np.nan if value is None else value for value in values]))


def _last_rates(log: RunLog) -> Any:
    """Return the last rates that the run tells."""
    last = {group: float(one.value[-1]) for group, one in log.learning_rate.items() if len(one)}
    return None if not last else last[""] if list(last) == [""] else last


def _sum(log: RunLog, updates: int) -> str:
    """Say the sum of the run's own rates, if it tells all of them."""
    sums = {}
    for group, one in log.learning_rate.items():
        used = one.count < updates
        if int(np.sum(used)) < updates:
            return "?"
        sums[group] = float(np.sum(one.value[used]))
    return say(sums[""] if list(sums) == [""] else sums, 4)


def _at(one: Replayed, which: int) -> int | None:
    return int(one.decided.count[which]) if len(one.decided.count) else None


def _draw(found: Replay, file: Path) -> None:
    """Draw a replay."""
    rule = repr(found.settings[0].learning_rate) if len(found.settings) == 1 else counted(len(found.settings), "setting")
    title = f"{found.run.path.name}, replayed with {rule}: decisions, not the losses that would have followed"
    files.draw(plot_replay(found, title=title), file)
