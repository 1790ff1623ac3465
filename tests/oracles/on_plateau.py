"""What follows a plateau, as plain Python objects around the plain plateau rule."""

from tests.oracles.plateau import Plateau


class Watch(Plateau):
    """Tell at each observation whether the metric has stalled just now."""

    def __init__(self, mode="min", patience=10, rtol=1e-4, atol=0.0, cooldown=0, accumulation_size=1):
        super().__init__(mode, 0.5, patience, rtol, atol, cooldown, accumulation_size, 0.0)

    def stalled(self, value):
        before = self.scale
        self.observe(value)
        return self.scale != before


def advance(rates, values, latest=None, **settings):
    """Return the rate of every update: rates[part] at the count since the part began."""
    watch, part, began, found = Watch(**settings), 0, 0, []
    for count, value in enumerate(values):
        while latest is not None and part < len(latest) and count >= latest[part]:
            part, began = part + 1, max(began, latest[part])
        if watch.stalled(value) and part < len(rates) - 1:
            part, began = part + 1, count
        found.append(rates[part](count - began))
    return found


def restart(rate, values, factor=1.0, max_restarts=None, **settings):
    """Return the rate of every update: factor ** restarts * rate at the count since the last restart."""
    watch, restarts, began, found = Watch(**settings), 0, 0, []
    for count, value in enumerate(values):
        if watch.stalled(value) and (max_restarts is None or restarts < max_restarts):
            restarts, began = restarts + 1, count
        found.append(factor**restarts * rate(count - began))
    return found


def greedy(values, mode, factor, patience, rtol, atol, cooldown, warmup, min_scale, max_scale, min_change, reset_after):
    """Return the factor after every observation."""
    scale, best, good, bad, resting, low, found = 1.0, None, 0, 0, 0, 0, []
    for value in values:
        if resting:
            resting -= 1
            good = bad = 0
        else:
            better = best is None or (best - value if mode == "min" else value - best) > rtol * abs(best) + atol
            good, bad = (good + 1, 0) if better else (0, bad + 1)
            best = value if better else best
            if good == patience:
                goal = min(scale / factor, max_scale)
                scale = goal if goal - scale > min_change else scale
                good, low, resting = 0, 0, warmup
            elif bad == patience:
                goal = max(scale * factor, min_scale)
                scale = goal if scale - goal > min_change else scale
                bad, resting = 0, cooldown
                low += scale <= min_scale
                if reset_after is not None and scale <= min_scale and low >= reset_after:
                    scale, best, good, bad, low = 1.0, None, 0, 0, 0
        found.append(scale)
    return found


def spike_guard(values, mode, threshold, window, factor, recovery, max_spikes):
    """Return the factor after every observation, and the number of spikes."""
    ordinary, mean, deviation, since, in_a_row, spikes, found = 0, 0.0, 0.0, recovery, 0, 0, []
    for value in values:
        away = value - mean if mode == "min" else mean - value
        if ordinary >= window and away > threshold * deviation:
            spikes, in_a_row, since = spikes + 1, in_a_row + 1, 0
            if in_a_row == max_spikes:
                ordinary = in_a_row = 0
                deviation = 0.0
        else:
            ordinary, in_a_row, since = ordinary + 1, 0, min(since + 1, recovery)
            n = min(ordinary, window)
            if ordinary == 1:
                mean = value
            else:
                distance = value - mean
                mean += distance / n
                deviation += (abs(distance) - deviation) / (n - 1)
        found.append((factor + (1 - factor) * since / recovery, spikes))
    return found
