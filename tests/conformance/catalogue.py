"""What the suite runs on: every schedule and policy there is, found by itself, and expressions composed of them.

A new file in `rheostax/schedules` or `rheostax/policies` needs nothing here as long as its arguments have names that
SAMPLES knows.
"""

import importlib
import inspect
import pkgutil
from types import ModuleType
from typing import Any

import numpy as np
import optax

import rheostax as rx
import rheostax.policies
import rheostax.schedules
from rheostax._control_state import monitored
from rheostax._rate import LearningRate

HERE = "tests/conformance/catalogue.py"
STEPS = 40  # of a run

# One value per argument's name, none of them a default. Two classes that give a name two meanings can use VARIANTS.
SAMPLES: dict[str, Any] = {
    "accumulation_size": 2,
    "after": rx.Cosine(0.3, 20),
    "alpha": 0.5,
    "amplitude": 0.25,
    "amplitude_factor": 0.8,
    "at": 6,
    "atol": 0.01,
    "before": rx.Cosine(0.3, 10),
    "begin": 2,
    "best_value": 0.25,
    "blocks": 9,
    "boundaries": [4, 11],
    "confidence": 0.01,
    "cooldown": 1,
    "cooldown_count": 1,
    "d_model": 16,
    "decay_power": 0.75,
    "decay_rate": 0.7,
    "decay_steps": 12,
    "doubt": 0.1,
    "down_steps": 5,
    "end": 30,
    "end_value": 0.015625,
    "factor": 0.625,
    "gain": 0.5,
    "half_life": 3,
    "init_value": 0.3,
    "k_decay": 1.25,
    "latest": [9, 17],
    "length_factor": 1.5,
    "limit": 3,
    "lower": -5.0,
    "max_restarts": 3,
    "max_scale": 4.0,
    "max_spikes": 2,
    "min_change": 0.001,
    "min_scale": 0.05,
    "min_value": 0.02,
    "paired": True,
    "patience": 2,
    "pct_start": 0.35,
    "peak_factor": 0.9,
    "peak_value": 0.3,
    "period": 30,
    "plateau_count": 1,
    "power": 1.75,
    "rate": rx.Polynomial(0.3, 0.015625, 1.5, 30),
    "rates": [0.2, rx.Linear(0.3, 0.1, 6), rx.Cosine(0.1, 9)],
    "recovery": 3,
    "reset_after": 2,
    "rewarm_steps": 4,
    "roll_back": True,
    "rtol": 0.001,
    "seed": 3,
    "skip": 1,
    "stable_power": 0.75,
    "stable_timescale": 6,
    "staircase": True,
    "std": 0.25,
    "steps": 7,
    "strict": True,
    "three_phase": True,
    "threshold": 0.75,
    "ticks": [2, 3, 1],
    "timescale": 8,
    "total_steps": 25,
    "transition_begin": 3,
    "transition_steps": 10,
    "up_steps": 4,
    "upper": 2.0,
    "value": 0.1,
    "values": [0.2, 0.3, 0.1],
    "warmup": 1,
    "warmup_steps": 5,
    "window": 3,
}

WIDE = {"window": 9, "rtol": 0.002, "atol": 4.0}  # as many observations as blocks; every difference of the streams is less than a fall

# For a class that takes less than SAMPLES has for a name, or needs more.
OF_ONE_CLASS: dict[str, dict[str, Any]] = {
    "AdvanceOnStatisticalPlateau": {**WIDE, "latest": None},
    "AnnealWhenWorthIt": {"total_steps": 30},
    "CosineRestarts": {"length_factor": 2},
    "Median": {
        "window": 5,
        "rate": 0.3 * rx.ReduceOnPlateau(patience=1, factor=0.5) * rx.ReduceOnPlateau(monitor="loss", mode="max", patience=1),
    },
    "ReduceOnStatisticalPlateau": WIDE,
    "StopOnStatisticalPlateau": WIDE,
}

