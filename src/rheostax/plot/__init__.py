"""Figures, drawn with matplotlib."""

from rheostax.plot.curve import plot_curve
from rheostax.plot.replay import plot_replay
from rheostax.plot.run import plot_run, save_figure

__all__ = ["plot_curve", "plot_replay", "plot_run", "save_figure"]
