"""`rx.compat.keras` against Keras.

Keras computes in float32, whose rounding errors would drown a comparison within one unit in the last place; so its own classes
compute in float64 here, which `set_floatx` has them do on PyTorch. `test_in_single_precision` is about what users of Keras see.
"""

import dataclasses
import os
import re
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "torch")

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest
from hypothesis import strategies as st
from keras.optimizers import schedules

import rheostax as rx
from rheostax._rate import lower
from tests.parity import table
from tests.parity.harness import Comparison, Observed, compare_configurations, ours_and_theirs, positional

COUNTS = 120
COUNTED = np.arange(COUNTS)

rates = st.floats(1e-5, 1.0)
lengths = st.integers(1, 150)

# Keras hands PyTorch's tensors to NumPy in a way that the newest NumPy warns of.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

# Where the rate goes to 0 as a difference, what is left of float64 is absolute: a part of the largest rate.
DIFFERENCE = 1e-13


@pytest.fixture(autouse=True)
def in_double_precision(request):
    usual = keras.config.floatx()
    keras.config.set_floatx("float32" if "single" in request.node.name else "float64")
    yield
    keras.config.set_floatx(usual)


@dataclasses.dataclass
class Case:
    """How a class is tried: a strategy for its arguments, and what the table says."""

    configurations: Any
    ours: str
    deviations: str = ""
    drift: float = 0.0


def arguments(**strategies):
    return st.fixed_dictionaries(strategies)


@st.composite
def pieces(draw):
    boundaries = sorted(draw(st.sets(st.integers(0, 130), max_size=5)))
    if not boundaries:  # Keras needs one
        boundaries = [draw(st.integers(0, 130))]
    return {"boundaries": boundaries, "values": draw(st.lists(rates, min_size=len(boundaries) + 1, max_size=len(boundaries) + 1))}


@st.composite
def cosines(draw):
    warm = draw(st.booleans())
    more = {"warmup_target": draw(rates), "warmup_steps": draw(st.integers(0, 60))} if warm else {}
    return {"initial_learning_rate": draw(rates), "decay_steps": draw(lengths), "alpha": draw(st.floats(0.0, 1.0)), **more}


CASES = {
    "ExponentialDecay": Case(
        arguments(
            initial_learning_rate=rates,
            decay_steps=st.integers(1, 200),
            decay_rate=st.floats(0.5, 1.0),
            staircase=st.booleans(),
        ),
        "`Exponential`",
        "decay_rate above 1 is refused",
    ),
    "PiecewiseConstantDecay": Case(pieces(), "`PiecewiseConstant`"),
    "PolynomialDecay": Case(
        arguments(
            initial_learning_rate=rates,
            decay_steps=lengths,
            end_learning_rate=st.floats(0.0, 1.0),
            power=st.floats(0.2, 4.0),
            cycle=st.booleans(),
        ),
        "`Polynomial`; with cycle a decay of its own",
        drift=DIFFERENCE,
    ),
    "InverseTimeDecay": Case(
        arguments(initial_learning_rate=rates, decay_steps=lengths, decay_rate=st.floats(0.0, 10.0), staircase=st.booleans()),
        "a decay of its own",
    ),
    "CosineDecay": Case(
        cosines(), "`Cosine`, after a `Linear` where it warms up", "warmup_steps without warmup_target is refused", DIFFERENCE
    ),
}


def proceed(schedule):
    return np.array([float(schedule(count)) for count in range(COUNTS)])


@pytest.mark.parametrize("name", CASES)
def test_trajectories(name, record_property):
    case = CASES[name]

    def trajectories(configuration):
        return getattr(rx.compat.keras, name)(**configuration), proceed(getattr(schedules, name)(**configuration))

    comparison = Comparison("keras", name, case.ours, case.deviations, case.drift)
    compare_configurations(comparison, case.configurations, trajectories, record_property)


@st.composite
def restarts(draw):
    return {
        "initial_learning_rate": draw(rates),
        "first_decay_steps": draw(st.integers(1, 60)),
        "t_mul": draw(
            st.sampled_from([1.0, 2.0, 3.0, 1.05, 1.1, 1.5, 1.7, 2.5])
        ),  # a broken one is part of the structure: few are compiled
        "m_mul": draw(st.floats(0.3, 1.0)),
        "alpha": draw(st.floats(0.0, 1.0)),
    }


def test_restarts(record_property):
    def trajectories(configuration):
        return rx.compat.keras.CosineDecayRestarts(**configuration), proceed(schedules.CosineDecayRestarts(**configuration))

    deviations = (
        "restarts that the rounding of a logarithm makes a count late in Keras are in time; t_mul below 1 and m_mul above 1 are refused"
    )
    comparison = Comparison(
        "keras", "CosineDecayRestarts", "`CosineRestarts`; cycles of its own for a broken t_mul", deviations, DIFFERENCE
    )
    compare_configurations(comparison, restarts(), trajectories, record_property)


