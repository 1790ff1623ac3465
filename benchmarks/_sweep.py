"""Evaluate a schedule in every way that users do, and compare each with its oracle."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tests.oracles.families import LONG, Family, pairs

LIMIT = 4.0  # float32 ulp
WAYS = ("eager", "jit", "scan", "constants")
LONGEST = max(LONG)


@dataclasses.dataclass
class Finding:
    """What came out for one schedule and its settings.

    `largest`: the largest difference by way, in float32 ulp. `worst`: where the largest of all was. `improper`: values that are
    negative or not finite. `missed`: values that should be the given first or end value to the last bit, and aren't. `types`: types
    of counts that gave another value than Python's whole numbers.
    """

    name: str
    compared: int = 0
    largest: dict[str, float] = dataclasses.field(default_factory=dict)
    worst: dict[str, Any] = dataclasses.field(default_factory=dict)
    improper: int = 0
    missed: int = 0
    types: list[str] = dataclasses.field(default_factory=list)

    @property
    def fine(self) -> bool:
        return max(self.largest.values()) <= LIMIT and not (self.improper or self.missed or self.types)

    def add(self, family: Family, way: str, got: np.ndarray, lengths: np.ndarray, counts: np.ndarray, want: np.ndarray) -> None:
        """Take in the values `[rows, pairs]` that one way gave."""
        off = family.distance(got, want)
        row, at = np.unravel_index(int(np.nan_to_num(off, nan=np.inf).argmax()), off.shape)
        if not self.largest or not off[row, at] <= max(self.largest.values()):
            where = {"way": way, "row": int(row), "horizon": int(lengths[at]), "count": int(counts[at])}
            self.worst = where | {"value": float(got[row, at]), "should be": float(want[row, at])}
        self.largest[way] = max(float(off[row, at]), self.largest.get(way, 0.0))
        self.improper += int(np.sum(~np.isfinite(got) | (got < 0)))
        exact = family.exact(lengths, counts)
        self.missed += int(np.sum(got[:, exact] != want[:, exact].astype(np.float32)))
        self.compared += got.size


def examine(name: str, family: Family, quick: bool = False) -> Finding:
    """Compare one schedule with its oracle in every way."""
    finding, shortest = Finding(name), 200 if quick else 2000
    many, few = ((shortest, 20, 50), (shortest, 10, 50)) if quick else ((shortest, 100, 1000), (shortest, 10, 50))
    lengths, counts = _joined(family, *many)
    finding.add(family, "jit", family.compiled(lengths, counts), lengths, counts, family.wanted(lengths, counts))
    lengths, counts = _joined(family, *few)
    want = family.wanted(lengths, counts)
    finding.add(family, "eager", eager(family, lengths, counts), lengths, counts, want)
    finding.add(family, "scan", scanned(family, lengths, counts), lengths, counts, want)
    constants(finding, family)
    finding.types = unlike_types(rate_of(family, LONGEST))
    return finding


def constants(finding: Finding, family: Family) -> None:
    """Compare the schedule as users write it, called and compiled, at two horizons."""
    for steps, counts in ((1000, np.arange(1005)), (LONG[2], np.concatenate([np.arange(500), LONG[2] + np.arange(-500, 5)]))):
        rate, lengths = rate_of(family, steps), np.full(len(counts), steps)
        want = np.asarray(family.reference(counts, **family.arguments(_middle(family), steps)), np.float64)[None]
        for values in (rate(counts), jax.jit(rate)(counts)):
            finding.add(family, "constants", np.asarray(values)[None], lengths, counts, want)


def _joined(family: Family, *size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return all the lengths and all the counts of `pairs`."""
    lengths, counts = zip(*pairs(family, *size).values(), strict=True)
    return np.concatenate(lengths), np.concatenate(counts)


def rate_of(family: Family, steps: int) -> Any:
    """Return a schedule as users write it, with Python numbers: those in the middle of the settings."""
    return family.schedule(**family.arguments(_middle(family), steps))


def _middle(family: Family) -> tuple[float, ...]:
    return family.rows[len(family.rows) // 2]


def eager(family: Family, lengths: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Dispatch every operation by itself."""
    return np.asarray(family.everywhere(jnp.float32(family.rows), jnp.int32(lengths), jnp.int32(counts)))


def scanned(family: Family, lengths: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Take one pair after another in a `lax.scan`, all settings in a `vmap`, with unsigned counts."""

    @jax.jit
    def run(rows: jax.Array, lengths: jax.Array, counts: jax.Array) -> jax.Array:
        at = jax.vmap(family.at, (0, None, None))
        return jax.lax.scan(lambda _, pair: (None, at(rows, *pair)), None, (lengths, counts))[1]

    return np.asarray(run(jnp.float32(family.rows), jnp.int32(lengths), jnp.uint32(counts))).T


def unlike_types(rate: Any) -> list[str]:
    """Return the types of counts for which a schedule gives another value than for Python's, at the longest horizon."""
    counts = np.array([0, 1, 2, LONGEST // 2, LONGEST - 1, LONGEST, LONGEST + 1])
    want = np.stack([np.asarray(rate(int(count))) for count in counts])

    def differs(values: Any) -> bool:
        return np.asarray(values, np.float32).tobytes() != want.tobytes()

    found = [f"numpy {kind.__name__}" for kind in (np.int32, np.uint32, np.int64, np.uint64) if differs(rate(counts.astype(kind)))]
    found += [f"jax {kind.dtype}" for kind in (jnp.int32, jnp.uint32) if differs(rate(kind(counts)))]
    with jax.enable_x64(True):
        return found + [f"jax {kind.dtype}" for kind in (jnp.int64, jnp.uint64) if differs(rate(kind(counts)))]
