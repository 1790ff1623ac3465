"""The comparison of what every device holds, on the eight devices of one process."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import PartitionSpec as P

import rheostax as rx
from benchmarks._measure import compilations
from rheostax.parallel import Agreement, check_agreement, data_mesh, place, reduce_metrics, shard_batch
from rheostax.parallel._agreement import _digest

RATE = 0.1 * rx.ReduceOnPlateau(patience=1, factor=0.5)
TX = rx.control(optax.sgd, RATE)
PARAMS = {"w": np.ones(3, np.float32)}


def gone_their_own_ways(tx=TX):
    """Return a state that JAX calls replicated, though each of two devices has heard a loss of its own."""
    mesh = data_mesh()
    losses = shard_batch(np.array([1, 1, 1, 2, 1, 1, 1, 2], np.float32), mesh)

    def train(loss):
        state = tx.init(PARAMS)
        for k in (1, 2):
            state = tx.update(PARAMS, state, PARAMS, value=loss[0] if k == 1 else jnp.float32(1.5))[1]
        return state

    return jax.jit(jax.shard_map(train, mesh=mesh, in_specs=P("data"), out_specs=P(), check_vma=False))(losses)


def test_devices_that_went_their_own_ways_are_named():
    state = gone_their_own_ways()
    assert state.floats.sharding.is_fully_replicated
    with pytest.raises(rx.DisagreementError, match=r": devices 3, 7 have 0\.1 at update 2; devices 0, 1, 2, 4, 5, 6 have 0\.05 at"):
        check_agreement(state)


def test_the_fields_that_differ_are_named():
    with pytest.raises(rx.DisagreementError, match=r"differ in observed\[1\]\.own\.scale\.high, observed\[1\]\.own\.best_value"):
        check_agreement(gone_their_own_ways())


def test_groups_and_several_controls():
    groups = RATE * rx.Groups({"w/x": 1.0, "w/y": 0.5})
    tx = optax.multi_transform({"a": rx.control(optax.sgd, groups), "b": TX}, {"w": "a", "b": "b"})
    ones = np.ones(2, np.float32)
    check_agreement(place(tx.init({"w": {"x": ones, "y": ones}, "b": ones}), data_mesh()))


def test_the_rates_of_groups_are_told():
    with pytest.raises(rx.DisagreementError, match=r"devices 3, 7 have \[0\.1\] at update 2;"):
        check_agreement(gone_their_own_ways(rx.control(optax.sgd, RATE * rx.Groups({"w": 1.0}))))


def test_agreeing_devices_are_no_error():
    state = place(TX.init(PARAMS), data_mesh())
    check_agreement(state)
    agreement = Agreement(every=1)
    for _ in range(3):
        agreement.check(state)


def test_a_disagreement_is_told_at_the_call_after_the_comparison():
    state, agreement = gone_their_own_ways(), Agreement(every=4)
    for _ in range(4):
        agreement.check(state)
    with pytest.raises(rx.DisagreementError):
        agreement.check(state)
    for _ in range(3):  # counted from then on: the call that told it was the fifth
        agreement.check(state)
    with pytest.raises(rx.DisagreementError):
        agreement.check(state)


def test_what_is_compared_may_be_donated_meanwhile():
    state, agreement = place(TX.init(PARAMS), data_mesh()), Agreement(every=1)
    update = jax.jit(lambda state: TX.update(PARAMS, state, PARAMS, value=1.0)[1], donate_argnums=0)
    for _ in range(5):
        state = update(state)
        agreement.check(state)
    assert rx.learning_rate(state) == np.float32(0.1 / 2**4)


def test_one_compilation_however_often_it_is_checked():
    state = place(TX.init(PARAMS), data_mesh())
    check_agreement(state)
    with compilations() as compiled:
        for _ in range(3):
            check_agreement(state)
    assert compiled == []


@pytest.mark.parametrize("place", [0, 7, 30])
@pytest.mark.parametrize("bit", [0, 13, 31])
def test_the_digest_sees_every_bit_and_every_exchange(place, bit):
    words = np.random.default_rng(0).integers(-(2**31), 2**31, 31, dtype=np.int64).astype(np.int32)
    changed, exchanged = words.copy(), words.copy()
    changed[place] ^= np.int32(np.uint32(1 << bit).view(np.int32))
    exchanged[[place, 3]] = exchanged[[3, place]]
    digests = {np.asarray(_digest(jnp.asarray(one))).tobytes() for one in (words, changed, exchanged)}
    assert len(digests) == 3


def test_the_digest_is_that_of_murmurhash():
    """Against the definition, with Python's own integers."""

    def mixed(words, seed):
        total = 0
        for i, word in enumerate(words):
            h = (word ^ (i + 1) * seed) % 2**32
            h = (h ^ h >> 16) * 0x85EBCA6B % 2**32
            h = (h ^ h >> 13) * 0xC2B2AE35 % 2**32
            total += h ^ h >> 16
        return total % 2**32

    words = np.random.default_rng(1).integers(0, 2**32, 40, dtype=np.uint32)
    got = np.asarray(_digest(jnp.asarray(words.view(np.int32)))).view(np.uint32)
    assert got.tolist() == [mixed(words.tolist(), seed) for seed in (0x9E3779B1, 0x85EBCA77)]


