"""Small readings of a run's series."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from rheostax.record.read import RunLog, Series

__all__ = ["Values", "epoch_at", "flatten", "number", "seconds_at"]


@dataclasses.dataclass(frozen=True)
class Values:
    """The finite values of a series."""

    count: np.ndarray
    value: np.ndarray
    nonfinite: int  # how many others there are

    @classmethod
    def of(cls, series: Series) -> Values:
        """Leave out NaN and infinities, and count them."""
        good = np.isfinite(series.value)
        return cls(series.count[good], series.value[good], int(np.sum(~good)))


def number(value: Any) -> float | None:
    """Return a finite number as a float, anything else as None."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.number):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:  # JSON's whole numbers have no end
        return None


def epoch_at(log: RunLog, count: float) -> float | None:
    """Return which epoch a count is in, as a fraction."""
    size = log.updates_per_epoch
    return None if size is None else round(count / size, 6)


def seconds_at(log: RunLog, count: float) -> float | None:
    """Return how many seconds after the start a count was reached, if the run tells."""
    timed = [(one.count, one.time) for one in (*log.learning_rate.values(), *log.series.values()) if one.time is not None and len(one)]
    if not timed:
        return None
    counts, times = max(timed, key=lambda pair: len(pair[0]))
    return number(round(float(np.interp(count, counts, times)), 6))


def flatten(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return settings with those inside others under names with dots: "packages.jax"."""
    return dict(_flat(config, prefix))


def _flat(config: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in config.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
