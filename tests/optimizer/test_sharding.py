"""On eight devices the optimizer's state lies as the model's parameters do."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import orbax.checkpoint as ocp
import pytest
from flax import nnx
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

import rheostax as rx
from tests.optimizer.training import CLASSES
from tests.support import assert_identical

RATE = rx.Constant(0.1) * rx.ReduceOnPlateau(patience=1, factor=0.5)
SPECS = {(8, 16): P(None, "model"), (16,): P("model"), (16, 4): P("model"), (4,): P()}  # by shape, which tells the leaves apart
X = jnp.linspace(-1, 1, 32).reshape(4, 8)


class Annotated(nnx.Module):
    def __init__(self, rngs, annotate=True):
        def laid(init, *names):
            return nnx.with_partitioning(init, names) if annotate else init

        normal, zeros = nnx.initializers.lecun_normal(), nnx.initializers.zeros_init()
        self.first = nnx.Linear(8, 16, kernel_init=laid(normal, None, "model"), bias_init=laid(zeros, "model"), rngs=rngs)
        self.last = nnx.Linear(16, 4, kernel_init=laid(normal, "model", None), rngs=rngs)

    def __call__(self, x):
        return self.last(jnp.tanh(self.first(x)))


@pytest.fixture
def mesh():
    mesh = jax.make_mesh((2, 4), ("data", "model"), axis_types=(jax.sharding.AxisType.Auto,) * 2)
    with jax.set_mesh(mesh):
        yield mesh


def control():
    return optax.with_extra_args_support(rx.control(optax.adam, RATE))


def create(cls, tx=None):
    """Make model and optimizer as the Flax guide does: inside jit, constrained to the annotations."""

    @nnx.jit
    def made():
        model = Annotated(nnx.Rngs(0))
        optimizer = cls(model, control() if tx is None else tx, wrt=nnx.Param)
        state = nnx.state((model, optimizer))
        nnx.update((model, optimizer), jax.lax.with_sharding_constraint(state, nnx.get_partition_spec(state)))
        return model, optimizer

    return made()


@nnx.jit
def step(model, optimizer, x):
    loss, grads = nnx.value_and_grad(lambda model: (model(x) ** 2).mean())(model)
    optimizer.update(model, grads, value=loss)
    return loss


def assert_laid_out(mesh, *nodes, copies=3):
    """Assert where parameters and moments lie; everything else is replicated."""
    moments = 0
    for leaf in jax.tree.leaves([nnx.as_pure(nnx.state(node)) for node in nodes]):
        spec = SPECS.get(leaf.shape, P())
        assert leaf.sharding.is_equivalent_to(NamedSharding(mesh, spec), leaf.ndim), (leaf.shape, leaf.sharding)
        moments += spec != P()
    assert moments == 3 * copies  # three sharded parameters, their first and second moments


@pytest.mark.parametrize("cls", CLASSES)
def test_annotations_are_followed(mesh, cls):
    model, optimizer = create(cls)
    assert_laid_out(mesh, model, optimizer)
    for _ in range(2):
        step(model, optimizer, X)
        rx.observe(optimizer, value=1.0)
        rx.scale_learning_rate(optimizer, 0.5)
    assert_laid_out(mesh, model, optimizer)
    assert rx.learning_rate(optimizer).sharding.is_fully_replicated


def test_annotations_can_be_read_off_the_optimizer(mesh):
    _, optimizer = create(rx.Optimizer)
    specs = jax.tree.leaves(nnx.get_partition_spec(nnx.state(optimizer)), is_leaf=lambda leaf: isinstance(leaf, P))
    assert sorted(map(str, specs)) == sorted(str(spec) for spec in [P(None, "model"), P("model"), P("model", None)] * 2)


@pytest.mark.parametrize("cls", CLASSES)
def test_parameters_laid_out_without_annotations(mesh, cls):
    model = Annotated(nnx.Rngs(0), annotate=False)
    state = nnx.state(model)
    nnx.update(model, jax.tree.map(lambda leaf: jax.device_put(leaf, NamedSharding(mesh, SPECS[leaf.shape])), state))
    optimizer = cls(model, control(), wrt=nnx.Param)
    for _ in range(2):
        step(model, optimizer, X)
    assert_laid_out(mesh, model, optimizer)


def test_sharded_training_is_training(mesh):
    """The same numbers as on one device, and as by nnx.Optimizer."""
    ours, theirs = create(rx.Optimizer), create(nnx.Optimizer)
    single = Annotated(nnx.Rngs(0), annotate=False)
    alone = rx.Optimizer(single, control(), wrt=nnx.Param)
    for _ in range(3):
        losses = [step(*pair, X) for pair in (ours, theirs, (single, alone))]
        np.testing.assert_allclose(losses, [losses[2]] * 3, rtol=1e-5)
    assert rx.learning_rate(ours[1]) == rx.learning_rate(theirs[1]) == alone.learning_rate


def test_a_checkpoint_keeps_the_layout(mesh, tmp_path):
    model, optimizer = create(rx.Optimizer)
    step(model, optimizer, X)
    state = nnx.state(optimizer)
    fresh = create(rx.Optimizer)[1]
    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save(tmp_path / "state", state)
        checkpointer.wait_until_finished()
        abstract = jax.tree.map(ocp.utils.to_shape_dtype_struct, nnx.state(fresh))
        nnx.update(fresh, checkpointer.restore(tmp_path / "state", abstract))
    assert_identical(jax.tree.leaves(nnx.state(fresh)), jax.tree.leaves(state))
    assert_laid_out(mesh, model, fresh)


def test_groups_with_annotations(mesh):
    model = Annotated(nnx.Rngs(0))
    rate = RATE * rx.Groups({"last/*": 1.0, "first/bias": None}, rest=0.5)
    optimizer = rx.Optimizer(model, rx.control(optax.adam, rate), wrt=nnx.Param)
    before = nnx.to_pure_dict(nnx.state(model, nnx.Param))
    step(model, optimizer, X)
    np.testing.assert_allclose(list(optimizer.learning_rate.values()), [0.1, 0, 0.05], rtol=1e-6)
    moved = jax.tree.map(lambda a, b: float(jnp.abs(a - b).max()), nnx.to_pure_dict(nnx.state(model, nnx.Param)), before)
    np.testing.assert_allclose([moved["last"]["kernel"], moved["first"]["kernel"], moved["first"]["bias"]], [0.1, 0.05, 0], rtol=1e-3)


@pytest.mark.parametrize("cls", CLASSES)
def test_the_mean_of_the_weights_lies_as_they_do(mesh, cls):
    model, optimizer = create(cls, rx.average_weights(control(), 0.5))
    for _ in range(2):
        step(model, optimizer, X)
    assert_laid_out(mesh, model, optimizer, copies=4)
    assert_laid_out(mesh, rx.averaged(optimizer, model), copies=1)
