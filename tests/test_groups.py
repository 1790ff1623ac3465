"""Parameter groups: which parameter is in which, what each gets, and what is refused."""

import equinox as eqx
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

import rheostax as rx
from rheostax.groups import parameter_paths
from tests.support import assert_close, assert_identical


class Block(nnx.Module):
    def __init__(self, rngs):
        self.linear = nnx.Linear(2, 2, rngs=rngs)
        self.norm = nnx.LayerNorm(2, rngs=rngs)


class Model(nnx.Module):
    def __init__(self, rngs):
        self.blocks = nnx.List([Block(rngs), Block(rngs)])
        self.head = nnx.Linear(2, 1, rngs=rngs)


class LinenModel(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = nn.LayerNorm(name="norm")(nn.Dense(2, name="linear")(x))
        return nn.Dense(1, name="head")(x)


class EquinoxBlock(eqx.Module):
    linear: eqx.nn.Linear
    norm: eqx.nn.LayerNorm


class EquinoxModel(eqx.Module):
    blocks: list[EquinoxBlock]
    head: eqx.nn.Linear


def nnx_variables():
    return nnx.state(Model(nnx.Rngs(0)), nnx.Param)


def nnx_arrays():
    return nnx.to_pure_dict(nnx_variables())


def nnx_pure():
    return nnx.as_pure(nnx_variables())


def linen():
    return LinenModel().init(jax.random.key(0), jnp.ones((1, 2)))["params"]


def equinox():
    keys = jax.random.split(jax.random.key(0), 2)
    blocks = [EquinoxBlock(eqx.nn.Linear(2, 2, key=key), eqx.nn.LayerNorm(2)) for key in keys]
    return eqx.filter(EquinoxModel(blocks, eqx.nn.Linear(2, 1, key=keys[0])), eqx.is_array)


OF_LINEN = ["head/bias", "head/kernel", "linear/bias", "linear/kernel", "norm/bias", "norm/scale"]
OF_NNX = OF_LINEN[:2] + [f"blocks/{i}/{path}" for i in (0, 1) for path in OF_LINEN[2:]]
OF_EQUINOX = [path.replace("kernel", "weight").replace("scale", "weight") for path in OF_NNX]
TREES = {
    "nnx.State of Variables": (nnx_variables, OF_NNX),
    "nnx.State of arrays": (nnx_pure, OF_NNX),
    "dict of an NNX model": (nnx_arrays, OF_NNX),
    "Linen": (linen, OF_LINEN),
    "Equinox": (equinox, OF_EQUINOX),
}


@pytest.mark.parametrize(("tree", "paths"), TREES.values(), ids=TREES)
def test_paths_are_the_keys_on_the_way(tree, paths):
    assert sorted(parameter_paths(tree())[0]) == sorted(paths)


@pytest.mark.parametrize(("tree", "paths"), TREES.values(), ids=TREES)
def test_every_kind_of_tree_is_grouped(tree, paths):
    """Measured by the update of each parameter."""
    params = tree()
    rate = rx.Constant(0.5) * rx.Groups({"head/*": 1.0, "*norm*": None}, rest=0.25)
    tx = rx.control(optax.sgd, rate)
    state = tx.init(params)
    ones = jax.tree.map(jnp.ones_like, params)
    updates, state = jax.jit(tx.update)(ones, state, params)
    names, _ = parameter_paths(updates)
    want = [0.5 if "head" in name else 0.0 if "norm" in name else 0.125 for name in names]
    assert [-float(leaf.ravel()[0]) for leaf in jax.tree.leaves(updates)] == want
    assert rx.learning_rate(state) == {"head/*": 0.5, "*norm*": 0.0, "rest": 0.125}
    assert jax.tree.structure(updates) == jax.tree.structure(params)


@pytest.mark.parametrize(
    ("pattern", "matched"),
    [
        ("head/*", {"head/bias", "head/kernel"}),
        ("*/bias", {"head/bias", "linear/bias", "norm/bias"}),
        ("*/[bk]*", {"head/bias", "head/kernel", "linear/bias", "linear/kernel", "norm/bias"}),
        ("norm/scale|head/*", {"norm/scale", "head/bias", "head/kernel"}),
        ("?ead/bias", {"head/bias"}),
        ("head/bias", {"head/bias"}),
        ("*", set(OF_LINEN)),
    ],
)
def test_patterns(pattern, matched):
    params = linen()
    labels = rx.Groups({pattern: 1.0}, rest=0.5).label(params)
    paths, _ = parameter_paths(params)
    found = {path for path, label in zip(paths, jax.tree.leaves(labels), strict=True) if label == pattern}
    assert found == matched


def test_patterns_match_the_case():
    with pytest.raises(rx.GroupError, match=r"group 'Head/\*' matches no parameter"):
        rx.Groups({"Head/*": 1.0}, rest=1.0).label(linen())


def test_the_value_of_a_dict_is_a_parameter_and_of_a_variable_is_not():
    """Only the last key of a Flax Variable is left out of the path."""
    assert parameter_paths({"value": jnp.ones(1), "w": {"value": jnp.ones(1)}})[0] == ["value", "w/value"]
    assert parameter_paths({"w": nnx.Param(jnp.ones(1))})[0] == ["w"]


def test_parameters_that_match_no_group_are_listed():
    groups = rx.Groups({"head/*": 1.0})
    with pytest.raises(rx.GroupError, match=r"add a pattern, or rest=: linear/bias, linear/kernel, norm/bias, norm/scale\.$"):
        rx.control(optax.sgd, groups).init(linen())


def test_parameters_that_match_several_groups_are_listed_with_them():
    groups = rx.Groups({"head/*": 1.0, "*/bias": 0.5}, rest=1.0)
    with pytest.raises(rx.GroupError, match=r"make the patterns exclude each other: head/bias \(head/\*, \*/bias\)\.$"):
        rx.control(optax.sgd, groups).init(linen())


def test_a_group_that_matches_nothing_is_told_with_paths_like_it():
    groups = rx.Groups({"haed/*": 1.0, "head/*": 0.1}, rest=1.0)
    with pytest.raises(rx.GroupError, match=r"group 'haed/\*' matches no parameter\. Paths look like: head/\w+"):
        rx.control(optax.sgd, groups).init(linen())


def test_a_rest_that_is_empty_is_no_error():
    """It takes what no pattern matches, which may be nothing."""
    state = rx.control(optax.sgd, rx.Constant(0.5) * rx.Groups({"*": 1.0}, rest=0.5)).init(linen())
    assert rx.learning_rate(state) == {"*": 0.5, "rest": 0.25}


def test_a_long_list_is_cut():
    params = {f"p{i:02d}": jnp.ones(1) for i in range(25)}
    with pytest.raises(rx.GroupError, match=r"p18, p19, and 5 more\.$"):
        rx.Groups({"x": 1.0}).label(params)
    with pytest.raises(rx.GroupError, match=r"p18, p19\.$"):
        rx.Groups({"p2?": 1.0}).label({name: leaf for name, leaf in params.items() if name < "p21"})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (({},), r"rates must map at least one pattern, a text such as 'head/\*', to a rate; got \{\}"),
        (({3: 0.1},), r"rates must map at least one pattern.*got \{3: 0\.1\}"),
        (({"a": 0.1, 3: 0.1},), r"rates must map at least one pattern.*got \{'a': 0\.1, 3: 0\.1\}"),
        (({"": 0.1},), r"rates must map at least one pattern.*got \{'': 0\.1\}"),
        ((["head/*"],), r"rates must map at least one pattern.*got \['head/\*'\]"),
        (({"a": -1.0},), r"Constant: value must be a finite number in \[0, inf\), got -1\.0"),
        (({"rest": 1.0},), r"'rest' names what the argument rest takes; for a parameter of that name write 'rest\*'"),
        (({"a": 1.0 * rx.Groups({"b": 1.0})},), r"a group's rate can't have groups itself"),
    ],
)
def test_wrong_groups_are_told(arguments, message):
    with pytest.raises(rx.ArgumentError, match=message):
        rx.Groups(*arguments)


