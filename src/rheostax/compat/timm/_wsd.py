"""timm's warm-up, stable part, and decay."""

from __future__ import annotations

from typing import Any

from rheostax._rate import LearningRate
from rheostax.compat._arguments import by_group, choice, number, whole
from rheostax.compat.timm._base import Warm, common
from rheostax.errors import ArgumentError
from rheostax.schedules.warmup_stable_decay import WarmupStableDecay

__all__ = ["WSDLRScheduler"]

STABLE = {"constant": "constant", "rsqrt": "inverse_sqrt", "power": "power"}
DECAY = {"linear": "linear", "1-sqrt": "1-sqrt", "cosine": "cosine", "power": "power", "exp": "exponential"}


def WSDLRScheduler(
    learning_rate: Any,
    t_initial: int,
    decay_t: int,
    lr_min: float = 0.0,
    stable_fn: str = "constant",
    stable_timescale: int | None = None,
    stable_power: float = 0.5,
    decay_fn: str = "1-sqrt",
    decay_power: float = 0.5,
    decay_ratio: float = 0.1,
    warmup_t: int = 0,
    warmup_lr_init: float = 0.0,
    t_in_epochs: bool = True,
    noise_range_t: None = None,
    noise_pct: float = 0.67,
    noise_std: float = 1.0,
    noise_seed: int = 42,
    initialize: bool = True,
) -> LearningRate:
    """Warm up, hold, and decay to `lr_min` in the last `decay_t` of `t_initial` counts; the warm-up comes before those.

    Args:
        learning_rate: The optimizer's `lr`, a number >= lr_min, or `rx.Groups` of numbers.
        t_initial: Counts after the warm-up, a whole number >= 1.
        decay_t: Counts of the decay, a whole number >= 1, at most t_initial.
        lr_min: Rate at the end, >= 0.
        stable_fn: "constant", "rsqrt" or "power".
        stable_timescale: Counts in which the base of "rsqrt" and "power" doubles, a whole number >= 1; None for warmup_t.
        stable_power: Exponent of stable_fn="power", > 0.
        decay_fn: "linear", "1-sqrt", "cosine", "power" or "exp"; functions of one's own aren't supported.
        decay_power: Exponent of decay_fn="power", > 0.
        decay_ratio: Where the exponential of decay_fn="exp" is cut off, in (0, 1).
        warmup_t: Counts of warm-up, a whole number >= 0.
        warmup_lr_init: Rate at the beginning of the warm-up, >= 0.
        t_in_epochs: What a count is, an epoch or an update; it changes nothing here, see `rx.Staircase`.
        noise_range_t: None: noise isn't supported, see `rx.Noise`.
        noise_pct: Has a meaning for noise_range_t only, as in timm.
        noise_std: As noise_pct.
        noise_seed: As noise_pct.
        initialize: True.

    Returns:
        An expression.

    Raises:
        ArgumentError: If an argument breaks its rule, or an option isn't supported.

    >>> import rheostax as rx
    >>> rate = rx.compat.timm.WSDLRScheduler(1.0, t_initial=6, decay_t=4, warmup_t=2, decay_fn="linear")
    >>> [float(rate(count)) for count in range(10)]
    [0.0, 0.5, 1.0, 1.0, 1.0, 0.75, 0.5, 0.25, 0.0, 0.0]
    """
    where = "WSDLRScheduler"
    common(where, t_in_epochs, noise_range_t, initialize)
    choice(where, "stable_fn", stable_fn, tuple(STABLE))
    choice(where, "decay_fn", decay_fn, tuple(DECAY))
    warm = Warm(where, warmup_t, warmup_lr_init, True)
    steps, decay_steps, low = whole(where, "t_initial", t_initial), whole(where, "decay_t", decay_t), number(where, "lr_min", lr_min)
    if isinstance(steps, int) and isinstance(decay_steps, int) and decay_steps > steps:
        raise ArgumentError(f"{where}: decay_t must be at most t_initial, {steps}, got {decay_steps}.")
    timescale = warm.steps if stable_timescale is None else whole(where, "stable_timescale", stable_timescale)
    if stable_fn != "constant" and stable_timescale is None and warm.none:
        raise ArgumentError(f"{where}: stable_timescale must be a whole number >= 1 for stable_fn={stable_fn!r} without warm-up, got None.")
    options = {
        "decay": DECAY[decay_fn],
        "stable": STABLE[stable_fn],
        "stable_timescale": None if stable_fn == "constant" else timescale,
        "stable_power": number(where, "stable_power", stable_power, low_open=True),
        "decay_power": number(where, "decay_power", decay_power, low_open=True),
        "decay_rate": number(where, "decay_ratio", decay_ratio, high=1.0, low_open=True),
    }

    def make(rate: Any, i: int, n: int) -> LearningRate:
        peak = number(where, "learning_rate", rate, low=low if isinstance(low, float) else 0.0, advice="It is no decay below lr_min.")
        return warm.before(WarmupStableDecay(peak, 0, decay_steps, steps, low, **options), peak)

    return by_group(where, learning_rate, make)
