"""Text, JSON and YAML give back the same expression, to the last bit."""

import importlib
import json
import pkgutil

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import HealthCheck, given, settings

import rheostax as rx
from rheostax._rate import Foreign, LearningRate, is_reactive, walk
from rheostax.compat.torch import LambdaLR
from rheostax.expressions import _vocabulary, from_json, from_yaml, to_json, to_yaml
from rheostax.groups import group_names
from tests.conformance.catalogue import EXAMPLES
from tests.expressions.strategies import CLASSES, EXPRESSIONS, INNER, nodes
from tests.support import assert_identical

OWN = {name: rate for name, rate in EXAMPLES.items() if not any(isinstance(part, Foreign) for part, _ in walk(rate))}


def same(a, b):
    """Tell whether two expressions are equal, the types of their numbers included."""
    return (
        a == b and jax.tree.structure(a) == jax.tree.structure(b) and [*map(type, jax.tree.leaves(a))] == [*map(type, jax.tree.leaves(b))]
    )


def check(rate):
    assert same(rx.parse(repr(rate)), rate)
    assert same(from_json(json.loads(json.dumps(to_json(rate), allow_nan=False))), rate)
    assert same(from_yaml(to_yaml(rate)), rate)


@pytest.mark.parametrize("name", CLASSES)
def test_every_class_round_trips(name):
    @settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck), database=None, derandomize=True)
    @given(nodes(name, INNER))
    def run(rate):
        assert any(_vocabulary.name_of(part) == name for part, _ in walk(rate))
        check(rate)

    run()


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), database=None, derandomize=True)
@given(EXPRESSIONS)
def test_nested_expressions_round_trip(rate):
    check(rate)


def test_every_class_there_is_can_be_read():
    """A new class is found in schedules and policies by itself; what only another library's function returns is listed."""
    for found in pkgutil.walk_packages(_vocabulary.rheostax.__path__, "rheostax."):
        if not found.name.startswith(("rheostax.cli", "rheostax.tasks")):
            importlib.import_module(found.name)

    def below(cls):
        return {cls, *(c for one in cls.__subclasses__() for c in below(one))}

    own = {
        c for c in below(LearningRate) if c.__module__.startswith("rheostax.") and not c.__abstractmethods__ and not issubclass(c, Foreign)
    }
    assert own
    assert {cls.__name__ for cls in own} == set(CLASSES)
    assert all(_vocabulary.class_named(cls.__name__) is cls for cls in own)


@pytest.mark.parametrize("name", OWN)
def test_the_number_of_every_update_comes_back(name):
    """The examples of the conformance suite, and what compiled code gives back of them, whose numbers are float32."""
    rate = OWN[name]
    check(rate)
    carried = jax.jit(lambda rate: rate)(rate)
    again = from_json(json.loads(json.dumps(to_json(carried))))
    for one in (again, from_yaml(to_yaml(carried)), rx.parse(repr(carried))):
        assert_identical(jax.tree.map(jnp.asarray, jax.tree.leaves(one)), jax.tree.leaves(carried))
    assert all(float(x) == float(y) for x, y in zip(jax.tree.leaves(again), jax.tree.leaves(carried), strict=True))  # not rounded again


@pytest.mark.parametrize("name", ["product", "groups"])
def test_it_simulates_to_the_same_bits(name):
    rate = OWN[name]
    stream = {part.monitor: np.sin(np.arange(40)).astype(np.float32) for part, _ in walk(rate) if part.monitor}
    want = rx.simulate(rate, 40, stream)
    for one in (rx.parse(repr(rate)), from_json(to_json(rate)), from_yaml(to_yaml(rate))):
        assert_identical(rx.simulate(one, 40, stream), want)
    assert is_reactive(rate) == bool(stream)
    assert (want.ndim == 2) == (group_names(rate) is not None)


@pytest.mark.parametrize("rate", [0.1 + 1e-17, 0.1 + 2e-17, 5e-324, 1e-300, 3.0000000000000004e-4, 123456789.123456789])
def test_a_number_near_a_default_isnt_taken_for_it(rate):
    policy = rx.ReduceOnPlateau(factor=min(rate, 0.5) + 1e-10, atol=rate)
    check(policy)
    check(rx.Constant(rate))
    check(rx.Warmup(rx.Duration(rate, "ep") if rate > 1e-9 else 1))


def test_floats_that_are_a_default_in_float32_alone_are_written():
    """Within a state the default is what is float32-equal; as a Python number, whose further digits count, what is equal."""
    assert repr(rx.ReduceOnPlateau(factor=0.100000000001)) == "ReduceOnPlateau(factor=0.100000000001)"
    assert repr(jax.jit(lambda rate: rate)(rx.ReduceOnPlateau())) == "ReduceOnPlateau()"


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: rx.Warmup(5) * optax.constant_schedule(0.1), "is a function of the count. Use a schedule of rheostax in its place"),
        (lambda: LambdaLR(0.1, lambda count: 1.0), "is a function of the count"),
        (lambda: rx.Groups({"a/*": LambdaLR(0.1, lambda count: 1.0)}), "is a function of the count"),
        (
            lambda: rx.Cosine(jnp.asarray([0.1, 0.2]), 10),
            "Cosine: init_value can't be written: it is a batch of shape (2,), not one number",
        ),
        (lambda: 0.1, "rate must be a rheostax expression, got float"),
    ],
)
def test_what_cant_be_written_is_refused_by_name(make, says):
    for write in (to_json, to_yaml):
        with pytest.raises(rx.ExpressionError) as caught:
            write(make())
        assert says in str(caught.value)


def test_a_traced_number_is_refused():
    with pytest.raises(rx.ExpressionError, match="Constant: value can't be written: its number is traced"):
        jax.jit(lambda value: to_json(rx.Constant(value)) and value)(0.1)


def test_a_class_of_ones_own_is_refused():
    @rx.node
    class Cosine(rx.Schedule):
        init_value: float

        def at(self, count):
            return count * self.init_value

    with pytest.raises(rx.ExpressionError, match=r"Cosine can't be written: it isn't one of rheostax's own classes"):
        to_json(0.1 * Cosine(0.1))
