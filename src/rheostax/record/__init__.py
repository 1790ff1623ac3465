"""What a learning rate did, and why: decisions and run directories."""

from rheostax.record.journal import Decision, decisions, decisions_of
from rheostax.record.run_directory import RunDirectory

__all__ = ["Decision", "RunDirectory", "decisions", "decisions_of"]
