"""The mean of the weights: its formula, when it moves, its dtypes, and that it goes through everything a state goes through."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

import rheostax as rx
from rheostax.errors import ArgumentError, StateError
from tests.support import assert_close, assert_identical, assert_within

X = jnp.linspace(-1.0, 1.0, 12).reshape(6, 2)


def polynomial(count, fraction):
    """Return the weight of each iterate by Shamir and Zhang's recursion, in float64."""
    eta, weights = 1 / fraction - 2, np.zeros(count)
    for t in range(1, count + 1):
        new = (eta + 1) / (t + eta)
        weights *= 1 - new
        weights[t - 1] = new
    return weights


def fed(tx, gradients, params, **metrics):
    """Update once with each row of the gradients; return all weights, and the states after each update."""

    def step(carry, gradient):
        params, state = carry
        updates, state = tx.update(gradient, state, params, **metrics)
        params = optax.apply_updates(params, updates)
        return (params, state), (params, state)

    return jax.jit(lambda *first: jax.lax.scan(step, first, gradients))(params, tx.init(params))[1]


def at(tree, i):
    return jax.tree.map(lambda leaves: leaves[i], tree)


@pytest.mark.parametrize("fraction", [0.5, 0.1])
def test_the_mean_is_that_of_the_polynomial_weights(fraction):
    gradients = np.random.default_rng(0).normal(size=(300, 4)).astype(np.float32)
    iterates, states = fed(rx.average_weights(rx.control(optax.sgd, 0.1), fraction), gradients, jnp.ones(4))
    seen = np.array(iterates, np.float64)
    for count in (1, 2, 3, 50, 300):
        weights = polynomial(count, fraction)
        got = np.array(rx.averaged(at(states, count - 1), iterates[count - 1]), np.float64)
        np.testing.assert_allclose(got, weights @ seen[:count], atol=4e-7 * abs(seen).max())
        assert np.isclose(weights.sum(), 1)
        assert np.isclose(weights @ np.arange(count - 1, -1, -1), fraction * (count - 1))  # the mean age, exactly


def test_at_one_half_it_is_the_plain_mean_and_at_one_tenth_the_eighth_power():
    np.testing.assert_allclose(polynomial(9, 0.5), np.full(9, 1 / 9))
    rising = np.array([np.prod(np.arange(i, i + 8.0)) for i in range(1, 10)])
    np.testing.assert_allclose(polynomial(9, 0.1), rising / rising.sum())


def test_nothing_else_changes():
    gradients = np.random.default_rng(1).normal(size=(20, 3)).astype(np.float32)
    plain, wrapped = (rx.control(optax.adam, rx.Linear(0.1, 0.0, 20)) for _ in range(2))
    want, _ = fed(plain, gradients, jnp.ones(3))
    got, states = fed(rx.average_weights(wrapped), gradients, jnp.ones(3))
    assert_close(got, want, rtol=1e-6)  # compiled together with the mean, a sum may round otherwise
    assert rx.describe(at(states, -1)).count == 20


@pytest.mark.parametrize(("param", "kept"), [(jnp.bfloat16, jnp.float32), (jnp.float64, jnp.float64)])
def test_it_is_kept_in_float32_or_wider_and_read_in_the_dtype_of_the_weights(param, kept):
    """In bfloat16 a mean of some hundreds of weights near 1 that differ by a few thousandths would stand still."""
    with jax.enable_x64(param == jnp.float64):
        tx = rx.average_weights(optax.sgd(2.0**-7), 0.02)
        gradients = jnp.asarray(np.random.default_rng(2).choice([-1, 1], size=(400, 8)), param)  # steps that bfloat16 can hold
        iterates, states = fed(tx, gradients, jnp.ones(8, param))
        last = at(states, -1)
        assert last.average.dtype == kept
        want = polynomial(400, 0.02) @ np.array(iterates, np.float64)
        np.testing.assert_allclose(np.array(last.average, np.float64), want, rtol=1e-6)
        mean = rx.averaged(last, iterates[-1])
        assert mean.dtype == param
        np.testing.assert_array_equal(mean, last.average.astype(param))


def test_whole_numbers_are_kept_as_they_are():
    params = {"w": jnp.float32(1.0), "n": jnp.int32(7)}
    tx = rx.average_weights(optax.identity())
    state = tx.init(params)
    _, state = tx.update({"w": jnp.float32(1.0), "n": jnp.int32(1)}, state, params)
    assert_identical(rx.averaged(state, params), {"w": jnp.float32(2.0), "n": jnp.int32(8)})


def test_before_the_first_update_it_is_the_weights_themselves():
    """Also when these were restored after init."""
    tx = rx.average_weights(rx.control(optax.sgd, 0.1))
    assert_identical(rx.averaged(tx.init(jnp.ones(2)), jnp.full(2, 5.0)), jnp.full(2, 5.0))


