"""Policies: observations of a metric -> factor. One algorithm per file; a new one is listed here and in `rheostax`."""

from rheostax.policies._policy import Policy
from rheostax.policies.reduce_on_plateau import ReduceOnPlateau

__all__ = ["Policy", "ReduceOnPlateau"]
