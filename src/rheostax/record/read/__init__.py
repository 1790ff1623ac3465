"""Read the run of any tool: what was observed at which count, and the rates that were used."""

from rheostax.record.read._read import read_run
from rheostax.record.read._run_log import RunLog, Series

__all__ = ["RunLog", "Series", "read_run"]
