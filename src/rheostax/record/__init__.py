"""What a learning rate did, and why: decisions, run directories, and the runs of other tools."""

from rheostax.record.journal import Decision, decisions, decisions_of
from rheostax.record.read import RunLog, Series, read_run
from rheostax.record.run_directory import RunDirectory

__all__ = ["Decision", "RunDirectory", "RunLog", "Series", "decisions", "decisions_of", "read_run"]
