"""State machines of hypothesis drive a control through everything that can happen to it, beside a model in float64.

`RHEOSTAX_FUZZ` makes it a random run of so many sequences per structure: `make fuzz`. Without it, it is the same at every run.
"""

import copy
import json
import os

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import HealthCheck, Phase, reject, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test

import rheostax as rx
from rheostax._rate import lower
from rheostax.checkpoint._carry import Carried, carry
from rheostax.checkpoint._saved_rate import FORMAT, read_rate, write_rate
from rheostax.errors import ArgumentError, StateError
from rheostax.policies._policy import policies
from tests.fuzz.model import Controlled
from tests.fuzz.parts import LAST, Ambiguous, Extended, Times
from tests.fuzz.policies import Heard
from tests.fuzz.structures import STRUCTURES

SEQUENCES = int(os.environ.get("RHEOSTAX_FUZZ", "0"))
PROMISED = 20_000  # steps
BURST = 128
PARAMS = {name: jnp.ones(1) for name in ("head", "norm", "body")}
SETTINGS = settings(
    max_examples=SEQUENCES or 6,
    stateful_step_count=20,
    deadline=None,
    database=None,
    derandomize=not SEQUENCES,
    phases=(Phase.generate, Phase.shrink),
    suppress_health_check=list(HealthCheck),
)
DONE = (
    "sequences", "steps compared", "decisions", "observations", "changes by hand", "restores", "restores under other numbers",
    "leaps of the count", "extensions", "sequences given up where rounding decides",
)  # fmt: skip
told = dict.fromkeys(STRUCTURES)  # by structure: how often what was done and compared

levels = st.sampled_from([1.0, 1.0, 1.0, 0.5, 0.0, 1.25, -1.0])
grid = st.integers(-64, 64).map(lambda i: i / 16)
odd = st.sampled_from([float("nan"), float("inf"), float("-inf"), 1e38, -1e38, 1e-30, 0.0, 1.0, 1.0, 1.0])
noise = st.sampled_from([3.0, 3.125, 2.875, 3.0625, 2.9375])
jumps = st.sampled_from([2.0, 4.0, 7.0, 12.0, -2.0, float("nan"), float("inf")])
spikes = st.sampled_from([3.0, 3.125, 2.875, 3.0625, 3.1875, 7.0, 12.0, -2.0, 1e6, float("nan"), float("inf")])


@st.composite
def streams(draw, values):
    """As many values as a burst has updates, all from a few: a metric stays, or comes back to where it was."""
    few = draw(st.lists(values, min_size=1, max_size=12))
    return np.random.default_rng(draw(st.integers(0, 2**32 - 1))).choice(np.float32(few), BURST)


STREAMS = {
    "levels": streams(levels) | streams(grid) | streams(odd) | streams(levels | odd),
    "spikes": streams(noise | spikes),
    "noise": streams(noise | jumps),
}


class Compiled:
    """What is compiled once per structure: an expression's numbers are leaves of the state, so one control updates them all."""

    def __init__(self, rate, by_update):
        self.tx = rx.control(optax.sgd, rate)

        def update(state, metrics):
            state = state if by_update else rx.observe(state, **metrics)
            _, state = self.tx.update(PARAMS, state, PARAMS, **(metrics if by_update else {}))
            return state, state.learning_rate

        self.init = jax.jit(lambda rate: rx.control(optax.sgd, rate).init(PARAMS))
        self.burst = jax.jit(lambda state, metrics: jax.lax.scan(update, state, metrics))

    def start(self, rate):
        return self.init(lower(rate))


compiled = {}


