"""Run directories: nothing half-written, nothing removed that isn't a run."""

import json
import math

import numpy as np
import pytest

from rheostax.errors import RunError
from rheostax.record import RunDirectory
from rheostax.record.environment import environment
from rheostax.record.run_directory import CONFIG


def test_an_existing_folder_is_refused(tmp_path):
    RunDirectory.create(tmp_path / "run").write(CONFIG, {})
    with pytest.raises(RunError, match=r"exists already.*--overwrite"):
        RunDirectory.create(tmp_path / "run")
    assert (tmp_path / "run" / CONFIG).exists()


def test_overwrite_replaces_a_run_whole(tmp_path):
    old = RunDirectory.create(tmp_path / "run")
    old.write(CONFIG, {"seed": 1} | environment())
    old.append("metrics.jsonl", [{"count": 0}])
    old.close()
    new = RunDirectory.create(tmp_path / "run", overwrite=True)
    assert list(new.path.iterdir()) == []


def test_overwrite_never_removes_anything_but_a_run(tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("...")
    with pytest.raises(RunError, match="not a run directory"):
        RunDirectory.create(tmp_path / "thesis", overwrite=True)
    assert (tmp_path / "thesis" / "chapter.tex").exists()
    (tmp_path / "file").write_text("...")
    with pytest.raises(RunError, match="not a run directory"):
        RunDirectory.create(tmp_path / "file", overwrite=True)


@pytest.mark.parametrize(
    "config", ['{"model_type": "bert", "learning_rate": 1e-3}', "[]", '{"packages": "jax"}', '{"packages": {"jax": "0.10"}}', "{"]
)
def test_overwrite_never_removes_what_another_program_configured(tmp_path, config):
    (tmp_path / "config.json").write_text(config)
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    with pytest.raises(RunError, match="not a run directory"):
        RunDirectory.create(tmp_path, overwrite=True)
    assert (tmp_path / "model.safetensors").read_bytes() == b"weights"


def test_overwrite_never_follows_a_link(tmp_path):
    RunDirectory.create(tmp_path / "run").write(CONFIG, environment())
    (tmp_path / "link").symlink_to(tmp_path / "run")
    with pytest.raises(RunError, match="is a link, so --overwrite won't remove it"):
        RunDirectory.create(tmp_path / "link", overwrite=True)
    assert (tmp_path / "run" / CONFIG).exists()


def test_a_folder_that_cannot_be_made_is_explained(tmp_path):
    (tmp_path / "file").write_text("...")
    with pytest.raises(RunError, match="can't be made"):
        RunDirectory.create(tmp_path / "file" / "run")


def test_whole_files_leave_no_temporary_ones(tmp_path):
    run = RunDirectory.create(tmp_path / "run")
    run.write("summary.json", {"a": 1})
    run.write("summary.json", {"a": 2})
    assert [path.name for path in run.path.iterdir()] == ["summary.json"]
    assert run.read("summary.json") == {"a": 2}


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    run = RunDirectory.create(tmp_path / "run")
    run.write("summary.json", {"a": 1})

    def no_space(*_):
        raise OSError("no space left on device")

    monkeypatch.setattr("os.replace", no_space)
    with pytest.raises(OSError, match="no space"):
        run.write("summary.json", {"a": 2})
    assert run.read("summary.json") == {"a": 1}


def test_records_are_on_disk_at_once_and_valid_json(tmp_path):
    run = RunDirectory.create(tmp_path / "run")
    run.append("metrics.jsonl", [{"loss": math.nan, "rate": np.float32(0.5), "all": np.arange(2), "deep": [math.inf]}])
    text = (run.path / "metrics.jsonl").read_text()  # not closed yet
    assert json.loads(text, parse_constant=pytest.fail) == {"loss": None, "rate": 0.5, "all": [0, 1], "deep": [None]}
    run.close()


def test_a_line_cut_by_a_crash_is_left_out(tmp_path):
    run = RunDirectory.create(tmp_path / "run")
    (run.path / "metrics.jsonl").write_text('{"count": 0}\n{"count": 1}\n{"cou')
    assert run.read_lines("metrics.jsonl") == [{"count": 0}, {"count": 1}]


def test_damage_and_absence_are_explained(tmp_path):
    run = RunDirectory.create(tmp_path / "run")
    (run.path / "metrics.jsonl").write_text('{"count": 0\n{"count": 1}\n')
    with pytest.raises(RunError, match=r"metrics.jsonl can't be read"):
        run.read_lines("metrics.jsonl")
    with pytest.raises(RunError, match=r"summary.json can't be read"):
        run.read("summary.json")
