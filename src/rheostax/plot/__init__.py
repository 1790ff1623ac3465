"""Figures, drawn with matplotlib."""

from rheostax.plot.curve import plot_curve
from rheostax.plot.finder import plot_finding
from rheostax.plot.forecast import plot_outlook
from rheostax.plot.race import plot_race
from rheostax.plot.replay import plot_replay
from rheostax.plot.run import plot_run, plot_runs, save_figure
from rheostax.plot.terminal import draw_curve

__all__ = ["draw_curve", "plot_curve", "plot_finding", "plot_outlook", "plot_race", "plot_replay", "plot_run", "plot_runs", "save_figure"]
