"""Schedules: count of updates -> value, pure. One family per file; a new one is listed here and in `rheostax`."""

from rheostax._rate import Constant
from rheostax.schedules.clock import Clock
from rheostax.schedules.cosine import Cosine
from rheostax.schedules.cosine_restarts import CosineRestarts
from rheostax.schedules.cyclic import Cyclic
from rheostax.schedules.exponential import Exponential
from rheostax.schedules.extended import Extended
from rheostax.schedules.inverse_sqrt import InverseSqrt
from rheostax.schedules.join import Join
from rheostax.schedules.linear import Linear
from rheostax.schedules.multi_step import MultiStep
from rheostax.schedules.noam import Noam
from rheostax.schedules.noise import Noise
from rheostax.schedules.one_cycle import OneCycle
from rheostax.schedules.piecewise_constant import PiecewiseConstant
from rheostax.schedules.piecewise_interpolate import PiecewiseInterpolate
from rheostax.schedules.polynomial import Polynomial
from rheostax.schedules.power import Power
from rheostax.schedules.repeat import Repeat
from rheostax.schedules.rex import Rex
from rheostax.schedules.shift import Shift
from rheostax.schedules.staircase import Staircase
from rheostax.schedules.step import Step
from rheostax.schedules.tanh import Tanh
from rheostax.schedules.warmup import Warmup
from rheostax.schedules.warmup_stable_decay import WarmupStableDecay

__all__ = [
    "Clock",
    "Constant",
    "Cosine",
    "CosineRestarts",
    "Cyclic",
    "Exponential",
    "Extended",
    "InverseSqrt",
    "Join",
    "Linear",
    "MultiStep",
    "Noam",
    "Noise",
    "OneCycle",
    "PiecewiseConstant",
    "PiecewiseInterpolate",
    "Polynomial",
    "Power",
    "Repeat",
    "Rex",
    "Shift",
    "Staircase",
    "Step",
    "Tanh",
    "Warmup",
    "WarmupStableDecay",
]
