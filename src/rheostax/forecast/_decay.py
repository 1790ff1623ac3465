"""`decay_of`: what an outlook knows of a decay, as the numbers that a policy needs."""

from __future__ import annotations

import numpy as np

from rheostax.errors import ArgumentError
from rheostax.forecast._outlook import Outlook

__all__ = ["decay_of"]

LENGTHS = 24  # decays that the numbers are made to agree on


def decay_of(outlook: Outlook) -> dict[str, float]:
    """Return what a linear decay to 0 gains by its length, for `rx.AnnealWhenWorthIt`.

    What the outlook's law says of decays of all lengths that end with the budget is summed up by
    `gain * (1 - (1 + d / timescale) ** -power)`, d the updates of the decay, by least squares.

    Args:
        outlook: An outlook that can tell something, so of runs of which one has a rate that fell.

    Returns:
        `gain`, `timescale`, `power`, and `doubt`: the relative error of the difference between a decay over half the budget and one over a
        quarter of it, at most 1.

    Raises:
        ArgumentError: If the outlook can't tell, or the law gains nothing by a decay.

    >>> import numpy as np, rheostax as rx
    >>> from rheostax import forecast
    >>> step = np.arange(100, 4_001, 100)
    >>> rates = 1e-3 * np.minimum(1, (4_010 - step) / 1_000)
    >>> finished = forecast.Curve(step, rates, 2.0 + (step / 1e3) ** -0.5 - 0.1 * (1 - rates / 1e-3))
    >>> run = forecast.Curve(step[:30], rates[:30], 2.0 + (step[:30] / 1e3) ** -0.5)
    >>> found = forecast.outlook(run, 20_000, finished=[finished])
    >>> rate = 1e-3 * rx.AnnealWhenWorthIt(20_000, **forecast.decay_of(found))
    """
    fitted, total = outlook.fitted, outlook.total
    if not outlook.can_tell or fitted.coefficients[2] <= 0:
        why = "the law gains nothing by a fall of the rate" if outlook.can_tell else "the rate never changed"
        raise ArgumentError(f"decay_of: {why} in {', '.join(fitted.runs)}, so what a decay gains isn't known.")
    lengths = np.geomspace(0.02 * total, total - outlook.now, LENGTHS).round().astype(int)
    gained = np.array([fitted.gained(outlook.rates(total - int(length))) for length in lengths])
    gain, timescale, power = _summed_up(lengths, gained)
    candidates = [outlook.rates(max(total - total // part, outlook.now)) for part in (2, 4)]
    ends = fitted.endings(candidates, 0)
    difference = fitted.gained(candidates[0]) - fitted.gained(candidates[1])
    doubt = float(ends.error[1] / abs(difference)) if difference else 1.0
    return {"gain": gain, "timescale": timescale, "power": power, "doubt": min(doubt, 1.0)}


def _summed_up(lengths: np.ndarray, gained: np.ndarray) -> tuple[float, float, float]:
    """Return gain, timescale and power that fit best; the gain is linear, the others are searched for."""
    from scipy.optimize import least_squares  # noqa: PLC0415  (jax brings scipy; it takes long to import)

    def shape(free: np.ndarray) -> np.ndarray:
        return -np.expm1(-np.exp(free[1]) * np.log1p(lengths * np.exp(-free[0])))

    def size(free: np.ndarray) -> float:
        return float(shape(free) @ gained / (shape(free) @ shape(free)))

    start = np.array([np.log(np.median(lengths)), np.log(0.5)])
    bounds = (np.log([1.0, 0.05]), np.log([10.0 * lengths.max(), 5.0]))
    best = least_squares(lambda free: (size(free) * shape(free) - gained) / gained.max(), start, bounds=bounds).x
    return size(best), float(np.exp(best[0])), float(np.exp(best[1]))
