"""What rx.Optimizer and its neighbours say to a mistaken call."""

import jax.numpy as jnp
import optax
import pytest
from flax import nnx

import rheostax as rx

MODEL = nnx.Linear(2, 1, rngs=nnx.Rngs(0))


def test_calls_of_old_flax_are_answered_with_the_new_ones():
    with pytest.raises(TypeError, match=r"wrt is missing.*rx\.Optimizer\(model, tx, wrt=nnx\.Param\)"):
        rx.Optimizer(MODEL, optax.sgd(0.1))
    optimizer = rx.Optimizer(MODEL, optax.sgd(0.1), wrt=nnx.Param)
    with pytest.raises(TypeError, match=r"grads is missing; the model comes first: optimizer\.update\(model, grads, value=loss\)"):
        optimizer.update(nnx.state(MODEL), value=1.0)


@pytest.mark.parametrize(
    ("x", "says"),
    [
        (rx.Constant(0.1), r"Constant\(value=0.1\) is an expression; its state is made by rx\.control\(.*\)\.init"),
        (rx.control(optax.sgd, 0.1), r"an optax transformation; pass the state that its init\(parameters\) returns"),
        (optax.chain(optax.adam(0.1), rx.reduce_on_plateau()).init(jnp.ones(2)), r"knows only the factor.*the field scale of its state"),
        (optax.sgd(0.1).init(jnp.ones(2)), r"no rheostax learning rate in this state \(tuple\)"),
    ],
)
def test_what_holds_no_rate_is_named(x, says):
    for call in (rx.learning_rate, rx.describe if not isinstance(x, rx.Constant) else rx.learning_rate, lambda x: rx.observe(x, value=1.0)):
        with pytest.raises(rx.StateError, match=says):
            call(x)


def test_a_group_where_there_are_none_is_refused():
    state = rx.control(optax.sgd, 0.1).init(jnp.ones(2))
    with pytest.raises(rx.ArgumentError, match="group must be left out, since this learning rate has no groups; got 'head'"):
        rx.learning_rate(state, group="head")


def test_containers_of_another_kind_are_refused():
    with pytest.raises(rx.ArgumentError, match="observations must map a metric's name to its values, got ndarray"):
        rx.simulate(rx.ReduceOnPlateau(), 3, jnp.ones(3).__array__())
    with pytest.raises(rx.ArgumentError, match="boundaries must be whole numbers >= 1 in increasing order, got 5"):
        rx.Join([0.1, 0.2], 5)


def test_what_is_no_transformation_is_refused():
    with pytest.raises(rx.ArgumentError, match=r"^Optimizer: tx must be an optax transformation, such as rx\.control\(.*\), got 0\.001\.$"):
        rx.Optimizer(MODEL, 1e-3, wrt=nnx.Param)
