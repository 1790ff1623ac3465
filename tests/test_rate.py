"""The algebra of learning rates: products, bounds, counts of any kind, wrapped optax schedules, and what is written back."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import rheostax as rx
from rheostax._rate import as_count, is_reactive
from tests.support import assert_identical, ulps

COUNTS = np.arange(30)


def test_a_product_multiplies_in_any_order_and_with_anything():
    warmup, cosine = rx.Warmup(10), rx.Cosine(1e-3, 20)
    theirs = optax.exponential_decay(1e-3, 20, 0.5)
    for product, other in ((warmup * cosine, cosine), (cosine * warmup, cosine), (warmup * theirs, theirs), (theirs * warmup, theirs)):
        want = np.asarray(warmup(COUNTS)) * np.asarray(other(jnp.asarray(COUNTS)))
        assert ulps(product(COUNTS), want).max() <= 1
    np.testing.assert_array_equal((warmup * 0.5)(COUNTS), np.asarray(warmup(COUNTS)) * np.float32(0.5))
    np.testing.assert_array_equal((0.5 * warmup)(COUNTS), np.asarray(warmup(COUNTS)) * np.float32(0.5))


def test_products_are_flat():
    product = (rx.Warmup(10) * 0.5) * (rx.Constant(2.0) * rx.Cosine(1e-3, 20))
    assert [type(factor).__name__ for factor in product.factors] == ["Warmup", "Constant", "Constant", "Cosine"]


def test_clip_bounds_from_both_sides():
    line = rx.Linear(1.0, 0.0, 10)
    np.testing.assert_array_equal(line.clip(0.25, 0.75)(COUNTS), np.clip(np.asarray(line(COUNTS)), 0.25, 0.75))
    np.testing.assert_array_equal(line.clip(min_value=0.25)(COUNTS), np.maximum(np.asarray(line(COUNTS)), 0.25))
    np.testing.assert_array_equal(line.clip(max_value=0.75)(COUNTS), np.minimum(np.asarray(line(COUNTS)), 0.75))


def test_a_floor_holds_however_many_cuts_come():
    rate = (rx.Constant(1.0) * rx.ReduceOnPlateau(patience=1, factor=0.1)).clip(min_value=0.02)
    rates = rx.simulate(rate, 8, {"value": np.ones(8)})
    np.testing.assert_allclose(rates, [1.0, 0.1] + [0.02] * 6, rtol=2e-7)


def test_join_changes_at_its_boundaries_and_counts_from_them():
    rate = rx.Join([rx.Constant(0.5), rx.Linear(1.0, 0.0, 4), 0.125], boundaries=[3, 5])
    np.testing.assert_array_equal(rate(np.arange(8)), np.float32([0.5, 0.5, 0.5, 1.0, 0.75, 0.125, 0.125, 0.125]))


def test_join_agrees_with_optax():
    pieces, boundaries = [(1e-3, 0.1, 7), (0.1, 0.01, 20), (0.5, 0.0, 30)], [7, 20]
    ours = rx.Join([rx.Linear(*piece) for piece in pieces], boundaries)
    theirs = optax.join_schedules([optax.linear_schedule(*piece) for piece in pieces], boundaries)
    counts = np.arange(60)
    np.testing.assert_allclose(ours(counts), jax.vmap(theirs)(jnp.asarray(counts)), rtol=1e-5, atol=1e-9)


def test_only_the_part_in_charge_hears():
    """The policy of part 1 doesn't count what came while part 0 was in charge, and part 0's stays as it was afterwards."""
    first, second = (rx.Constant(1.0) * rx.ReduceOnPlateau(patience=2, factor=0.5) for _ in range(2))
    joined = rx.Join([first, second], boundaries=[4])
    rates = rx.simulate(joined, 9, {"value": np.ones(9)})
    np.testing.assert_array_equal(rates, np.float32([1, 1, 0.5, 0.5, 1, 1, 0.5, 0.5, 0.25]))
    states = [joined.init()]
    for count in range(9):
        states.append(joined.observe(states[-1], jnp.int32(count), {"value": jnp.float32(1.0)}))
    assert_identical(states[9][0], states[4][0])


@pytest.mark.parametrize(
    ("rate", "horizon"),
    [
        (rx.Constant(1.0), None),
        (rx.Linear(1.0, 0.0, 10), 10),
        (rx.Cosine(1.0, 11), 11),
        (rx.Polynomial(1.0, 0.0, 2.0, 12), 12),
        (rx.Exponential(1.0, 10, 0.5), None),
        (rx.Warmup(10), None),
        (rx.WarmupStableDecay(1.0, 1, 2, 13), 13),
        (rx.Warmup(50) * rx.Cosine(1.0, 20, 0.1) * rx.Linear(1.0, 0.5, 30), 30),
        (rx.Warmup(50) * rx.Cosine(1.0, 20) * rx.Linear(1.0, 0.5, 30), 20),  # times 0 from there on
        (rx.Cosine(1.0, 20) * rx.Linear(1.0, 0.0, 30), 20),
        (rx.Cosine(1.0, 20).clip(0.1) * rx.Linear(1.0, 0.0, 30), 30),
        (rx.Cosine(1.0, 20).clip(0.1), 20),
        (rx.Join([rx.Cosine(1.0, 90), rx.Linear(1.0, 0.0, 5)], [10]), 15),
        (rx.Join([rx.Cosine(1.0, 90), 1.0], [10]), None),
        (rx.Join([1.0, rx.Cosine(1.0, 90), rx.Linear(1.0, 0.0, 5)], [10, 20]), 25),
        (rx.Constant(1.0) * rx.Groups({"a": rx.Cosine(1.0, 7), "b": rx.Linear(1.0, 0.0, 9), "c": 1.0}), 9),
        (rx.ReduceOnPlateau(), None),
    ],
    ids=repr,
)
def test_horizon_is_where_the_last_decay_ends(rate, horizon):
    assert rate.horizon == horizon


def test_a_product_of_traced_values_ends_with_its_last_factor():
    def horizon(value):
        rate = rx.Cosine(1.0, 20, value) * rx.Linear(value, 0.5, 30)
        return jnp.int32(rate.horizon)

    assert jax.jit(horizon)(0.0) == 30


@pytest.mark.parametrize("count", [-1, np.int64(-(2**40)), np.array([-5]), jnp.int32(-1), jnp.int8(-1)])
def test_negative_counts_are_zero(count):
    assert np.all(np.asarray(as_count(count)) == 0)


def test_counts_of_64_bits_are_clamped_from_both_sides():
    with jax.enable_x64(True):
        for count, want in ((2**40, 2**31 - 1), (-(2**40), 0), (-(2**31) - 5, 0), (7, 7)):
            got = as_count(jnp.int64(count))
            assert (got.dtype, int(got)) == (jnp.int32, want)
        assert int(as_count(jnp.uint64(2**63))) == 2**31 - 1


@pytest.mark.parametrize("count", [1.0, np.float64(2.0), jnp.float32(3.0), np.array([1.5]), "7", None, jnp.array(True)])
def test_a_count_must_be_whole(count):
    with pytest.raises(rx.ArgumentError, match=r"count must be a whole number, got"):
        rx.Linear(1.0, 0.0, 10)(count)


def test_an_expression_with_a_policy_is_no_schedule():
    rate = rx.Warmup(10) * rx.Join([1.0, rx.ReduceOnPlateau()], [5])
    assert is_reactive(rate)
    assert not is_reactive(rx.Warmup(10).clip(0.1))
    with pytest.raises(rx.ArgumentError, match=r"ReduceOnPlateau\(\).* reacts to metrics.*Use rx\.control"):
        rate(3)


def test_schedules_are_optax_schedules():
    """An expression without policies goes wherever optax takes a schedule."""
    rate = rx.Warmup(5) * rx.Cosine(0.1, 20)
    tx = optax.sgd(rate)
    params, state = jnp.ones(()), tx.init(jnp.ones(()))
    for count in range(8):
        updates, state = jax.jit(tx.update)(params, state, params)
        assert ulps(updates, -np.float32(rate(count))) <= 3


def test_a_wrapped_function_must_be_callable():
    with pytest.raises(rx.ArgumentError, match=r"value must be a finite number in \[0, inf\), got 'cosine'"):
        rx.Warmup(5) * "cosine"


@pytest.mark.parametrize(
    ("rate", "text"),
    [
        (rx.Constant(0.1) * rx.Warmup(5), "0.1 * Warmup(steps=5)"),
        (rx.Warmup(5) * 0.1, "Warmup(steps=5) * 0.1"),
        (rx.Constant(0.1) * 0.5 * rx.Warmup(5), "Constant(value=0.1) * 0.5 * Warmup(steps=5)"),
        (rx.Warmup(5) * 0.1 * 0.5, "Warmup(steps=5) * 0.1 * 0.5"),
        ((rx.Warmup(5) * 0.1).clip(0.01, 1.0), "(Warmup(steps=5) * 0.1).clip(min_value=0.01, max_value=1.0)"),
        (rx.Warmup(5).clip(max_value=0.5), "Warmup(steps=5).clip(max_value=0.5)"),
        (rx.Warmup(5).clip(), "Warmup(steps=5).clip()"),
        (rx.ReduceOnPlateau(patience=3, mode="max"), "ReduceOnPlateau(mode='max', patience=3)"),
        (rx.ReduceOnPlateau(rtol=np.float32(1e-4)), "ReduceOnPlateau(rtol=9.999999747378752e-05)"),  # what it was given, exactly
        (rx.Join([rx.Warmup(5), 0.1], [5]), "Join([Warmup(steps=5), Constant(value=0.1)], boundaries=[5])"),
        (rx.Join([1.0, 0.1], ["2ep"]), "Join([Constant(value=1.0), Constant(value=0.1)], boundaries=['2ep'])"),
        (rx.Groups({"a/*": 0.5, "b": None}, rest=rx.Warmup(2)), "Groups({'a/*': 0.5, 'b': None}, rest=Warmup(steps=2))"),
        (rx.Groups({"a/*": 0.5}), "Groups({'a/*': 0.5})"),
        (rx.Exponential(0.1, 10, 0.9), "Exponential(init_value=0.1, transition_steps=10, decay_rate=0.9)"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_expression_is_written_as_it_was_made(rate, text):
    assert repr(rate) == text


def test_expressions_are_immutable_and_comparable():
    assert rx.Cosine(1e-3, 10) == rx.Cosine(1e-3, 10, end_value=0)
    assert rx.Cosine(1e-3, 10) != rx.Cosine(1e-3, 11)
    assert hash(rx.Cosine(1e-3, 10) * 0.5) == hash(rx.Cosine(1e-3, 10) * 0.5)
    with pytest.raises(AttributeError, match="cannot assign to field 'init_value'"):
        rx.Cosine(1e-3, 10).init_value = 1.0


@pytest.mark.parametrize("x64", [False, True])
def test_counts_of_every_integer_type(x64):
    names = ["int8", "uint8", "int16", "uint16", "int32", "uint32", *(["int64", "uint64"] if x64 else [])]
    with jax.enable_x64(x64):
        kinds = [int, np.array, np.int8, np.uint8, np.int32, np.uint32, np.int64, np.uint64, *(getattr(jnp, name) for name in names)]
        for kind in kinds:
            found = as_count(kind(7))
            assert (found.dtype, found.shape, found.weak_type, int(found)) == (jnp.int32, (), False, 7), kind
            several = as_count(np.array([7, 8], np.asarray(kind(7)).dtype))
            assert (several.dtype, several.tolist()) == (jnp.int32, [7, 8]), kind
