"""False cuts and delays, family by family."""

from __future__ import annotations

import dataclasses
import zlib
from typing import Any

import jax
import numpy as np
from scipy.stats import beta

from benchmarks.false_cuts import rules
from benchmarks.false_cuts.bank import CORRELATIONS, FAMILIES, SIZES, STEPS, WINDOW, Noise, progress_ends
from benchmarks.false_cuts.rules import ALPHAS

SHOWN = 0.01  # the alpha of the tables


@dataclasses.dataclass(frozen=True)
class Family:
    """What was found on the runs of one family."""

    name: str
    ends: np.ndarray  # int64 [R]: the update from which there is less than the least progress; STEPS if there always is
    cuts: dict[str, np.ndarray]  # rule -> first cut, int64 [R]; [alphas, R] for those that have an alpha
    noise: Noise

    def false(self, rule: str, alpha: float = SHOWN) -> np.ndarray:
        return self._cuts(rule, alpha) <= self.ends

    def delays(self, rule: str, alpha: float = SHOWN) -> np.ndarray:
        """Return the updates from the end of progress to the first cut, infinite without one, of the runs whose progress ends."""
        cuts = self._cuts(rule, alpha)
        return np.where(cuts == rules.NEVER, np.inf, cuts - self.ends)[self.ends < STEPS]

    def _cuts(self, rule: str, alpha: float) -> np.ndarray:
        cuts = self.cuts[rule]
        return cuts if cuts.ndim == 1 else cuts[np.abs(np.log(ALPHAS / alpha)).argmin()]

    def by_noise(self, rule: str) -> list[list[float]]:
        """Return the median delay in windows, for each size of noise and correlation."""
        ending = self.ends < STEPS
        size, correlation, delays = self.noise.size[ending], self.noise.correlation[ending], self.delays(rule)
        kinds = [[(size == np.float32(s)) & (correlation == np.float32(c)) for c in CORRELATIONS] for s in SIZES]
        return [[float(np.median(delays[kind])) / WINDOW for kind in row] for row in kinds]


def interval(count: int, total: int) -> tuple[float, float]:
    """Return the 95% interval of Clopper and Pearson for a probability."""
    low = float(beta.ppf(0.025, count, total - count + 1)) if count else 0.0
    high = float(beta.ppf(0.975, count + 1, total - count)) if count < total else 1.0
    return low, high


def measure(name: str, seeds: int, limits: np.ndarray) -> Family:
    """Run every rule on a family with each kind of noise `seeds` times; `limits` are the oracle's, per alpha."""
    noise, seed = Noise.repeated(seeds), zlib.crc32(f"false cuts, {name}".encode())
    curve = FAMILIES[name](np.random.default_rng(seed), len(noise.size))
    ends = np.full(len(curve), STEPS) if name == "shift" else progress_ends(curve)
    losses = rules.generate(jax.random.key(seed), curve, noise)
    strength = np.asarray(rules.ours(losses.means))
    knowing = rules.slopes(np.asarray(losses.whitened), rules.deviation(noise))
    cuts: dict[str, Any] = {
        "ours": np.stack([rules.first(strength >= -np.log(alpha)) for alpha in ALPHAS]),
        "oracle": np.stack([rules.first(knowing >= limit) for limit in limits]),
    }
    return Family(name, ends, cuts | losses.singles | rules.windows(losses.means), noise)
