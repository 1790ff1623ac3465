"""Pictures of the commands that draw one: whole, of the kind that the name says, and refused before the work."""

import pytest
from typer.testing import CliRunner

from rheostax.cli import files
from rheostax.cli.app import app
from rheostax.errors import RunError

DRAWING = {
    "recipes": ["recipes", "llama"],
    "preview": ["preview", "Warmup(5) * 0.1"],
    "replay": ["replay", "log.csv", "--with", "0.1 * ReduceOnPlateau(monitor='val_loss', patience=1)"],
    "race": ["race", "diabetes"],
}
BEGINNING = {"png": b"\x89PNG", "svg": b"<?xml"}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "log.csv").write_text("step,val_loss\n0,1.0\n1,2.0\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def rheostax(*arguments):
    return CliRunner().invoke(app, arguments)


@pytest.mark.parametrize("command", ["recipes", "preview", "replay"])
@pytest.mark.parametrize("kind", ["png", "svg"])
def test_the_name_says_which_kind_is_drawn(folder, command, kind):
    done = rheostax(*DRAWING[command], "--plot", f"rate.{kind}")
    assert (done.exit_code, done.stderr) == (0, f"See rate.{kind}\n")
    assert (folder / f"rate.{kind}").read_bytes().startswith(BEGINNING[kind])
    assert sorted(path.name for path in folder.iterdir()) == ["log.csv", f"rate.{kind}"]  # nothing temporary
    assert rheostax(*DRAWING[command], "--plot", f"rate.{kind}", "--json").stderr == ""


@pytest.mark.parametrize("command", DRAWING)
@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("rate.pdf", "--plot must name a file that ends with .png or .svg, got rate.pdf."),
        ("none/rate.png", "--plot: there is no folder none."),
    ],
)
def test_what_cannot_be_drawn_is_said_before_the_work(folder, monkeypatch, command, file, said):
    for work in ("recipes.plot_curve", "preview.preview", "replay.replay", "race.race_task"):
        monkeypatch.setattr(f"rheostax.cli.{work}", lambda *_, **__: pytest.fail("the work was begun"))
    done = rheostax(*DRAWING[command], "--plot", file)
    assert isinstance(done.exception, RunError)
    assert str(done.exception) == said
    assert [path.name for path in folder.iterdir()] == ["log.csv"]


def test_a_picture_that_was_there_stays_until_the_new_one_is_whole(folder):
    (folder / "rate.png").mkdir()
    (folder / "rate.png" / "kept").touch()
    with pytest.raises(RunError, match=r"rate.png can't be written: "):
        files.write(folder / "rate.png", b"new")
    assert sorted(path.name for path in folder.iterdir()) == ["log.csv", "rate.png"]
    (folder / "old.png").write_bytes(b"old")
    assert files.write(folder / "old.png", b"new").read_bytes() == b"new"


@pytest.mark.parametrize("option", [("--variant", "7B"), ("--total-steps", "10"), ("--plot", "rate.png")])
def test_options_of_a_recipe_need_its_name(folder, option):
    done = rheostax("recipes", *option)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "Name the recipe that --variant, --total-steps and --plot are for" in done.stderr
