"""`Fitted`: a law with its parameters. Predicts, compares, optimizes."""

from __future__ import annotations

import dataclasses
import numbers
from collections.abc import Iterable, Mapping, Sequence
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np

from rheostax._rate import LearningRate, as_learning_rate
from rheostax._words import say
from rheostax.errors import ArgumentError
from rheostax.expressions import parse
from rheostax.forecast._laws import Law
from rheostax.forecast._path import Path
from rheostax.groups import group_names
from rheostax.simulate import simulate

__all__ = ["Fitted", "Prediction"]

BLOCKS = 400  # of a run in a prediction
KNOTS = 600  # at which it is evaluated; between them it goes along a line
LEAST = 0.0007  # of the loss: what no law is better than, however well it fits
UNTOLD = 0.8  # of what is usual: a parameter whose deviation is still more hasn't been told by the runs


@dataclasses.dataclass(frozen=True, eq=False)
class Prediction:
    """A predicted loss curve, with bands."""

    steps: np.ndarray  # int64 [n]: updates applied
    loss: np.ndarray  # float64 [n]
    low: np.ndarray  # float64 [n]: the loss lies between low and high with the probability `coverage`
    high: np.ndarray
    coverage: float

    @property
    def final(self) -> float:
        """The loss at the last of the steps."""
        return float(self.loss[-1])

    def __repr__(self) -> str:
        band = f"{say(float(self.low[-1]), 5)} to {say(float(self.high[-1]), 5)}"
        return f"Prediction(loss {say(self.final, 5)} at update {self.steps[-1]:,}, {self.coverage:.0%} band {band})"


class Endings(NamedTuple):
    """What several schedules end with."""

    loss: np.ndarray  # float64 [n]
    deviation: np.ndarray  # float64 [n]: of the loss
    gain: np.ndarray  # float64 [n]: how much lower the loss is than that of the one they are compared with
    error: np.ndarray  # float64 [n]: standard deviation of the gain
    known: np.ndarray  # float64 [k]: what the runs are predicted to end with whose ends are known


