"""Learning rates as text, JSON and YAML, which come back as the same expressions.

Text is read by a parser of our own vocabulary (`_syntax` makes a tree of it, `_build` the expression): nothing in it is ever
executed, and its length, depth and number of settings are bounded.
"""

from rheostax.expressions._build import parse, parse_grid
from rheostax.expressions._data import from_json, from_yaml, to_json, to_yaml

__all__ = ["from_json", "from_yaml", "parse", "parse_grid", "to_json", "to_yaml"]
