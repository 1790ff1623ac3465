"""Every file in `examples/` runs, and does what it says."""

import json
import re
import runpy
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from flax import nnx

import rheostax as rx

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture(autouse=True)
def empty_folder(tmp_path, monkeypatch):
    """Examples write only where they are told; the working folder stays empty."""
    folder = tmp_path / "working"
    folder.mkdir()
    monkeypatch.chdir(folder)
    yield folder
    assert list(folder.iterdir()) == []


def load(name):
    return runpy.run_path(str(EXAMPLES / name), run_name="example")


def test_every_example_is_tested():
    assert {file.name for file in EXAMPLES.glob("*.py")} == {"article.py", "validation_metric.py", "my_task.py"}


def test_article_draws_what_it_records(tmp_path, capsys):
    picture = tmp_path / "rate.png"
    load("article.py")["main"](str(picture))
    printed = capsys.readouterr().out
    assert picture.read_bytes().startswith(b"\x89PNG")
    chained, by_batch, by_epoch = (float(text) for text in re.findall(r"accuracy ([\d.]+)%", printed))
    assert chained == by_batch
    assert by_epoch > 94 > by_batch  # the point of the example: ten noisy batches are no plateau
    for row in printed.splitlines()[1:6]:
        count, cosine, linear, exponential, warmup, *_ = map(float, row.split())
        assert cosine == pytest.approx(1e-3 * (1 + np.cos(np.pi * count / 500)) / 2, rel=5e-3)
        assert linear == pytest.approx(1e-3 - 9e-4 * count / 500, rel=5e-3)
        assert exponential == pytest.approx(1e-3 * 0.5 ** (count / 100), rel=5e-3)
        assert warmup == pytest.approx(1e-3 * min(count / 50, 1), rel=5e-3)


def test_article_forms_agree_and_the_record_is_what_simulate_foretells():
    example = load("article.py")
    chained, _, losses, _ = example["train"](example["chained"], epochs=20)
    controlled, optimizer, same_losses, rates = example["train"](example["controlled"], epochs=20)
    np.testing.assert_allclose(same_losses, losses, rtol=1e-6)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), nnx.state(controlled, nnx.Param), nnx.state(chained, nnx.Param))
    rate = 1e-3 * rx.ReduceOnPlateau(patience=10, cooldown=1, factor=0.5, rtol=1e-5)
    np.testing.assert_array_equal(rates, rx.simulate(rate, steps=100, observations={"value": losses}))
    assert len(np.unique(rates)) > 3
    assert rates[-1] == optimizer.learning_rate


def test_validation_metric(capsys):
    example = load("validation_metric.py")
    example["main"]()
    lines = capsys.readouterr().out.splitlines()
    epochs = [re.findall(r"[\d.]+(?:e-\d+)?", line) for line in lines if line.startswith("epoch")]
    table = np.array(epochs, float)  # epoch, val_loss, val_accuracy, body, head
    assert len(table) == 24
    assert table[-1, 2] > 0.9
    np.testing.assert_allclose(table[1:12, 4] / table[1:12, 3], 0.5, rtol=0.05)  # two printed digits
    np.testing.assert_allclose(table[13:, 4] / table[13:, 3], 0.05, rtol=0.05)  # a tenth of it since the change by hand
    assert table[-1, 3] == 1e-5  # the floor
    policy = rx.describe(example["optimizer"]).parts
    assert [part.observations for part in policy if part.monitor == "val_loss"] == [24]


def test_my_task_trains_from_the_command_line(tmp_path):
    command = [sys.executable, "-c", "from rheostax.cli import main; main()", "train", "my_task:task", "--epochs", "12", "--json"]
    done = subprocess.run([*command, "--out", str(tmp_path / "run")], cwd=EXAMPLES, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert summary["count"] == 12 * 5
    assert summary["best"]["val_accuracy"] > 0.9
    assert summary["learning_rate"] == pytest.approx(1e-2)
    files = {file.name for file in (tmp_path / "run").iterdir()}
    assert files == {"config.json", "metrics.jsonl", "journal.jsonl", "summary.json", "run.png"}
