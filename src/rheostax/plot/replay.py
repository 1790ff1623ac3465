"""The picture of a replay: what was observed, what happened, and what other settings would have decided."""

from __future__ import annotations

from typing import Any

import numpy as np

from rheostax._extras import load
from rheostax.plot.axes import span_is_wide, tidy
from rheostax.replay import Replay, Replayed

__all__ = ["plot_replay"]

SEEN, HAPPENED = "#1f5fa8", "#7a7a7a"
RATES, ROWS, NAMED = 8, 60, 30  # settings whose rates are drawn, that have a row of their own, whose row is named


def plot_replay(replay: Replay, *, title: str = "") -> Any:
    """Draw a replay: the observations, the rates, and for a grid a row with the decisions of each setting.

    Args:
        replay: What `rx.replay` returned. Of a large grid the rates of a few settings are drawn, evenly chosen.
        title: Heading.

    Returns:
        A `matplotlib.figure.Figure`, its axes sharing the count of updates.

    Raises:
        MissingExtraError: If matplotlib isn't installed.
    """
    matplotlib = load("matplotlib", extra="plot")
    figure_module = load("matplotlib.figure", extra="plot")
    rows = min(len(replay.settings), ROWS)
    seen = list(dict.fromkeys(replay.observed.values()))
    heights = [2.0] * len(seen) + [2.6] + ([max(1.2, 0.17 * rows)] if rows > 1 else [])
    figure = figure_module.Figure(figsize=(9, sum(heights) + 1.1), layout="constrained")
    axes = figure.subplots(len(heights), 1, sharex=True, squeeze=False, gridspec_kw={"height_ratios": heights})[:, 0]
    for axis, name in zip(axes, seen, strict=False):
        _draw_observed(axis, replay, name)
    chosen = [replay.settings[i] for i in np.unique(np.linspace(0, len(replay.settings) - 1, RATES).astype(int))]
    colors = [matplotlib.colormaps["plasma"](0.1 + 0.75 * i / max(len(chosen) - 1, 1)) for i in range(len(chosen))]
    _draw_rates(axes[len(seen)], replay, chosen, colors)
    if rows > 1:
        _draw_rows(axes[-1], replay, rows, dict(zip(map(id, chosen), colors, strict=True)))
    for axis in axes:
        tidy(axis)
    axes[-1].set_xlabel("updates")
    figure.suptitle(title, fontsize=10, wrap=True)
    return figure


def _draw_observed(axis: Any, replay: Replay, name: str) -> None:
    series = replay.run.series[name]
    few = len(series) < 200
    axis.plot(series.count, series.value, color=SEEN, linewidth=0.9, **({"marker": ".", "markersize": 4} if few else {}))
    taken = [one["count"] for one in replay.run.journal if one.get("metric") in replay.observed and isinstance(one.get("count"), int)]
    for i, count in enumerate(taken):
        label = None if i else "decisions of the run"
        axis.axvline(count, color=HAPPENED, linewidth=0.8, linestyle=(0, (4, 3)), zorder=0, label=label)
    if taken:
        axis.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    axis.set_ylabel(name)


def _draw_rates(axis: Any, replay: Replay, chosen: list[Replayed], colors: list[Any]) -> None:
    own = {} if replay.factors else replay.run.learning_rate  # rates beside factors would tell nothing
    for group, series in own.items():
        label = f"what happened ({group})" if group else "what happened"
        axis.plot(series.count, series.value, color=HAPPENED, linewidth=3, alpha=0.45, drawstyle="steps-post", label=label)
    for one, color in zip(chosen, colors, strict=True):
        name = _name(one) or "what it would have decided"
        rates = one.rates.reshape(len(one.rates), -1)
        axis.plot(one.counts, rates, color=color, linewidth=1.3, label=[name, *[None] * (rates.shape[1] - 1)], drawstyle="steps-post")
        decided = one.decided.count
        if len(decided) <= 60 and one.decided.new.ndim == 1:
            axis.plot(decided, one.decided.new, color=color, linestyle="", marker="v", markersize=4.5)
    values = np.concatenate([one.rates.ravel() for one in chosen] + [series.value for series in own.values()])
    positive = values[values > 0]
    if span_is_wide(positive):
        axis.set_yscale("log")
        axis.set_ylim(bottom=max(positive.min(), positive.max() * 1e-8) * 0.7)  # what has fallen to nothing isn't worth the room
    axis.set_ylabel("factor" if replay.factors else "learning rate")
    axis.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))


def _draw_rows(axis: Any, replay: Replay, rows: int, colors: dict[int, Any]) -> None:
    """Draw when each setting decided something."""
    shown = [replay.settings[i] for i in np.unique(np.linspace(0, len(replay.settings) - 1, rows).astype(int))]
    axis.eventplot(
        [one.decided.count for one in shown],
        lineoffsets=range(len(shown)),
        linelengths=0.7,
        linewidths=1.1,
        colors=[colors.get(id(one), HAPPENED) for one in shown],
    )
    axis.set_ylim(len(shown) - 0.5, -0.5)
    step = -(-len(shown) // NAMED)
    axis.set_yticks(range(0, len(shown), step), [_name(one) for one in shown[::step]], fontsize=7)
    axis.set_ylabel("decisions")


def _name(one: Replayed) -> str:
    return ", ".join(f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}" for name, value in one.chosen.items())