@pytest.mark.parametrize("name", ["ExponentialDecay", "InverseTimeDecay", "CosineDecay"])
def test_in_single_precision(name):
    """As it is used, Keras is off by its float32, and no further."""
    case, apart = CASES[name], []

    def trajectories(configuration):
        theirs = proceed(getattr(schedules, name)(**configuration))
        ours = np.asarray(getattr(rx.compat.keras, name)(**configuration)(COUNTED))
        apart.append(np.max(np.abs(ours - theirs)) / np.max(theirs))
        return ours, ours.astype(np.float64)

    compare_configurations(Comparison("keras", name, ""), case.configurations, trajectories, lambda *row: None, at_least=20)
    assert max(apart) < 1e-5


def test_pieces_in_single_precision():
    """Nothing is computed: the same float32."""
    theirs = schedules.PiecewiseConstantDecay([3, 7], [0.1, 0.3, 0.7])
    ours = rx.compat.keras.PiecewiseConstantDecay([3, 7], [0.1, 0.3, 0.7])
    np.testing.assert_array_equal(ours(COUNTED), np.float32(proceed(theirs)))


class Model:
    """What a callback needs of a model."""

    def __init__(self, learning_rate):
        self.optimizer, self.stop_training = keras.optimizers.SGD(learning_rate), False

    @property
    def rate(self):
        return float(keras.ops.convert_to_numpy(self.optimizer.learning_rate))


def started(callback, learning_rate=0.1):
    callback.set_model(model := Model(learning_rate))
    callback.on_train_begin()
    return model


def metrics_of(seed, kind):
    """Return a metric that falls and stalls and is partly repeated, so that margins and patience matter."""
    random = np.random.default_rng(seed)
    values = random.normal(size=100).cumsum() * 0.1 + random.choice([-3.0, 0.0, 3.0])
    if kind == "coarse":
        values = np.round(values * 4) / 4
    if kind == "flat":
        values = np.repeat(values[:5], 20)
    if kind == "nan":
        values[random.random(100) < 0.1] = np.nan
    if kind == "nan first":
        values[0] = np.nan
    return values.astype(np.float32)


@st.composite
def plateaus(draw):
    configuration = {
        "mode": draw(st.sampled_from(["min", "max", "auto"])),
        "factor": draw(st.floats(0.05, 0.99)),
        "patience": draw(st.integers(0, 6)),
        "min_delta": draw(st.sampled_from([0.0, 1e-4, 0.25, -0.1]) | st.floats(0.0, 0.5, width=32)),
        "cooldown": draw(st.integers(0, 4)),
        "min_lr": draw(st.just(0.0) | st.floats(0.0, 0.1)),
    }
    kind = draw(st.sampled_from(["plain", "coarse", "flat", "nan", "nan first"]))
    return draw(rates), configuration, draw(st.booleans()) or "nan" in kind, draw(st.integers(0, 2**32 - 1)), kind


def observe_all(callback, learning_rate, metrics):
    model, seen = started(callback, learning_rate), []
    for epoch, metric in enumerate(metrics):
        callback.on_epoch_end(epoch, {"val_loss": float(metric)})
        seen.append(model.rate)
    return np.array(seen)


def test_plateau(record_property):
    moved = []

    def trajectories(drawn):
        learning_rate, configuration, strict, seed, kind = drawn
        metrics = metrics_of(seed, kind)
        theirs = observe_all(keras.callbacks.ReduceLROnPlateau(**configuration), learning_rate, metrics)
        moved.append(len(np.unique(theirs)))
        ours = rx.compat.keras.ReduceLROnPlateau(learning_rate, **configuration, strict=strict)
        return Observed(ours, "val_loss", metrics, theirs)

    deviations = "NaN: as Keras with `strict=True`; mode='auto' for a loss alone; verbose is refused"
    comparison = Comparison("keras", "ReduceLROnPlateau", "`PlateauRate`", deviations)
    compare_configurations(comparison, plateaus(), trajectories, record_property)
    assert np.median(moved) >= 4, "most of these should have several cuts, or little is compared"


@pytest.mark.parametrize("strict", [False, True])
def test_what_strict_means(strict):
    """After a first NaN, Keras never sees an improvement."""
    metrics = np.linspace(9.0, 1.0, 20, dtype=np.float32)
    metrics[0] = np.nan
    theirs = observe_all(keras.callbacks.ReduceLROnPlateau(patience=2), 0.1, metrics)
    rate = rx.compat.keras.ReduceLROnPlateau(0.1, patience=2, strict=strict)
    ours, _ = ours_and_theirs(Observed(rate, "val_loss", metrics, theirs))
    assert theirs[-1] < 1e-6
    assert np.isclose(ours[-1], theirs[-1], rtol=1e-6) == strict


