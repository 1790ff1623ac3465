"""The sweep of `python -m benchmarks.exactness`: it finds what is wrong, and says where."""

import dataclasses
import json
import re
from collections import Counter

import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks import _exactness_page, _near_the_end, _sweep, exactness
from tests.oracles.families import FAMILIES, Family
from tests.oracles.schedules import linear


def fading(count, steps):
    return linear(count, 1.0, 0.0, steps)


@pytest.fixture
def _little_to_do_near_the_end(monkeypatch):
    monkeypatch.setattr(_near_the_end, "horizons", lambda quick: np.array([41, 1000]))


@pytest.mark.usefixtures("_little_to_do_near_the_end")
def test_what_is_right_passes(tmp_path, capsys):
    file = tmp_path / "figures.json"
    assert exactness.main(["--quick", "--jobs", "1", "--only", "clock", "--json", str(file)]) == 0
    printed, results = capsys.readouterr().out, json.loads(file.read_text())
    assert "All is well." in printed
    assert "2 horizons: optax is NaN for" in printed
    assert results["fine"] is True
    assert results["different last values"]["Linear"] == results["different last values"]["Cosine"] == 1000
    assert results["polynomial"]["ours wrong"] == 0
    (only,) = results["schedules"]
    assert (only["schedule"], only["name"], only["types"]) == ("Clock", "clock", [])
    assert set(only["largest"]) == set(_sweep.WAYS)
    assert 0.2 < max(only["largest"].values()) < 0.6
    assert only["compared"] == 15_540


def test_a_line_in_float32_is_found_out(monkeypatch, capsys):
    """It is negative after its end, and far off before."""
    naive = Family(
        lambda steps: lambda count: 1 - jnp.asarray(count, jnp.float32) / jnp.asarray(steps, jnp.float32), fading, covers="naive"
    )
    monkeypatch.setattr(exactness, "FAMILIES", {"naive line": naive})
    for check, result in (("different_values", {"Linear": 1000, "Cosine": 1000}), ("optax_is_no_number", 0), ("ours_is_wrong", 0)):
        monkeypatch.setattr(_near_the_end, check, lambda *_, result=result, **__: result)
    assert exactness.main(["--quick", "--jobs", "1"]) == 1
    printed = capsys.readouterr().out
    assert "MISS" in printed
    assert "Not all is well:\n  naive line: {'way': " in printed
    finding = _sweep.examine("naive line", naive, quick=True)
    assert finding.improper > 100
    assert finding.missed > 100
    assert min(finding.largest[way] for way in ("eager", "jit", "scan")) > 1000


def test_a_wrong_oracle_is_found_out():
    wrong = FAMILIES["constant"], lambda count, value: np.full(np.shape(count), value * (1 + 6e-7))
    finding = _sweep.examine("constant", Family(wrong[0].schedule, wrong[1], ("value",), [(0.3,)], lambda steps: {}, end=None), quick=True)
    assert not finding.fine
    assert all(4 < off < 7 for off in finding.largest.values())


def test_counts_that_wrap_are_found_out():
    """Unsigned counts have no numbers below zero."""
    found = _sweep.unlike_types(lambda count: jnp.maximum(jnp.asarray(count) - 1, 0).astype(jnp.float32))
    assert found == ["numpy uint32", "numpy uint64", "jax uint32", "jax uint64"]


def test_an_unknown_schedule_is_refused(capsys):
    with pytest.raises(SystemExit, match="2"):
        exactness.main(["--only", "cosinus"])
    assert "no schedule has 'cosinus' in its name; there are constant, linear, " in capsys.readouterr().err


def test_the_page_is_made_of_all_figures(capsys):
    with pytest.raises(SystemExit, match="2"):
        exactness.main(["--write-table", "--quick"])
    assert "--write-table: the page is made of all figures" in capsys.readouterr().err


def test_the_page_has_every_schedule_and_none_that_is_off():
    rows = re.findall(r"^\| `(\w+)` \| (\d+) \| [\d,]+ \| (.+) \|$", _exactness_page.PAGE.read_text(), re.MULTILINE)
    assert [(name, int(settings)) for name, settings, _ in rows] == sorted(Counter(family.name for family in FAMILIES.values()).items())
    assert all(float(largest) <= _sweep.LIMIT for *_, each in rows for largest in each.split(" | "))


def test_the_page_is_written_anew(tmp_path, monkeypatch):
    page = tmp_path / "page.md"
    monkeypatch.setattr(_exactness_page, "PAGE", page)
    page.write_text(f"before\n{_exactness_page.MARK}after")
    finding = _sweep.Finding("linear", 70, dict.fromkeys(_sweep.WAYS, 0.5))
    other = _sweep.Finding("lines", 30, dict.fromkeys(_sweep.WAYS, 0.25), missed=1)
    schedules = [dataclasses.asdict(one) | {"schedule": "Linear"} for one in (finding, other)]
    versions = {"device": "1 x cpu (cpu)", "python": "3.11", "jax": "1", "optax": "2"}
    ends = {"different last values": {"Linear": 1000}, "polynomial": {"horizons": 9, "optax NaN": 4, "ours wrong": 0}}
    _exactness_page.write({"schedules": schedules, "machine": versions, **ends})
    written = page.read_text()
    assert written.startswith(f"before\n{_exactness_page.MARK}\n| schedule | settings | values | eager | jit | scan | constants |\n")
    assert "\n| `Linear` | 2 | 100 | 0.50 | 0.50 | 0.50 | 0.50 |\n" in written
    assert "100 values in all, of which 0 are negative or not finite, and 1 aren't the given value" in written
    assert "NaN for 4 of them" in written
    assert "after" not in written
