"""A report on one run or several: what the learning rate did, why, and what looks wrong, as one page that needs no network."""

from rheostax.report.model import Metric, Rate, Report, RunReport, report
from rheostax.report.moves import Move
from rheostax.report.page import page

__all__ = ["Metric", "Move", "Rate", "Report", "RunReport", "page", "report"]
