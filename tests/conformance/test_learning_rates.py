"""The same checks for every schedule, every policy, and expressions composed of them.

An example is compiled twice: as a family of rates under `jax.vmap`, and as a training run under `rx.control`. The checks
compare what came of these, and of evaluating it eagerly.
"""

import copy
import dataclasses
import functools
import json
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import orbax.checkpoint as ocp
import pytest

import rheostax as rx
from rheostax._rate import Foreign, is_reactive, lower, walk
from rheostax.checkpoint._carry import Carried
from rheostax.checkpoint._carry import carry as carry_over
from rheostax.checkpoint._saved_rate import FORMAT, read_rate, write_rate
from rheostax.groups import group_names
from tests.conformance.catalogue import CLASSES, EXAMPLES, FURTHER, STEPS, observations, sample_arguments
from tests.support import assert_identical, assert_within, counting

HALF, EAGER = STEPS // 2, 12
LAST = 2**31 - 1
DEEP = 1e-30  # below it a change by hand, by which control multiplies the rate, has no room for its error terms
PAST_THE_END = [STEPS, 1000, 2**24 + 1, 2**30, LAST - 1, LAST]
PARAMS = {name: {"w": jnp.linspace(-1.0, 1.0, 3)} for name in ("head", "body", "norm")}


def each(condition):
    """Run a test on the examples for which a condition holds."""
    names = [name for name, rate in EXAMPLES.items() if condition(rate)]
    return pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.variant) if name in FURTHER else name for name in names])


def has_foreign(rate):
    return any(isinstance(part, Foreign) for part, _ in walk(rate))


each_example = each(lambda rate: True)
each_reactive = each(is_reactive)
each_schedule = each(lambda rate: not is_reactive(rate) and group_names(rate) is None)  # what can be called with a count
each_of_our_own = each(lambda rate: not has_foreign(rate))


def at(streams, k):
    return {name: jnp.float32(values[k]) for name, values in streams.items()}


def update(rate, state, count, metrics):
    state = rate.observe(state, count, metrics)
    return state, rate.evaluate(state, count).high


def variant(rate, i):
    """Return the same expression with other hyperparameters."""

    def change(leaf):
        return leaf * (1 + i / 8) if jnp.issubdtype(jnp.result_type(leaf), jnp.floating) else leaf + i

    return jax.tree.map(change, rate)


def all_counts(rate):
    """Return the counts at which compiled and eager values are compared, the last two of them where a decay is over."""
    end = LAST - 1 if rate.horizon is None else rate.horizon
    return np.array([*range(STEPS), *PAST_THE_END, end, end + 1], np.int32)


class Family(NamedTuple):
    """What one compiled function found out on variants 0, 1 and 2 of an example, all at once."""

    rates: np.ndarray  # while it is observed
    states: Any  # before and after that
    values: np.ndarray  # at `all_counts` in both states
    traces: int  # with these variants and with others


@functools.cache
def family(name):
    rate = EXAMPLES[name]
    counts, streams = all_counts(rate), observations(rate)

    @counting
    def one(rate):
        start = rate.init()
        last, rates = jax.lax.scan(lambda state, inputs: update(rate, state, *inputs), start, (jnp.arange(STEPS), streams))
        states = jax.tree.map(lambda *leaves: jnp.stack(leaves), start, last)
        values = jax.vmap(lambda state: jax.vmap(lambda count: rate.evaluate(state, count).high)(counts), axis_size=2)(states)
        return rates, states, values

    jitted = jax.jit(jax.vmap(one))
    several = [[lower(variant(rate, first + i)) for i in range(3)] for first in (0, 1)]
    found = [jitted(jax.tree.map(lambda *leaves: jnp.stack(leaves), *rates)) for rates in several]
    return Family(*jax.tree.map(np.asarray, found[0]), one.traces)


def before_and_after(name):
    """Return the states of an example before it is observed and after."""
    states = family(name).states
    return tuple(jax.tree.map(lambda leaf, i=i: jnp.asarray(leaf[0, i]), states) for i in (0, 1))


