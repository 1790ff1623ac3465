"""rheostax: learning rates for JAX that follow a schedule, react to metrics, and can be seen, changed and explained."""

from typing import TYPE_CHECKING

from rheostax._duration import Duration
from rheostax._later import later
from rheostax._node import duration, node, static
from rheostax._rate import LearningRate, Schedule
from rheostax._version import __version__
from rheostax.accumulation import accumulate
from rheostax.averaging import average_weights, averaged
from rheostax.by_hand import reset_learning_rate, scale_learning_rate, set_learning_rate
from rheostax.control import control
from rheostax.describe import describe
from rheostax.drop_in import ReduceLROnPlateauState, reduce_on_plateau
from rheostax.errors import (
    ArgumentError,
    DisagreementError,
    ExpressionError,
    GroupError,
    RheostaxError,
    RheostaxWarning,
    StateError,
    UnknownMetricError,
)
from rheostax.expressions import parse
from rheostax.extend import extend
from rheostax.groups import Groups
from rheostax.optimizer import Optimizer
from rheostax.policies import (
    AdvanceOnPlateau,
    AdvanceOnStatisticalPlateau,
    AnnealWhenWorthIt,
    Greedy,
    Median,
    PlateauRate,
    Policy,
    ReduceOnPlateau,
    ReduceOnStatisticalPlateau,
    RestartOnPlateau,
    SpikeGuard,
    StopOnPlateau,
    StopOnStatisticalPlateau,
    paired_change,
)
from rheostax.preview import preview
from rheostax.race import race
from rheostax.record.read import RunLog, read_run
from rheostax.record.recorder import Recorder
from rheostax.replay import Replay, replay
from rheostax.rollback import Rollback
from rheostax.schedules import (
    Clock,
    Constant,
    Cosine,
    CosineRestarts,
    Cyclic,
    Exponential,
    Extended,
    InverseSqrt,
    Join,
    Linear,
    MultiStep,
    Noam,
    Noise,
    OneCycle,
    PiecewiseConstant,
    PiecewiseInterpolate,
    Polynomial,
    Power,
    Repeat,
    Rex,
    Shift,
    Staircase,
    Step,
    Tanh,
    Warmup,
    WarmupStableDecay,
)
from rheostax.simulate import simulate
from rheostax.state import learning_rate, observe, should_roll_back, should_stop
from rheostax.units import resolve, stretch

if TYPE_CHECKING:
    from rheostax import compat as compat
    from rheostax import forecast as forecast
    from rheostax import parallel as parallel
    from rheostax import recipes
    from rheostax.checkpoint import Checkpoints
    from rheostax.finder import find_learning_rate

__all__ = [
    "AdvanceOnPlateau",
    "AdvanceOnStatisticalPlateau",
    "AnnealWhenWorthIt",
    "ArgumentError",
    "Checkpoints",
    "Clock",
    "Constant",
    "Cosine",
    "CosineRestarts",
    "Cyclic",
    "DisagreementError",
    "Duration",
    "Exponential",
    "ExpressionError",
    "Extended",
    "Greedy",
    "GroupError",
    "Groups",
    "InverseSqrt",
    "Join",
    "LearningRate",
    "Linear",
    "Median",
    "MultiStep",
    "Noam",
    "Noise",
    "OneCycle",
    "Optimizer",
    "PiecewiseConstant",
    "PiecewiseInterpolate",
    "PlateauRate",
    "Policy",
    "Polynomial",
    "Power",
    "Recorder",
    "ReduceLROnPlateauState",
    "ReduceOnPlateau",
    "ReduceOnStatisticalPlateau",
    "Repeat",
    "Replay",
    "RestartOnPlateau",
    "Rex",
    "RheostaxError",
    "RheostaxWarning",
    "Rollback",
    "RunLog",
    "Schedule",
    "Shift",
    "SpikeGuard",
    "Staircase",
    "StateError",
    "Step",
    "StopOnPlateau",
    "StopOnStatisticalPlateau",
    "Tanh",
    "UnknownMetricError",
    "Warmup",
    "WarmupStableDecay",
    "__version__",
    "accumulate",
    "average_weights",
    "averaged",
    "control",
    "describe",
    "duration",
    "extend",
    "find_learning_rate",
    "learning_rate",
    "node",
    "observe",
    "paired_change",
    "parse",
    "preview",
    "race",
    "read_run",
    "recipes",
    "reduce_on_plateau",
    "replay",
    "reset_learning_rate",
    "resolve",
    "scale_learning_rate",
    "set_learning_rate",
    "should_roll_back",
    "should_stop",
    "simulate",
    "static",
    "stretch",
]

if not TYPE_CHECKING:  # a type checker reads the imports above, and knows what isn't there
    # Most trainings use none of these.
    __getattr__, __dir__ = later(
        __name__,
        {
            "Checkpoints": "rheostax.checkpoint",
            "compat": "rheostax.compat",
            "find_learning_rate": "rheostax.finder",
            "forecast": "rheostax.forecast",
            "parallel": "rheostax.parallel",
            "recipes": "rheostax.recipes",
        },
    )