def moves(tx, gradients, **metrics):
    """Return how many updates are in the mean after each gradient; it is the mean of the weights that were new."""
    first = jnp.float32(1.0)
    iterates, states = fed(tx, jnp.array(gradients, jnp.float32), first, **metrics)
    new = np.diff(np.array([first, *iterates])) != 0
    np.testing.assert_allclose(rx.averaged(at(states, -1), iterates[-1]), iterates[new].mean(), rtol=1e-6)
    return states.updates.tolist()


@pytest.mark.parametrize("on_skip", ["hold", "advance"])
def test_a_skipped_update_is_not_averaged(on_skip):
    tx = rx.average_weights(rx.control(optax.sgd, 0.1, on_nonfinite="skip", on_skip=on_skip), 0.5)
    assert moves(tx, [1, np.nan, 2, np.inf, 3]) == [1, 1, 2, 2, 3]


def test_nor_is_one_that_a_guard_skips():
    guard = rx.SpikeGuard(window=3, threshold=4.0, skip=5)
    tx, params = rx.average_weights(rx.control(optax.sgd, 0.1 * guard), 0.5), jnp.float32(1.0)
    state, counts = tx.init(params), []
    for loss in (1.0, 1.1, 1.0, 1.1, 1.0, 50.0, 1.0):
        _, state = jax.jit(tx.update)(jnp.float32(1.0), state, params, value=loss)
        counts.append(int(state.updates))
    assert counts == [1, 2, 3, 4, 5, 5, 6]


def test_a_look_at_the_updates_is_made_only_where_one_may_be_skipped():
    """It costs a pass over them."""
    params = jnp.ones(3)
    for may, tx in (
        (False, rx.control(optax.adam, 0.1 * rx.SpikeGuard())),
        (False, optax.adam(0.1)),
        (True, rx.control(optax.adam, 0.1, on_nonfinite="skip")),
        (True, optax.chain(optax.clip(1.0), rx.control(optax.adam, 0.1 * rx.SpikeGuard(skip=2)))),
        (True, rx.accumulate(optax.sgd(0.1), 2)),
    ):
        averaging = rx.average_weights(tx)
        jaxprs = [jax.make_jaxpr(one.update)(params, one.init(params), params, value=1.0) for one in (tx, averaging)]
        looks = [str(jaxpr).count("reduce_or") for jaxpr in jaxprs]
        assert looks[1] - looks[0] == may


def test_nor_is_one_that_optax_skips():
    assert moves(rx.average_weights(optax.apply_if_finite(optax.sgd(0.1), 5), 0.5), [1, np.nan, 2]) == [1, 1, 2]


@pytest.mark.parametrize("outside", [True, False])
def test_accumulated_gradients_make_one_update_of_the_mean(outside):
    control = rx.control(optax.sgd, 0.1 * rx.ReduceOnPlateau(patience=9))
    if outside:
        assert moves(rx.average_weights(rx.accumulate(control, 3), 0.5), list(range(1, 8)), value=1.0) == [0, 0, 1, 1, 1, 2, 2]
        assert moves(rx.average_weights(optax.MultiSteps(control, 2), 0.5), list(range(1, 5)), value=1.0) == [0, 1, 1, 2]
    else:
        iterates, states = fed(rx.accumulate(rx.average_weights(control, 0.5), 2), jnp.arange(4.0), jnp.float32(1.0), value=1.0)
        np.testing.assert_allclose(rx.averaged(at(states, -1), iterates[-1]), iterates[1::2].mean(), rtol=1e-6)


def test_devices_agree_on_whether_an_update_was_made():
    """Under shard_map each device has a part of the weights; a part without a gradient is averaged with the others."""
    mesh, spec = jax.make_mesh((8,), ("model",), axis_types=(jax.sharding.AxisType.Auto,)), jax.sharding.PartitionSpec("model")
    tx = rx.average_weights(rx.control(optax.sgd, 1.0, on_nonfinite="skip"), 0.5)

    def steps(params, gradients):
        state = tx.init(params)
        for gradient in (gradients, 2 * gradients):
            updates, state = tx.update(gradient, state, params)
            params = optax.apply_updates(params, updates)
        return state.average, state.updates

    gradients = jnp.zeros(8).at[3].set(-1.0)
    mean, count = jax.jit(jax.shard_map(steps, mesh=mesh, in_specs=(spec, spec), out_specs=(spec, jax.sharding.PartitionSpec())))(
        jnp.arange(8.0), gradients
    )
    np.testing.assert_allclose(mean, jnp.arange(8.0) + jnp.zeros(8).at[3].set(2.0))  # of 1 and 3 more
    assert int(count) == 2


def test_rates_in_a_batch_have_means_of_their_own():
    def train(rate):
        iterates, states = fed(rx.average_weights(rx.control(optax.sgd, rate), 0.5), jnp.ones((4, 3)), jnp.ones(3))
        return rx.averaged(at(states, -1), iterates[-1]), at(states, -1)

    means, states = jax.vmap(train)(jnp.array([0.1, 0.2]))
    np.testing.assert_allclose(means[:, 0], [0.75, 0.5], rtol=1e-6)
    with pytest.raises(StateError, match="batch of states"):
        rx.averaged(states, jnp.ones(3))


