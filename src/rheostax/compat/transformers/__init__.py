"""Transformers' schedules by their names (as of transformers 5.23), `get_scheduler`, and a converter for running ones.

The first argument is the optimizer's rate in place of the optimizer; the others are Transformers', with its defaults. An
expression's count is the scheduler's `last_epoch`: the Trainer steps it once per update.
"""

from rheostax.compat.transformers._cosines import (
    get_cosine_schedule_with_warmup,
    get_cosine_with_hard_restarts_schedule_with_warmup,
    get_cosine_with_min_lr_schedule_with_warmup,
    get_cosine_with_min_lr_schedule_with_warmup_lr_rate,
)
from rheostax.compat.transformers._greedy import GreedyLR, get_greedy_schedule, get_reduce_on_plateau_schedule
from rheostax.compat.transformers._lines import (
    get_constant_schedule,
    get_constant_schedule_with_warmup,
    get_inverse_sqrt_schedule,
    get_linear_schedule_with_warmup,
    get_polynomial_decay_schedule_with_warmup,
)
from rheostax.compat.transformers._scheduler import convert, get_scheduler
from rheostax.compat.transformers._wsd import get_wsd_schedule

__all__ = [
    "GreedyLR",
    "convert",
    "get_constant_schedule",
    "get_constant_schedule_with_warmup",
    "get_cosine_schedule_with_warmup",
    "get_cosine_with_hard_restarts_schedule_with_warmup",
    "get_cosine_with_min_lr_schedule_with_warmup",
    "get_cosine_with_min_lr_schedule_with_warmup_lr_rate",
    "get_greedy_schedule",
    "get_inverse_sqrt_schedule",
    "get_linear_schedule_with_warmup",
    "get_polynomial_decay_schedule_with_warmup",
    "get_reduce_on_plateau_schedule",
    "get_scheduler",
    "get_wsd_schedule",
]
