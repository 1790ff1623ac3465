"""Where batches, parameters and optimizer states lie, on the eight devices of one process."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

import rheostax as rx
from rheostax.parallel import data_mesh, place, shard_batch
from tests.support import counting

RATE = rx.Warmup(2) * 0.1 * rx.ReduceOnPlateau(patience=1, factor=0.5)


@pytest.fixture(scope="module")
def mesh():
    return data_mesh()


@pytest.mark.parametrize(
    ("shape", "spec"),
    [
        ((16, 64), P(None, "data")),
        ((64, 16), P("data")),
        ((64, 64), P(None, "data")),  # as long: the later one
        ((24, 30), P("data")),  # 30 can't be divided by 8
        ((3, 5), P()),
        ((64,), P("data")),
        ((63,), P()),
        ((), P()),
        ((0, 8), P(None, "data")),
    ],
)
def test_full_sharding_divides_the_longest_axis_that_can_be(mesh, shape, spec):
    placed = place({"a": np.zeros(shape, np.float32)}, mesh, fully_sharded=True)["a"]
    assert placed.sharding == NamedSharding(mesh, spec)
    assert place({"a": np.zeros(shape)}, mesh)["a"].sharding == NamedSharding(mesh, P())


def test_values_and_dtypes_stay(mesh):
    tree = {"f": jnp.arange(16, dtype=jnp.bfloat16), "i": np.arange(16, dtype=np.int32), "k": jax.random.key(3), "s": 2.5}
    for fully in (False, True):
        placed = place(tree, mesh, fully_sharded=fully)
        for name in "fi":
            assert placed[name].dtype == tree[name].dtype
            np.testing.assert_array_equal(placed[name], tree[name])
        assert placed["s"] == 2.5
        assert jax.random.uniform(placed["k"]) == jax.random.uniform(tree["k"])


def test_what_lies_on_the_mesh_stays(mesh):
    sharded = place({"w": np.ones((8, 64), np.float32)}, mesh, fully_sharded=True)
    assert place(sharded, mesh)["w"] is sharded["w"]


@pytest.mark.parametrize("fully", [False, True])
def test_an_nnx_model_and_its_optimizer(mesh, fully):
    """The optimizer's moments lie as the parameters do, also after updates, observations and changes by hand; one compilation."""
    model = nnx.Sequential(nnx.Linear(8, 64, rngs=nnx.Rngs(0)), jnp.tanh, nnx.Linear(64, 1, rngs=nnx.Rngs(1)))
    nnx.update(model, place(nnx.state(model), mesh, fully_sharded=fully))
    optimizer = rx.Optimizer(model, rx.control(optax.adam, RATE), wrt=nnx.Param)
    nnx.update(optimizer, place(nnx.state(optimizer), mesh))
    batch = shard_batch(np.linspace(-1, 1, 128, dtype=np.float32).reshape(16, 8), mesh)

    @counting
    def step(model, optimizer, x):
        loss, grads = nnx.value_and_grad(lambda model: (model(x) ** 2).mean())(model)
        optimizer.update(model, grads, value=loss)
        return loss

    compiled = nnx.jit(step)
    for _ in range(3):
        compiled(model, optimizer, batch)
        optimizer.observe(value=1.0)
        optimizer.scale_learning_rate(0.5)
    assert step.traces == 1
    wanted = {(8, 64): P(None, "data"), (64, 1): P("data"), (64,): P("data")} if fully else {}
    seen = 0
    for leaf in jax.tree.leaves([nnx.state(model), nnx.state(optimizer)]):
        assert leaf.sharding.is_equivalent_to(NamedSharding(mesh, wanted.get(leaf.shape, P())), leaf.ndim), leaf.shape
        seen += leaf.shape in wanted
    assert seen == 3 * 3 * fully
    rx.parallel.check_agreement(optimizer)


def test_a_batch_that_does_not_divide_is_refused(mesh):
    with pytest.raises(rx.ArgumentError, match="must divide evenly among the 8 devices, got 12 examples"):
        shard_batch({"x": np.ones((12, 3))}, mesh)


def test_a_leaf_without_examples_is_refused(mesh):
    with pytest.raises(rx.ArgumentError, match=r"every array must have an axis 0 that counts the examples, got shape \(\)"):
        shard_batch({"x": np.ones((16, 3)), "scale": 2.0}, mesh)
    with pytest.raises(rx.ArgumentError, match=r"axis -1"):
        shard_batch({"x": np.ones((3, 16))}, mesh, axis=-1)


def test_a_stack_of_batches(mesh):
    stack = shard_batch({"x": np.arange(48.0).reshape(3, 16)}, mesh, axis=1)["x"]
    assert stack.sharding == NamedSharding(mesh, P(None, "data"))
    np.testing.assert_array_equal(stack, np.arange(48.0).reshape(3, 16))