class Model(nnx.Module):
    """Weights, running statistics, and a random stream."""

    def __init__(self):
        rngs = nnx.Rngs(0)
        self.first = nnx.Linear(2, 4, rngs=rngs)
        self.norm = nnx.BatchNorm(4, rngs=rngs)
        self.dropout = nnx.Dropout(0.3, rngs=rngs)
        self.last = nnx.Linear(4, 1, rngs=rngs)

    def __call__(self, x):
        return self.last(self.dropout(self.norm(self.first(x))))


def train_step(model, optimizer):
    loss, gradients = nnx.value_and_grad(lambda model: (model(X) ** 2).mean())(model)
    optimizer.update(model, gradients, value=loss)
    return loss


STEP = nnx.jit(train_step, donate_argnums=(0, 1))
RATE = rx.Constant(0.05) * rx.ReduceOnPlateau(monitor="averaged_loss", patience=1, factor=0.5)


def new(make=rx.Optimizer):
    model = Model()
    return model, make(model, rx.average_weights(rx.control(optax.adam, RATE), 0.5), wrt=nnx.Param)


@pytest.mark.parametrize("make", [rx.Optimizer, nnx.Optimizer])
def test_a_model_is_made_of_the_mean(make):
    model, optimizer = new(make)
    rows = []
    for _ in range(3):
        STEP(model, optimizer)
        rows.append(jax.tree.map(np.array, nnx.as_pure(nnx.state(model, nnx.Param))))
    mean = optimizer.averaged(model) if make is rx.Optimizer else rx.averaged(optimizer, model)
    want = jax.tree.map(lambda *leaves: np.mean(leaves, axis=0, dtype=np.float64).astype(np.float32), *rows)
    got = nnx.as_pure(nnx.state(mean, nnx.Param))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-8), got, want)
    assert_identical(nnx.as_pure(nnx.state(model, nnx.Param)), jax.tree.map(jnp.asarray, rows[-1]))  # the model's own stay
    others = [nnx.as_pure(nnx.state(one, nnx.Not(nnx.Any(nnx.Param, nnx.RngState)))) for one in (mean, model)]
    assert_identical(*others)
    before, streams = float(mean.first.kernel.sum()), nnx.as_pure(nnx.state(model, nnx.RngCount))
    mean(X)  # draws from a stream of its own
    assert_identical(nnx.as_pure(nnx.state(model, nnx.RngCount)), streams)
    STEP(model, optimizer)  # donates what it was made of
    assert float(mean.first.kernel.sum()) == before
    mean.eval()
    assert jnp.isfinite(mean(X)).all()


def test_a_policy_hears_its_loss():
    model, optimizer = new()
    for loss in (1.0, 1.0, 1.0):
        STEP(model, optimizer)
        optimizer.observe(averaged_loss=loss)
    STEP(model, optimizer)
    assert_within(optimizer.learning_rate, jnp.float32(0.05 / 4), 0)


def test_a_training_goes_on_with_its_mean_bit_for_bit(tmp_path):
    with rx.Checkpoints(tmp_path) as checkpoints:
        model, optimizer = new()
        for _ in range(3):
            STEP(model, optimizer)
        checkpoints.save(model=model, optimizer=optimizer)
        for _ in range(2):
            STEP(model, optimizer)
        again, restored = new()
        checkpoints.restore(model=again, optimizer=restored)
        for _ in range(2):
            STEP(again, restored)
    for a, b in ((again, model), (restored.averaged(again), optimizer.averaged(model)), (restored, optimizer)):
        assert_identical(*(jax.tree.leaves(nnx.as_pure(nnx.state(one, nnx.Not(nnx.RngKey)))) for one in (a, b)))


def test_errors_say_what_to_do():
    params = {"w": jnp.ones(2), "b": jnp.ones(1)}
    for bad in (0, -0.1, 0.6, float("nan"), "0.1", True, None):
        with pytest.raises(ArgumentError, match=r"fraction must be a number in \(0, 0\.5\], got"):
            rx.average_weights(optax.sgd(0.1), bad)
    with pytest.raises(ArgumentError, match="tx must be an optax transformation"):
        rx.average_weights(optax.sgd)
    tx = rx.average_weights(optax.sgd(0.1))
    with pytest.raises(ArgumentError, match="params must be given"):
        tx.update(params, tx.init(params))
    with pytest.raises(StateError, match="no average in this state"):
        rx.averaged(rx.control(optax.sgd, 0.1).init(params), params)
    model = Model()
    optimizer = rx.Optimizer(model, rx.control(optax.sgd, 0.1), wrt=nnx.Param)
    with pytest.raises(StateError, match="no average in this state"):
        optimizer.averaged(model)
    with pytest.raises(StateError, match="isn't one of all these parameters"):
        rx.averaged(tx.init(params), params["w"])
    groups = optax.multi_transform({"w": tx, "b": tx}, {"w": "w", "b": "b"})
    with pytest.raises(StateError, match="isn't one of all these parameters"):
        rx.averaged(groups.init(params), params)
