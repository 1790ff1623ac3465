"""`rheostax report`: runs in, a page and pictures out."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rheostax._extras import load
from rheostax.errors import RunError
from rheostax.plot.run import plot_runs, save_figure
from rheostax.record.read import read_run
from rheostax.record.run_directory import RunDirectory
from rheostax.report import page, report
from rheostax.report.model import default_path

__all__ = ["make"]

ENDINGS = {"--out": (".html", ".htm"), "--png": (".png",), "--svg": (".svg",)}


def make(paths: Sequence[Path], *, out: Path | None, png: Path | None, svg: Path | None, **columns: str | None) -> dict[str, Any]:
    """Write the files, each as a whole and none before all are ready; return what `--json` prints. `columns` are those of `read_run`."""
    wanted = {"--out": out or default_path(paths), "--png": png, "--svg": svg}
    files = {option: file for option, file in wanted.items() if file is not None}
    for option, file in files.items():
        if file.suffix.lower() not in ENDINGS[option]:
            raise RunError(f"{option} must name a file that ends in {ENDINGS[option][0]}, got {file}.")
        if not file.absolute().parent.is_dir():
            raise RunError(f"{option}: there is no folder {file.parent}.")
    for module in ("jinja2", "matplotlib", "plotly"):
        load(module, extra="report")
    several = {path.resolve(): path for path in paths}  # a run that is named twice is one
    told = report([read_run(path, **columns) for path in several.values()])
    made = {"--out": page(told).encode()}
    for option, kind in (("--png", "png"), ("--svg", "svg")):
        if option in files:
            names = [run.name for run in told.runs]
            title = f"{names[0]}: {told.runs[0].reason}" if len(names) == 1 else ""
            made[option] = save_figure(plot_runs([run.log for run in told.runs], names, title=title), kind=kind)
    written = {option: _write(file, made[option]) for option, file in files.items()}
    return {"files": {"html": written["--out"], "png": written.get("--png"), "svg": written.get("--svg")}} | told.to_json()


def _write(file: Path, content: bytes) -> str:
    try:
        return os.fspath(RunDirectory(file.parent).write_bytes(file.name, content))
    except OSError as error:
        raise RunError(f"{file} can't be written: {error.strerror}.") from None