def test_nothing_to_compare_on_one_device():
    check_agreement(TX.init(PARAMS))


def test_what_can_not_be_compared_is_said():
    with pytest.raises(rx.StateError, match="no rheostax learning rate"):
        check_agreement(optax.adam(0.1).init(PARAMS))
    with pytest.raises(rx.StateError, match="batch of states"):
        check_agreement(jax.vmap(lambda _: TX.init(PARAMS))(jnp.arange(2)))
    with pytest.raises(rx.StateError, match=r"outside of jax\.jit"):
        jax.jit(check_agreement)(TX.init(PARAMS))
    with pytest.raises(rx.ArgumentError, match=r"Agreement: every must be a whole number >= 1, got 0"):
        Agreement(every=0)


def test_reducing_on_one_process_changes_nothing():
    got = reduce_metrics({"a": 0.1, "b": None, "c": np.int64(3)}, "max", weight=7)
    assert got == {"a": np.float32(0.1), "c": 3.0}
    assert all(value.dtype == np.float32 for value in got.values())


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (({"a": 1.0}, "sum"), "how must be one of 'mean', 'min', 'max', got 'sum'"),
        (({"a": np.ones(2)},), r"The metric 'a' must be a scalar, got shape \(2,\)"),
        (({"a": "1"},), "The metric 'a' must be a real number, got '1'"),
    ],
)
def test_a_wrong_argument_of_a_reduction_is_said(arguments, says):
    with pytest.raises(rx.ArgumentError, match=says):
        reduce_metrics(*arguments)


@pytest.mark.parametrize("weight", [-1.0, np.nan, np.inf])
def test_a_weight_is_finite_and_not_negative(weight):
    with pytest.raises(rx.ArgumentError, match="weight must be a finite number >= 0, got"):
        reduce_metrics({"a": 1.0}, weight=weight)


def test_a_traced_metric_needs_an_axis():
    with pytest.raises(rx.ArgumentError, match=r"name it with axis="):
        jax.jit(lambda value: reduce_metrics({"a": value}))(1.0)


@pytest.mark.parametrize("how", ["mean", "min", "max"])
def test_along_an_axis_nan_and_weights(how):
    values, weights = jnp.array([1.0, 4.0, jnp.nan]), jnp.array([3.0, 1.0, 0.0])

    def reduced(weights):
        return jax.vmap(lambda x, w: reduce_metrics({"a": x}, how, weight=w, axis="i")["a"], axis_name="i")(values, weights)

    assert np.asarray(reduced(weights)).tolist() == [{"mean": 1.75, "min": 1.0, "max": 4.0}[how]] * 3
    assert np.isnan(reduced(weights + 1)).all()


def test_a_mean_along_an_axis_stays_between_its_values_and_invents_none():
    def mean(values, weights):
        return jax.vmap(lambda x, w: reduce_metrics({"a": x}, weight=w, axis="i")["a"], axis_name="i")(values, weights)

    for n in range(1, 25):
        values = jnp.full(n, 1.3, jnp.float32)
        assert np.array_equal(mean(values, jnp.ones(n)), values)
    assert np.isnan(mean(jnp.full(3, 2.0), jnp.zeros(3))).all()
