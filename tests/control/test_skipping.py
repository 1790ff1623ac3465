"""Gradients that are no numbers, spikes, loss scales: which updates are made, and which of them count."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from jax.sharding import PartitionSpec as P

import rheostax as rx
from rheostax._skipping import all_finite
from tests.support import assert_identical, counting

LINE = rx.Linear(1.0, 0.0, 10)
HALVE = rx.ReduceOnPlateau(patience=1, factor=0.5)
PARAMS = {"w": jnp.full(3, 2.0), "b": jnp.ones(2, jnp.bfloat16), "steps": jnp.int32(3)}
GRADS = {"w": jnp.full(3, 0.25), "b": jnp.full(2, 0.5, jnp.bfloat16), "steps": jnp.int32(0)}
FLOATS = {"w": PARAMS["w"], "b": PARAMS["b"]}


def spoiled(grads, bad, place="w"):
    return grads | {place: grads[place].at[1].set(bad)}


def body(state):
    return jax.device_get(state.body)


skipping = functools.partial(rx.control, on_nonfinite="skip")

ADAM = skipping(optax.adam, LINE)
COMPILED = jax.jit(ADAM.update)
SPOILS = [(bad, place, COMPILED) for bad in (np.nan, np.inf, -np.inf) for place in ("w", "b")]


@pytest.mark.parametrize(("bad", "place", "update"), [*SPOILS, (np.nan, "w", ADAM.update)])
def test_nothing_but_counters_moves(bad, place, update):
    """Parameters, the optimizer's state, count and rate stay to the last bit; the update after it is as if nothing had been."""
    tx = ADAM
    grads = {name: GRADS[name] for name in FLOATS}
    _, before = update(grads, tx.init(FLOATS), FLOATS)
    updates, after = update(spoiled(grads, bad, place), before, FLOATS)
    assert all(np.all(np.asarray(leaf) == 0) for leaf in jax.tree.leaves(updates))
    assert jax.tree.map(lambda x: (x.shape, x.dtype), updates) == jax.tree.map(lambda x: (x.shape, x.dtype), FLOATS)
    assert_identical(after.inner, before.inner)
    old, new = body(before), body(after)
    assert_identical(new._replace(skipped=old.skipped, skipped_in_a_row=old.skipped_in_a_row), old)
    assert (new.skipped, new.skipped_in_a_row, rx.learning_rate(after)) == (1, 1, 1.0)
    got, last = update(grads, after, FLOATS)
    want, _ = update(grads, before, FLOATS)
    assert_identical(got, want)
    assert (body(last).skipped, body(last).skipped_in_a_row, body(last).count) == (1, 0, 2)


def test_one_bad_number_among_many_is_seen():
    """Wherever it is: XLA's compiled maximum of many numbers on a CPU, for one, doesn't see it."""
    seen = jax.jit(all_finite)
    for shape in ((5000,), (70, 70), (4, 33, 40)):
        good = np.linspace(-3e38, 3e38, np.prod(shape), dtype=np.float32).reshape(shape)
        assert seen([good, good])
        for bad in (np.nan, np.inf, -np.inf):
            for place in np.linspace(0, good.size - 1, 41).astype(int):
                spoiled = good.copy()
                spoiled.flat[place] = bad
                assert not seen([good, spoiled])


def run(tx, spoil, steps=6, params=1.0, **metrics):
    """Train one weight with gradient 1, NaN at the updates in `spoil`; return what it moved by at each, the rates, and the state."""

    @counting
    def step(grad, state, metrics):
        return tx.update(grad, state, jnp.float32(params), **metrics)

    update, state, moved, rates = jax.jit(step), tx.init(jnp.float32(params)), [], []
    for k in range(steps):
        at_k = {name: jnp.float32(values[k]) for name, values in metrics.items()}
        updates, state = update(jnp.float32(np.nan if k in spoil else 1.0), state, at_k)
        moved.append(-float(updates))
        rates.append(float(jax.tree.leaves(rx.learning_rate(state))[0]))
    assert step.traces == 1
    return moved, rates, state


