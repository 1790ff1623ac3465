"""A learning-rate range test: `rx.find_learning_rate`, and what it is made of."""

from rheostax.finder.find import find_learning_rate
from rheostax.finder.finding import Finding
from rheostax.finder.rules import minimum, slide, steepest, valley
from rheostax.finder.smoothing import fitted, smoothed
from rheostax.finder.suggest import Suggestion

__all__ = ["Finding", "Suggestion", "find_learning_rate", "fitted", "minimum", "slide", "smoothed", "steepest", "valley"]
