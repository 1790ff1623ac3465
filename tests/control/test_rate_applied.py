"""The learning rate that is read is the one that was applied, and nothing is traced twice."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import rheostax as rx
from rheostax import by_hand, state
from tests.control.sgd import Run
from tests.oracles import schedules as oracle
from tests.oracles.plateau import Plateau
from tests.support import single, ulps


def test_read_is_applied_through_schedule_policy_and_hand():
    """300 updates at which everything happens that can; the measured rate is the one read, and the one that the parts make."""
    rate = rx.Warmup(20) * rx.Linear(0.3, 0.03, 400) * rx.ReduceOnPlateau(patience=3, factor=0.75, cooldown=2, rtol=2**-10)
    run, random = Run(rate), np.random.default_rng(0)
    model = Plateau("min", 0.75, 3, 2**-10, 0.0, 2, 1, 0.0)

    def expression(count):
        return oracle.warmup(count, 20) * oracle.linear(count, single(0.3), single(0.03), 400) * float(model.scale)

    value, reference, pinned = 1.0, 1.0, False
    for count in range(300):
        loss = random.integers(1, 64) / 16
        if count % 7 == 3:
            run.observe(value=loss)
            model.observe(loss)
        if count % 50 == 30:
            value, reference, pinned = 0.2 + count / 1000, expression(count), count % 100 == 30
            run.set(value, pin=pinned)
            assert run.read == np.float32(value)
        if count % 50 == 45:
            value *= 0.5
            run.scale(0.5)
        if count % 100 == 99:
            value, reference, pinned = 1.0, 1.0, False
            run.reset()
        if count % 3:
            measured = run.update(value=loss)
            model.observe(loss)
        else:
            measured = run.update()
        assert measured == run.read
        assert measured.dtype == jnp.float32
        assert ulps(measured, value if pinned else value * expression(count) / reference) <= 16, count
    assert model.scale < 0.01
    assert run.trace.traces == 2  # with a metric and without


def test_read_is_applied_per_group():
    rate = rx.Linear(0.3, 0.0, 50) * rx.Groups({"a": 1.0, "b": rx.ReduceOnPlateau(patience=1, factor=0.5), "c": None}, rest=rx.Warmup(10))
    run = Run(rate, names="abcd")
    for count in range(20):
        if count == 5:
            run.set(0.7, group="a")
        if count == 8:
            run.scale(0.5, group="rest")
        if count == 12:
            run.scale(0.5)
        measured = run.update(value=1.0)
        assert {"a": measured["a"], "b": measured["b"], "c": measured["c"], "rest": measured["d"]} == run.read
        line = 0.3 * (1 - count / 50)
        half = 0.5 if count >= 12 else 1.0
        assert ulps(measured["a"], half * (line if count < 5 else 0.7 * line / 0.27)) <= 8
        assert ulps(measured["b"], half * line * 0.5**count) <= 8
        assert measured["c"] == 0
        assert ulps(measured["d"], half * line * min(count / 10, 1) * (0.5 if count >= 8 else 1.0)) <= 8
    assert run.trace.traces == 1


def test_before_the_first_update_it_is_the_first_rate():
    assert Run(rx.Linear(0.25, 0.0, 10)).read == 0.25
    assert Run(0.1).read == np.float32(0.1)
    assert Run(rx.Warmup(10) * 0.1).read == 0


def test_an_observation_moves_the_next_update_and_not_what_was_applied():
    run = Run(rx.Constant(0.5) * rx.ReduceOnPlateau(monitor="val_loss", patience=1, factor=0.5))
    run.update()
    run.observe(val_loss=1.0)
    run.observe(val_loss=1.0)
    assert run.read == 0.5
    assert run.update() == 0.25 == run.read


def test_the_metrics_of_an_update_come_before_its_rate():
    run = Run(rx.Constant(0.5) * rx.ReduceOnPlateau(patience=1, factor=0.5))
    assert [float(run.update(value=1.0)) for _ in range(3)] == [0.5, 0.25, 0.125]


def test_one_trace_while_the_rate_changes_a_thousand_times():
    """By schedule at every update, by observation, and by hand."""
    run = Run(rx.Linear(1.0, 0.1, 2000) * rx.ReduceOnPlateau(patience=1, factor=0.999))
    run.observe(value=1.0)
    run.set(0.5)
    before = [function._cache_size() for function in (state._observe, by_hand._change_by_hand)]
    rates = set()
    for count in range(1000):
        if count % 3 == 0:
            run.observe(value=1.0)
        if count % 3 == 1:
            run.set(0.5 + count / 4000)
        rates.add(float(run.update()))
    assert len(rates) > 990
    assert run.trace.traces == 1
    assert [function._cache_size() for function in (state._observe, by_hand._change_by_hand)] == before


def test_another_run_with_other_numbers_shares_the_trace():
    """A control's hyperparameters are part of its state, so the jitted step of one serves all of one structure."""
    first, second = Run(rx.Cosine(0.5, 10)), Run(rx.Cosine(0.25, 20))
    first.update()
    moved, _ = first._jitted(second.state, {})
    assert -moved["w"] == 0.25
    assert first.trace.traces == 1


