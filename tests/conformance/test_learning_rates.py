"""The same checks for every schedule, every policy, and expressions composed of them."""

import copy
import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import orbax.checkpoint as ocp
import pytest

import rheostax as rx
from rheostax._control_state import monitored
from rheostax._rate import Foreign, is_reactive, lower, walk
from rheostax.groups import group_names
from tests.conformance.catalogue import CLASSES, EXAMPLES, sample_arguments
from tests.support import assert_identical, assert_within, counting

STEPS = 40
LAST = 2**31 - 1


def each(condition):
    """Run a test on the examples for which a condition holds."""
    chosen = {name: rate for name, rate in EXAMPLES.items() if condition(rate)}
    return pytest.mark.parametrize("rate", chosen.values(), ids=chosen)


def has_foreign(rate):
    return any(isinstance(part, Foreign) for part, _ in walk(rate))


each_example = each(lambda rate: True)
each_schedule = each(lambda rate: not is_reactive(rate) and group_names(rate) is None)  # what can be called with a count
each_of_our_own = each(lambda rate: not has_foreign(rate))


def observations(rate, steps=STEPS):
    """Return per monitored metric a stream that improves now and then, is flat for a while, and has a NaN and an infinity."""
    random = np.random.default_rng(3)
    streams = {}
    for name in monitored(rate):
        values = random.integers(-3, 4, steps).astype(np.float32) / 2
        values[steps // 4], values[steps // 2] = np.nan, np.inf
        values[-steps // 4 :] = 0.5
        streams[name] = values
    return streams


def at(streams, k):
    return {name: jnp.float32(values[k]) for name, values in streams.items()}


def update(rate, state, count, metrics):
    state = rate.observe(state, count, metrics)
    return state, rate.evaluate(state, count).high


@jax.jit
def scanned(rate, state, counts, streams):
    return jax.lax.scan(lambda state, inputs: update(rate, state, *inputs), state, (counts, streams))


@jax.jit
def compiled(rate, state, counts):
    return jax.vmap(lambda count: rate.evaluate(state, count).high)(counts)


def eager(rate, state, counts):
    return jnp.stack([rate.evaluate(state, jnp.int32(count)).high for count in counts])


def after_some(rate):
    """Return a state in which something has been observed."""
    return scanned(rate, rate.init(), jnp.arange(STEPS), observations(rate))[0]


def variant(rate, i):
    """Return the same expression with other hyperparameters."""

    def change(leaf):
        return leaf * (1 + i / 8) if jnp.issubdtype(jnp.result_type(leaf), jnp.floating) else leaf + i

    return jax.tree.map(change, rate)


@each_example
def test_it_is_pure(rate):
    state, streams = after_some(rate), observations(rate)
    before = copy.deepcopy(jax.tree.map(np.asarray, (rate, state)))
    first = update(rate, state, jnp.int32(3), at(streams, 0))
    second = update(rate, state, jnp.int32(3), at(streams, 0))
    assert_identical(first, second)
    assert_identical(jax.tree.map(np.asarray, (rate, state)), before)


@each_example
def test_structure_shapes_and_dtypes_are_stable(rate):
    def described(tree):
        return jax.tree.structure(tree), *((x.shape, x.dtype, x.weak_type) for x in jax.tree.leaves(tree))

    first = jax.eval_shape(rate.init)
    metrics = at(observations(rate), 0)
    for given in (metrics, {}):
        after, value = jax.eval_shape(functools.partial(update, metrics=given), rate, first, jnp.int32(0))
        assert described(after) == described(first)
        groups = group_names(rate)
        assert described(value)[1] == (() if groups is None else (len(groups),), jnp.float32, False)
    assert {leaf.dtype for leaf in jax.tree.leaves(first)} <= {jnp.dtype("float32"), jnp.dtype("int32"), jnp.dtype("bool")}
    assert not any(leaf.weak_type for leaf in jax.tree.leaves(first))


@each_example
def test_compiled_is_eager(rate):
    counts = jnp.asarray([*range(STEPS), 1000, LAST])
    state = after_some(rate)
    assert_within(compiled(rate, state, counts), eager(rate, state, counts.tolist()), 4)
    if rate.horizon is not None:
        ends = jnp.asarray([rate.horizon, rate.horizon + 1, LAST])
        assert_identical(compiled(rate, state, ends), eager(rate, state, ends.tolist()))


@each_example
def test_a_scan_is_a_loop(rate):
    rate = lower(rate)  # or jit would round Python numbers to float32, and the loop wouldn't
    state, streams, values = rate.init(), observations(rate), []
    for k in range(STEPS):
        state, value = update(rate, state, jnp.int32(k), at(streams, k))
        values.append(value)
    last, rates = scanned(rate, rate.init(), jnp.arange(STEPS), streams)
    assert_within(rates, jnp.stack(values), 4)
    # A mean distance from a mean is a difference of nearly equal numbers.
    assert_within(last, state, 64 if isinstance(rate, rx.SpikeGuard) else 4)
    if streams and not isinstance(rate, rx.StopOnPlateau):
        silent = {name: np.full(STEPS, np.nan, np.float32) for name in streams}
        unmoved = scanned(rate, rate.init(), jnp.arange(STEPS), silent)[1]
        assert np.any(np.asarray(rates) != np.asarray(unmoved)), "the observations should move the rate, or these tests see nothing"


@each_example
def test_vmap_over_hyperparameters_is_a_loop(rate):
    family = [variant(rate, i) for i in range(3)]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *family)
    counts, streams = jnp.arange(STEPS), observations(rate)
    batched = jax.vmap(lambda rate: scanned(rate, rate.init(), counts, streams))(stacked)
    single = [scanned(one, one.init(), counts, streams) for one in family]
    assert_within(batched, jax.tree.map(lambda *leaves: jnp.stack(leaves), *single), 64 if isinstance(rate, rx.SpikeGuard) else 4)
    if jax.tree.leaves(rate) and not isinstance(rate, rx.StopOnPlateau):
        assert np.any(np.asarray(single[0][1]) != np.asarray(single[2][1]))


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_it_can_be_made_under_vmap(cls):
    """A family of rates is `jax.vmap(lambda x: rx.Cosine(x, ...))`; checks that need a value let tracers pass."""
    arguments = sample_arguments(cls)
    structure = {field.name for field in dataclasses.fields(cls) if field.metadata.get("static")}
    traced = {name: v for name, v in arguments.items() if np.asarray(v).dtype.kind in "if" and name not in structure}
    numbers = {name: jnp.stack([jnp.asarray(v)] * 2) for name, v in traced.items()}
    rest = {name: v for name, v in arguments.items() if name not in numbers}

    def value(numbers):
        rate = cls(**numbers, **rest)
        return rate.evaluate(rate.init(), jnp.int32(3)).high

    one = cls(**arguments)
    assert_within(jax.jit(jax.vmap(value))(numbers), jnp.stack([one.evaluate(one.init(), jnp.int32(3)).high] * 2), 4)
    assert numbers


@each_example
def test_counts_may_have_any_shape(rate):
    """A vector of counts is a loop over them, with and without vmap."""
    state, counts = after_some(rate), jnp.arange(STEPS).reshape(8, 5)
    want = eager(rate, state, range(STEPS)).reshape(8, 5, -1)
    got = jax.vmap(jax.vmap(lambda count: rate.evaluate(state, count).high))(counts)
    assert_within(got.reshape(want.shape), want, 4)
    if group_names(rate) is None:
        assert_within(rate.evaluate(state, counts).high, want[..., 0], 4)


@each_example
def test_new_hyperparameters_are_no_new_trace(rate):
    evaluate = counting(lambda rate, count: rate.evaluate(rate.init(), count).high)
    jitted = jax.jit(evaluate)
    for i in range(4):
        jitted(variant(rate, i), jnp.int32(i))
    assert evaluate.traces == 1


@each_schedule
@pytest.mark.parametrize("x64", [False, True])
def test_any_count_gives_float32(rate, x64):
    with jax.enable_x64(x64):
        want = rate(7)
        kinds = [np.int64, np.uint8, jnp.uint32, np.array, *([jnp.uint64] if x64 else [])]  # all are tried in test_rate.py
        assert want.dtype == jnp.float32
        for kind in kinds:
            value = rate(kind(7))
            assert (value.dtype, value.shape, value.weak_type) == (jnp.float32, (), False), kind
            assert value == want, kind
            assert rate(np.array([7, 7], np.asarray(kind(7)).dtype)).dtype == jnp.float32


@each_example
def test_x64_changes_nothing(rate):
    """The wrapped optax schedule computes in the precision that jax has; ours don't."""
    limit = 4 if has_foreign(rate) else 0

    def run():
        state, values = rate.init(), []
        for k in range(12):
            state, value = update(rate, state, jnp.int32(k), at(observations(rate), k))
            values.append(value)
        return jax.tree.map(np.asarray, (state, values))

    narrow = run()
    with jax.enable_x64(True):
        wide = run()
    assert_within(wide, narrow, limit)


@each_example
def test_it_is_finite_and_not_negative_past_the_end(rate):
    counts = jnp.asarray([STEPS, 1000, 2**24 + 1, 2**30, LAST - 1, LAST])
    for state in (rate.init(), after_some(rate)):
        values = np.asarray(compiled(rate, state, counts))
        assert np.all(np.isfinite(values))
        assert np.all(values >= 0)


@each_of_our_own
def test_it_is_written_as_it_can_be_made(rate):
    assert eval(repr(rate), vars(rx).copy()) == rate
    carried = jax.jit(lambda rate: rate)(rate)  # hyperparameters as the float32 and int32 of a state
    again = eval(repr(carried), vars(rx).copy())
    assert_identical(jax.tree.map(jnp.asarray, jax.tree.leaves(again)), jax.tree.leaves(carried))


PARAMS = {name: {"w": jnp.linspace(-1.0, 1.0, 3)} for name in ("head", "body", "norm")}


@pytest.fixture
def through_numpy():
    def restore(state, _):
        leaves, treedef = jax.tree.flatten(jax.device_get(state))
        return jax.tree.unflatten(treedef, [np.frombuffer(leaf.tobytes(), leaf.dtype).reshape(leaf.shape) for leaf in leaves])

    return restore


@pytest.fixture
def through_orbax(tmp_path):
    def restore(state, like):
        with ocp.StandardCheckpointer() as checkpointer:
            checkpointer.save(tmp_path / "state", state)
            checkpointer.wait_until_finished()
            return checkpointer.restore(tmp_path / "state", jax.tree.map(ocp.utils.to_shape_dtype_struct, like))

    return restore


@each_example
def test_a_run_saved_and_restored_goes_on_bit_for_bit(rate, through_numpy, through_orbax):
    tx, streams = rx.control(optax.adam, rate), observations(rate, 20)

    @jax.jit
    def step(params, state, metrics):
        updates, state = tx.update(jax.tree.map(jnp.sin, params), state, params, **metrics)
        return optax.apply_updates(params, updates), state

    def run(params, state, counts):
        for k in counts:
            params, state = step(params, state, at(streams, k))
        return params, state

    middle = run(PARAMS, tx.init(PARAMS), range(10))
    middle = (middle[0], rx.scale_learning_rate(middle[1], 0.7))
    end = run(*middle, range(10, 20))
    # All states are two vectors; with orbax, which takes its time, those are tried in which something has been observed.
    for save in (through_numpy, through_orbax) if is_reactive(rate) else (through_numpy,):
        restored = save(middle, (PARAMS, tx.init(PARAMS)))
        assert_identical(restored, middle)
        assert_identical(run(*restored, range(10, 20)), end)
