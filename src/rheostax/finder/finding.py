"""What a range test found, and what is to be said of it."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from rheostax._words import counted, plain, say
from rheostax.errors import DivergedError
from rheostax.finder.smoothing import descent, fitted, noise_of
from rheostax.finder.suggest import FEWEST, RECOMMENDED, Suggestion, for_a_run_of, suggest

__all__ = ["Finding", "conclude"]

WIDE = 10.0  # a band that spans more than this doesn't tell


@dataclasses.dataclass(frozen=True, eq=False)
class Finding:
    """What a range test found.

    Attributes:
        learning_rates: The rates that were tried, increasing, `float32 [n]`.
        losses: The loss at each, `float64 [repeats, n]`; NaN from where a repeat wasn't continued.
        smoothed: The same without most of the noise, see `rheostax.finder.fitted`, up to where the loss is back at its start; what the
            rules are asked about.
        suggestions: What each rule suggests: "valley", "steepest", "minimum" and "slide". Empty where the loss never improved.
        suggestion: The one to take: that of "minimum", times `min(1, sqrt(n / total_steps))` if the run's length is known. None where
            there is none.
        warnings: What is doubtful about it, in words.
        stopped_at: For each repeat the number of the update whose loss ran away, or None.
        batches_taken: How many batches were read.
        total_steps: Updates of the run that the suggestion is for, or None.
    """

    learning_rates: np.ndarray
    losses: np.ndarray
    smoothed: np.ndarray
    suggestions: dict[str, Suggestion]
    suggestion: Suggestion | None
    warnings: tuple[str, ...]
    stopped_at: tuple[int | None, ...]
    batches_taken: int
    total_steps: int | None = None

    def __str__(self) -> str:
        updates = int(np.isfinite(self.losses).sum())
        repeats = f", {counted(len(self.losses), 'repeat')}" if len(self.losses) > 1 else ""
        lines = [
            f"{counted(updates, 'update')} at rates from {say(self.learning_rates[0], 2)} to {say(self.learning_rates[-1], 2)}{repeats}; "
            f"{counted(self.batches_taken, 'batch').replace('batchs', 'batches')} read"
        ]
        stopped = [at for at in self.stopped_at if at is not None]
        if stopped:
            lines.append(f"the loss ran away at a rate of {say(self.learning_rates[min(stopped)], 2)}")
        if self.suggestions:
            lines += ["", f"{'rule':<10}  {'rate':>8}  {'band':>19}"]
        for name, one in self.suggestions.items():
            lines.append(f"{name:<10}  {say(one.value, 2):>8}  {say(one.low, 2):>8} to {say(one.high, 2):>7}")
        lines += ["", f"suggestion: {self.suggestion or 'none'}{self._reason()}"]
        return "\n".join(lines + [f"warning: {text}" for text in self.warnings])

    def _reason(self) -> str:
        """Return how the suggestion differs from the rule's, if it does."""
        if self.suggestion is None or self.suggestion == self.suggestions[RECOMMENDED]:
            return ""
        assert self.total_steps is not None
        factor = for_a_run_of(self.total_steps, len(self.learning_rates))
        return f", {RECOMMENDED} times {say(factor, 3)} for a run of {counted(self.total_steps, 'update')}"

    def plot(self) -> Any:
        """Draw the losses over the rates, with the suggestions; returns a `matplotlib.figure.Figure`.

        Raises:
            MissingExtraError: If matplotlib isn't installed.
        """
        from rheostax.plot.finder import plot_finding  # noqa: PLC0415  (only who draws needs it)

        return plot_finding(self)

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain numbers and text; NaN becomes None."""
        return {
            "suggestion": self.suggestion and _plain(self.suggestion),
            "suggestions": {name: _plain(one) for name, one in self.suggestions.items()},
            "warnings": list(self.warnings),
            "learning_rates": plain(self.learning_rates),
            "losses": [_numbers(row) for row in self.losses],
            "smoothed": [_numbers(row) for row in self.smoothed],
            "stopped_at": list(self.stopped_at),
            "batches_taken": self.batches_taken,
            "total_steps": self.total_steps,
        }


def conclude(
    learning_rates: np.ndarray,
    losses: np.ndarray,
    stopped_at: tuple[int | None, ...],
    *,
    smoothing: float,
    batches_taken: int,
    total_steps: int | None = None,
) -> Finding:
    """Read the suggestions off the losses of a range test, `[repeats, n]`, of which each repeat may end early.

    Raises:
        DivergedError: If the losses are too few to say anything: NaN at once, or run away after a few updates.
    """
    curves = [row[np.isfinite(row)] for row in losses]
    _require_enough(learning_rates, losses, min(map(len, curves)))
    curves = [curve[: max(FEWEST, descent(curve, smoothing))] for curve in curves]
    smooth = np.full_like(losses, np.nan)
    for curve, row in zip(curves, smooth, strict=True):
        row[: len(curve)] = fitted(curve, smoothing)
    suggestions: dict[str, Suggestion] = {}
    chosen = None
    warnings = _doubts(learning_rates, losses, stopped_at)
    if any(map(_improves, curves, smooth)):
        suggestions = suggest(learning_rates, curves, smoothing=smoothing)
        chosen = suggestions[RECOMMENDED].times(for_a_run_of(total_steps, len(learning_rates)))
        warnings += _noise(chosen)
    else:
        last = learning_rates[max(map(len, curves)) - 1]
        warnings.append(
            f"the loss never improves between {say(learning_rates[0], 2)} and {say(last, 2)} by more than its noise: there is nothing "
            "to suggest. Try other rates or more steps, and look whether the step updates the parameters."
        )
    return Finding(learning_rates, losses, smooth, suggestions, chosen, tuple(warnings), stopped_at, batches_taken, total_steps)


def _require_enough(rates: np.ndarray, losses: np.ndarray, fewest: int) -> None:
    if fewest == 0:
        raise DivergedError.at_once(losses[:, 0].min(), f"the rate ({say(rates[0], 2)})")
    if fewest < FEWEST:
        raise DivergedError(
            f"The loss ran away after {counted(fewest, 'update')}, at a rate of {say(rates[min(fewest, len(rates) - 1)], 2)}; "
            f"{FEWEST} are needed. Begin with a smaller rate (min_value, --min), or take more steps."
        )


def _improves(losses: np.ndarray, smooth: np.ndarray) -> bool:
    """Tell whether a curve falls below its first fifth by more than noise alone would let it: that lets it once in a hundred times."""
    noise = max(noise_of(losses), float(np.std(np.diff(losses))) / np.sqrt(2))  # the median alone would miss rare large deviations
    rounding = float(np.finfo(np.float32).eps * np.abs(losses).max())  # all that there is in a constant loss
    first = len(losses) // 5
    return bool(np.mean(smooth[:first]) - np.nanmin(smooth[first:]) > max(1.3 * noise, rounding))


def _doubts(rates: np.ndarray, losses: np.ndarray, stopped_at: tuple[int | None, ...]) -> list[str]:
    found = []
    if len(losses) > 1 and all(np.array_equal(row, losses[0], equal_nan=True) for row in losses[1:]):
        found.append("all repeats are equal, nothing varied in them: give batches, or a state, as a function of the repeat.")
    if all(at is None for at in stopped_at):
        found.append(f"the loss hasn't run away up to a rate of {say(rates[-1], 2)}: larger rates may be better still (max_value, --max).")
    return found


def _noise(one: Suggestion) -> list[str]:
    if one.high <= WIDE * one.low:
        return []
    return [
        f"the curve is too noisy to tell: the rate may be anything from {say(one.low, 2)} to {say(one.high, 2)}. "
        "Take more repeats, more steps or larger batches."
    ]


def _plain(one: Suggestion) -> dict[str, float]:
    return {name: plain(value) for name, value in dataclasses.asdict(one).items()}


def _numbers(row: np.ndarray) -> list[float | None]:
    return [float(value) if np.isfinite(value) else None for value in row]
