"""`fit`: find the parameters of a law from logged runs."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

import numpy as np

from rheostax._check import is_whole, one_of
from rheostax.errors import ArgumentError
from rheostax.forecast._curve import FEWEST, Curve
from rheostax.forecast._fitted import Fitted
from rheostax.forecast._laws import LAWS, Law
from rheostax.forecast._path import Path

__all__ = ["as_curves", "as_law", "fit"]

BLOCKS = 128  # of a run in a fit: twice as many change a prediction by less than its noise
STARTS = ((0.0, 0.0), (-0.5, 1.5), (0.5, -1.5), (0.3, 1.5))  # in standard deviations of the first two parameters
TRUST = (0.0003, 0.003)  # of the loss: how far off laws may be, at least and at most, by which residuals are weighed against the usual
OFF = 0.0025  # of the loss: how far off a law is in a run; chosen so that 90% bands cover 90% of what other runs show
ALIKE = 0.5  # natural logarithm of the factor in the count over which the error of a law stays alike
MOST = 1_000  # points of a run that are fitted
THINNED = 64  # points of a run that stand for all where errors are correlated
REWEIGHTED = 3
QUADRATIC = 0.25  # residuals above this part of the scale count linearly: the first points after a warm-up are always off


def fit(curves: Curve | Iterable[Any], *, law: str | Law = "fading_multi_power", warmup_steps: int = 0) -> Fitted:
    """Fit a law to the loss curves of one or more runs of one model, batch size and data.

    The sum of a robust (Huber) loss of all residuals and of the squared distance of the searched parameters from what is usual for the
    law is made least, from several starts. So parameters that the runs don't tell (with a rate that never changes, what a change
    would bring) stay at what is usual, and the bands grow accordingly.

    Args:
        curves: The runs, as `rx.forecast.read_curve` reads them, or anything with the arrays `step`, `learning_rate` and `loss`.
            Losses are >= 0. Points inside the warm-up are left out; of more than 1,000 points of a run, neighbours are averaged.
        law: "fading_multi_power", "multi_power", "functional", "annealing" or "minimal_decay", or a `Law`.
        warmup_steps: Updates of the warm-up, the same in all runs, >= 0; its rates count as progress.

    Returns:
        The law with its parameters; predicts, compares and optimizes.

    Raises:
        ArgumentError: If an argument breaks its rule, or the runs don't suffice.

    >>> import numpy as np
    >>> from rheostax import forecast
    >>> step = np.arange(100, 4_001, 100)
    >>> curve = forecast.Curve(step, np.full(40, 1e-3), 2.0 + (step / 1e3) ** -0.5)
    >>> fitted = forecast.fit([curve])
    >>> print(fitted.predict(np.full(8_000, 1e-3), steps=[8_000]).loss.round(2))
    [2.35]
    """
    family = as_law(law)
    runs = as_curves(curves)
    if not is_whole(warmup_steps, 0):
        raise ArgumentError(f"forecast: warmup_steps must be a whole number >= 0, got {warmup_steps!r}.")
    after = [_after_warmup(one, warmup_steps) for one in runs]
    _require_one_batch_size(after)
    reference = max(float(one.learning_rate.max()) for one in after)
    if not reference > 0:
        raise ArgumentError("forecast: the learning rate is 0 everywhere, so there is no progress to fit. Give the rates that were used.")
    points = [_averaged(one) for one in after]
    paths = [
        Path.of(one.rates(warmup_steps), steps, begin=warmup_steps, reference=reference, exponent=family.exponent, blocks=BLOCKS)
        for one, (steps, _) in zip(after, points, strict=True)
    ]
    loss = np.concatenate([losses for _, losses in points])
    if np.ptp(loss) == 0:
        raise ArgumentError("forecast: the loss is the same everywhere, so nothing can be concluded from it.")
    problem = _Problem(family, paths, loss, any(path.fall.size for path in paths))
    parameters, coefficients = problem.solve()
    residuals = problem.design(parameters) @ coefficients - loss
    covariance = problem.covariance(parameters, coefficients)
    return Fitted(
        family, reference, warmup_steps, parameters, np.pad(coefficients, (0, 3 - len(coefficients))), covariance,
        _deviation(residuals), tuple(one.name for one in after), problem.falls,
    )  # fmt: skip


def as_law(law: str | Law) -> Law:
    """Return a law by its name; refuse an unknown one."""
    if isinstance(law, Law):
        return law
    one_of("forecast: law", law, LAWS)
    return LAWS[law]


def as_curves(curves: Any) -> list[Curve]:
    """Return one or more runs as a list of curves; refuse anything else, and none at all."""
    if not isinstance(curves, Iterable) and not hasattr(curves, "learning_rate"):
        raise ArgumentError(f"forecast: curves must be runs, as rx.forecast.read_curve reads them, got {curves!r}.")
    single = isinstance(curves, Curve) or hasattr(curves, "learning_rate")
    found = [curves] if single else list(curves.values() if isinstance(curves, dict) else curves)
    if not found:
        raise ArgumentError("forecast: curves must be at least one run, got none.")
    for i, one in enumerate(found):
        if not all(hasattr(one, name) for name in ("step", "learning_rate", "loss")):
            raise ArgumentError(f"forecast: curves[{i}] must have the arrays step, learning_rate and loss, got {type(one).__name__}.")
    return [one if isinstance(one, Curve) else Curve(one.step, one.learning_rate, one.loss, f"curves[{i}]") for i, one in enumerate(found)]


def _after_warmup(one: Curve, warmup_steps: int) -> Curve:
    keep = one.step >= max(warmup_steps, 1)
    if keep.sum() < FEWEST:
        raise ArgumentError(
            f"forecast: {one.name}: at least {FEWEST} points after warmup_steps={warmup_steps:,} are needed, got {keep.sum()}. "
            "Log the loss more often, or for longer."
        )
    if (least := float(one.loss[keep].min())) < 0:
        raise ArgumentError(
            f"forecast: {one.name}: the losses must be >= 0, since the law's floor is, got {least:g}. Add to the losses of all runs the "
            "smallest constant that makes them so, and take it off the predictions; bands are relative to the loss, and grow with it."
        )
    return dataclasses.replace(one, step=one.step[keep], learning_rate=one.learning_rate[keep], loss=one.loss[keep])


def _averaged(one: Curve) -> tuple[np.ndarray, np.ndarray]:
    """Return the points of a run: where there are very many, means over as many neighbours each as it takes to make them few."""
    size = -(-len(one) // MOST)
    if size == 1:
        return one.step, one.loss
    begins = np.arange(0, len(one), size)
    number = np.diff(np.append(begins, len(one)))
    return (np.add.reduceat(one.step, begins) / number).round().astype(np.int64), np.add.reduceat(one.loss, begins) / number


def _require_one_batch_size(runs: list[Curve]) -> None:
    told = {one.batch_size: one.name for one in runs if one.batch_size is not None}
    if len(told) > 1:
        sizes = ", ".join(f"{size:g} in {name}" for size, name in told.items())
        raise ArgumentError(f"forecast: the runs have other batch sizes, {sizes}: a law holds for one of them. Fit runs of one batch size.")


def _deviation(residuals: np.ndarray) -> float:
    """Return the standard deviation of residuals, as their median tells it."""
    return max(float(1.4826 * np.median(np.abs(residuals))), 1e-12)


class _Problem:
    """The least-squares problem: few searched parameters, the three coefficients solved for within."""

    def __init__(self, law: Law, paths: list[Path], loss: np.ndarray, falls: bool) -> None:
        self.law, self.paths, self.loss, self.falls = law, paths, loss, falls
        self.mean, self.deviation = np.array(law.mean), np.array(law.deviation)

    def design(self, parameters: np.ndarray) -> np.ndarray:
        terms = [self.law.terms(path, parameters) for path in self.paths]
        progress, gained = (np.concatenate(parts) for parts in zip(*terms, strict=True))
        return np.stack([np.ones_like(progress), progress, -gained] if self.falls else [np.ones_like(progress), progress], 1)

    def coefficients(self, design: np.ndarray, scale: float) -> np.ndarray:
        """Return floor, size and gain, each >= 0, that fit best; what is far off counts less, so that it can't bend the others."""
        from scipy.optimize import nnls  # noqa: PLC0415  (jax brings scipy; it takes long to import)

        unit = np.linalg.norm(design, axis=0)
        unit = np.where(unit > 0, unit, 1.0)
        weights = np.ones(len(self.loss))
        for _ in range(REWEIGHTED):
            found = nnls(design / unit * weights[:, None], self.loss * weights)[0] / unit
            size = np.abs(design @ found - self.loss) / scale
            weights = np.sqrt(QUADRATIC / np.maximum(size, QUADRATIC))
        return found

    def objective(self, parameters: np.ndarray, scale: float) -> np.ndarray:
        design = self.design(parameters)
        size = np.abs(design @ self.coefficients(design, scale) - self.loss) / scale
        cost = np.where(size < QUADRATIC, size**2 / 2, QUADRATIC * (size - QUADRATIC / 2))
        return np.concatenate([np.sqrt(2 * cost), (parameters - self.mean) / self.deviation])

    def solve(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the searched parameters and the coefficients; the second search weighs by the noise that the first has found."""
        level = float(np.median(np.abs(self.loss)))
        starts = [self.mean + self.deviation * np.pad(start, (0, len(self.mean) - 2)) for start in STARTS]
        scale = TRUST[1] * level
        first = self._search(starts, scale)
        design = self.design(first)
        noise = _deviation(design @ self.coefficients(design, scale) - self.loss)
        scale = float(np.clip(3 * noise, TRUST[0] * level, TRUST[1] * level))
        best = self._search([first], scale)
        return best, self.coefficients(self.design(best), scale)

    def _search(self, starts: list[np.ndarray], scale: float) -> np.ndarray:
        from scipy.optimize import least_squares  # noqa: PLC0415

        found = [least_squares(self.objective, start, args=(scale,), max_nfev=25) for start in starts]
        return min(found, key=lambda one: one.cost).x

    def covariance(self, parameters: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
        """Return the covariance of searched parameters and coefficients together, from the curvature at the best fit.

        A law is off, and it is off in the same direction for a good part of a run. So residuals count as noise plus an error that is
        correlated within a run (Kennedy and O'Hagan's discrepancy): many points of one run don't make its parameters certain.
        """
        columns = len(coefficients)
        slopes = []
        for i in range(len(parameters)):
            step = np.zeros_like(parameters)
            step[i] = 1e-4
            ahead, behind = (self.design(parameters + sign * step) @ coefficients for sign in (1, -1))
            slopes.append((ahead - behind) / 2e-4)
        jacobian = np.concatenate([np.stack(slopes, 1), self.design(parameters)], 1)
        noise = _deviation(self.design(parameters) @ coefficients - self.loss)
        information = np.diag(np.concatenate([1 / self.deviation**2, np.full(columns, 1e-12)]))
        ends = np.cumsum([len(path.knots) for path in self.paths])
        for path, end in zip(self.paths, ends, strict=True):
            n = len(path.knots)
            chosen = np.unique(np.linspace(0, n - 1, min(n, THINNED)).round().astype(int))
            part, level = jacobian[end - n + chosen], float(np.median(np.abs(self.loss[end - n : end])))
            time = np.log(path.knots[chosen])
            shared = (OFF * level) ** 2 * np.exp(-np.abs(time[:, None] - time) / ALIKE)
            error = shared + np.eye(len(chosen)) * noise**2 * len(chosen) / n
            information += part.T @ np.linalg.solve(error, part)
        inverse = np.linalg.pinv(information, hermitian=True)
        full = np.zeros((len(parameters) + 3,) * 2)
        full[: len(inverse), : len(inverse)] = inverse
        return full