def test_a_rate_may_be_any_number():
    for rate in (0.5, 1, np.float64(0.5), np.float32(0.5), jnp.float32(0.5), jnp.array(0.5)):
        run = Run(rate)
        assert run.update() == run.read == np.float32(rate)


def bad_at(count, bad):
    """Return a foreign schedule that is fine except at one count."""
    return lambda k: jnp.where(k == count, bad, 0.5 / (k + 1))


@pytest.mark.parametrize("bad", [jnp.nan, jnp.inf, -jnp.inf, -0.1])
def test_where_a_foreign_schedule_gives_no_rate_the_previous_stays(bad):
    run = Run(bad_at(3, bad))
    rates = [float(run.update()) for _ in range(6)]
    np.testing.assert_allclose(rates, [0.5, 0.25, 0.5 / 3, 0.5 / 3, 0.1, 0.5 / 6], rtol=1e-6)
    assert run.faults == 1


def test_one_group_without_a_rate_keeps_its_own():
    run = Run(rx.Constant(1.0) * rx.Groups({"a": bad_at(1, jnp.nan), "b": rx.Linear(0.5, 0.0, 2)}), names="ab")
    rates = [list(run.update().values()) for _ in range(3)]
    np.testing.assert_allclose(rates, [[0.5, 0.5], [0.5, 0.25], [0.5 / 3, 0.0]], rtol=1e-6)
    assert run.faults == 1


def test_a_foreign_schedule_that_is_nan_at_first_gives_zero():
    run = Run(bad_at(0, jnp.nan))
    assert run.read == 0
    assert [float(run.update()) for _ in range(2)] == [0, 0.25]


def test_optax_polynomial_at_its_end_leaves_a_rate():
    """Jitted, it may be NaN from its end on, as at this length; training goes on with the rate before that."""
    steps = 1000
    run = Run(optax.polynomial_schedule(0.5, 0.1, 0.5, steps))

    @jax.jit
    def train(state):
        def step(state, _):
            _, state = run._step(state, {})
            return state, rx.learning_rate(state)

        return jax.lax.scan(step, state, None, steps + 20)

    state, rates = train(run.state)
    assert np.all(np.isfinite(rates))
    np.testing.assert_allclose(rates[-1], 0.1, rtol=0.2)
    run.state = state
    assert run.faults in {0, 20}


@pytest.mark.parametrize(
    ("factory", "hyperparameters", "message"),
    [
        (optax.adam(1e-3), {}, r"optimizer_factory must be a function.*got an optimizer that is already made\. Write rx\.control\("),
        (3, {}, r"optimizer_factory must be a function with an argument learning_rate, such as optax\.adamw itself; got 3"),
        (optax.scale_by_adam, {}, r"optimizer_factory must have an argument learning_rate; scale_by_adam has b1, b2, eps"),
        (lambda: None, {}, r"must have an argument learning_rate; <lambda> has none"),
        (optax.adamw, {"weight_decai": 0.1}, r"adamw has no argument 'weight_decai'\. Did you mean 'weight_decay'\?"),
        (optax.adamw, {"zzz": 0.1}, r"adamw has no argument 'zzz'\.$"),
        (optax.adam, {"b1": rx.ReduceOnPlateau()}, r"b1 can't react to metrics, got ReduceOnPlateau\(\); only the learning rate can"),
    ],
)
def test_a_wrong_factory_is_told(factory, hyperparameters, message):
    with pytest.raises(rx.ArgumentError, match=message):
        rx.control(factory, 1e-3, **hyperparameters)


def test_a_factory_may_take_any_keywords():
    seen = []

    def factory(learning_rate, **keywords):
        seen.append(keywords)
        return optax.sgd(learning_rate)

    rx.control(factory, 0.1, anything=3).init(jnp.ones(2))
    assert seen == [{"anything": 3}]


@pytest.mark.parametrize("rate", [-0.1, float("nan"), "0.1", None, True])
def test_a_wrong_rate_is_told(rate):
    with pytest.raises(rx.ArgumentError, match=rf"value must be a finite number in \[0, inf\), got {rate!r}"):
        rx.control(optax.sgd, rate)
