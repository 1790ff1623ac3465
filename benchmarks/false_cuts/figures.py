"""The two pictures of the page on statistical plateaus: false cuts and delays, over alpha."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from benchmarks.false_cuts.bank import STEPS, WINDOW
from benchmarks.false_cuts.measure import Family, interval
from benchmarks.false_cuts.rules import ALPHAS
from docs.make_figures import STYLE


def draw(families: list[Family], folder: Path) -> None:
    """Write both pictures into a folder."""
    for name, function in (("false_cuts", false_cuts), ("plateau_delay", delays)):
        with mpl.rc_context(STYLE):
            function(families).savefig(folder / f"{name}.png", dpi=140)


def false_cuts(families: list[Family]) -> Figure:
    """Draw the share of runs with a false cut over alpha: ours, in all families together and in the worst, and the other rules."""
    figure = Figure(figsize=(8, 4), layout="constrained")
    axis = figure.subplots()
    total = sum(len(one.ends) for one in families)
    counts = np.array([sum(int(one.false("ours", alpha).sum()) for one in families) for alpha in ALPHAS])
    bounds = np.array([interval(count, total) for count in counts])
    worst = np.max([[one.false("ours", alpha).mean() for alpha in ALPHAS] for one in families], axis=0)
    seen = counts > 0
    axis.fill_between(ALPHAS, np.maximum(bounds[:, 0], 1e-4), bounds[:, 1], alpha=0.15, linewidth=0)
    axis.plot(ALPHAS[seen], (counts / total)[seen], label=f"ours, all {total:,} runs, with 95% interval")
    axis.plot(ALPHAS[worst > 0], worst[worst > 0], "--", label="ours, the worst family")
    axis.plot(ALPHAS, ALPHAS, color="#7a7a7a", linewidth=0.8, label="alpha")
    peers = [rule for rule in families[0].cuts if rule not in ("ours", "oracle")]
    mean = {rule: np.mean(np.concatenate([one.false(rule) for one in families])) for rule in peers}
    for rule, color in (("every update", "#3b7d4f"), ("patience 2", "#7a5195"), ("patience 10", "#b3541e")):
        rates = [mean[name] for name in peers if name.endswith(rule)]
        axis.axhspan(min(rates) * 0.97, max(rates) * 1.03, color=color, alpha=0.5, linewidth=0)
        where = "" if rule == "every update" else "means of windows, "
        axis.text(ALPHAS[0] * 1.05, min(rates) * 0.9, f"optax and PyTorch, {where}{rule}", va="top", fontsize=8, color=color)
    axis.set(xscale="log", yscale="log", xlabel="alpha", ylabel="runs with a false cut", ylim=(1e-4, 1.5), xlim=(ALPHAS[0], ALPHAS[-1]))
    axis.legend(frameon=False, fontsize=8, loc="lower right")
    return figure


def delays(families: list[Family]) -> Figure:
    """Draw the median delay over alpha, ours and the oracle's, of the families whose progress ends."""
    figure = Figure(figsize=(8, 3.6), layout="constrained")
    axis = figure.subplots()
    colors = mpl.rcParams["axes.prop_cycle"].by_key()["color"]
    ending = [one for one in families if (one.ends < STEPS).any()]
    for one, color in zip(ending, colors, strict=False):
        for rule, style in (("ours", "-"), ("oracle", ":")):
            medians = np.array([np.median(one.delays(rule, alpha)) for alpha in ALPHAS]) / WINDOW
            axis.plot(ALPHAS, medians, style, color=color, label=f"{one.name}, {rule}")
    axis.set(xscale="log", xlabel="alpha", ylabel="median delay, in windows", xlim=(ALPHAS[0], ALPHAS[-1]))
    axis.set_ylim(bottom=0)
    axis.legend(frameon=False, fontsize=8, ncols=len(ending))
    return figure