class Training:
    """A training run with an example as its learning rate, compiled once: half of it at a time."""

    def __init__(self, rate):
        self.tx = tx = rx.control(optax.adam, rate)
        self.streams = observations(rate)

        def step(carry, metrics):
            params, state = carry
            updates, state = tx.update(jax.tree.map(jnp.sin, params), state, params, **metrics)
            return (optax.apply_updates(params, updates), state), (state.learning_rate, state.floats, state.ints)

        def half(carry, streams):
            return jax.lax.scan(step, carry, streams, length=HALF)

        self.half = jax.jit(half).lower(self.start(), self.part(self.streams, 0)).compile()

    def start(self, tx=None):
        return PARAMS, (tx or self.tx).init(PARAMS)

    @staticmethod
    def part(streams, which):
        return {name: values[which * HALF : (which + 1) * HALF] for name, values in streams.items()}

    def run(self, carry=None, streams=None):
        """Return the state in the end and all rates. What was compiled takes the state of any variant: numbers are in the state."""
        streams, carry, rates = self.streams if streams is None else streams, self.start() if carry is None else carry, []
        for which in (0, 1):
            carry, some = self.half(carry, self.part(streams, which))
            rates.append(some[0])
        return carry[1], jnp.concatenate(rates)


@functools.cache
def training(name):
    return Training(EXAMPLES[name])


