"""What the policies say of their state, and why they decided; what a decision is told by."""

import jax.numpy as jnp
import numpy as np
import pytest

import rheostax as rx
from rheostax.policies import Policy


def after(policy, values):
    """Return the policy's own states before any observation and after each."""
    state, found = policy.init(), [policy.init().own]
    for count, value in enumerate(values):
        state = policy.observe(state, jnp.int32(count), {policy.monitor: jnp.float32(value)})
        found.append(state.own)
    return found


def words(policy, values):
    states = after(policy, values)
    return [policy.status(own) for own in states], policy.explain(states[-2], states[-1], values[-1])


def test_ReduceOnPlateau():  # noqa: N802
    policy = rx.ReduceOnPlateau(patience=2, cooldown=3, rtol=0.25, atol=0.5)
    status, why = words(policy, [4.0, 4.0, 3.75])
    assert status[1:] == [
        "best 4, 0 of 2 bad values in a row",
        "best 4, 1 of 2 bad values in a row",
        "best 4, 0 of 2 bad values in a row, cooling down for 3",
    ]
    assert why == "value had not improved on 4 by 1.5 for 2 observations"
    below = words(rx.ReduceOnPlateau(patience=1, rtol=0.25, accumulation_size=2), [-4.0, -4.0, -4.0, -4.0])[1]
    assert below == "the mean of 2 values of value had not improved on -4 by 1 for 1 observation"


def test_AdvanceOnPlateau():  # noqa: N802
    policy = rx.AdvanceOnPlateau([0.5, 0.25, 0.125], patience=1)
    status, why = words(policy, [1.0, 1.0, 1.0])
    assert [line.partition(",")[0] for line in status] == [
        "part 1 of 3 since count 0", "part 1 of 3 since count 0", "part 2 of 3 since count 1", "part 3 of 3 since count 2",
    ]  # fmt: skip
    assert why.endswith("; part 3 of 3 began")
    assert [int(policy.signal(own)) for own in after(policy, [1.0] * 5)] == [0, 0, 1, 2, 2, 2]


def test_RestartOnPlateau():  # noqa: N802
    policy = rx.RestartOnPlateau(0.5, patience=1, max_restarts=2)
    status, why = words(policy, [1.0, 1.0, 1.0])
    assert [line.partition(",")[0] for line in status] == [
        "restart 0 at count 0", "restart 0 at count 0", "restart 1 at count 1", "restart 2 at count 2",
    ]  # fmt: skip
    assert why.endswith("; restart 2")
    assert [int(policy.signal(own)) for own in after(policy, [1.0] * 5)] == [0, 0, 1, 2, 2, 2]


def test_StopOnPlateau():  # noqa: N802
    policy = rx.StopOnPlateau(patience=1)
    status, why = words(policy, [1.0, 1.0])
    assert status == [
        "best inf, 0 of 1 bad values in a row",
        "best 1, 0 of 1 bad values in a row",
        "asks to stop, best 1, 0 of 1 bad values in a row",
    ]
    assert why == "value had not improved on 1 by 0.0001 for 1 observation; training should stop"
    assert [int(policy.signal(own)) for own in after(policy, [1.0, 1.0, 0.5, 0.25])] == [0, 0, 1, 1, 1]
    assert "cooldown" not in repr(policy)
    with pytest.raises(TypeError, match="cooldown"):
        rx.StopOnPlateau(cooldown=3)


def test_Greedy():  # noqa: N802
    policy = rx.Greedy(patience=2, factor=0.5, warmup=1, cooldown=2, rtol=0.0)
    status, why = words(policy, [4.0, 3.0])
    assert status == [
        "best inf, 0 good and 0 bad of 2 values in a row",
        "best 4, 1 good and 0 bad of 2 values in a row",
        "best 3, 0 good and 0 bad of 2 values in a row, ignoring 1",
    ]
    assert why == "value had improved 2 times in a row, to 3"
    assert words(policy, [4.0, 5.0, 5.0])[1] == "value had not improved on 4 for 2 observations"
    again = rx.Greedy(patience=1, factor=0.5, min_scale=0.5, reset_after=2, rtol=0.0, max_scale=1.0)
    assert words(again, [4.0, 5.0, 5.0])[1] == "the lower bound was due 2 times; it begins anew"


def test_SpikeGuard():  # noqa: N802
    policy = rx.SpikeGuard(window=2, threshold=2.0, recovery=3)
    status, why = words(policy, [3.0, 3.5, 9.0])
    assert status[:2] == ["0 spikes, mean 0, deviation 0", "0 spikes, mean 3, deviation 0"]
    assert status[2] == "0 spikes, mean 3.25, deviation 0.5"
    assert status[3] == "1 spikes, mean 3.25, deviation 0.5, recovering 0 of 3"
    assert why == "value was 9, 11.5 deviations from its mean 3.25"
    same = words(rx.SpikeGuard(window=2, recovery=3), [3.0, 3.0, 4.0])[1]
    assert same == "value was 4, 1e+30 deviations from its mean 3"
    states = after(policy, [3.0, 3.5, 9.0, 3.0, 3.0, 3.0])
    assert [policy.status(own).rpartition(", ")[2] for own in states[4:]] == ["recovering 1 of 3", "recovering 2 of 3", "deviation 0.062"]
    assert [int(policy.signal(own)) for own in states] == [0, 0, 0, 1, 1, 1, 1]


@rx.node
class Half(Policy):
    """Halve the rate at every value."""

    monitor: str = rx.static(default="loss")

    def start(self):
        return rx.ReduceOnPlateau().start()

    def react(self, own, value):
        return own._replace(scale=own.scale * 0.5)


def test_a_policy_of_ones_own():
    """What the base gives: words, the signal, and which values count."""
    policy = Half()
    state = policy.init()
    for value in (1.0, np.nan, -np.inf, 2.0):
        state = policy.observe(state, jnp.int32(0), {"loss": jnp.float32(value), "other": jnp.float32(9.0)})
    assert (int(state.observations), int(state.nonfinite), float(state.last), float(state.own.scale)) == (2, 2, 2.0, 0.25)
    assert policy.observe(state, jnp.int32(0), {"other": jnp.float32(1.0)}) is state
    assert policy.signal(state.own) is state.own.scale
    assert (policy.status(state.own), policy.explain(state.own, state.own, 0.125)) == ("", "loss was 0.125")
    assert policy.evaluate(state, jnp.arange(3)).high.tolist() == [0.25] * 3
    assert policy.children() == policy.child_states(state) == ()
    assert np.isnan(policy.init().last)


@pytest.mark.parametrize("missing", ["start", "react"])
def test_a_policy_without_a_rule_cannot_be_made(missing):
    methods = {name: getattr(Half, name) for name in ("start", "react") if name != missing}
    with pytest.raises(TypeError, match=missing):
        type("Part", (Policy,), methods)()