def test_two_sets_of_groups_are_an_error():
    rate = rx.Groups({"a": 1.0}, rest=1.0) * rx.Groups({"b": 1.0}, rest=1.0)
    with pytest.raises(
        rx.ArgumentError, match=r"one set of groups, got \('a', 'rest'\) and \('b', 'rest'\)\. Use the same patterns in both"
    ):
        rx.control(optax.sgd, rate)
    frozen = rx.Groups({"a": 1.0}, rest=1.0) * rx.Groups({"a": None}, rest=1.0)
    with pytest.raises(rx.ArgumentError, match="one set of groups"):
        rx.control(optax.sgd, frozen)


def test_the_same_groups_may_be_written_in_two_factors():
    rate = rx.Constant(0.5) * rx.Groups({"a": 1.0}, rest=0.5) * rx.Groups({"a": rx.Linear(1.0, 0.0, 4)}, rest=1.0)
    np.testing.assert_allclose(rx.simulate(rate, 3), [[0.5, 0.25], [0.375, 0.25], [0.25, 0.25]])


def test_frozen_parameters_get_no_update_no_decay_and_no_state():
    params = linen()
    rate = rx.Constant(0.5) * rx.Groups({"norm/*": None}, rest=1.0)
    tx = rx.control(optax.adamw, rate, weight_decay=0.5)
    state = tx.init(params)
    gradients = jax.tree.map(lambda leaf: jnp.full_like(leaf, jnp.nan), params["norm"])
    updates, state = tx.update({**jax.tree.map(jnp.ones_like, params), "norm": gradients}, state, params)
    assert all(np.all(leaf == 0) for leaf in jax.tree.leaves(updates["norm"]))
    assert all(np.all(leaf < 0) for leaf in jax.tree.leaves(updates["head"]["bias"]))
    moving = sum(leaf.size for name in ("linear", "head") for leaf in jax.tree.leaves(params[name]))
    assert sum(leaf.size for leaf in jax.tree.leaves(state.inner)) == 2 * moving + 1  # two moments and adam's count


