"""The bounds and defaults of every argument: just inside is taken, just outside is refused with the argument's name."""

import inspect
import re

import numpy as np
import pytest

import rheostax as rx

LINE = rx.Linear(1.0, 0.0, 9)
BELOW, ABOVE = {0.0: -1e-9, 1.0: 1 - 1e-6, 1.01: 1.0099, -1.0: -1.001, -20.0: -20.001}, {0.5: 0.5001, 1.0: 1 + 2e-7, 20.0: 20.001}
INSIDE_LOW, INSIDE_HIGH = {0.0: 1e-30}, {1.0: 0.999999}

# Per class: arguments that do, and the bounds of each; whole numbers as their least.
BOUNDS = {
    rx.Linear: ((0.3, 0.1, 9), {"init_value": "[0, inf)", "end_value": "[0, inf)", "transition_steps": 1}),
    rx.Cosine: ((0.3, 9), {"init_value": "[0, inf)", "decay_steps": 1, "end_value": "[0, inf)", "k_decay": "(0, inf)"}),
    rx.Exponential: ((0.3, 9, 0.5), {
        "init_value": "[0, inf)", "transition_steps": 1, "decay_rate": "(0, 1]", "end_value": "[0, inf)", "transition_begin": 0,
    }),
    rx.Polynomial: ((0.3, 0.1, 2.0, 9), {
        "init_value": "[0, inf)", "end_value": "[0, inf)", "power": "(0, inf)", "transition_steps": 1, "k_decay": "(0, inf)",
    }),
    rx.Rex: ((0.3, 9), {"init_value": "[0, inf)", "decay_steps": 1, "end_value": "[0, inf)"}),
    rx.Tanh: ((0.3, 9, 0.0, -20.0, 20.0), {
        "init_value": "[0, inf)", "decay_steps": 1, "end_value": "[0, inf)", "lower": "[-20, inf)", "upper": "(-20, 20]",
    }),
    rx.InverseSqrt: ((0.3, 9), {"init_value": "[0, inf)", "timescale": 1, "transition_begin": 0}),
    rx.Power: ((0.3, 0.5, 9), {"init_value": "[0, inf)", "power": "(0, inf)", "timescale": 1, "transition_begin": 0}),
    rx.Noam: ((512, 9), {"d_model": 1, "warmup_steps": 1, "factor": "[0, inf)"}),
    rx.Noise: ((3,), {"seed": 0, "amplitude": "(0, 1]", "std": "(0, inf)", "begin": 0, "end": 1}),
    rx.Warmup: ((9,), {"steps": 1, "init_value": "[0, 1]", "power": "(0, inf)"}),
    rx.WarmupStableDecay: ((0.3, 2, 3, 9), {
        "peak_value": "[0, inf)", "warmup_steps": 0, "decay_steps": 1, "end_value": "[0, inf)", "init_value": "[0, inf)",
        "stable_timescale": 1, "stable_power": "(0, inf)", "decay_power": "(0, inf)", "decay_rate": "(0, 1)", "half_life": 1,
    }),
    rx.Step: ((0.3, 9, 0.5), {"init_value": "[0, inf)", "transition_steps": 1, "factor": "(0, 1]"}),
    rx.MultiStep: ((0.3, [3], 0.5), {"init_value": "[0, inf)", "factor": "(0, inf)"}),
    rx.OneCycle: ((0.1, 0.3, 0.0, 9), {
        "init_value": "[0, inf)", "peak_value": "[0, inf)", "end_value": "[0, inf)", "total_steps": 1, "pct_start": "[-1, 1)",
    }),
    rx.Cyclic: ((0.1, 0.3, 9), {
        "init_value": "[0, inf)", "peak_value": "[0, inf)", "up_steps": 1, "down_steps": 1, "amplitude_factor": "(0, 1]",
        "decay_rate": "(0, 1]",
    }),
    rx.CosineRestarts: ((0.3, 9), {
        "init_value": "[0, inf)", "decay_steps": 1, "end_value": "[0, inf)", "length_factor": 1, "amplitude_factor": "(0, 1]",
        "peak_factor": "(0, 1]", "limit": 1,
    }),
    rx.Repeat: ((LINE, 9, 1.5), {"period": 1, "length_factor": "[1.01, inf)", "factor": "(0, 1]", "limit": 1}),
    rx.Shift: ((LINE, 3), {"steps": 0}),
    rx.Staircase: ((LINE, 3), {"steps": 1}),
    rx.Extended: ((LINE, LINE, 3), {"at": 0, "rewarm_steps": 0}),
    rx.ReduceOnPlateau: ((), {
        "factor": "(0, 1)", "patience": 1, "rtol": "[0, 1]", "atol": "[0, inf)", "cooldown": 0, "accumulation_size": 1,
        "min_scale": "[0, 1]",
    }),
    rx.PlateauRate: ((0.3,), {
        "init_value": "[0, inf)", "factor": "[0, 1)", "patience": 1, "rtol": "[0, 1]", "atol": "[0, inf)", "cooldown": 0,
        "min_value": "[0, inf)", "min_change": "[0, inf)", "plateau_count": 0, "cooldown_count": 0,
    }),
    rx.RestartOnPlateau: ((LINE,), {"factor": "(0, 1]", "max_restarts": 1, "patience": 1}),
    rx.Greedy: ((), {
        "factor": "(0, 1)", "patience": 1, "rtol": "[0, 1]", "atol": "[0, inf)", "cooldown": 0, "warmup": 0, "min_scale": "[0, 1]",
        "max_scale": "[1, inf)", "min_change": "[0, inf)", "reset_after": 1,
    }),
    rx.Median: ((0.3 * rx.ReduceOnPlateau(),), {"window": 3}),
    rx.SpikeGuard: ((), {"threshold": "(0, inf)", "window": 2, "factor": "[0, 1)", "recovery": 1, "max_spikes": 1, "skip": 0}),
}  # fmt: skip
EACH = [(cls, name) for cls, (_, bounds) in BOUNDS.items() for name in bounds]