def test_a_skipped_update_holds_the_schedule():
    moved, rates, state = run(skipping(optax.sgd, LINE), {0, 2, 3})
    np.testing.assert_allclose(moved, [0, 1, 0, 0, 0.9, 0.8], rtol=1e-6)
    np.testing.assert_allclose(rates, [1, 1, 1, 1, 0.9, 0.8], rtol=1e-6)
    assert rx.describe(state).count == 3
    assert rx.describe(state).warnings == ("skipped 3 updates because of NaN or infinite gradients",)


def test_or_advances_it():
    moved, rates, state = run(skipping(optax.sgd, LINE, on_skip="advance"), {0, 2, 3})
    np.testing.assert_allclose(moved, [0, 0.9, 0, 0, 0.6, 0.5], rtol=1e-6)
    np.testing.assert_allclose(rates, [1, 0.9, 0.9, 0.9, 0.6, 0.5], rtol=1e-6)
    assert rx.describe(state).count == 6


def test_skips_in_a_row_are_told():
    _, _, state = run(skipping(optax.sgd, LINE), {3, 4, 5})
    assert rx.describe(state).warnings == ("skipped 3 updates because of NaN or infinite gradients, the last 3 in a row",)


def test_what_is_observed_with_a_skipped_update_is_heard():
    """An observation is no update: a finite loss counts, also where the gradients are none."""
    moved, _, state = run(skipping(optax.sgd, 1.0 * HALVE), {1, 2}, value=[3, 3, 3, 2, 1, np.nan])
    np.testing.assert_array_equal(moved, [1, 0, 0, 0.25, 0.25, 0.25])
    part = rx.describe(state).parts[-1]
    assert (part.observations, part.nonfinite) == (5, 1)


def test_a_loss_that_is_none_skips_nothing():
    moved, _, state = run(skipping(optax.sgd, 1.0 * HALVE), set(), value=[3, np.nan, np.inf, 2, 1, 0.5])
    assert moved == [1] * 6
    assert "left out 2 NaN or infinite values of 'value'" in rx.describe(state).warnings[0]


def test_applied_unseen_it_is_as_with_optax():
    """And then costs nothing: not even the question is in the program."""
    tx = rx.control(optax.adam, 0.1, on_nonfinite="apply")
    grads = spoiled({"w": GRADS["w"]}, np.nan)
    got, state = tx.update(grads, tx.init({"w": PARAMS["w"]}), {"w": PARAMS["w"]})
    want, _ = optax.adam(0.1).update(grads, optax.adam(0.1).init({"w": PARAMS["w"]}), {"w": PARAMS["w"]})
    np.testing.assert_array_equal(got["w"], want["w"])
    assert body(state).skipped == 0
    text = str(jax.make_jaxpr(tx.update)(grads, state, grads))
    assert "cond" not in text
    assert "cond" in str(jax.make_jaxpr(skipping(optax.adam, 0.1).update)(grads, state, grads))


def test_finite_gradients_are_updated_as_without_the_rule():
    for optimizer in (optax.adamw, optax.lion, optax.adafactor):
        found = []
        for rule in ("skip", "apply"):
            tx = rx.control(optimizer, LINE, on_nonfinite=rule)
            found.append(jax.jit(tx.update)(GRADS["w"], tx.init(PARAMS["w"]), PARAMS["w"]))
        assert_identical(jax.tree.leaves(found[0]), jax.tree.leaves(found[1]))


def test_counters_stop_at_their_limit():
    tx, last = skipping(optax.sgd, LINE), 2**31 - 1
    state = tx.init(PARAMS["w"])
    full = state.body._replace(**dict.fromkeys(("count", "faults", "skipped", "skipped_in_a_row"), jnp.int32(last)))
    _, state = jax.jit(tx.update)(spoiled({"w": GRADS["w"]}, np.nan)["w"], state.replace(full), PARAMS["w"])
    assert (body(state).count, body(state).skipped, body(state).skipped_in_a_row) == (last,) * 3
    _, state = jax.jit(tx.update)(GRADS["w"], state, PARAMS["w"])
    assert (body(state).count, body(state).skipped, body(state).skipped_in_a_row) == (last, last, 0)
    broken = skipping(optax.sgd, lambda count: jnp.nan * count)
    state = broken.init(PARAMS["w"])
    _, state = broken.update(GRADS["w"], state.replace(state.body._replace(faults=jnp.int32(last))), PARAMS["w"])
    assert body(state).faults == last


