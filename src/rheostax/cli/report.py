"""`rheostax report`: runs in, a page and pictures out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rheostax._extras import load
from rheostax.cli import files
from rheostax.plot.run import plot_runs, save_figure
from rheostax.record.read import read_run
from rheostax.report import page, report
from rheostax.report.model import default_path

__all__ = ["make"]

ENDINGS = {"--out": (".html", ".htm"), "--png": (".png",), "--svg": (".svg",)}


def make(paths: Sequence[Path], *, out: Path | None, png: Path | None, svg: Path | None, **columns: str | None) -> dict[str, Any]:
    """Write the files, each as a whole and none before all are ready; return what `--json` prints. `columns` are those of `read_run`."""
    paths = list({path.resolve(): path for path in paths}.values())  # a run that is named twice is one
    wanted = {"--out": out or default_path(paths), "--png": png, "--svg": svg}
    places = {option: file for option, file in wanted.items() if file is not None}
    for option, file in places.items():
        files.require_place(option, file, ENDINGS[option])
    for module in ("jinja2", "matplotlib", "plotly"):
        load(module, extra="report")
    told = report([read_run(path, **columns) for path in paths])
    for run in told.runs:
        files.warn(run.log.damage, f"{run.name}: " if len(told.runs) > 1 else "")
    made = {"--out": page(told).encode()}
    for option, kind in (("--png", "png"), ("--svg", "svg")):
        if option in places:
            names = [run.name for run in told.runs]
            title = f"{names[0]}: {told.runs[0].reason}" if len(names) == 1 else ""
            made[option] = save_figure(plot_runs([run.log for run in told.runs], names, title=title), kind=kind)
    written = {option: str(files.write(file, made[option])) for option, file in places.items()}
    return {"files": {"html": written["--out"], "png": written.get("--png"), "svg": written.get("--svg")}} | told.to_json()
