"""`rx.describe`: every part, its value and state, what was heard, and what looks wrong."""

import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

import rheostax as rx
from tests.control.sgd import Run

RATE = rx.Warmup(4) * rx.Linear(1.0, 0.5, 8) * rx.ReduceOnPlateau(monitor="val_loss", patience=2, factor=0.5, cooldown=3)


def test_the_whole_text():
    run = Run(RATE)
    for _ in range(3):
        run.observe(val_loss=0.75)
    run.observe(val_loss=np.nan)
    for _ in range(1200):
        run.update()
    assert str(rx.describe(run.state)) == (
        "learning rate 0.25 after 1,200 updates; the next one uses 0.25\n"
        "  1  Warmup(steps=4)\n"
        "  0.5  Linear(init_value=1.0, end_value=0.5, transition_steps=8)\n"
        "  0.5  ReduceOnPlateau(monitor='val_loss', patience=2, cooldown=3, factor=0.5)\n"
        "      3 observations of 'val_loss', best 0.75, 0 of 2 bad values in a row, cooling down for 3\n"
        "  warning: ReduceOnPlateau left out 1 NaN or infinite value of 'val_loss'\n"
        "  note: the schedule ended at count 8; the rate has stayed where it was since"
    )


def test_its_fields_are_for_programs():
    run = Run(RATE)
    run.update()
    run.update()
    run.observe(val_loss=0.75)
    found = rx.describe(run.state)
    assert (found.count, found.learning_rate, found.next_learning_rate) == (2, pytest.approx(0.25 * 0.9375), pytest.approx(0.5 * 0.875))
    assert [part.value for part in found.parts] == [0.5, 0.875, 1.0]
    assert [part.monitor for part in found.parts] == [None, None, "val_loss"]
    policy = found.parts[2]
    assert (policy.observations, policy.nonfinite) == (1, 0)
    assert policy.status == "best 0.75, 0 of 2 bad values in a row"
    assert found.warnings == found.notes == ()
    assert found.each == (found,)


def test_the_next_rate_is_the_one_that_the_next_update_uses():
    run = Run(RATE)
    for k in range(6):
        run.observe(val_loss=1.0)
        following = rx.describe(run.state).next_learning_rate
        assert np.float32(following) == run.update() == np.float32(rx.describe(run.state).learning_rate), k


def test_a_policy_that_hears_nothing_is_reported():
    run = Run(RATE)
    assert rx.describe(run.state).warnings == ()  # nothing can have been heard before the first update
    run.update()
    assert rx.describe(run.state).warnings == (
        "ReduceOnPlateau has heard nothing of 'val_loss' in 1 update; pass update(..., val_loss=...) or call observe(val_loss=...)",
    )
    run.observe(val_loss=np.nan)
    assert "has heard nothing" in rx.describe(run.state).warnings[0]  # a NaN says nothing
    run.observe(val_loss=1.0)
    assert rx.describe(run.state).warnings == ("ReduceOnPlateau left out 1 NaN or infinite value of 'val_loss'",)


def test_changes_by_hand_are_noted():
    run = Run(rx.Constant(0.5))
    run.scale(0.25)
    assert rx.describe(run.state).notes == ("the rate was changed by hand: 0.25 times what the expression gives",)
    run.set(0.75)
    assert rx.describe(run.state).notes == ("the rate was changed by hand: 1.5 times what the expression gives",)
    run.set(0.75, pin=True)
    assert rx.describe(run.state).notes == ("the rate is pinned by hand; reset_learning_rate gives it back to schedule and policies",)
    run.reset()
    assert rx.describe(run.state).notes == ()


def test_an_ended_schedule_is_noted_once_a_count_is_past_it():
    run = Run(rx.Linear(1.0, 0.5, 2))
    notes = []
    for _ in range(4):
        notes.append(len(rx.describe(run.state).notes))
        run.update()
    assert notes == [0, 0, 0, 1]


