"""The public names, and what importing them costs."""

import inspect
import subprocess
import sys

import pytest

import rheostax as rx

NAMES = {
    "schedules": ["Constant", "Cosine", "Exponential", "Join", "Linear", "Polynomial", "Repeat", "Warmup", "WarmupStableDecay"],
    "more schedules": ["InverseSqrt", "Noam", "Noise", "Power", "Rex", "Tanh"],
    "staircases and pieces": ["MultiStep", "PiecewiseConstant", "PiecewiseInterpolate", "Step"],
    "cycles": ["CosineRestarts", "Cyclic", "OneCycle"],
    "other clocks": ["Clock", "Extended", "Shift", "Staircase"],
    "units": ["Duration", "extend", "resolve", "stretch"],
    "policies": [
        "AdvanceOnPlateau",
        "AnnealWhenWorthIt",
        "Greedy",
        "PlateauRate",
        "ReduceOnPlateau",
        "RestartOnPlateau",
        "SpikeGuard",
        "StopOnPlateau",
    ],
    "faults": ["Median", "Rollback", "accumulate", "should_roll_back"],
    "statistical plateaus": ["AdvanceOnStatisticalPlateau", "ReduceOnStatisticalPlateau", "StopOnStatisticalPlateau", "paired_change"],
    "to extend": ["LearningRate", "Policy", "Schedule", "duration", "node", "static"],
    "control": ["Groups", "Optimizer", "control"],
    "the mean of the weights": ["average_weights", "averaged"],
    "by hand": ["reset_learning_rate", "scale_learning_rate", "set_learning_rate"],
    "to see": ["describe", "learning_rate", "observe", "preview", "should_stop", "simulate"],
    "to go on": ["Checkpoints"],
    "runs": ["Replay", "RunLog", "read_run", "replay"],
    "to record": ["Recorder"],
    "to choose": ["race"],
    "to find": ["find_learning_rate"],
    "recipes": ["recipes"],
    "text": ["parse"],
    "drop-in": ["ReduceLROnPlateauState", "reduce_on_plateau"],
    "errors": ["ArgumentError", "DisagreementError", "ExpressionError", "GroupError", "RheostaxError", "RheostaxWarning"],
    "more errors": ["StateError", "UnknownMetricError"],
    "version": ["__version__"],
}


def test_the_list_of_names():
    """A name that comes or goes is a decision: write it down here as well."""
    assert sorted(rx.__all__) == sorted(name for names in NAMES.values() for name in names)


@pytest.mark.parametrize("name", [name for name in rx.__all__ if name != "__version__"])
def test_every_name_is_documented(name):
    text = inspect.getdoc(getattr(rx, name))
    assert text
    assert text.splitlines()[0].endswith(".") or ";" in text.splitlines()[0]
    if inspect.isfunction(getattr(rx, name)):
        assert "Args:" in text
        assert "Returns:" in text
        assert "Raises:" in text


def test_importing_computes_nothing_and_needs_no_extras():
    code = (
        "import sys, rheostax\n"
        "from jax._src import xla_bridge\n"
        "assert not xla_bridge.backends_are_initialized(), 'importing started a device'\n"
        "extras = {'matplotlib', 'sklearn', 'typer', 'equinox', 'tensorboardX', 'wandb', 'mlflow', 'orbax'} & set(sys.modules)\n"
        "assert not extras, extras\n"
        "late = ('checkpoint', 'finder', 'forecast', 'parallel', 'recipes', 'training')\n"
        "early = {f'rheostax.{name}' for name in late} & set(sys.modules)\n"
        "assert not early, early\n"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


def test_what_is_imported_later_is_there_and_listed():
    for name in ("Checkpoints", "compat", "find_learning_rate", "forecast", "parallel", "recipes"):
        assert name in dir(rx)
        assert getattr(rx, name) is vars(rx)[name]
    assert {"peaks", "race_task"} <= set(dir(sys.modules["rheostax.race"]))
    assert rx.compat.torch is sys.modules["rheostax.compat.torch"]
    with pytest.raises(AttributeError, match=r"^module 'rheostax' has no attribute 'reciepes'$"):
        rx.reciepes  # noqa: B018
    with pytest.raises(ImportError, match="cannot import name 'ract_task' from"):
        from rheostax.race import ract_task  # noqa: F401
