"""rheostax: learning rates for JAX that follow a schedule, react to metrics, and can be seen, changed and explained."""

from rheostax._node import node, static
from rheostax._rate import LearningRate, Schedule
from rheostax._version import __version__
from rheostax.by_hand import reset_learning_rate, scale_learning_rate, set_learning_rate
from rheostax.control import control
from rheostax.describe import describe
from rheostax.drop_in import ReduceLROnPlateauState, reduce_on_plateau
from rheostax.errors import ArgumentError, GroupError, RheostaxError, RheostaxWarning, StateError, UnknownMetricError
from rheostax.groups import Groups
from rheostax.optimizer import Optimizer
from rheostax.policies import Policy, ReduceOnPlateau
from rheostax.schedules import Constant, Cosine, Exponential, Join, Linear, Polynomial, Warmup, WarmupStableDecay
from rheostax.simulate import simulate
from rheostax.state import learning_rate, observe

__all__ = [
    "ArgumentError",
    "Constant",
    "Cosine",
    "Exponential",
    "GroupError",
    "Groups",
    "Join",
    "LearningRate",
    "Linear",
    "Optimizer",
    "Policy",
    "Polynomial",
    "ReduceLROnPlateauState",
    "ReduceOnPlateau",
    "RheostaxError",
    "RheostaxWarning",
    "Schedule",
    "StateError",
    "UnknownMetricError",
    "Warmup",
    "WarmupStableDecay",
    "__version__",
    "control",
    "describe",
    "learning_rate",
    "node",
    "observe",
    "reduce_on_plateau",
    "reset_learning_rate",
    "scale_learning_rate",
    "set_learning_rate",
    "simulate",
    "static",
]
