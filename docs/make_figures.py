"""Draw the figures of the documentation from the library itself: `python docs/make_figures.py`, then look at them.

The figures are committed, so that they show on GitHub and a build of the pages needs no drawing. Not made here are
`digits.png`, the picture that `rheostax train digits` leaves; `finder.png`, from `rheostax find digits`; `race.png`, the picture of a
race; `replay.png`, from the command in `docs/replay.md`; `report.png` and `report_digits.png`, from `make_screenshots.py`;
`forecast.png`, from `rheostax forecast`, as in `docs/forecast.md`; `rules.png`, from `make bench-policies`; `rollback.png` and
`averaged.png`, from `python -m benchmarks.rollback` and `benchmarks.averaged`, all with `--plot`; and `false_cuts.png` and
`plateau_delay.png`, from `make false-cuts ARGS="--figures docs/images"`.
"""

import argparse
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

import rheostax as rx
from rheostax.plot import plot_curve

STYLE = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.6,
    "axes.prop_cycle": mpl.cycler(color=["#1f5fa8", "#b3541e", "#3b7d4f", "#7a5195"]),
}


def schedules() -> Figure:
    """One panel per schedule."""
    panels = {
        "Linear": {"Linear(1.0, 0.1, 80)": rx.Linear(1.0, 0.1, 80)},
        "Cosine": {"Cosine(1.0, 80)": rx.Cosine(1.0, 80), "end_value=0.1": rx.Cosine(1.0, 80, end_value=0.1)},
        "Exponential": {f"decay_rate={rate}": rx.Exponential(1.0, 20, rate) for rate in (0.5, 0.7)},
        "Polynomial": {f"power={power}": rx.Polynomial(1.0, 0.0, power, 80) for power in (0.5, 2.0, 4.0)},
        "Warmup": {"Warmup(30)": rx.Warmup(30), "init_value=0.3": rx.Warmup(30, init_value=0.3)},
        "WarmupStableDecay": {
            decay: rx.WarmupStableDecay(peak_value=1.0, warmup_steps=15, decay_steps=40, total_steps=100, decay=decay)
            for decay in ("linear", "cosine", "1-sqrt")
        },
    }
    return draw(panels, rows=2, steps=101)


def combined() -> Figure:
    """Ways to put rates together."""
    warmup, cosine = rx.Warmup(20), rx.Cosine(1.0, 80)
    flat = dict.fromkeys(range(0, 100, 5), 1.0)  # the same value every 5 updates: nothing improves
    reactive = rx.Cosine(1.0, 80) * rx.ReduceOnPlateau(monitor="val_loss", patience=5, factor=0.5)
    panels = {
        "product: one clock": {"Warmup(20) * Cosine(1.0, 80)": warmup * cosine},
        "join: each part starts at 0": {"Join([..., Cosine(1.0, 80)], [20])": rx.Join([rx.Linear(0.0, 1.0, 20), cosine], [20])},
        "bounds": {"Cosine(1.0, 80).clip(0.2, 0.8)": cosine.clip(0.2, 0.8)},
        "schedule times policy": {"Cosine(1.0, 80)": cosine, "... * ReduceOnPlateau(...)": (reactive, {"val_loss": flat})},
    }
    return draw(panels, rows=2, steps=101)


def plateau() -> Figure:
    """Where the cuts fall for a metric that improves up to observation 10 and is flat after it."""
    metric = np.maximum(1.0 - 0.06 * np.arange(40), 0.4)
    rate = rx.Constant(1.0) * rx.ReduceOnPlateau(patience=3, cooldown=2, factor=0.5)
    scale = rx.simulate(rate, steps=40, observations={"value": metric})
    figure = Figure(figsize=(8, 3.6), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    above.plot(metric, ".-")
    above.set(ylabel="metric", ylim=(0, 1.1))
    below.step(np.arange(40), scale, where="post", color="#b3541e")
    below.set(ylabel="factor", ylim=(0, 1.1), xlabel="observation")
    for cut in np.flatnonzero(scale[1:] < scale[:-1]) + 1:
        for axis in (above, below):
            axis.axvline(cut, color="#7a7a7a", linewidth=0.8, linestyle=(0, (4, 3)))
    above.set_title("ReduceOnPlateau(patience=3, cooldown=2, factor=0.5)")
    return figure


def draw(panels: dict, rows: int, steps: int) -> Figure:
    """Draw rates, or pairs of a rate and what it observes, panel by panel."""
    columns = len(panels) // rows
    figure = Figure(figsize=(3.2 * columns, 2.2 * rows), layout="constrained")
    for axis, (title, rates) in zip(figure.subplots(rows, columns, sharey=True).flat, panels.items(), strict=True):
        for label, rate in rates.items():
            rate, observations = rate if isinstance(rate, tuple) else (rate, None)  # noqa: PLW2901
            axis.plot(rx.simulate(rate, steps, observations), label=label)
        axis.set(title=title, ylim=(-0.03, 1.2))
        axis.legend(frameon=False, fontsize=7, loc="best")
    return figure


def preview() -> Figure:
    """What `rheostax preview --plot` draws of a join whose parts don't meet."""
    seen = rx.preview(rx.Join([rx.Linear(0.0, 1e-3, 500), rx.Cosine(3e-4, 4_000)], boundaries=[500]), total_steps=4_600)
    marks = [(count, what) for count, what, _ in seen.moments[1:-1]]
    return plot_curve(seen.counts, seen.rates, title=seen.expression, moments=marks)


FIGURES = {"schedules": schedules, "combined": combined, "plateau": plateau, "preview": preview}


def main(folder: Path) -> None:
    """Write every figure into a folder."""
    for name, function in FIGURES.items():
        with mpl.rc_context(STYLE):
            function().savefig(folder / f"{name}.png", dpi=140)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "images", help="folder for the figures")
    main(parser.parse_args().out)