def test_each_group_may_have_a_policy():
    """They hear the same observations and count for themselves."""
    groups = {"a": rx.ReduceOnPlateau(patience=1, factor=0.5), "b": rx.ReduceOnPlateau(patience=3, factor=0.1), "c": rx.Linear(1.0, 0.0, 8)}
    rates = rx.simulate(rx.Constant(1.0) * rx.Groups(groups), 5, {"value": np.ones(5)})
    np.testing.assert_allclose(rates[:, 0], [1, 0.5, 0.25, 0.125, 0.0625])
    np.testing.assert_allclose(rates[:, 1], [1, 1, 1, 0.1, 0.1], rtol=1e-6)
    np.testing.assert_allclose(rates[:, 2], [1, 0.875, 0.75, 0.625, 0.5])


def test_the_multiplier_is_of_the_common_rate():
    common = rx.Warmup(4) * rx.Cosine(0.5, 20) * rx.ReduceOnPlateau(patience=2, factor=0.5)
    stream = {"value": np.ones(12)}
    want = rx.simulate(common, 12, stream)
    got = rx.simulate(common * rx.Groups({"a": 1.0, "b": 0.25, "c": None}), 12, stream)
    np.testing.assert_array_equal(got[:, 0], want)
    np.testing.assert_array_equal(got[:, 1], want * np.float32(0.25))
    np.testing.assert_array_equal(got[:, 2], 0)


@pytest.mark.parametrize("factory", [optax.adamw, optax.lamb, optax.contrib.muon, optax.adafactor])
def test_groups_are_separate_optimizers(factory):
    """Parameters, and everything else, as by one optimizer per group over its own part of the tree."""
    params = {"head": {"w": jnp.linspace(-1, 1, 6).reshape(2, 3)}, "body": {"w": jnp.linspace(0.5, 1, 4).reshape(2, 2), "b": jnp.ones(2)}}
    schedule = rx.Linear(0.1, 0.02, 5)
    grouped = rx.control(factory, schedule * rx.Groups({"head/*": 1.0, "body/*": 0.25}))
    alone = {"head": rx.control(factory, schedule), "body": rx.control(factory, schedule * 0.25)}

    def train(tx, params):
        @jax.jit
        def step(params, state):
            updates, state = tx.update(jax.tree.map(jnp.sin, params), state, params)
            return optax.apply_updates(params, updates), state

        state = tx.init(params)
        for _ in range(4):
            params, state = step(params, state)
        return params

    together = train(grouped, params)
    assert_close(together, {name: train(tx, params[name]) for name, tx in alone.items()}, 1e-5)
    assert np.any(together["body"]["b"] != params["body"]["b"])


def test_groups_with_one_trace_under_scan():
    rate = rx.Cosine(0.5, 10) * rx.Groups({"a": rx.ReduceOnPlateau(patience=1, factor=0.5), "b": None})
    params = {"a": jnp.ones(2), "b": jnp.ones(2)}
    tx = rx.control(optax.adam, rate)

    def step(carry, value):
        params, state = carry
        updates, state = tx.update(params, state, params, value=value)
        return (optax.apply_updates(params, updates), state), rx.learning_rate(state)

    (after, _), rates = jax.lax.scan(step, (params, tx.init(params)), jnp.ones(5))
    np.testing.assert_array_equal(rates["a"], rx.simulate(rate, 5, {"value": np.ones(5)})[:, 0])
    assert_identical(after["b"], params["b"])


def test_groups_join_and_clip():
    """A group's own rate within bounds that hold for all, one rate for all after a boundary."""
    rate = rx.Join([rx.Warmup(2) * rx.Groups({"a": 1.0, "b": 0.25}), 0.125], boundaries=[4]).clip(max_value=0.75)
    np.testing.assert_allclose(rx.simulate(rate, 5), [[0, 0], [0.5, 0.125], [0.75, 0.25], [0.75, 0.25], [0.125, 0.125]])
