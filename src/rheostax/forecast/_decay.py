"""`decay_of`: what a fit knows of a decay, as the numbers that a policy needs."""

from __future__ import annotations

import numpy as np

from rheostax.errors import ArgumentError
from rheostax.forecast._fitted import Fitted
from rheostax.forecast._laws import MinimalDecay

__all__ = ["decay_of"]


def decay_of(fitted: Fitted, steps: int) -> dict[str, float]:
    """Return what a linear decay to 0 gains, for `rx.AnnealWhenWorthIt`.

    Args:
        fitted: A fit with `law="minimal_decay"`, to runs of which one has a rate that fell.
        steps: A usual length of the decay in updates, >= 1, for which `doubt` is told.

    Returns:
        `gain`, `timescale`, `power` and `doubt`, the relative error of what such a decay gains, at most 1.

    Raises:
        ArgumentError: If the fit is of another law, the rate never fell, or nothing was gained by it.

    >>> import numpy as np, rheostax as rx
    >>> from rheostax import forecast
    >>> step, rates = np.arange(100, 4_001, 100), 1e-3 * np.minimum(1, (4_000 - np.arange(100, 4_001, 100)) / 1_000)
    >>> loss = 2.0 + (step / 1e3) ** -0.5 - 0.1 * (1 - rates / 1e-3)
    >>> fitted = forecast.fit(forecast.Curve(step, rates, loss), law="minimal_decay")
    >>> rate = 1e-3 * rx.AnnealWhenWorthIt(20_000, **forecast.decay_of(fitted, 5_000))
    """
    if not isinstance(fitted.law, MinimalDecay):
        raise ArgumentError(f"decay_of: fitted must be a fit with law='minimal_decay', got {type(fitted.law).__name__}.")
    if not isinstance(steps, int) or steps < 1:
        raise ArgumentError(f"decay_of: steps must be a whole number >= 1, got {steps!r}.")
    gain = float(fitted.coefficients[2])
    if not fitted.saw_falls or gain <= 0:
        what = "gained nothing when it fell" if fitted.saw_falls else "never changed"
        raise ArgumentError(f"decay_of: the rate {what} in {', '.join(fitted.runs)}, so what a decay gains isn't known.")
    _, log_k, log_b = fitted.parameters
    size, inner = np.exp(log_b), steps / 1e3 / np.exp(log_k)
    rest = (1 + inner) ** -size
    slopes = np.zeros(len(fitted.covariance))  # of the logarithm of what is gained
    slopes[1] = -rest / (1 - rest) * size * inner / (1 + inner)
    slopes[2] = rest / (1 - rest) * size * np.log1p(inner)
    slopes[5] = 1 / gain
    doubt = float(np.sqrt(max(slopes @ fitted.covariance @ slopes, 0.0)))
    return {"gain": gain, "timescale": float(1e3 * np.exp(log_k)), "power": float(size), "doubt": min(doubt, 1.0)}
