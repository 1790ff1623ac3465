"""Optax's schedules and its plateau under their names (as of optax 0.2.8), with its arguments, as expressions.

Any optax schedule can be used as it is: `rx.Warmup(10) * optax.cosine_decay_schedule(...)`. These are for those who want to see
inside it, stretch it, extend it, and have its last updates exact: optax computes in float32, where they are ours to the
rounding of optax's own arithmetic. What optax answers with a log line and a constant rate (a length <= 0) is an error here.
"""

from rheostax.compat.optax._decays import constant_schedule, cosine_decay_schedule, exponential_decay, linear_schedule, polynomial_schedule
from rheostax.compat.optax._pieces import (
    cosine_onecycle_schedule,
    linear_onecycle_schedule,
    piecewise_constant_schedule,
    piecewise_interpolate_schedule,
)
from rheostax.compat.optax._plateau import reduce_on_plateau
from rheostax.compat.optax._sequences import (
    join_schedules,
    sgdr_schedule,
    warmup_constant_schedule,
    warmup_cosine_decay_schedule,
    warmup_exponential_decay_schedule,
)

__all__ = [
    "constant_schedule",
    "cosine_decay_schedule",
    "cosine_onecycle_schedule",
    "exponential_decay",
    "join_schedules",
    "linear_onecycle_schedule",
    "linear_schedule",
    "piecewise_constant_schedule",
    "piecewise_interpolate_schedule",
    "polynomial_schedule",
    "reduce_on_plateau",
    "sgdr_schedule",
    "warmup_constant_schedule",
    "warmup_cosine_decay_schedule",
    "warmup_exponential_decay_schedule",
]
