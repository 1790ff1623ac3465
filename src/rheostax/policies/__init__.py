"""Policies: observations of a metric -> factor. One algorithm per file; a new one is listed here and in `rheostax`."""

from rheostax.policies._paired import paired_change
from rheostax.policies._policy import Policy
from rheostax.policies.advance_on_plateau import AdvanceOnPlateau
from rheostax.policies.advance_on_statistical_plateau import AdvanceOnStatisticalPlateau
from rheostax.policies.anneal_when_worth_it import AnnealWhenWorthIt
from rheostax.policies.greedy import Greedy
from rheostax.policies.median import Median
from rheostax.policies.plateau_rate import PlateauRate
from rheostax.policies.reduce_on_plateau import ReduceOnPlateau
from rheostax.policies.reduce_on_statistical_plateau import ReduceOnStatisticalPlateau
from rheostax.policies.restart_on_plateau import RestartOnPlateau
from rheostax.policies.spike_guard import SpikeGuard
from rheostax.policies.stop_on_plateau import StopOnPlateau
from rheostax.policies.stop_on_statistical_plateau import StopOnStatisticalPlateau

__all__ = [
    "AdvanceOnPlateau",
    "AdvanceOnStatisticalPlateau",
    "AnnealWhenWorthIt",
    "Greedy",
    "Median",
    "PlateauRate",
    "Policy",
    "ReduceOnPlateau",
    "ReduceOnStatisticalPlateau",
    "RestartOnPlateau",
    "SpikeGuard",
    "StopOnPlateau",
    "StopOnStatisticalPlateau",
    "paired_change",
]
