"""The laws: what the loss is, given the rates.

All are linear in three coefficients, an irreducible loss, the size of the progress and the size of what falls of the rate gain,
so that only the few others have to be searched for.
"""

from __future__ import annotations

import abc
import dataclasses

import numpy as np

from rheostax.forecast._path import Path

__all__ = ["LAWS", "Annealing", "FadingMultiPower", "Functional", "Law", "MinimalDecay", "MultiPower"]


@dataclasses.dataclass(frozen=True)
class Law(abc.ABC):
    """A family of loss curves: `loss = floor + size * progress(path) - gain * falls(path)`.

    Attributes:
        names: The parameters that are searched for, beside floor, size and gain.
        mean: Where the search begins, and what a parameter is if the runs don't tell it.
        deviation: How far it may be expected to lie from there.
        exponent: Of the rate in the sum that measures progress.
    """

    names: tuple[str, ...]
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    exponent: float = 1.0

    @abc.abstractmethod
    def terms(self, path: Path, parameters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return progress and falls at the path's knots, `float64 [k]` each, both >= 0 for a rate that only falls."""


@dataclasses.dataclass(frozen=True)
class MultiPower(Law):
    """The multi-power law: each fall of the rate gains what a power law in the sum of rates since then says.

    `loss = floor + size * S ** -a - gain * sum_k (eta_{k-1} - eta_k) * (1 - (1 + c * eta_k ** -g * S_k) ** -b)`, S the sum of all
    rates, S_k that since fall k. Source: arXiv 2503.12811.
    """

    names: tuple[str, ...] = ("log a", "log c", "log b", "g")
    mean: tuple[float, ...] = (float(np.log(0.5)), float(np.log(10.0)), float(np.log(0.45)), 0.5)
    deviation: tuple[float, ...] = (1.0, 2.0, 0.3, 0.2)
    fade: float = 0.0

    def terms(self, path: Path, parameters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        log_a, log_c, log_b, g = parameters
        progress = path.progress ** -np.exp(log_a)
        speed = np.exp(log_c) * np.maximum(path.level, 1e-4) ** -g  # a rate of zero changes nothing any more, and mustn't divide
        kernel = -np.expm1(-np.exp(log_b) * np.log1p(speed * path.since))
        return progress, (kernel * path.passed) @ path.fall * path.area**-self.fade


@dataclasses.dataclass(frozen=True)
class FadingMultiPower(MultiPower):
    """The multi-power law with two constants more, which logs of two families of runs agree on.

    Progress goes with eta ** 0.9 rather than eta, and what a fall gains fades with S ** -0.1: late in a run there is less noise that a
    lower rate could take away.
    """

    exponent: float = 0.9
    fade: float = 0.1


@dataclasses.dataclass(frozen=True)
class Annealing(Law):
    """The scaling law with learning-rate annealing: a momentum of the falls of the rate, summed over updates.

    `loss = floor + size * S ** -a - gain * sum_i m_i`, m_i = l * m_{i-1} + (eta_{i-1} - eta_i): each fall gains 1 - l ** (updates
    since then), up to a factor. The time constant is t = -1 / ln(l), in thousands of updates. Source: Tissue et al., arXiv 2408.11029.
    """

    names: tuple[str, ...] = ("log a", "log t")
    mean: tuple[float, ...] = (float(np.log(0.5)), 0.0)
    deviation: tuple[float, ...] = (1.0, 1.0)

    def terms(self, path: Path, parameters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        log_a, log_t = parameters
        kernel = -np.expm1(-path.age * np.exp(-log_t))
        return path.progress ** -np.exp(log_a), (kernel * path.passed) @ path.fall


@dataclasses.dataclass(frozen=True)
class Functional(Law):
    """The functional scaling law with a constant noise: the noise of every update is forgotten with the sum of rates since then.

    `loss = floor + size * T ** -s + c3 * integral of (1 + c * (T - r)) ** -(1 + b) * eta(r) dr over r from 0 to T`, T the sum of all rates.
    The integral by parts is a sum over the changes of the rate, the rise from 0 included:
    `loss = floor' + size * T ** -s - gain * (sum_k (eta_{k-1} - eta_k) * (1 - (1 + c * T_k) ** -b) + (1 + c * T) ** -b)`, T_k the sum of
    rates since fall k. So it is the multi-power law without a dependence on the rate at the fall, and with the noise still rising early in
    the run. Source: Li et al., arXiv 2509.19189, where b = 1 - 1 / beta; the part of the noise that falls with the loss is left out.
    """

    names: tuple[str, ...] = ("log s", "log c", "log b")
    mean: tuple[float, ...] = (float(np.log(0.5)), float(np.log(10.0)), float(np.log(0.45)))
    deviation: tuple[float, ...] = (1.0, 2.0, 0.3)

    def terms(self, path: Path, parameters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        s, c, b = np.exp(parameters)
        forgotten = -np.expm1(-b * np.log1p(c * path.since))
        return path.progress**-s, (forgotten * path.passed) @ path.fall + (1 + c * path.area) ** -b


@dataclasses.dataclass(frozen=True)
class MinimalDecay(Law):
    """The minimal law of a decay: all falls as one, of which only the depth and the duration count.

    `loss = floor + size * S ** -a - gain * h * (1 - (1 + d / k) ** -b)`, S the sum of all rates, h how deep the rate has fallen below the
    reference, d twice the mean time since its falls, weighed by their size, in thousands of updates: after a linear decay to 0, h is 1, d
    its duration, and S the updates before it and half of those in it. Source: this project, after the stable and the decay stage of
    Haegele et al., arXiv 2405.18392.
    """

    names: tuple[str, ...] = ("log a", "log k", "log b")
    mean: tuple[float, ...] = (float(np.log(0.5)), 0.0, float(np.log(0.5)))
    deviation: tuple[float, ...] = (1.0, 1.5, 0.5)

    def terms(self, path: Path, parameters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        a, k, b = np.exp(parameters)
        depth = path.passed @ path.fall
        duration = 2 * (path.age * path.passed) @ path.fall / np.where(depth > 0, depth, 1.0)
        kernel = -np.expm1(-b * np.log1p(np.maximum(duration, 0.0) / k))
        return path.progress**-a, np.maximum(depth, 0.0) * kernel


LAWS: dict[str, Law] = {
    "fading_multi_power": FadingMultiPower(),
    "multi_power": MultiPower(),
    "functional": Functional(),
    "annealing": Annealing(),
    "minimal_decay": MinimalDecay(),
}