class Machine(RuleBasedStateMachine):
    """One structure, with other numbers in every sequence. `name` is set by subclasses."""

    name = None

    @property
    def structure(self):
        return STRUCTURES[self.name]

    def compiled(self, rate):
        key = self.name, self.extended
        if key not in compiled:
            compiled[key] = Compiled(rate.build(), self.structure.by_update)
        return compiled[key]

    def did(self, what, times=1):
        told[self.name][what] += times

    @initialize(data=st.data())
    def begin(self, data):
        self.extended, self.saved = False, []
        self.model = Controlled(self.structure.numbers(data.draw))
        self.state = self.compiled(self.model.rate).start(self.model.rate.build())
        self.did("sequences")
        if self.structure.extended is not None and data.draw(st.booleans()):
            self.go_on_much_later(data)
            self.extend(data)
        self.train(data)

    # What a training does.

    def decisions(self):
        return sum(part.decisions for part in self.model.rate.walk() if isinstance(part, Heard))

    @rule(data=st.data())
    def train(self, data):
        """Updates with metrics: finite ones, NaN, infinities, huge and tiny ones."""
        before = self.decisions()
        for _ in range(data.draw(st.integers(1, 4))):
            self.burst({name: data.draw(STREAMS[self.structure.stream]) for name in self.structure.metrics})
        self.did("decisions", self.decisions() - before)

    def burst(self, streams):
        self.state, got = self.compiled(self.model.rate).burst(self.state, streams)
        try:
            want = [self.model.update({name: float(values[i]) for name, values in streams.items()}) for i in range(BURST)]
        except Ambiguous:
            self.did("sequences given up where rounding decides")
            reject()
        close(got, want)
        self.did("steps compared", BURST)

    @rule(data=st.data())
    def observe(self, data):
        """A metric on its own, between updates."""
        name = data.draw(st.sampled_from(self.structure.metrics))
        value = float(np.float32(data.draw(levels | odd if self.structure.stream == "levels" else noise)))
        try:
            self.model.observe({name: value})
        except Ambiguous:
            self.did("sequences given up where rounding decides")
            reject()
        self.state = rx.observe(self.state, **{name: value})
        self.did("observations")

    # What a person does.

    @rule(data=st.data(), value=st.floats(1e-6, 10.0) | st.just(0.0))
    def change_by_hand(self, data, value):
        hand, group = data.draw(st.sampled_from(self.structure.hands)), data.draw(st.sampled_from(self.structure.groups))
        base = self.model.base()
        if hand == "set" and np.any((base > 0) & (base < 1e-25)):
            return  # a reference that float32 holds with fewer digits
        if hand in ("set", "pin"):
            self.state = rx.set_learning_rate(self.state, value, group=group, pin=hand == "pin")
            self.model.set(float(np.float32(value)), group, hand == "pin")
        elif hand == "scale":
            group = data.draw(st.sampled_from([None, group]))
            self.state = rx.scale_learning_rate(self.state, value, group=group)
            self.model.scale(float(np.float32(value)), group)
        else:
            self.state = rx.reset_learning_rate(self.state, group=group)
            self.model.reset(group)
        self.did("changes by hand")

    @precondition(lambda self: self.structure.groups != (None,))
    @rule(value=st.floats(0.0, 10.0))
    def a_frozen_group_has_no_rate(self, value):
        with pytest.raises(ArgumentError, match="frozen"):
            rx.set_learning_rate(self.state, value, group="norm")

    def extend(self, data):
        """Only at the beginning of a sequence: it makes another structure, which has to be compiled."""
        by, rewarm_steps = data.draw(st.integers(1, 400)), data.draw(st.none() | st.integers(1, 30))
        parts = list(self.model.rate.parts)
        i, count = self.structure.extended, self.model.count
        decay = parts[i]
        horizon = decay.numbers[decay.end]
        steps = max(horizon, count) + by
        if steps > LAST:
            return
        how = {"how": "rewarm", "rewarm_steps": rewarm_steps} if rewarm_steps else {}
        self.state = rx.extend(self.state, steps, **how)
        parts[i] = Extended(decay, steps - horizon, count, rewarm_steps or 0)
        self.model.rate, self.extended = Times(*parts), True
        self.did("extensions")

    # What a checkpoint does.

    @rule()
    def save(self):
        self.saved.append((json.dumps(write_rate(self.state), allow_nan=False), copy.deepcopy(self.model), self.extended))

    def restored(self, text, like, keep):
        """Restore, and once more from what that gives: twice is once."""
        once = carry(read_rate(json.loads(text), FORMAT), like, keep, Carried())
        again = write_rate(once)
        if keep != "code":
            assert json.dumps(again, allow_nan=False) == text
        twice = carry(read_rate(json.loads(json.dumps(again)), FORMAT), once, "error", Carried())
        assert write_rate(twice) == again
        self.did("restores")
        return once

    @precondition(lambda self: self.saved)
    @rule(data=st.data())
    def restore(self, data):
        """Into the code that saved it, whatever has happened since."""
        text, model, extended = data.draw(st.sampled_from(self.saved))
        self.model, self.extended = copy.deepcopy(model), extended
        fresh = self.compiled(model.rate).start(model.rate.build())
        self.state = self.restored(text, fresh, data.draw(st.sampled_from(["error", "checkpoint", "code"])))

    @precondition(lambda self: self.saved)
    @rule(data=st.data())
    def restore_over_other_numbers(self, data):
        """Into code whose numbers have changed: the checkpoint's are kept, or the code's."""
        text, model, extended = data.draw(st.sampled_from(self.saved))
        self.extended = False
        rate = self.structure.numbers(data.draw)
        like = self.compiled(rate).start(rate.build())
        same = rate.build() == model.rate.build()
        if not same:
            with pytest.raises(StateError, match="saved with other settings"):
                self.restored(text, like, "error")
        self.model = copy.deepcopy(model)
        keep = data.draw(st.sampled_from(["checkpoint", "code"]))
        self.state = self.restored(text, like, keep)
        if keep == "code" and not same:
            self.model = self.model.with_numbers(rate)
            self.did("restores under other numbers")
        else:
            self.extended = extended

    @rule(data=st.data())
    def go_on_much_later(self, data):
        """A file with another count: near the end of the schedule, or of what an int32 can count."""
        count = min(
            data.draw(st.integers(0, 70) | st.integers(0, 20) | st.sampled_from([100_000, LAST - 60, LAST - 9])) + self.model.count,
            LAST - 1,
        )
        found = write_rate(self.state)
        found["numbers"]["count"] = count
        self.state = carry(read_rate(json.loads(json.dumps(found)), FORMAT), self.state, "error", Carried())
        self.model.count = count
        self.did("leaps of the count")

    @invariant()
    def the_state_is_the_models(self):
        """After every step: the rate, and every number that counts something."""
        if not hasattr(self, "model"):
            return
        close(self.state.learning_rate, self.model.learning_rate)
        body = self.state.layout.unpack(np.asarray(self.state.floats), np.asarray(self.state.ints))
        assert (int(body.count), int(body.faults)) == (self.model.count, self.model.faults)
        heard = [part for part in self.model.rate.walk() if isinstance(part, Heard)]
        seen = [(int(own.observations), int(own.nonfinite), asks(own.own)) for _, own in policies(body.rate, body.observed)]
        assert seen == [(part.observations, part.nonfinite, int(part.asks)) for part in heard]