def test_groups_have_a_value_each():
    run = Run(rx.Constant(0.5) * rx.Groups({"a": 1.0, "b": rx.ReduceOnPlateau(patience=1)}, rest=0.25), names="abc")
    run.scale(0.5, group="a")
    found = rx.describe(run.state)
    assert found.learning_rate == found.next_learning_rate == {"a": 0.25, "b": 0.5, "rest": 0.125}
    assert [(part.depth, part.value) for part in found.parts] == [(0, 0.5), (0, [1.0, 1.0, 0.25]), (1, 1.0), (1, 1.0), (1, 0.25)]
    text = str(found)
    assert text.startswith("learning rate {a: 0.25, b: 0.5, rest: 0.125} after 0 updates")
    assert "\n  [1, 1, 0.25]  Groups({'a': 1.0, 'b': ReduceOnPlateau(patience=1)}, rest=0.25)\n    1  Constant(value=1.0)\n" in text
    assert "changed by hand: [0.5, 1, 1] times" in text


def test_nested_parts_are_indented():
    found = rx.describe(rx.Join([rx.Warmup(4), (rx.Constant(0.5) * 2.0).clip(max_value=0.75)], [4]))
    assert [(part.depth, part.name.split("(")[0], part.value) for part in found.parts] == [
        (0, "Join", 0.0), (1, "Warmup", 0.0), (1, "", 0.75), (2, "Constant", 0.5), (2, "Constant", 2.0),
    ]  # fmt: skip


def test_an_expression_is_described_as_it_starts():
    found = rx.describe(RATE)
    assert (found.count, found.learning_rate) == (0, 0.0)
    assert [part.value for part in found.parts] == [0.0, 1.0, 1.0]


def test_several_controls_are_described_one_after_the_other():
    tx = optax.multi_transform({"x": rx.control(optax.sgd, 0.5), "y": rx.control(optax.sgd, RATE)}, {"a": "x", "b": "y"})
    found = rx.describe(tx.init({"a": jnp.ones(1), "b": jnp.ones(1)}))
    assert [(each.name, each.learning_rate) for each in found.each] == [("x", 0.5), ("y", 0.0)]
    assert str(found) == "\n".join(map(str, found.each))
    assert str(found).startswith("x: learning rate 0.5 after 0 updates")


@pytest.mark.parametrize("cls", [nnx.Optimizer, rx.Optimizer])
def test_an_optimizer_is_described_by_its_state(cls):
    optimizer = cls(nnx.Linear(2, 1, rngs=nnx.Rngs(0)), rx.control(optax.adam, RATE), wrt=nnx.Param)
    assert str(rx.describe(optimizer)) == str(rx.describe(RATE))


def test_numbers_have_few_digits():
    assert rx.describe(rx.Constant(3e-4)).learning_rate == 3e-4
    assert str(rx.describe(rx.Constant(1 / 3))).startswith("learning rate 0.3333 after")


def test_a_policy_whose_part_is_not_in_charge_is_noted_not_warned_of():
    run = Run(rx.Join([rx.Warmup(4), rx.ReduceOnPlateau(monitor="val_loss"), 0.5], [4, 6]))
    note = "ReduceOnPlateau doesn't hear 'val_loss' now, because its part of the rate isn't in charge"
    found = []
    for _ in range(7):
        run.update()
        description = rx.describe(run.state)
        assert (note in description.notes) != bool(description.warnings)
        found.append(bool(description.warnings))
    assert found == [False] * 3 + [True] * 2 + [False] * 2
    assert not any("in charge" in note for note in rx.describe(Run(RATE).state).notes)


def test_a_policy_behind_a_median_is_warned_of_only_if_nothing_came():
    run = Run(rx.Median(rx.ReduceOnPlateau(monitor="val_loss"), window=3))
    warned = []
    for k in range(5):
        if k >= 2:
            run.observe(val_loss=1.0)
        run.update()
        description = rx.describe(run.state)
        warned.append(bool(description.warnings))
        assert not any("in charge" in note for note in description.notes)
    assert warned == [True, True, False, False, False]  # the first two values fill the window


def test_a_pin_is_noted_by_group():
    run = Run(rx.Constant(0.5) * rx.Groups({"a": 1.0, "b": 0.5, "c": 0.5}), names="abc")
    run.set(0.25, group="a", pin=True)
    run.set(0.25, group="c", pin=True)
    assert rx.describe(run.state).notes[0].startswith("the rate of 'a', 'c' is pinned by hand; reset_learning_rate")
