"""Take the screenshots of reports: `python docs/make_screenshots.py`, then look at them.

It trains the digits task, and the diabetes task with three seeds and lengths, and opens their reports in Chromium, which has to be on
the path; pip install '.[browser]' brings what drives it. The pictures are committed beside those of `make_figures.py`.
"""

import argparse
import io
import shutil
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

import rheostax as rx
from rheostax.report import page, report
from rheostax.training import fit, load_task

NAMES = ("chromium", "chromium-browser", "google-chrome")
WIDTH, COLORS = 1120, 128


def train(folder: Path) -> dict[str, list[Path]]:
    """Make the runs of each picture."""
    digits = [fit(load_task("digits"), out=folder / "digits").path]
    diabetes = [fit(load_task("diabetes"), seed=i, epochs=60 + 30 * i, out=folder / f"diabetes-seed-{i}").path for i in range(3)]
    return {"report_digits": digits, "report": diabetes}


def screenshot(browser: Browser, runs: list[Path], file: Path, *, decision: int) -> bytes:
    """Open the report of runs, point at a decision of the last one, and take the page down to the first table."""
    logs = [rx.read_run(run) for run in runs]
    file.write_text(page(report(logs)), encoding="utf-8")
    opened = browser.new_page(viewport={"width": WIDTH, "height": 1000}, color_scheme="light")
    opened.goto(file.as_uri())
    opened.wait_for_selector("#chart[data-ready]")
    panel, count = opened.locator("#chart .nsewdrag").nth(1).bounding_box(), logs[-1].journal[decision]["count"]
    across = opened.evaluate(f"document.getElementById('chart')._fullLayout.xaxis.c2p({count})")
    opened.mouse.move(panel["x"] + across + 1, panel["y"] + panel["height"] / 2)
    opened.wait_for_selector("#chart .hoverlayer .legend text")
    last = opened.locator("#comparison" if len(runs) > 1 else "#decisions").bounding_box()
    return opened.screenshot(full_page=True, clip={"x": 0, "y": 0, "width": WIDTH, "height": last["y"] + last["height"] + 16})


def main(folder: Path) -> None:
    """Write every picture into a folder, in few colours, which a page has anyway."""
    with tempfile.TemporaryDirectory() as work, sync_playwright() as started:
        browser = started.chromium.launch(executable_path=next(filter(None, map(shutil.which, NAMES))), args=["--no-sandbox"])
        for name, runs in train(Path(work)).items():
            taken = screenshot(browser, runs, Path(work, f"{name}.html"), decision=1 if len(runs) == 1 else 2)
            picture = Image.open(io.BytesIO(taken)).convert("RGB").quantize(COLORS, dither=Image.Dither.NONE)
            picture.save(folder / f"{name}.png", optimize=True)
        browser.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "images", help="folder for the pictures")
    main(parser.parse_args().out)
