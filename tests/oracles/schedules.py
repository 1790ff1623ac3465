"""Schedules in float64, written as weighted sums in which nothing cancels."""

import numpy as np


def constant(count, value):
    return np.full(np.shape(count), value, np.float64)


def _parts(count, steps):
    done = np.minimum(np.asarray(count, np.float64), steps)
    return done / steps, (steps - done) / steps


def _power(done, left, power):
    """Return 1 - left**power and left**power."""
    with np.errstate(divide="ignore"):  # at the end: log1p(-1), whose exponential is 0 as it should be
        logarithm = power * np.where(done < left, np.log1p(-done), np.log(left))
    return -np.expm1(logarithm), np.exp(logarithm)


def _delayed(count, steps, k_decay):
    done, left = _parts(count, steps)
    return (done, left) if k_decay is None else _power(left, done, k_decay)[::-1]


def linear(count, init_value, end_value, transition_steps):
    done, left = _parts(count, transition_steps)
    return init_value * left + end_value * done


def cosine(count, init_value, decay_steps, end_value=0.0, k_decay=None):
    done, left = _delayed(count, decay_steps, k_decay)
    return init_value * np.sin(np.pi / 2 * left) ** 2 + end_value * np.sin(np.pi / 2 * done) ** 2


def exponential(count, init_value, transition_steps, decay_rate, end_value=0.0, transition_begin=0, staircase=False):
    elapsed = np.maximum(np.asarray(count) - transition_begin, 0)
    periods = elapsed // transition_steps if staircase else elapsed / np.float64(transition_steps)
    return np.maximum(init_value * np.exp(periods * np.log(np.float64(decay_rate))), end_value)


def polynomial(count, init_value, end_value, power, transition_steps, k_decay=None):
    way_done, way_left = _power(*_delayed(count, transition_steps, k_decay), power)
    return init_value * way_left + end_value * way_done


def rex(count, init_value, decay_steps, end_value=0.0):
    done, left = _parts(count, decay_steps)
    return init_value * left / (0.5 + 0.5 * left) + end_value * done / (1 + left)


def tanh(count, init_value, decay_steps, end_value=0.0, lower=-7.0, upper=3.0):
    done, left = _parts(count, decay_steps)
    x = lower * left + upper * done
    way_left, way_done = 1 / (1 + np.exp(2 * x)), 1 / (1 + np.exp(-2 * x))
    return np.where(done < 1, init_value * way_left + end_value * way_done, end_value)


def power(count, init_value, power, timescale, transition_begin=0):
    elapsed = np.maximum(np.asarray(count, np.float64) - transition_begin, 0)
    return init_value * ((timescale + elapsed) / timescale) ** -power


def inverse_sqrt(count, init_value, timescale, transition_begin=0):
    return power(count, init_value, 0.5, timescale, transition_begin)


def noam(count, d_model, warmup_steps, factor=1.0):
    n = np.asarray(count, np.float64) + 1
    return factor * d_model**-0.5 * np.minimum(n**-0.5, n * np.float64(warmup_steps) ** -1.5)


def warmup(count, steps, init_value=0.0, shape="linear", power=2.0):
    done, left = _parts(count, steps)
    if shape == "exponential":
        return init_value**left
    way_left, way_done = {
        "linear": lambda: (left, done),
        "cosine": lambda: (np.sin(np.pi / 2 * left) ** 2, np.sin(np.pi / 2 * done) ** 2),
        "polynomial": lambda: _power(left, done, power),
        "1-sqrt": lambda: (np.sqrt(left), done / (1 + np.sqrt(left))),
    }[shape]()
    return init_value * way_left + way_done


def warmup_stable_decay(
    count,
    peak_value,
    warmup_steps,
    decay_steps,
    total_steps,
    end_value=0.0,
    decay="linear",
    init_value=0.0,
    stable="constant",
    stable_timescale=None,
    stable_power=0.5,
    decay_power=0.5,
    decay_rate=0.5,
    half_life=None,
):
    count = np.minimum(np.asarray(count, np.float64), total_steps)
    passed = np.maximum(count - (total_steps - decay_steps), 0)
    done, left = _parts(passed, decay_steps)
    exponent = {"constant": 0.0, "inverse_sqrt": 0.5, "power": stable_power}[stable]
    timescale = np.maximum(warmup_steps, 1) if stable_timescale is None else stable_timescale
    peak = peak_value * (1 + np.maximum(count - warmup_steps, 0) / timescale) ** -exponent
    if stable != "constant":
        peak = np.maximum(peak, end_value)
    if decay == "half-life":
        decaying = np.maximum(peak * 0.5 ** (passed / half_life), end_value)
    else:
        log = np.log(decay_rate)
        way_done, way_left = {
            "linear": lambda: (done, left),
            "cosine": lambda: (np.sin(np.pi / 2 * done) ** 2, np.sin(np.pi / 2 * left) ** 2),
            "1-sqrt": lambda: (np.sqrt(done), left / (1 + np.sqrt(done))),
            "power": lambda: _power(left, done, decay_power)[::-1],
            "exponential": lambda: (np.expm1(done * log) / np.expm1(log), np.exp(done * log) * np.expm1(left * log) / np.expm1(log)),
        }[decay]()
        decaying = peak * way_left + end_value * way_done
    warm_done, warm_left = _parts(count, np.maximum(warmup_steps, 1))
    return np.where(count < warmup_steps, init_value * warm_left + peak_value * warm_done, decaying)
