"""Staircases, pieces and cycles in extended precision, written from the definitions as weighted sums in which nothing cancels."""

import itertools

import numpy as np


def _wide(x):
    return np.asarray(x, np.longdouble)


def _way(part, interpolation):
    return part if interpolation == "linear" else np.sin(_wide(np.pi) / 2 * part) ** 2


def _blend(start, end, done, left, interpolation):
    return start * _way(left, interpolation) + end * _way(done, interpolation)


def step(count, init_value, transition_steps, factor):
    return init_value * _wide(factor) ** (np.asarray(count) // transition_steps)


def multi_step(count, init_value, boundaries, factor):
    return init_value * _wide(factor) ** np.searchsorted(boundaries, count, side="right")


def piecewise_constant(count, values, boundaries):
    return _wide(values)[np.searchsorted(boundaries, count, side="right")]


def piecewise_interpolate(count, values, boundaries, interpolation="linear"):
    count, bounds = np.asarray(count), np.array([0, *boundaries])
    piece = np.minimum(np.searchsorted(bounds, count, side="right") - 1, len(boundaries) - 1)
    begin, end = bounds[piece], bounds[piece + 1]
    left = np.maximum(end - count, 0) / _wide(end - begin)
    done = np.minimum(count - begin, end - begin) / _wide(end - begin)
    return _blend(_wide(values)[piece], _wide(values)[piece + 1], done, left, interpolation)


def one_cycle(count, init_value, peak_value, end_value, total_steps, pct_start=0.3, three_phase=False, interpolation="cosine"):
    here, top = _wide(np.minimum(count, total_steps)), _wide(pct_start) * total_steps
    stops = [(_wide(0), init_value), (top, peak_value), (_wide(total_steps), end_value)]
    if three_phase:
        stops.insert(2, (2 * top, init_value))
    if top <= 0:
        stops = stops[1:]
    value = np.full(np.shape(count), np.nan, np.longdouble)
    for (a, start), (b, end) in itertools.pairwise(stops):
        inside = (here >= a) & (here <= b) & np.isnan(value)
        value = np.where(inside, _blend(start, end, (here - a) / (b - a), (b - here) / (b - a), interpolation), value)
    return value


def cyclic(count, init_value, peak_value, up_steps, down_steps, amplitude_factor=1.0, decay_rate=1.0, interpolation="linear"):
    count = np.asarray(count)
    cycle, place = np.divmod(count, up_steps + down_steps)
    rising = place < up_steps
    up, down = _wide(up_steps), _wide(down_steps)
    part = np.where(rising, place / up, (up_steps + down_steps - place) / down)
    left = np.where(rising, (up_steps - place) / up, (place - up_steps) / down)
    height = (peak_value - init_value) * _wide(amplitude_factor) ** cycle * np.exp(count * np.log(_wide(decay_rate)))
    return _blend(init_value, init_value + height, part, left, interpolation)


def cosine_restarts(count, init_value, decay_steps, end_value=0.0, length_factor=1, amplitude_factor=1.0, peak_factor=1.0, limit=None):
    count, starts = np.asarray(count), [0]
    while length_factor > 1 and starts[-1] <= count.max(initial=0):
        starts.append(starts[-1] + decay_steps * length_factor ** (len(starts) - 1))
    cycle = count // decay_steps if length_factor == 1 else np.searchsorted(np.array(starts, object), count, side="right") - 1
    begin = cycle * decay_steps if length_factor == 1 else np.array(starts, object)[cycle]
    length = _wide(decay_steps) * _wide(length_factor) ** cycle
    done = (count - begin).astype(np.longdouble)
    top = end_value + (init_value * _wide(peak_factor) ** cycle - end_value) * _wide(amplitude_factor) ** cycle
    value = _blend(top, end_value, done / length, (length - done) / length, "cosine")
    return value if limit is None else np.where(cycle >= limit, end_value, value)