# More settings of a class, by name: other choices of the arguments that are words.
VARIANTS: dict[str, list[dict[str, Any]]] = {
    "AdvanceOnPlateau": [{"latest": None}, {"rates": [0.3, rx.Cosine(0.3, 9) * rx.ReduceOnPlateau(monitor="loss")], "latest": None}],
    "AnnealWhenWorthIt": [{"warmup_steps": 0}],
    "CosineRestarts": [{"length_factor": 1, "limit": None}],
    "Cyclic": [{"interpolation": "cosine"}],
    "Exponential": [{"staircase": False}],
    "Extended": [{"rewarm_steps": 0}],
    "Greedy": [{"mode": "max", "reset_after": None}],
    "Noise": [{"amplitude": 0.5, "distribution": "uniform", "end": None}],
    "OneCycle": [{"interpolation": "linear"}, {"three_phase": False}, {"three_phase": False, "pct_start": -0.2}],
    "PiecewiseInterpolate": [{"interpolation": "cosine"}],
    "PlateauRate": [{"mode": "max", "best_value": None, "strict": False}, {"strict": False, "plateau_count": 0, "cooldown_count": 0}],
    "ReduceOnStatisticalPlateau": [{"mode": "max", "paired": False}],
    "ReduceOnPlateau": [{"mode": "max"}, {"monitor": "val_loss", "accumulation_size": 1}],
    "Repeat": [{"length_factor": 1.0, "limit": None}],
    "RestartOnPlateau": [{"rate": rx.Cosine(0.3, 9) * rx.ReduceOnPlateau(patience=1), "max_restarts": None}],
    "SpikeGuard": [{"mode": "max"}, {"skip": 0, "roll_back": False}],
    "Warmup": [{"shape": shape} for shape in ("cosine", "polynomial", "exponential")],
    "WarmupStableDecay": [{"decay": "1-sqrt"}, {"decay": "exponential", "stable": "power"}, {"decay": "half-life"}],
}


def concrete_classes(package: ModuleType) -> list[type[LearningRate]]:
    """Return the schedules and policies of a package: what its public modules define, and what it lists itself."""
    modules = [package]
    for found in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
        if not found.name.rpartition(".")[2].startswith("_"):
            modules.append(importlib.import_module(found.name))
    values = {id(value): value for module in modules for value in vars(module).values()}
    classes = [value for value in values.values() if isinstance(value, type) and issubclass(value, LearningRate)]
    own = [c for c in classes if c.__module__.startswith(package.__name__) or c.__name__ in getattr(package, "__all__", ())]
    return [c for c in own if not inspect.isabstract(c)]


def sample_arguments(cls: type[LearningRate]) -> dict[str, Any]:
    """Return arguments for a class: samples by name, the default where there is none."""
    arguments = {}
    for parameter in inspect.signature(cls).parameters.values():
        if parameter.name in SAMPLES:
            arguments[parameter.name] = SAMPLES[parameter.name]
        elif parameter.default is parameter.empty:
            raise LookupError(
                f"There is no sample for the argument {parameter.name!r} of {cls.__module__}.{cls.__name__}; "
                f"add one to SAMPLES in {HERE}, so that the conformance suite can run on it."
            )
    return arguments | OF_ONE_CLASS.get(cls.__name__, {})


CLASSES = [*concrete_classes(rheostax.schedules), *concrete_classes(rheostax.policies)]


def single_examples() -> dict[str, LearningRate]:
    found = {}
    for cls in CLASSES:
        for changes in ({}, *VARIANTS.get(cls.__name__, ())):
            words = ", ".join(map(str, changes.values()))
            found[f"{cls.__name__} {words}".strip()] = cls(**{**sample_arguments(cls), **changes})
    return found


PLATEAU = rx.ReduceOnPlateau(patience=1, factor=0.5, rtol=0.01)

COMPOSED: dict[str, LearningRate] = {
    "cycles with a policy": rx.Repeat(rx.Warmup(3) * rx.Join([0.2, rx.Cosine(0.3, 7)], [2]) * PLATEAU, 9, length_factor=2.0, factor=0.8),
    "product": rx.Warmup(5) * rx.Cosine(0.3, 20, end_value=0.01) * PLATEAU,
    "two metrics": 0.3 * rx.ReduceOnPlateau(patience=2, factor=0.7) * rx.ReduceOnPlateau(monitor="accuracy", mode="max", patience=1),
    "clip": (rx.Constant(0.3) * PLATEAU).clip(0.02, 0.25),
    "join with a policy": rx.Join([rx.Linear(0.0, 0.3, 5), 0.3 * PLATEAU, rx.Cosine(0.3, 20)], [5, 25]),
    "optax schedule": rx.Warmup(5) * optax.exponential_decay(0.3, 20, 0.5),
    "groups": rx.Cosine(0.3, 20) * rx.Groups({"head/*": PLATEAU, "body/*": 0.5, "norm/*": None}),
}

EXAMPLES = {**single_examples(), **COMPOSED}
FURTHER = single_examples().keys() - {cls.__name__ for cls in CLASSES}  # every class has one example besides these


def observations(rate: LearningRate, steps: int = STEPS) -> dict[str, np.ndarray]:
    """Return per monitored metric a stream that improves now and then, is flat for a while, and has a NaN and an infinity."""
    random = np.random.default_rng(3)
    streams = {}
    for name in monitored(rate):
        values = random.integers(-3, 4, steps).astype(np.float32) / 2
        values[steps // 4], values[steps // 2] = np.nan, np.inf
        values[-steps // 4 :] = 0.5
        streams[name] = values
    return streams
