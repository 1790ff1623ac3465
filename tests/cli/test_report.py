"""`rheostax report` as a user meets it, in this process: its files, its output, its exit code."""

import json
import shutil
import sys

import pytest

from rheostax.cli import main
from rheostax.record import RunDirectory


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = RunDirectory.create(tmp_path_factory.mktemp("report") / "run")
    folder.write("config.json", {"task": "small", "learning_rate": "Constant(value=0.1)", "goal": ["val_loss", "min"]})
    folder.append("metrics.jsonl", [{"count": i, "learning_rate": 0.1, "loss": 1.0 / (i + 1)} for i in range(5)])
    folder.append("metrics.jsonl", [{"count": 5, "val_loss": 0.5}])
    folder.append("journal.jsonl", [])
    folder.write("summary.json", {"reason": "the only epoch is over", "count": 5, "seconds": 1.5, "warnings": []})
    folder.close()
    return folder.path


@pytest.fixture
def rheostax(monkeypatch, capsys):
    """Call the command line; return exit code, standard output and standard error."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["rheostax", *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            main()
        return (left.value.code or 0, *capsys.readouterr())

    return call


def files(folder):
    return sorted(path.name for path in folder.iterdir())


def test_one_run_has_its_page_in_its_folder(run, rheostax, tmp_path):
    run = shutil.copytree(run, tmp_path / "run")
    before = files(run)
    assert rheostax("report", run, run) == (0, "", f"See {run / 'report.html'}\n")  # named twice it is one
    assert files(run) == sorted([*before, "report.html"])
    assert (run / "report.html").read_text().startswith("<!doctype html>")


def test_several_runs_have_one_in_this_folder_and_pictures_where_one_wants_them(run, rheostax, tmp_path, monkeypatch):
    other = shutil.copytree(run, tmp_path / "other")
    monkeypatch.chdir(tmp_path)
    code, out, err = rheostax("report", run, other, run, "--png", "a.png", "--svg", "a.svg", "--json")
    assert (code, err) == (0, "")
    told = json.loads(out)
    assert list(told) == ["files", "runs", "table", "differences", "warnings"]
    assert told["files"] == {"html": "report.html", "png": "a.png", "svg": "a.svg"}
    assert [one["run"] for one in told["table"]] == ["run", "other"]
    assert files(tmp_path) == ["a.png", "a.svg", "other", "report.html"]
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert b"<svg" in (tmp_path / "a.svg").read_bytes()


def test_a_table_has_its_page_beside_it(rheostax, tmp_path):
    (tmp_path / "log.csv").write_text("step,speed,val_loss\n0,0.1,3.0\n10,0.2,2.5\n")
    code, out, _ = rheostax("report", tmp_path / "log.csv", "--learning-rate", "speed", "--json")
    assert (code, json.loads(out)["table"][0]["final learning_rate"]) == (0, 0.2)
    assert rheostax("report", tmp_path / "log.csv") == (0, "", f"See {tmp_path / 'log-report.html'}\n")


def test_damage_is_warned_of_on_standard_error(run, rheostax, tmp_path):
    copy = shutil.copytree(run, tmp_path / "copy")
    (copy / "journal.jsonl").unlink()
    says = "journal.jsonl is missing: what the policies decided is unknown"
    code, out, err = rheostax("report", copy, "--json")
    assert (code, err) == (0, f"warning: {says}\n")
    told = json.loads(out)
    assert (told["table"][0]["decisions"], told["table"][0]["cuts"], told["runs"][0]["decisions"]) == (None, None, None)
    assert told["runs"][0]["warnings"] == [told["runs"][0]["journal_lacks"]] == [says]
    _, out, err = rheostax("report", copy, run, "--out", tmp_path / "two.html", "--json")
    assert err == f"warning: copy: {says}\n"
    assert [row["decisions"] for row in json.loads(out)["table"]] == [None, 0]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["{run}", "{folder}/nothing"], "error: There is no run at {folder}/nothing: no such file or folder.\n"),
        (["{folder}"], "error: {folder} holds no run"),
        (
            ["{run}", "--out", "{run}/metrics.jsonl"],
            "error: --out must name a file that ends with .html or .htm, got {run}/metrics",
        ),
        (["{run}", "--png", "{folder}/a.jpg"], "error: --png must name a file that ends with .png"),
        (["{run}", "--svg", "{folder}/no/a.svg"], "error: --svg: there is no folder {folder}/no.\n"),
        ([], "Missing argument 'RUN...'"),
    ],
)
def test_a_mistake_gives_exit_code_2_and_leaves_everything_as_it_was(run, rheostax, tmp_path, arguments, says):
    places = {"run": run, "folder": tmp_path}
    before = {path.name: path.read_bytes() for path in run.iterdir()}
    code, out, err = rheostax("report", *(one.format(**places) for one in arguments))
    assert (code, out) == (2, "")
    assert says.format(**places) in err
    assert files(tmp_path) == []
    assert {path.name: path.read_bytes() for path in run.iterdir()} == before


def test_a_report_is_never_half_written(run, rheostax, tmp_path, monkeypatch):
    """What can fail fails before the first file is written, and the page that was there stays."""
    old = tmp_path / "report.html"
    old.write_text("the old one")
    monkeypatch.setattr("rheostax.cli.report.save_figure", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        rheostax("report", run, "--out", old, "--png", tmp_path / "a.png")
    assert old.read_text() == "the old one"
    assert files(tmp_path) == ["report.html"]
    (tmp_path / "b.html").mkdir()
    code, _, err = rheostax("report", run, "--out", tmp_path / "b.html")
    assert (code, "b.html can't be written" in err) == (2, True)
    assert files(tmp_path) == ["b.html", "report.html"]


@pytest.mark.parametrize("module", ["jinja2", "matplotlib", "plotly"])
def test_a_missing_extra_is_named(run, rheostax, monkeypatch, module):
    monkeypatch.setitem(sys.modules, module, None)
    says = f"error: This needs {module}, which isn't installed: pip install 'rheostax[report]'.\n"
    assert rheostax("report", run) == (2, "", says)
    assert "report.html" not in files(run)
