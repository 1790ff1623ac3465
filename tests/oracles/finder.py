"""The finder's rules and averages, written from their definitions in plain loops of float64."""

import math


def moving_average(values, smoothing):
    """The weighted mean of everything so far, weights falling by `smoothing` per step into the past."""
    result = []
    for i in range(len(values)):
        weights = [smoothing ** (i - j) for j in range(i + 1)]
        result.append(sum(w * v for w, v in zip(weights, values[: i + 1], strict=True)) / sum(weights))
    return result


def line_at_each(values, smoothing):
    """Value and slope of a weighted least-squares line at each place, by the normal equations."""
    result = []
    for k in range(len(values)):
        total = first = second = product = moment = 0.0
        for j, value in enumerate(values):
            weight, d = smoothing ** abs(j - k), j - k
            total, first, second = total + weight, first + weight * d, second + weight * d * d
            product, moment = product + weight * value, moment + weight * d * value
        slope = (total * moment - first * product) / (total * second - first**2)
        result.append(((product - slope * first) / total, slope))
    return result


def valley(rates, losses):
    """fastai's: grow the longest decreasing subsequence pair by pair."""
    n = len(losses)
    lengths, start, end = [1] * n, 0, 0
    for i in range(1, n):
        for j in range(i):
            if losses[i] < losses[j] and lengths[i] < lengths[j] + 1:
                lengths[i] = lengths[j] + 1
            if lengths[end] < lengths[i]:
                end, start = i, i - lengths[i]
    third = (end - start) / 3
    return rates[start + int(third) + int(third / 2)]


def steepest(rates, losses):
    slopes = [(losses[i + 1] - losses[i]) / (math.log(rates[i + 1]) - math.log(rates[i])) for i in range(len(rates) - 1)]
    return rates[slopes.index(min(slopes))]


def minimum(rates, losses):
    return rates[losses.index(min(losses))] / 10


def slide(rates, losses):
    """fastai's: both ends of the window count from the right, -1 and -16 at first."""
    n = len(losses)
    slopes = [losses[1] - losses[0], *((losses[i + 1] - losses[i - 1]) / 2 for i in range(1, n - 1)), losses[-1] - losses[-2]]
    right, left = -1, -16
    found = rates[left]
    while left >= -n and abs(slopes[right] - slopes[left]) > 0.005:
        found = rates[left]
        right, left = right - 1, left - 1
    return found
