"""The version of rheostax."""

__version__ = "0.1.0.dev0"
