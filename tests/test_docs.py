"""The documentation is complete and agrees with the code. (Its Python code is run by sybil, see `conftest.py`.)"""

import re
import runpy
import sys
from pathlib import Path

import pytest
from PIL import Image, ImageChops

import rheostax
import rheostax.compat.keras
import rheostax.compat.timm
import rheostax.compat.torch
import rheostax.expressions
import rheostax.finder
import rheostax.parallel
import rheostax.plot
import rheostax.record
import rheostax.report
import rheostax.training

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("docs/api/*.md")])


@pytest.mark.parametrize(
    "module",
    [
        rheostax,
        rheostax.expressions,
        sys.modules["rheostax.preview"],  # whose name in the package is the function's
        rheostax.finder,
        rheostax.parallel,
        rheostax.training,
        rheostax.record,
        rheostax.report,
        sys.modules["rheostax.replay"],
        sys.modules["rheostax.race"],
        rheostax.plot,
        rheostax.compat.keras,
        rheostax.compat.timm,
        rheostax.compat.torch,
    ],
    ids=lambda module: module.__name__,
)
def test_the_reference_has_every_public_name(module):
    reference = "".join(page.read_text("utf-8") for page in (ROOT / "docs" / "api").glob("*.md"))
    documented = {"recipes"} | set(re.findall(r"auto(?:class|function|exception):: ([\w.]+)", reference)) | {"__version__"}
    assert "__version__" in reference
    assert set(module.__all__) <= documented


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_to_files(page):
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text("utf-8"))
    broken = [target for target in targets if "://" not in target and not (page.parent / target).exists()]
    assert broken == []


def test_design_shows_the_house_as_it_is():
    block = re.search(r"```\n(src/rheostax/\n.*?)```", (ROOT / "docs" / "design.md").read_text("utf-8"), re.DOTALL).group(1)
    shown = set(re.findall(r"^  ([\w.]+/?)  ", block, re.MULTILINE))
    entries = [entry for entry in (ROOT / "src" / "rheostax").iterdir() if entry.name not in ("__pycache__", "py.typed")]
    there = {entry.name + "/" * entry.is_dir() for entry in entries} - {"_version.py", "_extras.py"}
    assert shown == there


def test_figures_show_what_the_library_computes(tmp_path):
    """Drawing the committed figures again gives the same pictures, except for shades that nobody sees."""
    script = runpy.run_path(str(ROOT / "docs" / "make_figures.py"))
    script["main"](tmp_path)
    committed = ROOT / "docs" / "images"
    elsewhere = set(re.findall(r"`(\w+\.png)`", script["__doc__"]))  # of runs and benchmarks
    assert {file.name for file in tmp_path.iterdir()} | elsewhere == {file.name for file in committed.iterdir()}
    for file in tmp_path.iterdir():
        with Image.open(file) as now, Image.open(committed / file.name) as then:
            if now.text["Software"] == then.text["Software"]:  # another matplotlib places its text otherwise
                difference = ImageChops.difference(now.convert("RGB"), then.convert("RGB"))
                assert max(high for _, high in difference.getextrema()) <= 8  # a last digit shades a pixel by a level of 255


def test_both_readmes_run_the_same_code():
    def code(name):
        blocks = re.findall(r"```python\n(.*?)```|<!-- invisible-code: python\n(.*?)-->", (ROOT / name).read_text("utf-8"), re.DOTALL)
        return [re.sub(r" *#.*", "", "".join(block)) for block in blocks]

    english, chinese = code("README.md"), code("README.zh-CN.md")
    assert chinese[: len(english)] == english
