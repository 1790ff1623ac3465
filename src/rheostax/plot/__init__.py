"""Figures, drawn with matplotlib."""

from rheostax.plot.curve import plot_curve
from rheostax.plot.run import plot_run, save_figure

__all__ = ["plot_curve", "plot_run", "save_figure"]
