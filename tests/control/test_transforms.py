"""Control under jit, scan, vmap, donation and shard_map."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

import rheostax as rx
from tests.control.sgd import Run
from tests.support import assert_close, assert_identical, assert_within, counting

RATE = rx.Warmup(4) * rx.Cosine(0.5, 30, end_value=0.01) * rx.ReduceOnPlateau(patience=2, factor=0.5)
LOSSES = jnp.asarray([1.0, 0.5, 0.5, 0.5, 0.4, jnp.nan, 0.4, 0.4, 0.4, 0.4, 0.1, 0.1], jnp.float32)
PARAMS = {"w": jnp.linspace(-1.0, 1.0, 6), "b": jnp.ones(2)}
STATEFUL = rx.Constant(0.1) * rx.ReduceOnPlateau(patience=1, factor=0.5)


def stepper(tx):
    def step(carry, loss):
        params, state = carry
        updates, state = tx.update(jax.tree.map(jnp.sin, params), state, params, value=loss)
        return (optax.apply_updates(params, updates), state), rx.learning_rate(state)

    return step


def start(tx, params=PARAMS):
    return params, tx.init(params)


def test_a_scan_is_a_loop_of_jitted_updates():
    tx = rx.control(optax.adam, RATE)
    step = counting(stepper(tx))
    jitted, carry, rates = jax.jit(step), start(tx), []
    for loss in LOSSES:
        carry, rate = jitted(carry, loss)
        rates.append(rate)
    assert step.traces == 1
    scanned, scanned_rates = jax.jit(lambda carry: jax.lax.scan(stepper(tx), carry, LOSSES))(start(tx))
    assert_within(scanned_rates, jnp.stack(rates), 2)
    assert_close(scanned, carry)
    assert len(np.unique(scanned_rates)) == len(LOSSES)


def test_eager_is_jitted():
    tx = rx.control(optax.adam, RATE)
    step, jitted = stepper(tx), jax.jit(stepper(tx))
    eager, compiled = start(tx), start(tx)
    for loss in LOSSES:
        eager, rate = step(eager, loss)
        compiled, same = jitted(compiled, loss)
        assert_within(same, rate, 4)
    assert_identical(eager[1].ints, compiled[1].ints)


@pytest.mark.parametrize("rate", [STATEFUL, STATEFUL * rx.Groups({"w": 1.0, "b": 0.5})], ids=["one", "groups"])
def test_rates_read_earlier_survive_donation(rate):
    tx = rx.control(optax.adam, rate)
    step = jax.jit(stepper(tx), donate_argnums=0)
    carry = jax.tree.map(jnp.copy, start(tx)[0]), tx.init(PARAMS)
    read = [rx.learning_rate(carry[1])]
    for _ in range(3):
        before = carry
        carry, _ = step(carry, jnp.float32(1.0))
        assert before[1].learning_rate.is_deleted(), "the state should be donated, or this test sees nothing"
        read.append(rx.learning_rate(carry[1]))
    group = "w" if isinstance(read[0], dict) else None
    np.testing.assert_allclose([rate[group] if group else rate for rate in read], [0.1, 0.1, 0.05, 0.025])
    _, rate = step((carry[0], rx.set_learning_rate(carry[1], 0.3, group=group)), jnp.float32(0.5))
    assert (rate[group] if group else rate) == np.float32(0.3)


def test_two_states_of_one_control_share_no_buffers():
    tx = rx.control(optax.adam, rx.Constant(jnp.float32(0.1)))
    step = jax.jit(stepper(tx), donate_argnums=0)
    first, second = (jax.tree.map(jnp.copy, start(tx)[0]), tx.init(PARAMS)), (jax.tree.map(jnp.copy, start(tx)[0]), tx.init(PARAMS))
    step(first, jnp.float32(1.0))
    _, rate = step(second, jnp.float32(1.0))
    assert rate == np.float32(0.1)


def test_vmap_over_rates_made_inside():
    """A family of learning rates, from tracers to trained parameters."""

    def train(init_value, factor):
        rate = rx.Cosine(init_value, 20) * rx.ReduceOnPlateau(patience=1, factor=factor)
        tx = rx.control(optax.adam, rate)
        (params, _), rates = jax.lax.scan(stepper(tx), start(tx), jnp.ones(6))
        return params, rates

    init_values, factors = jnp.array([0.1, 0.2, 0.4]), jnp.array([0.5, 0.25, 0.9])
    batched = jax.jit(jax.vmap(train))(init_values, factors)
    for i in range(3):
        one = train(float(init_values[i]), float(factors[i]))
        assert_close(jax.tree.map(lambda x, i=i: x[i], batched), one)
    np.testing.assert_allclose(batched[1][1], 0.2 * 0.25 ** np.arange(6) * np.cos(np.pi / 40 * np.arange(6)) ** 2, rtol=1e-5)


def test_a_batch_of_states_is_updated_by_any_control_of_that_structure():
    """init under vmap with the rates as tracers; then one control updates them all, each at its own rate."""
    rates = jnp.array([0.1, 0.2, 0.4])
    states = jax.vmap(lambda rate: rx.control(optax.sgd, rx.Linear(rate, 0.0, 10)).init(PARAMS))(rates)
    np.testing.assert_array_equal(rx.learning_rate(states), rates)
    tx = rx.control(optax.sgd, rx.Linear(9.0, 9.0, 9))
    for k in range(3):
        updates, states = jax.vmap(tx.update, (None, 0))(jax.tree.map(jnp.ones_like, PARAMS), states)
        np.testing.assert_allclose(rx.learning_rate(states), rates * (1 - k / 10), rtol=1e-6)
        np.testing.assert_array_equal(-updates["b"][:, 0], rx.learning_rate(states))
    states = jax.vmap(rx.set_learning_rate)(states, 2 * rates)
    np.testing.assert_allclose(rx.learning_rate(states), 2 * rates)


def test_reading_a_batch_of_groups():
    def init(rate):
        return rx.control(optax.sgd, rx.Constant(rate) * rx.Groups({"w": 1.0, "b": 0.5})).init(PARAMS)

    states = jax.vmap(init)(jnp.array([0.1, 0.2]))
    read = rx.learning_rate(states)
    np.testing.assert_allclose(read["w"], [0.1, 0.2])
    np.testing.assert_allclose(read["b"], [0.05, 0.1])


@pytest.fixture
def mesh():
    assert jax.device_count() == 8
    return jax.make_mesh((8,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))


LOCAL = jnp.array([1.0, 0.5, 2.0, 3.0, 0.25, 1.0, 1.0, 1.0])  # a loss per device


def shard_updates(mesh, metric, out):
    """Run six updates on eight devices, each with its own loss; return the state and the rate as `out` says they lie."""
    run = Run(STATEFUL)

    def train(local):
        def step(state, _):
            _, state = run._step(state, {"value": metric(local[0])})
            return state, None

        state, _ = jax.lax.scan(step, run.state, None, 6)
        return rx.learning_rate(state)[None] if out == P("data") else rx.learning_rate(state)

    return jax.jit(jax.shard_map(train, mesh=mesh, in_specs=P("data"), out_specs=out))(LOCAL)


def test_a_metric_that_is_agreed_on_gives_one_rate(mesh):
    rate = shard_updates(mesh, lambda local: jax.lax.pmean(local, "data"), P())
    assert rate == np.float32(0.1 / 2**5)
    assert len({float(shard.data) for shard in rate.addressable_shards}) == 1


def test_a_local_metric_is_an_error_of_jax(mesh):
    """Its rate would differ between devices, and JAX refuses to call it replicated; reduce the metric first, for example with pmean."""
    with pytest.raises((ValueError, TypeError), match=r"carry|replicated|varying|out_specs"):
        shard_updates(mesh, lambda local: local, P())


def test_optimizer_state_lies_as_the_parameters_do(mesh):
    sharded, replicated = NamedSharding(mesh, P("data")), NamedSharding(mesh, P())
    params = {"w": jax.device_put(jnp.ones((16, 4)), sharded), "b": jax.device_put(jnp.ones(3), replicated)}
    tx = rx.control(optax.adam, STATEFUL)
    state = tx.init(params)
    step = jax.jit(stepper(tx))
    for _ in range(2):
        (params, state), _ = step((params, state), jnp.float32(1.0))
        for moment in (state.inner[0].mu, state.inner[0].nu):
            assert moment["w"].sharding.is_equivalent_to(sharded, 2)
            assert moment["b"].sharding.is_equivalent_to(replicated, 1)
        assert params["w"].sharding.is_equivalent_to(sharded, 2)
        assert state.floats.sharding.is_fully_replicated
    assert rx.learning_rate(state) == np.float32(0.05)


def test_groups_keep_the_sharding_too(mesh):
    sharded = NamedSharding(mesh, P("data"))
    params = {"w": jax.device_put(jnp.ones((16, 4)), sharded), "b": jnp.ones(3)}
    tx = rx.control(optax.adam, 0.1 * rx.Groups({"w": 1.0, "b": None}))
    (params, state), _ = jax.jit(stepper(tx))((params, tx.init(params)), jnp.float32(1.0))
    moments = [leaf for leaf in jax.tree.leaves(state.inner) if leaf.shape == (16, 4)]
    assert len(moments) == 2
    assert all(moment.sharding.is_equivalent_to(sharded, 2) for moment in moments)