def asks(own):
    """Tell whether a policy asks to stop or to go back."""
    return int(getattr(own, "stopped", getattr(own, "lost", 0)))


def close(got, want):
    # Below the absolute tolerance a sum of two float32 has only one that is normal.
    np.testing.assert_allclose(np.asarray(got, np.float64), np.asarray(want), rtol=1e-6, atol=1e-30)


@pytest.mark.parametrize("name", STRUCTURES)
def test_whatever_happens_the_rate_is_that_of_the_model(name):
    tally = told[name] = dict.fromkeys(DONE, 0)
    run_state_machine_as_test(type("Driven", (Machine,), {"name": name}), settings=SETTINGS)
    figure = ", ".join(f"{times:,} {what}" for what, times in tally.items())
    print(f"{name}: {figure}")
    assert tally["steps compared"] >= PROMISED / 20
    assert tally["decisions"] > 0


def test_as_many_steps_as_promised_were_compared(record_property):
    if None in told.values():
        pytest.skip("counts the steps of all the tests above")
    total = {what: sum(tally[what] for tally in told.values()) for what in DONE}
    figure = ", ".join(f"{times:,} {what}" for what, times in total.items())
    record_property("figure", figure)
    print(f"all: {figure}")
    assert total["steps compared"] >= PROMISED
    assert total.pop("extensions") > 0
    del total["sequences given up where rounding decides"]
    assert min(total.values()) >= 10