def eager(rate, state, counts):
    """Evaluate at each count, all of them as one vector unless there are groups, and a few of those one by one."""
    counts = np.asarray(counts, np.int32)
    few = range(len(counts)) if group_names(rate) is not None else [0, 1, 3, len(counts) // 2, *range(len(counts) - 3, len(counts))]
    alone = jnp.stack([rate.evaluate(state, jnp.int32(counts[i])).high for i in few])
    if group_names(rate) is not None:
        return alone
    together = rate.evaluate(state, jnp.asarray(counts)).high
    assert_within(together[jnp.array(few)], alone, 4 if has_foreign(rate) else 1)
    return together


def assert_same_rates(got, want):
    got, want = np.asarray(got), np.asarray(want)
    assert np.all(got[want < DEEP] < 2 * DEEP)
    assert_within(np.where(want < DEEP, 0, got), np.where(want < DEEP, 0, want), 4)


def limit(rate):
    return 64 if isinstance(rate, rx.SpikeGuard) else 4  # a mean distance from a mean is a difference of nearly equal numbers


@each_example
def test_it_is_pure(name):
    rate = EXAMPLES[name]
    state, streams = before_and_after(name)[1], observations(rate)
    before = copy.deepcopy(jax.tree.map(np.asarray, (rate, state)))
    first = update(rate, state, jnp.int32(3), at(streams, 0))
    second = update(rate, state, jnp.int32(3), at(streams, 0))
    assert_identical(first, second)
    assert_identical(jax.tree.map(np.asarray, (rate, state)), before)


@each_example
def test_structure_shapes_and_dtypes_are_stable(name):
    def described(tree):
        return jax.tree.structure(tree), *((x.shape, x.dtype, x.weak_type) for x in jax.tree.leaves(tree))

    rate = EXAMPLES[name]
    first = jax.eval_shape(rate.init)
    metrics = at(observations(rate), 0)
    for given in (metrics, {}) if metrics else ({},):
        after, value = jax.eval_shape(functools.partial(update, metrics=given), rate, first, jnp.int32(0))
        assert described(after) == described(first)
        groups = group_names(rate)
        assert described(value)[1] == (() if groups is None else (len(groups),), jnp.float32, False)
    assert {leaf.dtype for leaf in jax.tree.leaves(first)} <= {jnp.dtype("float32"), jnp.dtype("int32"), jnp.dtype("bool")}
    assert not any(leaf.weak_type for leaf in jax.tree.leaves(first))


@each_example
def test_compiled_is_eager(name):
    rate = EXAMPLES[name]
    got, counts = family(name).values[0], all_counts(rate)
    start, last = before_and_after(name)
    want = np.asarray(eager(rate, last, counts))
    assert_within(got[1], want, 4)
    if rate.horizon is not None:
        ends = (counts == LAST) | (np.arange(len(counts)) >= len(counts) - 2)
        assert_identical(got[1][ends], want[ends])
    assert_within(got[0][-1], np.asarray(rate.evaluate(start, jnp.int32(counts[-1])).high), 4)


@each_example
def test_a_scan_is_a_loop(name):
    """A training run's rates and state are those of observing and evaluating one by one."""
    rate, run = lower(EXAMPLES[name]), training(name)  # as `control` lowers it: numbers with 48 bits
    state, rates = run.run()
    if is_reactive(rate):
        want, values, compiled = rate.init(), [], jax.jit(update)
        for k in range(STEPS):  # the first of them operation by operation, a NaN among them; that takes long
            want, value = (update if k < EAGER else compiled)(rate, want, jnp.int32(k), at(run.streams, k))
            values.append(value)
        assert_same_rates(rates, jnp.stack(values))
        observed = jax.tree.map(lambda got, want: got.astype(want.dtype), state.body.observed, want)
        assert_within(observed, want, limit(rate))
    else:
        assert_same_rates(rates, eager(rate, rate.init(), range(STEPS)))


@each_reactive
def test_observations_move_the_rate(name):
    """Or the other tests see nothing."""
    run = training(name)
    silent = {metric: np.full(STEPS, np.nan, np.float32) for metric in run.streams}
    moved = np.any(np.asarray(run.run()[1]) != np.asarray(run.run(streams=silent)[1]))
    assert moved or isinstance(EXAMPLES[name], rx.StopOnPlateau | rx.StopOnStatisticalPlateau)


@each_example
def test_vmap_over_hyperparameters_is_a_loop(name):
    rate, found, run = EXAMPLES[name], family(name), training(name)
    for i in range(3):
        tx = rx.control(optax.adam, variant(rate, i))
        state, rates = run.run(run.start(tx))
        assert_same_rates(rates, found.rates[i])
        last = jax.tree.map(lambda leaf, i=i: leaf[i, 1], found.states)
        observed = jax.tree.map(lambda got, want: np.asarray(got).astype(want.dtype), state.body.observed, last)
        assert_within(last, observed, limit(rate))
    if jax.tree.leaves(rate) and not isinstance(rate, rx.StopOnPlateau | rx.StopOnStatisticalPlateau):
        assert np.any(found.rates[0] != found.rates[2])


@pytest.mark.parametrize("cls", [cls for cls in CLASSES if cls is not rx.Median], ids=lambda cls: cls.__name__)
def test_it_can_be_made_under_vmap(cls):
    """A family of rates is `jax.vmap(lambda x: rx.Cosine(x, ...))`; checks that need a value let tracers pass.

    A median has no numbers but its window, which is the length of an array.
    """
    arguments = sample_arguments(cls)
    structure = {field.name for field in dataclasses.fields(cls) if field.metadata.get("static")}
    traced = {name: v for name, v in arguments.items() if np.asarray(v).dtype.kind in "if" and name not in structure}
    numbers = {name: jnp.stack([jnp.asarray(v)] * 2) for name, v in traced.items()}
    rest = {name: v for name, v in arguments.items() if name not in numbers}

    def value(numbers):
        rate = cls(**numbers, **rest)
        return rate.evaluate(rate.init(), jnp.int32(3)).high

    one = cls(**arguments)
    assert_within(jax.vmap(value)(numbers), jnp.stack([one.evaluate(one.init(), jnp.int32(3)).high] * 2), 4)
    assert jax.eval_shape(jax.vmap(value), numbers).shape == (2,)  # as jit traces it
    assert numbers


@each_example
def test_counts_may_have_any_shape(name):
    """A vector of counts is a loop over them, with and without vmap."""
    rate, state, counts = EXAMPLES[name], before_and_after(name)[1], jnp.arange(STEPS).reshape(8, 5)
    want = eager(rate, state, range(STEPS)).reshape(8, 5, -1)
    got = jax.vmap(jax.vmap(lambda count: rate.evaluate(state, count).high))(counts)
    assert_within(got.reshape(want.shape), want, 4)
    if group_names(rate) is None:
        assert_within(rate.evaluate(state, counts).high, want[..., 0], 4)


@each_example
def test_new_hyperparameters_are_no_new_trace(name):
    assert family(name).traces == 1


@each_schedule
@pytest.mark.parametrize("x64", [False, True])
def test_any_count_gives_float32(name, x64):
    rate = EXAMPLES[name]
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
def test_x64_changes_nothing(name):
    """The wrapped optax schedule computes in the precision that jax has; ours don't."""
    rate = EXAMPLES[name]

    def run():
        state, values = rate.init(), []
        for k in range(EAGER) if is_reactive(rate) else (3,):
            state, value = update(rate, state, jnp.int32(k), at(observations(rate), k))
            values.append(value)
        if group_names(rate) is None:
            values.append(rate.evaluate(state, jnp.arange(EAGER, dtype=jnp.int32)).high)
        return jax.tree.map(np.asarray, (state, values))

    narrow = run()
    with jax.enable_x64(True):
        wide = run()
    assert_within(wide, narrow, 4 if has_foreign(rate) else 0)


@each_example
def test_it_is_finite_and_not_negative_past_the_end(name):
    values = family(name).values[0]
    assert np.all(np.isfinite(values))
    assert np.all(values >= 0)


@each_of_our_own
def test_it_is_written_as_it_can_be_made(name):
    rate = EXAMPLES[name]
    assert eval(repr(rate), vars(rx).copy()) == rate
    carried = jax.jit(lambda rate: rate)(rate)  # hyperparameters as the float32 and int32 of a state
    again = eval(repr(carried), vars(rx).copy())
    assert_identical(jax.tree.map(jnp.asarray, jax.tree.leaves(again)), jax.tree.leaves(carried))


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
def test_a_run_saved_and_restored_goes_on_bit_for_bit(name, through_numpy, through_orbax):
    rate, run = EXAMPLES[name], training(name)
    middle, _ = run.half(run.start(), run.part(run.streams, 0))
    middle = (middle[0], rx.scale_learning_rate(middle[1], 0.7))
    end = run.half(middle, run.part(run.streams, 1))
    # All states are two vectors; with orbax, which takes its time, those are tried in which something has been observed.
    for save in (through_numpy, through_orbax) if is_reactive(rate) else (through_numpy,):
        restored = save(middle, run.start())
        assert_identical(restored, middle)
        assert_identical(run.half(restored, run.part(run.streams, 1)), end)


@each_example
def test_its_saved_form_gives_every_moment_back_to_the_last_bit(name):
    """After any update of a run, through JSON, into a state of any other moment; a second time as well."""
    run = training(name)
    first, last = run.start()[1], run.run()[0]
    carry, moments = run.start(), [tuple(np.asarray(part)[None] for part in first[:3])]
    for which in (0, 1):
        carry, states = run.half(carry, run.part(run.streams, which))
        moments.append(jax.tree.map(np.asarray, states))
    rates, floats, ints = (np.concatenate(parts) for parts in zip(*moments, strict=True))
    for k in range(STEPS + 1):
        state = last._replace(learning_rate=rates[k], floats=floats[k], ints=ints[k])
        for like in (first, last) if k % 8 == 0 else (first,):
            told = Carried()
            restored = carry_over(read_rate(json.loads(json.dumps(write_rate(state), allow_nan=False)), FORMAT), like, "error", told)
            assert told == Carried()
            for got, want in zip(restored[:3], state[:3], strict=True):
                assert got.dtype == want.dtype
                np.testing.assert_array_equal(np.asarray(got).view(np.int32), np.asarray(want).view(np.int32))