@dataclasses.dataclass(frozen=True, eq=False)
class Fitted:
    """A law that was fitted to runs.

    Attributes:
        law: The law.
        reference: The largest rate of the runs, in whose unit the law sees rates.
        warmup_steps: Updates of the warm-up.
        parameters: What was searched for, under the names `law.names`.
        coefficients: Irreducible loss, size of the progress, gain of the falls.
        covariance: Of both together.
        deviation: Robust standard deviation of the residuals.
        runs: What it was fitted to.
        saw_falls: Whether the rate changed in any of the runs; if it didn't, the gain of a decay can't be known.
    """

    law: Law
    reference: float
    warmup_steps: int
    parameters: np.ndarray
    coefficients: np.ndarray
    covariance: np.ndarray
    deviation: float
    runs: tuple[str, ...]
    saw_falls: bool

    def __repr__(self) -> str:
        values = {
            **dict(zip(self.law.names, self.parameters, strict=True)),
            **dict(zip(("floor", "size", "gain"), self.coefficients, strict=True)),
        }
        return f"Fitted({type(self.law).__name__}, {', '.join(f'{name}={say(float(value))}' for name, value in values.items())})"

    def predict(self, learning_rates: Any, steps: Any = None, *, coverage: float = 0.9) -> Prediction:
        """Predict the loss that rates will bring.

        Args:
            learning_rates: The rate of every update from 0, `[n]`, >= 0, the warm-up included; or a rheostax expression,
                an optax schedule or a text (a policy counts as if no metric moved it).
            steps: For rates, the counts at which to tell the loss, from 1 to n; by default all from the end of the warm-up. For an
                expression, the number of updates, or the counts, whose last one is the end of the run.
            coverage: Probability that the band is meant to cover, in (0, 1).

        Returns:
            Losses and bands at the steps.

        Raises:
            ArgumentError: If an argument breaks its rule, or the rates fall and no fitted run has shown what that brings.
        """
        if not (isinstance(coverage, numbers.Real) and 0 < coverage < 1):
            raise ArgumentError(f"predict: coverage must be in (0, 1), got {coverage!r}.")
        rates, wanted = self._rates(learning_rates, steps)
        n, moved = len(rates), np.flatnonzero(rates > 0)
        if not moved.size:
            raise ArgumentError("predict: learning_rates must be above 0 somewhere; of a run that stands still nothing is known.")
        first = int(moved[0]) + 1
        if wanted is None:
            wanted = np.arange(min(max(self.warmup_steps, first), n), n + 1)
        if wanted.size == 0 or wanted.min() < 1 or wanted.max() > n:
            got = "none" if wanted.size == 0 else f"{wanted.min():,} to {wanted.max():,}"
            raise ArgumentError(f"predict: steps must lie between 1 and the number of rates, {n:,}; got {got}.")
        if wanted.min() < first:
            raise ArgumentError(
                f"predict: steps must be at least {first:,}, where the first rate above 0 has been used; got {wanted.min():,}."
            )
        knots = _knots(wanted, rates)
        path = self._path(rates, knots)
        self._require_known(path)
        loss, deviation = self._evaluate(path)
        z = NormalDist().inv_cdf(0.5 + coverage / 2)
        loss, width = np.interp(wanted, knots, loss), z * np.interp(wanted, knots, deviation)
        return Prediction(wanted, loss, loss - width, loss + width, coverage)

    def compare(self, candidates: Mapping[str, Any] | Iterable[Any], steps: int) -> dict[str, Prediction]:
        """Predict the end of several candidates, best first.

        Args:
            candidates: Expressions or texts, or a dict of them, or of rates, by label. One that is given twice without a label
                counts once.
            steps: Updates of the run, >= 1.

        Returns:
            A prediction of the loss after the last update by label, in the order of the predicted losses.

        Raises:
            ArgumentError: As `predict` does.
        """
        named: dict[Any, Any]
        named = dict(candidates) if isinstance(candidates, Mapping) else {_label(one): one for one in candidates}
        found = {str(label): self.predict(one, [steps]) for label, one in named.items()}
        return dict(sorted(found.items(), key=lambda pair: pair[1].final))

    def optimize(self, steps: int, *, max_value: float | None = None, min_value: float = 0.0, pieces: int = 40) -> LearningRate:
        """Return the schedule that never rises after its warm-up and whose end is predicted to be best.

        Args:
            steps: Updates of the run, more than the warm-up has.
            max_value: The rate after the warm-up, > 0; by default the largest of the fitted runs. The law hasn't seen larger ones.
            min_value: The rate may not fall below it, in [0, max_value].
            pieces: Lines that the schedule is made of, >= 2.

        Returns:
            `PiecewiseInterpolate`, which begins with the warm-up.

        Raises:
            ArgumentError: If an argument breaks its rule, or no fitted run has shown what a fall of the rate brings.
        """
        from rheostax.forecast._optimize import optimize  # noqa: PLC0415  (needs scipy, which takes long to import)

        return optimize(self, steps, self.reference if max_value is None else max_value, min_value, pieces)

    def _rates(self, learning_rates: Any, steps: Any) -> tuple[np.ndarray, np.ndarray | None]:
        if isinstance(learning_rates, str):
            learning_rates = parse(learning_rates)
        if isinstance(learning_rates, LearningRate) or callable(learning_rates):
            if group_names(as_learning_rate(learning_rates)) is not None:
                raise ArgumentError(f"predict: learning_rates must be one rate for all parameters, got groups: {learning_rates!r}.")
            if steps is None:
                raise ArgumentError("predict: an expression needs steps, the number of updates: predict(rate, 20_000).")
            counts = np.asarray(steps)
            if counts.size == 0 or counts.dtype.kind not in "iu" or counts.max() < 1:
                raise ArgumentError(f"predict: steps must be a whole number of updates >= 1, or counts, got {steps!r}.")
            rates = np.asarray(simulate(learning_rates, int(counts.max())), np.float64)
            return rates, None if counts.ndim == 0 else np.unique(counts.astype(np.int64))
        try:
            rates = np.asarray(learning_rates, np.float64)
        except (TypeError, ValueError):
            rates = np.empty(0)
        if rates.ndim != 1 or rates.size == 0 or not np.all(np.isfinite(rates)) or np.any(rates < 0):
            raise ArgumentError(
                "predict: learning_rates must be an expression, or the rate of every update, finite and >= 0, with one axis."
            )
        if steps is None:
            return rates, None
        counts = np.atleast_1d(np.asarray(steps))
        if counts.size and counts.dtype.kind not in "iu":
            raise ArgumentError(f"predict: steps must be whole counts of updates, got {steps!r}.")
        return rates, counts.astype(np.int64)

    def final(self, rates: np.ndarray, stride: float) -> float:
        """Return the predicted loss after all of the rates, each of which stands for `stride` updates."""
        path = self._path(rates, np.array([len(rates)]), stride)
        progress, gained = self.law.terms(path, self.parameters)
        return float((self.coefficients @ np.stack([np.ones_like(progress), progress, -gained]))[0])

    def gained(self, rates: np.ndarray) -> float:
        """Return what the falls of the rates have gained by their end, the progress aside."""
        _, gained = self.law.terms(self._path(rates, np.array([len(rates)])), self.parameters)
        return float(self.coefficients[2] * gained[0])

    def _path(self, rates: np.ndarray, knots: np.ndarray, stride: float = 1.0) -> Path:
        begin = round(self.warmup_steps / stride)
        return Path.of(rates, knots, begin=begin, reference=self.reference, exponent=self.law.exponent, blocks=BLOCKS, stride=stride)

    def _require_known(self, path: Path) -> None:
        if not self.saw_falls and np.any(path.fall != 0):
            raise ArgumentError(
                f"predict: the rate never changed in {', '.join(self.runs)}, so what a change brings isn't known. "
                "Fit also a run whose rate decays, or falls once."
            )

    def _sensitive(self, path: Path) -> tuple[np.ndarray, np.ndarray]:
        """Return the loss at the path's knots, and its derivative by the parameters and the coefficients, `[k, p]`."""

        def loss(parameters: np.ndarray) -> np.ndarray:
            progress, gained = self.law.terms(path, parameters)
            floor, size, gain = self.coefficients
            return floor + size * progress - gain * gained

        progress, gained = self.law.terms(path, self.parameters)
        slopes = []
        for i in range(len(self.parameters)):
            step = np.zeros_like(self.parameters)
            step[i] = 1e-4
            slopes.append((loss(self.parameters + step) - loss(self.parameters - step)) / 2e-4)
        return loss(self.parameters), np.stack([*slopes, np.ones_like(progress), progress, -gained], 1)

    def _evaluate(self, path: Path) -> tuple[np.ndarray, np.ndarray]:
        """Return the loss at the path's knots, and its standard deviation."""
        predicted, jacobian = self._sensitive(path)
        variance = np.einsum("ki,ij,kj->k", jacobian, self.covariance, jacobian)
        return predicted, np.sqrt(np.maximum(variance, 0) + self.deviation**2 + (LEAST * predicted) ** 2)

    def endings(self, candidates: Sequence[np.ndarray], usual: int, known: Sequence[np.ndarray] = ()) -> Endings:
        """Return what each of several schedules of one length ends with, and how much lower that is than for one of them.

        What isn't known of two schedules alike cancels in their difference, to which the law's own error adds the more the less
        alike they are.

        Args:
            candidates: The rates of every update, `[n]` each.
            usual: Which of them the others are compared with.
            known: The rates of runs whose ends are known, so that the deviation of a loss is that of its difference to their mean.
        """
        paths = [self._path(rates, np.array([len(rates)])) for rates in (*candidates, *known)]
        for path in paths:
            self._require_known(path)
        found = [self._sensitive(path) for path in paths]
        n = len(candidates)
        ends, slopes = np.concatenate([one for one, _ in found]), np.concatenate([slope for _, slope in found])
        loss, jacobian = ends[:n], slopes[:n]

        def variance(of: np.ndarray) -> np.ndarray:
            return np.maximum(np.einsum("ki,ij,kj->k", of, self.covariance, of), 0.0)

        own = (LEAST * loss) ** 2
        apart = np.array([np.mean(np.abs(rates - candidates[usual])) for rates in candidates]) / self.reference
        error = variance(jacobian - jacobian[usual]) + 2 * own * np.minimum(2 * apart, 1.0)
        level = variance(jacobian - slopes[n:].mean(0)) + own * (1 + 1 / len(known)) if known else variance(jacobian) + own
        return Endings(loss, np.sqrt(level + self.deviation**2), loss[usual] - loss, np.sqrt(error), ends[n:])

    @property
    def untold(self) -> tuple[str, ...]:
        """Names of the parameters that the runs hardly tell, so that they stay near what is usual for the law."""
        deviation = np.sqrt(np.diag(self.covariance))[: len(self.law.names)]
        return tuple(name for name, one, usual in zip(self.law.names, deviation, self.law.deviation, strict=True) if one > UNTOLD * usual)


def _label(candidate: Any) -> str:
    return candidate if isinstance(candidate, str) else repr(as_learning_rate(candidate))


def _knots(wanted: np.ndarray, rates: np.ndarray) -> np.ndarray:
    """Return counts that a line between can stand for all that are wanted: closer early, and around jumps of the rate."""
    ordered = np.unique(wanted)
    if len(ordered) <= KNOTS:
        return ordered
    first, last = int(ordered[0]), int(ordered[-1])
    jumps = np.argsort(-np.abs(np.diff(rates)))[:20]
    around = (jumps[:, None] + np.array([0, 1, 2, 4, 8, 16, 32, 64, 128, 256])).ravel()
    found = np.concatenate([np.linspace(first, last, KNOTS), np.geomspace(first, last, KNOTS), around])
    return np.unique(np.append(found.astype(np.int64).clip(first, last), (first, last)))
