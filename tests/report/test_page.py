"""The page is whole HTML that needs nothing from outside, tells what the report holds, and lets nothing of a run's files act."""

import base64
import gzip
import hashlib
import html.parser
import json
import re

import numpy as np
import pytest

from rheostax.record.read import read_run
from rheostax.report import page, report
from rheostax.report.chart import chart

VOID = {"meta", "input", "br", "img", "link", "hr"}
LOADING = {"src", "href", "data", "action", "poster", "srcset", "background", "formaction", "cite", "manifest"}


class Page(html.parser.HTMLParser):
    """Elements with their attributes and text; complains of tags that don't close."""

    def __init__(self, text):
        super().__init__()
        self.open, self.elements, self.text = [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        assert len(dict(attributes)) == len(attributes), attributes
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("script", "style"):
            self.text.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def words(self):
        return " ".join("".join(self.text).split())


def script(text, name):
    return re.search(rf'<script type="[^"]+" id="{name}">(.*?)</script>', text, re.DOTALL).group(1)


@pytest.fixture(scope="module")
def told(runs):
    return report([read_run(path) for path in runs])


@pytest.fixture(scope="module")
def text(told):
    return page(told)


def test_it_is_well_formed_and_tells_the_report(text, told):
    parsed = Page(text)
    ids = [attributes["id"] for _, attributes in parsed.elements if "id" in attributes]
    assert len(set(ids)) == len(ids)
    for run in told.runs:
        for move in run.decisions:
            assert move.words.replace(" -> ", " → ") in parsed.words
    assert "2 runs beside each other; they differ in seed, epochs." in parsed.words
    assert len(parsed.all("h1")) == 1
    assert parsed.all("html")[0]["lang"] == "en"
    assert all("scope" in cell for cell in parsed.all("th"))
    assert all(picture["alt"] for picture in parsed.all("img"))
    for attributes in [one for _, one in parsed.elements if "aria-labelledby" in one]:
        assert attributes["aria-labelledby"] in ids


def test_it_loads_nothing(text):
    parsed = Page(text)
    targets = [value for _, attributes in parsed.elements for name, value in attributes.items() if name in LOADING]
    assert targets
    assert all(value.startswith(("#", "data:")) for value in targets), targets
    assert "@import" not in text
    assert "url(" not in re.search(r"<style>(.*?)</style>", text, re.DOTALL).group(1)
    assert len(text) < 2_500_000


def test_its_policy_forbids_the_network_and_every_script_but_its_own(text):
    (policy,) = [one["content"] for one in Page(text).all("meta") if one.get("http-equiv") == "Content-Security-Policy"]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert not {"connect-src", "font-src", "frame-src", "worker-src"} & set(rules)
    own = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    library = gzip.decompress(base64.b64decode(script(text, "library"))).decode()
    hashes = {f"'sha256-{base64.b64encode(hashlib.sha256(one.encode()).digest()).decode()}'" for one in (*own, library)}
    assert len(own) == 1
    assert set(rules["script-src"].split()) == hashes
    assert "Licensed under the MIT license" in library[:400]


HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&{{ 7919 * 7907 }}"


def test_nothing_of_a_runs_files_can_act(write):
    config = {"task": HOSTILE, "learning_rate": HOSTILE, HOSTILE: {HOSTILE: HOSTILE}, "goal": [HOSTILE, "min"], "updates_per_epoch": 1}
    records = [{"count": i, HOSTILE: 1.0, "learning_rate": {HOSTILE: 0.1, "b": 0.2}} for i in range(3)]
    rates = {"old_learning_rate": {HOSTILE: 0.1}, "new_learning_rate": {HOSTILE: 0.05}}
    journal = [{"count": 1, "why": HOSTILE, "metric": HOSTILE, "policy": HOSTILE} | rates]
    path = write("<b>x", config=config, records=records, journal=journal, summary={"reason": HOSTILE, "warnings": [HOSTILE]})
    told = report([read_run(path), read_run(path)], names=[HOSTILE, "other"])
    text = page(told)
    parsed = Page(text)
    assert len(re.findall("<script", text)) == len(parsed.all("script")) == 3
    assert len(parsed.all("img")) == 1
    assert not [one for _, one in parsed.elements if any(name.startswith("on") for name in one)]
    assert str(7919 * 7907) not in text
    assert json.loads(script(text, "data"))["runs"][0]["name"] == HOSTILE
    assert "<b>x" not in text


@pytest.mark.parametrize("summary", [None, {}])
def test_a_run_without_records_has_a_page(write, summary):
    text = Page(page(report([read_run(write(summary=summary))]))).words
    assert "Nothing was recorded: the run ended before its first update." in text
    assert "No policy decided anything." in text


def test_what_is_not_known_of_the_decisions_is_said(write):
    move = {"count": 1, "old_learning_rate": 0.1, "new_learning_rate": 0.05, "why": "it was time"}
    paths = [write(name, records=[{"count": 0, "loss": 1.0}], journal=[move]) for name in "abc"]
    (paths[1] / "journal.jsonl").unlink()
    with (paths[2] / "journal.jsonl").open("a") as stream:
        stream.write('{"count"')
    whole, missing, cut = (Page(page(report([read_run(path)]))).words for path in paths)
    assert "Decisions1 Last rate used" in whole
    assert "Decisions? Last rate used" in missing
    assert "What the policies decided is unknown: journal.jsonl is missing" in missing
    assert "No policy decided anything" not in missing + cut
    assert "Decisions? (at least 1) Last rate used" in cut
    assert "There may be more decisions: journal.jsonl was cut in its last line (2), which was left out." in cut
    assert "No warnings" not in missing + cut
    compared = page(report([read_run(path) for path in paths]))
    assert [cell for cell in re.findall(r'<td class="number">(.*?)</td>', compared) if "?" in cell] == ["?", "? (at least 1)"]


def test_values_that_are_no_numbers_are_gaps(write):
    path = write(records=[{"count": 0, "loss": None}, {"count": 1, "loss": 2.0}, {"count": 2, "loss": None}])
    curves = chart(report([read_run(path)]))
    assert curves["runs"][0]["lines"][0]["y"] == [None, 2.0, None]
    page(report([read_run(path)]))


def test_curves_are_those_of_the_files(told, runs):
    curves = chart(told)
    assert curves["axes"] == ["updates", "epochs", "wall-clock"]
    assert [panel["title"] for panel in curves["panels"]] == ["loss", "r2", "learning rate"]
    assert [panel["logarithmic"] for panel in curves["panels"][:2]] == [True, False]
    lines = {line["name"]: line for line in curves["runs"][0]["lines"]}
    log = read_run(runs[0])
    assert lines["val_r2"]["x"] == log.series["val_r2"].count.tolist()
    np.testing.assert_allclose(lines["val_r2"]["y"], log.series["val_r2"].value, rtol=1e-5)
    np.testing.assert_allclose(lines["loss"]["t"], log.series["loss"].time, rtol=1e-5)
    assert (lines["loss"]["panel"], lines["val_loss"]["panel"], lines["val_r2"]["panel"], lines[""]["panel"]) == (0, 0, 1, 2)
    assert (lines["loss"]["role"], lines["val_loss"]["role"], lines[""]["role"]) == ("training", "validation", "rate")
    assert [one["count"] for one in curves["runs"][0]["decisions"]] == [record["count"] for record in log.journal]
    assert curves["runs"][0]["color"] != curves["runs"][1]["color"]


@pytest.mark.parametrize(("lowest", "logarithmic"), [(0.01, True), (0.02, False)])
def test_rates_that_span_much_are_drawn_on_a_logarithmic_axis(write, lowest, logarithmic):
    records = [{"count": i, "loss": -1.0, "learning_rate": rate} for i, rate in enumerate((0.3, lowest, 0.0))]
    assert [panel["logarithmic"] for panel in chart(report([read_run(write(records=records))]))["panels"]] == [False, logarithmic]


def test_an_axis_that_a_run_does_not_tell_is_not_offered(told, tmp_path):
    file = tmp_path / "log.csv"
    file.write_text("step,lr,val_loss\n0,0.1,3.0\n10,0.1,2.5\n")
    curves = chart(report([told.runs[0].log, read_run(file)]))
    assert curves["axes"] == ["updates"]


def test_a_long_run_makes_no_larger_page(write):
    count = np.arange(30_000)
    loss = 2 + np.sin(count / 100)
    path = write(
        records=[{"count": i, "loss": value, "learning_rate": value} for i, value in zip(count.tolist(), loss.tolist(), strict=True)]
    )
    told = report([read_run(path)])
    curves, text = chart(told), page(told)
    assert curves["thinned"] == 2
    assert max(len(line["x"]) for run in curves["runs"] for line in run["lines"]) <= 3_000
    assert len(text) < 2_700_000
    assert "Long lines are drawn by the lowest and highest value of each stretch." in Page(text).words


def test_many_metrics_are_named_rather_than_drawn(write):
    record = {"count": 0, "goal": 1.0} | {f"metric_{i:02}": 1.0 for i in range(12)}
    curves = chart(report([read_run(write(records=[record], config={"goal": ["goal", "max"]}))]))
    assert [panel["title"] for panel in curves["panels"]][:2] == ["goal", "metric_00"]
    assert curves["left_out"] == [f"metric_{i:02}" for i in range(7, 12)]
    assert "Not drawn, since there are too many: metric_07" in Page(page(report([read_run(write("b", records=[record]))]))).words
