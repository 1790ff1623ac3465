"""`rheostax forecast`: where a run would land, and what other schedules would end with, in words, as JSON, as a picture."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rheostax._rate import LearningRate
from rheostax._words import counted, say
from rheostax.cli import files
from rheostax.errors import ArgumentError, RunError
from rheostax.expressions import parse
from rheostax.forecast import Curve, Fitted, Outlook, Prediction, fit, outlook, read_curve
from rheostax.forecast._fit import as_law
from rheostax.plot.forecast import plot_outlook
from rheostax.units import resolve

__all__ = ["Forecast", "run", "to_json", "words"]


@dataclasses.dataclass(frozen=True)
class Forecast:
    """What there is to say about a run's future."""

    curve: Curve
    total: int
    fitted: Fitted
    outlook: Outlook | None  # None where the run is over
    candidates: dict[str, Prediction]  # by expression, best first
    notes: tuple[str, ...]

    @property
    def can_tell(self) -> bool:
        """Whether anything is predicted."""
        return bool(self.candidates) or (self.outlook is not None and self.outlook.can_tell)


def run(
    paths: Sequence[Path],
    total: int | None,
    *,
    warmup: int | None,
    expressions: Sequence[str],
    law: str,
    loss: str | None,
    coverage: float,
    picture: Path | None,
    **columns: str | None,
) -> Forecast:
    """Read the runs, fit, look ahead, compare, and draw that, if a picture is wanted."""
    files.require_picture(picture)
    as_law(law)
    if not 0 < coverage < 1:
        raise ArgumentError(f"forecast: coverage must be in (0, 1), got {coverage:g}.")
    candidates = {text: parse(text) for text in expressions}
    curves = [read_curve(path, loss=loss, **columns) for path in paths]
    one, total = curves[0], curves[0].updates if total is None else total
    begin, notes = _warmup(curves, warmup)
    found = None
    over = one.updates >= total or not one.learning_rate[-1] > 0
    if over and not expressions:
        raise RunError(f"{paths[0]} is over: {_state(one, total)}. --total sets a later end, --with compares other schedules with it.")
    if over:
        notes.append(f"{one.name} is over, {_state(one, total)}; so there is no outlook for it")
        fitted = fit(curves, law=law, warmup_steps=begin)
        notes += [f"{each.name}: {note}" for each in curves for note in each.notes]
    else:
        found = outlook(one, total, finished=curves[1:], law=law, warmup_steps=begin, coverage=coverage)
        fitted, notes = found.fitted, [*notes, *found.notes]
    compared = _compare(fitted, candidates, total, coverage)
    if expressions and not fitted.saw_falls:
        notes.append("no schedule was compared: the rate never changed in what was fitted. Name also a run whose rate fell")
    if picture is not None:
        files.draw(plot_outlook(one, found, compared, title=_title(one, total, found)), picture)
    return Forecast(one, total, fitted, found, compared, tuple(notes))


def _state(one: Curve, total: int) -> str:
    made = f"it has made {counted(one.updates, 'update')}"
    return f"{made} of {total:,}" if one.updates >= total else f"its rate has come to 0 after {counted(one.updates, 'update')}"


def _title(one: Curve, total: int, found: Outlook | None) -> str:
    if found is None:
        return f"{one.name}: other schedules of {total:,} updates"
    when = "now" if not found.wait else f"at update {found.start:,}"
    return f"{one.name}: {found.now:,} of {total:,} updates; start the decay {when}"


def _warmup(curves: list[Curve], given: int | None) -> tuple[int, list[str]]:
    """Return the updates of the warm-up: up to where the rate of the first run has come to its largest, if it has only risen so far."""
    if given is not None:
        return given, []
    one = curves[0]
    top = int(np.argmax(one.learning_rate >= 0.999 * one.learning_rate.max()))
    if top == 0 or np.any(np.diff(one.learning_rate[: top + 1]) < 0):
        return 0, []
    return int(one.step[top]), [f"the rate rises up to update {one.step[top]:,}, which was taken for the warm-up; --warmup says otherwise"]


def _compare(fitted: Fitted, candidates: dict[str, LearningRate], total: int, coverage: float) -> dict[str, Prediction]:
    if not fitted.saw_falls:
        return {}
    rates = {text: resolve(rate, total_steps=total) for text, rate in candidates.items()}
    found = {text: fitted.predict(rate, [total], coverage=coverage) for text, rate in rates.items()}
    return dict(sorted(found.items(), key=lambda pair: pair[1].final))


def to_json(found: Forecast) -> dict[str, Any]:
    """Return a forecast as plain numbers and text."""
    fitted = found.fitted
    names = (*fitted.law.names, "floor", "size", "gain")
    return {
        "run": found.curve.name,
        "updates": found.curve.updates,
        "total": found.total,
        "outlook": None if found.outlook is None else found.outlook.to_json(),
        "candidates": [
            {"learning_rate": text, "loss": one.final, "low": float(one.low[-1]), "high": float(one.high[-1])}
            for text, one in found.candidates.items()
        ],
        "fit": {
            "law": type(fitted.law).__name__,
            "runs": list(fitted.runs),
            "warmup_steps": fitted.warmup_steps,
            "parameters": dict(zip(names, [*fitted.parameters.tolist(), *fitted.coefficients.tolist()], strict=True)),
            "untold": list(fitted.untold),
            "deviation": fitted.deviation,
        },
        "notes": list(found.notes),
    }


def words(found: Forecast) -> str:
    """Write a forecast for people."""
    fitted, ahead = found.fitted, found.outlook
    lines = [
        f"{found.curve.name}: {counted(found.curve.updates, 'update')} of {found.total:,}, "
        f"{counted(len(found.curve), 'loss').replace('losss', 'losses')} logged",
        f"{type(fitted.law).__name__}, fitted to {', '.join(fitted.runs)}; residuals of {say(fitted.deviation, 2)}",
    ]
    lines += [f"note: {note}" for note in found.notes]
    if ahead is not None:
        lines += ["", *_outlook(ahead)]
    if found.candidates:
        lines += ["", f"what schedules of {found.total:,} updates would end with:"]
        lines += [f"  {say(one.final, 5)}  {_band(one.low[-1], one.high[-1])}  {text}" for text, one in found.candidates.items()]
    return "\n".join(lines)


def _outlook(ahead: Outlook) -> list[str]:
    when = "now" if not ahead.wait else f"in {counted(ahead.wait, 'update')}, at {ahead.start:,}"
    lines = [f"Start the decay {when}: {ahead.reason}."]
    if not ahead.can_tell:
        return lines
    lines += ["", f"  {'start':>9}  {'updates':>9}  lands at  {f'{ahead.coverage:.0%} band':<16}  against {ahead.usual:,}"]
    for i, start in enumerate(ahead.steps.tolist()):
        band = _band(ahead.low[i], ahead.high[i])
        against = "" if start == ahead.usual else f"{-ahead.gain[i]:+.4f} +- {ahead.gain_error[i]:.4f}"
        mark = "*" if start == ahead.start else " "
        lines.append(f"{mark} {start:>9,}  {ahead.total - start:>9,}  {ahead.loss[i]:<8.4f}  {band:<16}  {against}".rstrip())
    return lines


def _band(low: float, high: float) -> str:
    return f"{low:.4f} to {high:.4f}"
