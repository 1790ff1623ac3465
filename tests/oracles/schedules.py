"""Schedules in float64, written as weighted sums in which nothing cancels."""

import numpy as np


def constant(count, value):
    return np.full(np.shape(count), value, np.float64)


def _parts(count, steps):
    done = np.minimum(np.asarray(count, np.float64), steps)
    return done / steps, (steps - done) / steps


def linear(count, init_value, end_value, transition_steps):
    done, left = _parts(count, transition_steps)
    return init_value * left + end_value * done


def cosine(count, init_value, decay_steps, end_value=0.0):
    done, left = _parts(count, decay_steps)
    return init_value * np.sin(np.pi / 2 * left) ** 2 + end_value * np.sin(np.pi / 2 * done) ** 2


def exponential(count, init_value, transition_steps, decay_rate, end_value=0.0):
    exponent = np.asarray(count, np.float64) / transition_steps * np.log(np.float64(decay_rate))
    return np.maximum(init_value * np.exp(exponent), end_value)


def polynomial(count, init_value, end_value, power, transition_steps):
    done, left = _parts(count, transition_steps)
    with np.errstate(divide="ignore"):  # at the end: log1p(-1), whose exponential is 0 as it should be
        way_done = -np.expm1(power * np.log1p(-done))
    return init_value * left**power + end_value * way_done


def warmup(count, steps, init_value=0.0):
    return linear(count, init_value, 1.0, steps)


def warmup_stable_decay(count, peak_value, warmup_steps, decay_steps, total_steps, end_value=0.0, decay="linear"):
    count = np.asarray(count, np.float64)
    done, left = _parts(np.maximum(count - (total_steps - decay_steps), 0), decay_steps)
    weight = {
        "linear": left,
        "cosine": np.sin(np.pi / 2 * left) ** 2,
        "1-sqrt": left / (1 + np.sqrt(done)),
    }[decay]
    decaying = peak_value * weight + end_value * (1 - weight)
    return np.where(count < warmup_steps, peak_value * count / np.maximum(warmup_steps, 1), decaying)
