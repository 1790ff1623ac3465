"""Figures, drawn with matplotlib."""

from rheostax.plot.run import plot_run, save_figure

__all__ = ["plot_run", "save_figure"]
