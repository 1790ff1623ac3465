"""`rheostax train` as a user meets it: a subprocess, its output, its exit code."""

import json
import re
import signal
import subprocess
import sys
import time

import pytest

RHEOSTAX = [sys.executable, "-c", "from rheostax.cli import main; main()"]


def rheostax(*arguments, **options):
    return subprocess.run([*RHEOSTAX, *arguments], capture_output=True, text=True, check=False, **options)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli")
    done = rheostax("train", "digits", "--epochs", "3", "--json", "--out", "run", cwd=folder)
    return done, folder / "run"


def test_json_is_the_summary_and_nothing_else(run):
    done, folder = run
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert summary == json.loads((folder / "summary.json").read_text())
    assert summary["count"] == 66
    assert summary["best"]["val_accuracy"] > 0.9


def test_the_run_directory_is_whole(run):
    _, folder = run
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "journal.jsonl", "metrics.jsonl", "run.png", "summary.json"]
    config = json.loads((folder / "config.json").read_text())
    assert config["task"] == "digits"
    assert "ReduceOnPlateau(monitor='val_loss'" in config["learning_rate"]
    assert (folder / "run.png").read_bytes().startswith(b"\x89PNG")


def test_one_epoch_is_said_as_one(tmp_path):
    done = rheostax("train", "diabetes", "--epochs", "1", "--quiet", "--out", "run", cwd=tmp_path)
    assert re.search(r"^the only epoch is over: 9 updates, 1 epoch, [\d.]+ s; best val_r2 \S+ in epoch 1$", done.stderr, re.MULTILINE)


def test_a_log_file_gets_a_line_per_epoch_and_every_decision(tmp_path):
    done = rheostax("train", "diabetes", "--epochs", "40", "--out", str(tmp_path / "run"))
    assert done.returncode == 0
    assert done.stdout == ""
    assert "epoch 1: val_loss" in done.stderr
    journal = [json.loads(line) for line in (tmp_path / "run" / "journal.jsonl").read_text().splitlines()]
    told = re.findall(r"^cut \S+ -> \S+ at update ([\d,]+): val_r2 had not improved", done.stderr, re.MULTILINE)
    assert len(told) >= 1
    assert [int(count.replace(",", "")) for count in told] == [decision["count"] for decision in journal]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("train", "digit"), "error: There is no task 'digit'. Embedded are digits, language, diabetes"),
        (("train", "no_such_module:task"), "error: The module 'no_such_module' can't be found"),
        (("train", "--epochs", "0"), "error: epochs must be a whole number >= 1, got 0."),
        (("train", "--epochs", "many"), "Invalid value for '--epochs'"),
        (("train", "--seed", "-1"), "error: seed must be a whole number >= 0, got -1."),
        (("trian",), "No such command 'trian'"),
    ],
)
def test_a_mistake_gives_exit_code_2_and_no_stack_trace(arguments, says, tmp_path):
    done = rheostax(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "runs").exists()


def test_an_existing_run_is_refused_and_kept(run):
    _, folder = run
    before = (folder / "metrics.jsonl").read_bytes()
    done = rheostax("train", "--out", str(folder))
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(r"error: .* exists already\. .*--overwrite\.\n", done.stderr)
    assert (folder / "metrics.jsonl").read_bytes() == before


@pytest.mark.parametrize(("module", "extra"), [("typer", "train"), ("matplotlib", "train"), ("sklearn", "train")])
def test_a_missing_extra_is_named(module, extra, tmp_path):
    without = f"import sys; sys.modules[{module!r}] = None; from rheostax.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", without, "train"], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr == f"error: This needs {module}, which isn't installed: pip install 'rheostax[{extra}]'.\n"


def test_help_and_version_answer_without_starting_jax():
    script = "import sys; from rheostax.cli import main\ntry: main()\nfinally: print('jaxlib' in sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", script, "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "train" in done.stdout
    assert re.fullmatch(r"rheostax \d+\.\d+.*\n", rheostax("--version").stdout)


