"""The report as one HTML page that holds everything it needs, and may load nothing."""

from __future__ import annotations

import base64
import functools
import gzip
import hashlib
import importlib.resources
import json
import re
from typing import Any

from rheostax._extras import load
from rheostax._version import __version__
from rheostax._words import say
from rheostax.plot.panels import COLORS
from rheostax.plot.run import plot_runs, save_figure
from rheostax.report.chart import chart
from rheostax.report.model import Report
from rheostax.report.values import flatten

__all__ = ["page"]

SHORT, MOST_COLUMNS = 24, 6  # of the settings that the table of runs shows; all are in the configuration


def page(report: Report) -> str:
    """Write a report as a page.

    The page holds its style, its script, plotly.js and a still picture for print. Its Content-Security-Policy lets only these two
    scripts run, and forbids every load. Whatever comes from a run's files is escaped.

    Args:
        report: What to tell; see `report`.

    Returns:
        HTML, about 2 MB, most of it plotly.js.

    Raises:
        MissingExtraError: If jinja2, matplotlib or plotly isn't installed.
    """
    script, library = _file("page.js"), _library()
    curves, settings = chart(report), _settings(report)
    title = report.runs[0].name if len(report.runs) == 1 else f"{len(report.runs)} runs"
    picture = save_figure(plot_runs([run.log for run in report.runs], [run.name for run in report.runs]), kind="svg")
    return _template().render(
        report=report, several=len(report.runs) > 1, title=title, curves=curves, colors=COLORS, version=__version__,
        settings=settings, compared=[row for row in settings if row[2] and max(map(len, row[1])) <= SHORT][:MOST_COLUMNS],
        warned=bool(report.warnings or any(run.warnings for run in report.runs)),
        style=_file("page.css"), script=script, data=_embedded(curves), picture=base64.b64encode(picture).decode(),
        library=_packed(library), plotly=_named(library), hashes=[_hash(script), _hash(library)],
    )  # fmt: skip


def _embedded(content: Any) -> str:
    """Write JSON that no text in it can end: a script element ends at the first "</script", wherever it stands."""
    text = json.dumps(content, separators=(",", ":"), allow_nan=False)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _settings(report: Report) -> list[tuple[str, list[str], bool]]:
    """Return the runs' settings: the name, each run's value as text, and whether they differ."""
    every = [flatten(run.config) for run in report.runs]
    keys = dict.fromkeys(key for one in every for key in one)
    return [(key, [_told(one[key]) if key in one else "" for one in every], key in report.differences) for key in keys]


def _told(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")


def _number(value: float | None, digits: int = 5) -> str:
    return "" if value is None else say(value, digits)


def _time(seconds: float | None) -> str:
    if seconds is None:
        return ""
    if seconds < 120:
        return f"{seconds:.1f} s"
    minutes = round(seconds / 60)
    return f"{seconds / 60:.1f} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60:02d} min"


def _template() -> Any:
    jinja = load("jinja2", extra="report")
    environment = jinja.Environment(autoescape=True, undefined=jinja.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"sentence": _sentence, "number": _number, "time": _time, "count": lambda value: f"{value:,}"}
    return environment.from_string(_file("page.html"))


def _file(name: str) -> str:
    return importlib.resources.files("rheostax.report").joinpath(name).read_text(encoding="utf-8")


@functools.cache
def _library() -> str:
    return str(load("plotly.offline", extra="report").get_plotlyjs())


def _named(library: str) -> str:
    """Return the library's name and version, as its first lines say."""
    found = re.search(r"plotly\.js v[\d.]+", library[:500])
    return found[0] if found else "plotly.js"


@functools.cache
def _packed(library: str) -> str:
    """Return the library compressed, in characters that HTML leaves alone: 2 MB for 5."""
    return base64.b64encode(gzip.compress(library.encode(), 9, mtime=0)).decode()


def _hash(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