def sides(bounds):
    """Return what is just outside of some bounds, and what is just inside."""
    if isinstance(bounds, int):
        return [bounds - 1, bounds + 0.5], [bounds]
    low, high = (float(end) for end in bounds[1:-1].split(","))
    outside = [low if bounds[0] == "(" else BELOW[low], np.inf if np.isinf(high) else high if bounds[-1] == ")" else ABOVE[high]]
    inside = [low + 1e-3 if low < 0 else INSIDE_LOW[low]] if bounds[0] == "(" else [low]
    return outside, inside + ([] if np.isinf(high) else [INSIDE_HIGH.get(high, high - 1e-3)] if bounds[-1] == ")" else [high])


def make(cls, name, value):
    """Make a node with one argument changed, and with what its other rules ask for then."""
    arguments = {**inspect.signature(cls).bind(*BOUNDS[cls][0]).arguments}
    if cls is rx.Greedy and name == "reset_after":
        arguments["min_scale"] = 0.1
    return cls(**{**arguments, name: value})


@pytest.mark.parametrize(("cls", "name"), EACH, ids=lambda value: getattr(value, "__name__", value))
def test_bounds(cls, name):
    outside, inside = sides(BOUNDS[cls][1][name])
    for value in outside:
        with pytest.raises(rx.ArgumentError, match=rf"^{cls.__name__}: {name} must be .*{re.escape(repr(value))}"):
            make(cls, name, value)
    for value in inside:
        assert getattr(make(cls, name, value), name) == value


