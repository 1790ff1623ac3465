"""Real logs: at which line each rule would have cut, and how much the loss still fell there."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import rheostax as rx

WINDOW = 64  # logged losses
LEASTS = (0.01, 0.001)
HEADER = ("log", "losses", "optax", *(f"rtol {rtol:g}" for rtol in LEASTS), "fall of the window before and the one after the cut")
BLOCKS = 64


def rows(folder: Path) -> list[tuple[str, ...]]:
    """Return a row per log of at least eight windows."""
    found = []
    for path in sorted(folder.rglob("*.csv")):
        losses = read(path)
        if len(losses) >= 8 * WINDOW:
            found.append((path.stem, f"{len(losses):,}", *row(losses)))
    return found


def read(path: Path) -> np.ndarray:
    """Return the training losses of a log."""
    table = np.genfromtxt(path, delimiter=",", names=True, dtype=None, encoding="utf-8")
    names = [name for name in ("train_loss", "loss") if name in (table.dtype.names or ())]
    if not names:
        return np.empty(0)
    values = np.asarray(table[names[0]], np.float64)
    return values[np.isfinite(values)]


def row(losses: np.ndarray) -> list[str]:
    """Return where optax's rule cuts, where ours does for each least fall, and what the loss did around ours."""
    cuts = [_first(rx.ReduceOnPlateau(patience=10), losses)]
    cuts += [_first(rx.ReduceOnStatisticalPlateau(window=WINDOW, rtol=rtol, blocks=BLOCKS), losses) for rtol in LEASTS]
    around = [f"{_fall(losses, cut - WINDOW):.2%}, {_fall(losses, cut):.2%}" for cut in cuts[1:] if cut is not None]
    return [*("never" if cut is None else f"{cut:,}" for cut in cuts), "; ".join(around)]


def _first(policy: rx.LearningRate, losses: np.ndarray) -> int | None:
    rates = rx.simulate(rx.Constant(1.0) * policy, len(losses), {"value": losses})
    return int(np.argmax(rates < 1)) + 1 if rates[-1] < 1 else None


def _fall(losses: np.ndarray, at: int) -> float:
    """Return the relative fall between the windows before and after a line, from their means."""
    before, after = losses[max(at - WINDOW, 0) : at], losses[at : at + WINDOW]
    return float(1 - after.mean() / before.mean()) if len(before) and len(after) else float("nan")
