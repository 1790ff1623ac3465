"""Two ways to see through the noise of a curve: one that looks back, for a sweep that is going on, and one for a whole curve."""

from __future__ import annotations

import numpy as np

__all__ = ["descent", "fit_weights", "fitted", "noise_of", "smoothed"]


def smoothed(values: np.ndarray, smoothing: float) -> np.ndarray:
    """Return the debiased exponential moving average along the last axis.

    `m_i = smoothing * m_(i-1) + (1 - smoothing) * x_i`, from `m = 0`, divided by the weight that it has received,
    `1 - smoothing**(i+1)`: the first value is the first loss itself, and constant values stay what they are. It lags behind a
    curve by up to `smoothing / (1 - smoothing)` updates.

    Args:
        values: Losses, `[..., n]`. What comes after a value that isn't finite isn't either.
        smoothing: Weight of the past, in [0, 1); 0 for none.

    Returns:
        `float64 [..., n]`.

    >>> import numpy as np
    >>> print(smoothed(np.array([4.0, 4.0, 1.0]), 0.5).round(3))
    [4.    4.    2.286]
    """
    values = np.asarray(values, np.float64)
    mean = np.zeros(values.shape[:-1])
    result = np.empty_like(values)
    for i in range(values.shape[-1]):
        mean = smoothing * mean + (1 - smoothing) * values[..., i]
        result[..., i] = mean / (1 - smoothing ** (i + 1))
    return result


def fit_weights(count: int, smoothing: float) -> tuple[np.ndarray, np.ndarray]:
    """Return two `float64 [count, count]`: `fitted` values are the first times the losses, the slopes there, per update, the second."""
    if smoothing == 0:
        return np.eye(count), np.asarray(np.gradient(np.eye(count), axis=0))
    distance = np.arange(count) - np.arange(count)[:, None]
    weights = smoothing ** np.abs(distance).astype(np.float64)
    total, first, second = (np.sum(weights * distance**power, axis=1, keepdims=True) for power in (0, 1, 2))
    determinant = total * second - first**2
    return weights * (second - first * distance) / determinant, weights * (total * distance - first) / determinant


def fitted(values: np.ndarray, smoothing: float) -> np.ndarray:
    """Return the exponential moving average that looks both ways, free of lag, along the last axis.

    At each update a line is fitted to the whole curve with weights `smoothing ** distance`, and its value taken there. So a
    straight line stays what it is, up to both of its ends, where a plain average pulls towards the middle and one that looks
    back alone is late.

    Args:
        values: Finite losses, `[..., n]`, n at least 2.
        smoothing: Weight of a loss relative to that one update nearer, in [0, 1); 0 for none.

    Returns:
        `float64 [..., n]`.

    >>> import numpy as np
    >>> print(fitted(np.array([3.0, 2.0, 1.0, 0.0]), 0.9).round(6) + 0.0)
    [3. 2. 1. 0.]
    """
    values = np.asarray(values, np.float64)
    return values @ fit_weights(values.shape[-1], smoothing)[0].T


def noise_of(values: np.ndarray) -> float:
    """Return the standard deviation of the noise of a curve `[n]`, from the median step between neighbours: trends hardly count."""
    steps = np.abs(np.diff(np.asarray(values, np.float64)))
    return float(np.median(steps) / (0.6744897501960817 * np.sqrt(2))) if len(steps) else 0.0


def descent(values: np.ndarray, smoothing: float) -> int:
    """Return how much of a curve `[n]` tells anything: up to where, after its lowest point, it is back above its start.

    Beyond that the loss has run away, and an average that looks both ways would see it coming. The start is the mean of the
    first tenth, and above it is so by twice the noise; the lowest point is that of the average that looks back.
    """
    start = np.mean(values[: max(1, len(values) // 10)])
    lowest = int(np.argmin(smoothed(values, smoothing)))
    above = values[lowest:] > start + 2 * noise_of(values)
    return lowest + int(np.argmax(above)) if above.any() else len(values)