def test_whole_numbers_and_frozen_groups_are_no_trouble():
    tx = skipping(optax.sgd, 0.5 * rx.Groups({"w": 1.0, "b": 0.5, "steps": None}))
    updates, state = jax.jit(tx.update)(GRADS, tx.init(PARAMS), PARAMS)
    assert float(updates["w"][0]) == -0.125
    updates, state = jax.jit(tx.update)(spoiled(GRADS, np.nan, "b"), state, PARAMS)
    assert not np.any(updates["w"])
    assert rx.learning_rate(state)["w"] == 0.5
    assert rx.describe(state).count == 1


def test_members_of_a_batch_skip_each_for_itself():
    tx = skipping(optax.sgd, LINE)
    grads = jnp.array([1.0, jnp.nan, 1.0])
    states = jax.vmap(lambda _: tx.init(jnp.float32(0)))(grads)
    for _ in range(2):
        updates, states = jax.vmap(tx.update)(grads, states)
    np.testing.assert_allclose(updates, [-0.9, 0, -0.9], rtol=1e-6)
    np.testing.assert_array_equal(jax.vmap(lambda state: state.body.count)(states), [2, 0, 2])


def test_shards_of_a_gradient_skip_together():
    """Under shard_map with sharded parameters one device sees the NaN; all of them skip, and the state stays one."""
    mesh = jax.make_mesh((8,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
    tx, params = skipping(optax.adam, LINE), {"w": jnp.ones(16), "b": jnp.ones(3)}
    state = tx.init(params)
    specs = {"w": P("data"), "b": P()}
    inner = jax.tree.map(lambda leaf: P("data") if leaf.shape == (16,) else P(), state.inner)
    of_state = state._replace(learning_rate=P(), floats=P(), ints=P(), inner=inner)
    update = jax.jit(jax.shard_map(tx.update, mesh=mesh, in_specs=(specs, of_state, specs), out_specs=(specs, of_state)))
    updates, state = update(params, state, params)
    np.testing.assert_allclose(updates["w"], -1, rtol=1e-5)
    bad = params | {"w": params["w"].at[5].set(jnp.nan)}
    updates, state = update(bad, state, params)
    assert not np.any(updates["w"])
    assert not np.any(updates["b"])
    assert (body(state).count, body(state).skipped) == (1, 1)


def test_an_nnx_model_is_left_alone():
    model = nnx.Linear(2, 1, rngs=nnx.Rngs(0))
    optimizer = rx.Optimizer(model, skipping(optax.adam, LINE), wrt=nnx.Param)

    @nnx.jit
    def step(model, optimizer, size):
        grads = nnx.grad(lambda model: size * model(jnp.ones((1, 2))).sum())(model)
        optimizer.update(model, grads)

    step(model, optimizer, 1.0)
    before = jax.tree.map(np.array, nnx.state(model))
    step(model, optimizer, jnp.inf)
    assert_identical(jax.tree.leaves(jax.tree.map(np.array, nnx.state(model))), jax.tree.leaves(before))
    assert (int(optimizer.step), rx.describe(optimizer).count) == (2, 1)


def test_a_loss_scale_that_overflows_costs_no_update():
    """Dynamic loss scaling as it is usually written: halve where gradients overflow; the schedule has lost nothing by it."""
    tx, params = skipping(optax.sgd, LINE), jnp.float16(1.0)

    @jax.jit
    def step(state, scale):
        grads = jax.grad(lambda p: (p * scale * jnp.float16(100.0)).astype(jnp.float32))(params).astype(jnp.float32) / scale
        updates, state = tx.update(grads, state, params)
        return updates, state, jnp.where(jnp.isfinite(grads), scale, scale / 2)

    state, scale, moved = tx.init(params), jnp.float16(2048.0), []
    for _ in range(5):
        updates, state, scale = step(state, scale)
        moved.append(-float(updates) / 100)
    np.testing.assert_allclose(moved, [0, 0, 1, 0.9, 0.8], rtol=1e-3)
    assert (float(scale), rx.describe(state).count) == (512.0, 3)


SPIKE = [3.0, 3.1, 2.9, 3.0, 9.0, 3.0, 9.0, 9.0, 9.0, 3.0, 3.1]
GUARD = rx.SpikeGuard(window=4, factor=0.5, recovery=2, skip=2)


def test_a_guard_skips_then_lowers_and_warms_up_again():
    """One spike and the first two in a row are skipped at the full rate; the third lowers it."""
    moved, _, state = run(rx.control(optax.sgd, 1.0 * GUARD), set(), steps=11, value=SPIKE)
    np.testing.assert_array_equal(moved, [1, 1, 1, 1, 0, 1, 0, 0, 0.5, 0.75, 1])
    assert (rx.describe(state).count, body(state).skipped) == (8, 0)
    moved, _, state = run(skipping(optax.sgd, LINE * GUARD, on_skip="advance"), set(), steps=11, value=SPIKE)
    line = 1 - np.arange(11) / 10
    np.testing.assert_allclose(moved, line * [1, 1, 1, 1, 0, 1, 0, 0, 0.5, 0.75, 1], rtol=1e-5, atol=1e-7)


def test_as_many_spikes_as_are_skipped_lower_nothing():
    moved, _, _ = run(rx.control(optax.sgd, 1.0 * GUARD), set(), steps=8, value=[*SPIKE[:4], 9.0, 9.0, *SPIKE[:2]])
    np.testing.assert_array_equal(moved, [1, 1, 1, 1, 0, 0, 1, 1])


def test_a_skipped_spike_leaves_the_optimizers_moments_alone():
    """With a factor of 0 in its place the weights would stay, but not Adam's moments."""
    tx, params = skipping(optax.adam, 0.1 * GUARD), jnp.ones(2)
    state = tx.init(params)
    update = jax.jit(tx.update)
    for loss in SPIKE[:4]:
        _, state = update(params, state, params, value=loss)
    updates, after = update(1e6 * params, state, params, value=9.0)
    assert not np.any(updates)
    assert_identical(after.inner, state.inner)


def test_a_spike_that_is_observed_between_updates_skips_none():
    tx = rx.control(optax.sgd, 1.0 * GUARD)
    _, _, state = run(tx, set(), steps=4, value=SPIKE)
    state = rx.observe(state, value=9.0)
    updates, state = tx.update(jnp.float32(1.0), state, jnp.float32(0))
    assert (float(updates), rx.describe(state).count) == (-1.0, 5)


def test_optax_wrapper_around_and_inside_still_has_its_rule():
    """Around, it drops what was observed; inside, the schedule goes on."""

    def finite(learning_rate):
        return optax.apply_if_finite(optax.sgd(learning_rate), 5)

    outside = optax.apply_if_finite(rx.control(optax.sgd, LINE * HALVE, on_nonfinite="apply"), 5)
    _, _, state = run(outside, {1}, steps=3, value=[3, 3, 3])
    assert (rx.describe(state).count, rx.describe(state).parts[-1].observations) == (2, 2)
    moved, _, state = run(rx.control(finite, LINE, on_nonfinite="apply"), {1}, steps=3)
    np.testing.assert_allclose(moved, [1, 0, 0.8], rtol=1e-6)
    assert rx.describe(state).count == 3


@pytest.mark.parametrize(("rules", "says"), [
    ({"on_nonfinite": "skp"}, r"control: on_nonfinite must be one of 'apply', 'skip', got 'skp'\. Did you mean 'skip'\?"),
    ({"on_nonfinite": True}, "control: on_nonfinite must be one of 'apply', 'skip', got True"),
    ({"on_skip": "count"}, "control: on_skip must be one of 'hold', 'advance', got 'count'"),
])  # fmt: skip
def test_a_rule_that_is_none_is_refused(rules, says):
    with pytest.raises(rx.ArgumentError, match=says):
        rx.control(optax.sgd, 0.1, **rules)