DEFAULTS = {
    rx.Cosine: {"end_value": 0.0, "k_decay": None},
    rx.Exponential: {"end_value": 0.0, "transition_begin": 0, "staircase": False},
    rx.Polynomial: {"k_decay": None},
    rx.Rex: {"end_value": 0.0},
    rx.Tanh: {"end_value": 0.0, "lower": -7.0, "upper": 3.0},
    rx.InverseSqrt: {"transition_begin": 0},
    rx.Power: {"transition_begin": 0},
    rx.Noam: {"factor": 1.0},
    rx.Noise: {"amplitude": 0.67, "std": 1.0, "distribution": "normal", "begin": 0, "end": None},
    rx.Warmup: {"init_value": 0.0, "shape": "linear", "power": 2.0},
    rx.WarmupStableDecay: {
        "end_value": 0.0, "decay": "linear", "init_value": 0.0, "stable": "constant", "stable_timescale": None, "stable_power": 0.5,
        "decay_power": 0.5, "decay_rate": 0.5, "half_life": None,
    },
    rx.OneCycle: {"pct_start": 0.3, "three_phase": False, "interpolation": "cosine"},
    rx.Cyclic: {"down_steps": None, "amplitude_factor": 1.0, "decay_rate": 1.0, "interpolation": "linear"},
    rx.CosineRestarts: {"end_value": 0.0, "length_factor": 1, "amplitude_factor": 1.0, "peak_factor": 1.0, "limit": None},
    rx.PiecewiseInterpolate: {"interpolation": "linear"},
    rx.Repeat: {"length_factor": 1.0, "factor": 1.0, "limit": None},
    rx.Extended: {"rewarm_steps": 0},
    rx.ReduceOnPlateau: {
        "monitor": "value", "mode": "min", "patience": 10, "rtol": 1e-4, "atol": 0.0, "cooldown": 0, "accumulation_size": 1, "factor": 0.1,
        "min_scale": 0.0,
    },
    rx.StopOnPlateau: {"monitor": "value", "mode": "min", "patience": 10, "rtol": 1e-4, "atol": 0.0, "accumulation_size": 1},
    rx.ReduceOnStatisticalPlateau: {
        "monitor": "value", "mode": "min", "window": 1000, "rtol": 1e-3, "atol": 0.0, "alpha": 0.01, "blocks": 64, "paired": False,
        "factor": 0.1, "min_scale": 0.0,
    },
    rx.PlateauRate: {
        "monitor": "value", "mode": "min", "patience": 10, "rtol": 1e-4, "atol": 0.0, "cooldown": 0, "accumulation_size": 1, "factor": 0.1,
        "min_value": 0.0, "min_change": 0.0, "strict": False, "best_value": None, "plateau_count": 0, "cooldown_count": 0,
    },
    rx.RestartOnPlateau: {
        "monitor": "value", "mode": "min", "patience": 10, "rtol": 1e-4, "atol": 0.0, "cooldown": 0, "accumulation_size": 1, "factor": 1.0,
        "max_restarts": None,
    },
    rx.AdvanceOnPlateau: {
        "monitor": "value", "mode": "min", "patience": 10, "rtol": 1e-4, "atol": 0.0, "cooldown": 0, "accumulation_size": 1, "latest": None,
    },
    rx.AnnealWhenWorthIt: {
        "monitor": "value", "warmup_steps": 0, "gain": 0.0, "timescale": 1_000.0, "power": 0.5, "doubt": 0.2, "confidence": 1.64,
    },
    rx.Greedy: {
        "monitor": "value", "mode": "min", "factor": 0.95, "patience": 10, "rtol": 0.0, "atol": 1e-6, "cooldown": 0, "warmup": 0,
        "min_scale": 0.1, "max_scale": 10.0, "min_change": 0.0, "reset_after": None,
    },
    rx.Median: {"window": 3},
    rx.SpikeGuard: {
        "monitor": "value", "mode": "min", "threshold": 8.0, "window": 100, "factor": 0.1, "recovery": 100, "max_spikes": 10,
        "skip": 0, "roll_back": False,
    },
}  # fmt: skip


@pytest.mark.parametrize("cls", DEFAULTS, ids=lambda cls: cls.__name__)
def test_defaults(cls):
    """A default is a promise: a rate that is written without it must not change."""
    parameters = inspect.signature(cls).parameters.values()
    assert {one.name: one.default for one in parameters if one.default is not one.empty} == DEFAULTS[cls]
