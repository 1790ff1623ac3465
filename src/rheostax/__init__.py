"""rheostax: learning rates for JAX that follow a schedule, react to metrics, and can be seen, changed and explained."""

from rheostax import recipes
from rheostax._duration import Duration
from rheostax._node import duration, node, static
from rheostax._rate import LearningRate, Schedule
from rheostax._version import __version__
from rheostax.by_hand import reset_learning_rate, scale_learning_rate, set_learning_rate
from rheostax.control import control
from rheostax.describe import describe
from rheostax.drop_in import ReduceLROnPlateauState, reduce_on_plateau
from rheostax.errors import ArgumentError, GroupError, RheostaxError, RheostaxWarning, StateError, UnknownMetricError
from rheostax.extend import extend
from rheostax.groups import Groups
from rheostax.optimizer import Optimizer
from rheostax.policies import AdvanceOnPlateau, Greedy, Policy, ReduceOnPlateau, RestartOnPlateau, SpikeGuard, StopOnPlateau
from rheostax.schedules import (
    Clock,
    Constant,
    Cosine,
    Exponential,
    Extended,
    InverseSqrt,
    Join,
    Linear,
    Noam,
    Noise,
    Polynomial,
    Power,
    Repeat,
    Rex,
    Tanh,
    Warmup,
    WarmupStableDecay,
)
from rheostax.simulate import simulate
from rheostax.state import learning_rate, observe, should_stop
from rheostax.units import resolve, stretch

__all__ = [
    "AdvanceOnPlateau",
    "ArgumentError",
    "Clock",
    "Constant",
    "Cosine",
    "Duration",
    "Exponential",
    "Extended",
    "Greedy",
    "GroupError",
    "Groups",
    "InverseSqrt",
    "Join",
    "LearningRate",
    "Linear",
    "Noam",
    "Noise",
    "Optimizer",
    "Policy",
    "Polynomial",
    "Power",
    "ReduceLROnPlateauState",
    "ReduceOnPlateau",
    "Repeat",
    "RestartOnPlateau",
    "Rex",
    "RheostaxError",
    "RheostaxWarning",
    "Schedule",
    "SpikeGuard",
    "StateError",
    "StopOnPlateau",
    "Tanh",
    "UnknownMetricError",
    "Warmup",
    "WarmupStableDecay",
    "__version__",
    "control",
    "describe",
    "duration",
    "extend",
    "learning_rate",
    "node",
    "observe",
    "recipes",
    "reduce_on_plateau",
    "reset_learning_rate",
    "resolve",
    "scale_learning_rate",
    "set_learning_rate",
    "should_stop",
    "simulate",
    "static",
    "stretch",
]
