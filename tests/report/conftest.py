"""Two runs made for real, which the tests of this folder tell of and damage copies of."""

import dataclasses
import shutil

import pytest

import rheostax as rx
from rheostax.record import RunDirectory
from rheostax.record.run_directory import CONFIG, METRICS, SUMMARY
from rheostax.tasks.diabetes import task
from rheostax.training import Watcher, fit


class Quiet(Watcher):
    """Leave warnings to the summary."""

    def warned(self, text):
        pass


def learning_rate(updates_per_epoch, epochs):
    plateau = rx.ReduceOnPlateau(monitor="val_r2", mode="max", patience=2, factor=0.5, rtol=0.0, atol=0.05)
    return (3e-2 * plateau).clip(min_value=1e-3)


@pytest.fixture(scope="session")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    quick = dataclasses.replace(task, learning_rate=learning_rate)
    return [fit(quick, seed=seed, epochs=12 + seed, out=folder / f"seed-{seed}", watcher=Quiet()) for seed in (0, 1)]


@pytest.fixture(scope="session")
def runs(results):
    return [result.path for result in results]


@pytest.fixture
def copy(runs, tmp_path):
    """A copy of the first run, to be damaged."""
    return shutil.copytree(runs[0], tmp_path / "copy")


@pytest.fixture
def write(tmp_path):
    """Make a run directory from records, for what no short training shows; without a summary if it is None."""

    def make(name="run", *, config=None, records=(), journal=(), summary=None):
        folder = RunDirectory.create(tmp_path / name)
        folder.write(CONFIG, {"task": "made", "learning_rate": "Constant(value=0.1)"} | (config or {}))
        folder.append(METRICS, records)
        folder.append("journal.jsonl", journal)
        if summary is not None:
            folder.write(SUMMARY, {"reason": "all 2 epochs are over", "count": len(records), "warnings": []} | summary)
        folder.close()
        return folder.path

    return make