@jax.jit
def stops(policy, metrics):
    """Return, as 0 or 1, whether the policy has asked for a stop after each metric."""

    def observe(state, metric):
        state = policy.observe(state, jnp.int32(0), {"val_loss": metric})
        return state, state.own.stopped.astype(jnp.float32)

    return jax.lax.scan(observe, policy.init(), metrics)[1]


def test_early_stopping(record_property):
    ends = []

    def trajectories(drawn):
        mode, patience, margin, seed, kind = drawn
        metrics = metrics_of(seed, kind)
        callback = keras.callbacks.EarlyStopping(mode=mode, patience=patience, min_delta=margin)
        model, theirs = started(callback), []
        for epoch, metric in enumerate(metrics):
            callback.on_epoch_end(epoch, {"val_loss": float(metric)})
            theirs.append(float(model.stop_training))
        ends.append(callback.stopped_epoch)
        policy = rx.compat.keras.EarlyStopping(mode=mode, patience=patience, min_delta=margin)
        return np.asarray(stops(lower(policy), metrics)), np.array(theirs)

    drawn = st.tuples(
        st.sampled_from(["min", "max"]),
        st.integers(0, 40),
        st.sampled_from([0.0, 0.25, -0.25, 1e-4]) | st.floats(0.0, 0.5, width=32),  # coarse metrics differ by exactly a margin
        st.integers(0, 2**32 - 1),
        st.sampled_from(["plain", "coarse", "flat"]),
    )
    deviations = "NaN is left out; baseline, restore_best_weights, start_from_epoch and verbose are refused"
    comparison = Comparison("keras", "EarlyStopping", "`StopOnPlateau`, the count of the stop", deviations)
    compare_configurations(comparison, drawn, trajectories, record_property)
    assert len(set(ends)) > 10


def test_functions_of_the_epoch_in_single_precision(record_property):
    """Each call gets the float32 that the call before has left in Keras' variable."""

    def trajectories(drawn):
        learning_rate, hold, factor, floor, alone = drawn

        def schedule(epoch, rate):
            return rate if epoch < hold else max(rate * factor, floor)

        def of_the_epoch(epoch):
            return learning_rate if epoch < hold else max(learning_rate / (1 + epoch * factor), floor)

        function = of_the_epoch if alone else schedule
        callback = keras.callbacks.LearningRateScheduler(function)
        model, theirs = started(callback, learning_rate), []
        for epoch in range(COUNTS):
            callback.on_epoch_begin(epoch)
            theirs.append(model.rate)
        return rx.compat.keras.LearningRateScheduler(learning_rate, function, epochs=COUNTS)(COUNTED), np.array(theirs)

    drawn = st.tuples(rates, st.integers(0, COUNTS), st.floats(0.5, 1.0), st.floats(0.0, 1e-3), st.booleans())
    comparison = Comparison(
        "keras", "LearningRateScheduler", "`PiecewiseConstant`, tabulated", "`epochs` must be given; verbose is refused"
    )
    comparison.limit = 0.0
    compare_configurations(comparison, drawn, trajectories, record_property)


@pytest.mark.parametrize("name", rx.compat.keras.__all__)
def test_names_and_defaults_are_theirs(name):
    theirs = getattr(schedules, name, None) or getattr(keras.callbacks, name)
    assert positional(getattr(rx.compat.keras, name), "learning_rate") == positional(theirs.__init__)


def test_the_page_lists_every_class(request):
    if request.config.getoption("--write-table", False):
        pytest.skip("the page is being written")
    names = {name for name in dir(schedules) if callable(getattr(schedules, name)) and not name.startswith("_")}
    others = (  # of what a training does beside its rate
        "BackupAndRestore CSVLogger Callback CallbackList History LambdaCallback ModelCheckpoint OrbaxCheckpoint ProgbarLogger "
        "RemoteMonitor SwapEMAWeights TensorBoard"
    )
    names |= {name for name in dir(keras.callbacks) if not name.startswith("_")} - set(others.split())
    section = table.known("keras")
    assert section.startswith(f"## keras {keras.__version__}\n")
    rows = dict(re.findall(r"^\| `(\w+)` \| (.+?) \|", section, re.MULTILINE))
    assert set(rows) == names
    for name in names:
        reason = table.ABSENT["keras"].get(name)
        assert rows[name] == f"none: {reason}" if reason else hasattr(rx.compat.keras, name)