def test_ctrl_c_ends_cleanly_with_everything_written(tmp_path):
    process = subprocess.Popen([*RHEOSTAX, "train", "diabetes", "--epochs", "100000", "--out", "run"], cwd=tmp_path, stderr=subprocess.PIPE)
    metrics = tmp_path / "run" / "metrics.jsonl"
    deadline = time.monotonic() + 120
    while not (metrics.exists() and metrics.read_text().count("val_loss") >= 2):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"Traceback" not in errors
    assert b"interrupted" in errors
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    counts = [json.loads(line)["count"] for line in metrics.read_text().splitlines() if '"loss"' in line]
    assert summary["interrupted"] is True
    assert summary["count"] == len(counts) == counts[-1] + 1
    assert (tmp_path / "run" / "run.png").exists()


def test_sigterm_saves_and_resume_goes_on(tmp_path):
    """As a cluster does it: exit code 143, and the same command line again until the run is over."""
    text = "import dataclasses\nfrom rheostax.tasks.diabetes import task\ntask = dataclasses.replace(task, epochs=100_000)\n"
    (tmp_path / "a_task.py").write_text(text)
    process = subprocess.Popen(
        [*RHEOSTAX, "train", "a_task:task", "--seed", "3", "--out", "run"], cwd=tmp_path, stderr=subprocess.PIPE
    )  # fmt: skip
    metrics = tmp_path / "run" / "metrics.jsonl"
    deadline = time.monotonic() + 120
    while not (metrics.exists() and metrics.read_text().count("val_loss") >= 2):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 143
    assert b"terminated" in errors
    assert b"Traceback" not in errors
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert (summary["reason"], summary["interrupted"]) == ("terminated", True)
    (saved,) = (tmp_path / "run" / "checkpoints").iterdir()
    assert int(saved.name) == summary["count"]
    unnamed = rheostax("train", "--resume", "run", cwd=tmp_path)
    renamed = rheostax("train", "diabetes", "--resume", "run", "--seed", "4", cwd=tmp_path)
    assert (unnamed.returncode, renamed.returncode) == (0, 2)  # its task's name is that of the embedded one
    assert "seed must be that of the run that is resumed, 3, got 4" in renamed.stderr
    lines = [json.loads(line) for line in metrics.read_text().splitlines()]
    counts = [line["count"] for line in lines if "loss" in line]
    assert counts == list(range(len(counts)))


def test_resume_explains_what_it_cant(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.json").write_text('{"task": "mine", "seed": 0, "epochs": 1}')
    for arguments, says in [
        (["--resume", "run"], "say where it is: rheostax train MODULE:TASK --resume run"),
        (["--resume", "nowhere"], "config.json can't be read"),
        (["--resume", "run", "--out", "other"], "leave --out and --overwrite away"),
        (
            ["diabetes", "--keep", "cod", "--out", "new"],
            "keep must be one of 'error', 'checkpoint', 'code', got 'cod'. Did you mean 'code'?",
        ),
    ]:
        done = rheostax("train", *arguments, cwd=tmp_path)
        assert done.returncode == 2
        assert says in " ".join(done.stderr.replace("│", "").split())
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize("moment", ["import", "model", "swallowed"])
def test_ctrl_c_before_the_training_is_one_line(moment, tmp_path):
    interrupt = "signal.raise_signal(signal.SIGINT)"
    text = {
        "import": interrupt,
        "model": f"def model(rngs):\n    {interrupt}\ntask = dataclasses.replace(task, model=model)",
        "swallowed": f"try:\n    {interrupt}\nexcept BaseException:\n    pass",
    }[moment]
    (tmp_path / "a_task.py").write_text(f"import dataclasses, signal\nfrom rheostax.tasks.diabetes import task\n{text}\n")
    done = rheostax("train", "a_task:task", "--out", "run", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "interrupted\n")
    assert not (tmp_path / "run").exists()
