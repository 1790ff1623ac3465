"""A wrong argument raises one line that quotes the argument, the rule and the value."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import rheostax as rx

MAKERS = {
    "Constant": lambda **given: rx.Constant(**{"value": 0.1, **given}),
    "Linear": lambda **given: rx.Linear(**{"init_value": 0.1, "end_value": 0.0, "transition_steps": 10, **given}),
    "Cosine": lambda **given: rx.Cosine(**{"init_value": 0.1, "decay_steps": 10, **given}),
    "Exponential": lambda **given: rx.Exponential(**{"init_value": 0.1, "transition_steps": 10, "decay_rate": 0.5, **given}),
    "Polynomial": lambda **given: rx.Polynomial(**{"init_value": 0.1, "end_value": 0.0, "power": 2.0, "transition_steps": 10, **given}),
    "Warmup": lambda **given: rx.Warmup(**{"steps": 10, **given}),
    "WarmupStableDecay": lambda **given: rx.WarmupStableDecay(
        **{"peak_value": 0.1, "warmup_steps": 2, "decay_steps": 3, "total_steps": 10, **given}
    ),
    "InverseSqrt": lambda **given: rx.InverseSqrt(**{"init_value": 0.1, "timescale": 10, **given}),
    "Power": lambda **given: rx.Power(**{"init_value": 0.1, "power": 1.0, "timescale": 10, **given}),
    "Noam": lambda **given: rx.Noam(**{"d_model": 512, "warmup_steps": 10, **given}),
    "Rex": lambda **given: rx.Rex(**{"init_value": 0.1, "decay_steps": 10, **given}),
    "Tanh": lambda **given: rx.Tanh(**{"init_value": 0.1, "decay_steps": 10, **given}),
    "Noise": lambda **given: rx.Noise(**{"seed": 0, **given}),
    "ReduceOnPlateau": rx.ReduceOnPlateau,
    "Clip": rx.Constant(0.1).clip,
}

# Per kind of rule, the words of it, values that break it and values that just keep it.
NOT_NUMBERS = (float("nan"), "0.1", None, True, 1j)
NUMBER = r"a finite number in [0, inf)", (-1e-9, -1.0, float("inf"), 1e39, *NOT_NUMBERS), (0.0, 1e-30, 3e38, 1, np.float64(0.1))
POSITIVE = r"a finite number in (0, inf)", (0.0, 1e-50, -1.0, float("inf"), *NOT_NUMBERS), (1e-30, 1.0, 100)
BELOW_ONE = r"a finite number in (0, 1)", (0.0, 1.0, 1 - 1e-9, 1.5, -0.5, *NOT_NUMBERS), (1e-30, 0.999999)
UP_TO_ONE = r"a finite number in [0, 1]", (1.1, 1 + 2e-7, -1e-9, *NOT_NUMBERS), (0.0, 1.0, 0.5, 1)
RATE = r"a finite number in (0, 1]", (0.0, 1.1, 1 + 2e-7, -0.5, *NOT_NUMBERS), (1e-30, 1.0, 0.9999999)
STEPS = r"a whole number >= 1", (0, -1, 2.5, float("nan"), float("inf"), "3", None, True, 1j), (1, 2**31 - 1, 3.0, np.int64(3), np.uint8(3))
OR_NONE = r"a whole number >= 0", (-1, 0.5, float("nan"), "3", None, True), (0, 5, 2.0)

RULES = [
    *((name, argument, NUMBER) for name, argument in [
        ("Constant", "value"), ("Linear", "init_value"), ("Linear", "end_value"), ("Cosine", "init_value"), ("Cosine", "end_value"),
        ("Exponential", "init_value"), ("Exponential", "end_value"), ("Polynomial", "init_value"), ("Polynomial", "end_value"),
        ("WarmupStableDecay", "peak_value"), ("WarmupStableDecay", "end_value"), ("ReduceOnPlateau", "atol"), ("Clip", "min_value"),
    ]),
    *((name, argument, NUMBER) for name, argument in [
        ("WarmupStableDecay", "init_value"), ("InverseSqrt", "init_value"), ("Power", "init_value"), ("Noam", "factor"),
        ("Rex", "init_value"), ("Rex", "end_value"), ("Tanh", "init_value"), ("Tanh", "end_value"),
    ]),
    *((name, argument, STEPS) for name, argument in [
        ("InverseSqrt", "timescale"), ("Power", "timescale"), ("Noam", "d_model"), ("Noam", "warmup_steps"), ("Rex", "decay_steps"),
        ("Tanh", "decay_steps"),
        ("Linear", "transition_steps"), ("Cosine", "decay_steps"), ("Exponential", "transition_steps"), ("Polynomial", "transition_steps"),
        ("Warmup", "steps"), ("ReduceOnPlateau", "patience"), ("ReduceOnPlateau", "accumulation_size"),
    ]),
    ("ReduceOnPlateau", "cooldown", OR_NONE),
    *((name, argument, POSITIVE) for name, argument in [
        ("Polynomial", "power"), ("Power", "power"), ("Warmup", "power"), ("WarmupStableDecay", "stable_power"),
        ("WarmupStableDecay", "decay_power"), ("Noise", "std"),
    ]),
    *((name, "transition_begin", OR_NONE) for name in ("Exponential", "InverseSqrt", "Power")),
    ("Noise", "seed", OR_NONE),
    ("Noise", "begin", OR_NONE),
    ("WarmupStableDecay", "decay_rate", BELOW_ONE),
    ("Noise", "amplitude", RATE),
    ("Exponential", "decay_rate", RATE),
    ("ReduceOnPlateau", "factor", BELOW_ONE),
    ("ReduceOnPlateau", "rtol", UP_TO_ONE),
    ("ReduceOnPlateau", "min_scale", UP_TO_ONE),
    ("Warmup", "init_value", UP_TO_ONE),
]  # fmt: skip


@pytest.mark.parametrize(("name", "argument", "rule"), RULES, ids=lambda value: value if isinstance(value, str) else "")
def test_numbers(name, argument, rule):
    words, wrong, right = rule
    for value in wrong:
        with pytest.raises(rx.ArgumentError, match=re.escape(f"{name}: {argument} must be {words}, got {value!r}.")) as caught:
            MAKERS[name](**{argument: value})
        assert "\n" not in str(caught.value)
        assert isinstance(caught.value, ValueError)
    for value in right:
        MAKERS[name](**{argument: value})


@pytest.mark.parametrize(("name", "argument", "rule"), RULES, ids=lambda value: value if isinstance(value, str) else "")
def test_arrays_are_checked_element_by_element(name, argument, rule):
    words, wrong, right = rule
    bad = next(value for value in wrong if isinstance(value, int | float) and not isinstance(value, bool) and np.isfinite(value))
    good = right[0]
    MAKERS[name](**{argument: np.array([good, good])})
    with pytest.raises(rx.ArgumentError, match=re.escape(f"{name}: {argument} must be {words}, got [")):
        MAKERS[name](**{argument: np.array([good, bad])})
    with pytest.raises(rx.ArgumentError, match=re.escape(f"{name}: {argument} must be {words}, got ")):
        MAKERS[name](**{argument: np.array(["a", "b"])})


def test_numbers_become_python_numbers_and_arrays_become_jax_arrays():
    """So that a leaf's type alone says whether it is a float32 or an int32."""
    rate = rx.Linear(1, np.float64(0), np.int64(10))
    assert [type(leaf) for leaf in (rate.init_value, rate.end_value, rate.transition_steps)] == [float, float, int]
    assert type(rx.Cosine(0.1, 10.0).decay_steps) is int
    many = rx.Linear(np.array([1, 2]), 0.0, np.array([10.0, 20.0]))
    assert (many.init_value.dtype, many.transition_steps.dtype) == (jnp.float32, jnp.int32)
    traced = jax.eval_shape(lambda x, n: rx.Linear(x, 0.0, n), jnp.bfloat16(1), jnp.uint8(10))
    assert (traced.init_value.dtype, traced.transition_steps.dtype) == (jnp.float32, jnp.int32)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: rx.ReduceOnPlateau(patience=0), r"got 0\. 1 acts at the first observation that is no improvement; 0 would act at every"),
        (lambda: rx.ReduceOnPlateau(factor=1.0), r"got 1\.0\. The rate is multiplied by it at each cut"),
        (lambda: rx.Exponential(0.1, 10, 1.1), r"got 1\.1\. A rate above 1 would grow without bound"),
        (lambda: rx.Warmup(0), r"got 0\. For no warm-up, leave the factor out"),
        (lambda: rx.Cosine(0.1, 2**31), r"at most 2,147,483,647 \(counts are int32\), got 2147483648\. Count in larger units"),
        (lambda: rx.ReduceOnPlateau(mode="mni"), r"mode must be one of 'min', 'max', got 'mni'\. Did you mean 'min'\?"),
        (lambda: rx.ReduceOnPlateau(mode=None), r"mode must be one of 'min', 'max', got None\.$"),
        (lambda: rx.ReduceOnPlateau(monitor="val loss"), r"monitor must be a metric's name, usable as a keyword, got 'val loss'"),
        (lambda: rx.ReduceOnPlateau(monitor=3), r"monitor must be a metric's name, usable as a keyword, got 3"),
        (lambda: rx.WarmupStableDecay(0.1, 1, 2, 9, decay="sqrt"), r"decay must be one of 'linear', .*, 'half-life', got 'sqrt'\. Did you"),
        (lambda: rx.WarmupStableDecay(0.1, 1, 2, 9, stable="level"), r"stable must be one of 'constant', .*, 'power', got 'level'"),
        (lambda: rx.WarmupStableDecay(0.1, 1, 2, 9, decay="half-life"), r"half_life must be .* for decay='half-life', got None"),
        (lambda: rx.WarmupStableDecay(0.1, 1, 2, 9, half_life=0), r"half_life must be a whole number >= 1, got 0"),
        (lambda: rx.WarmupStableDecay(0.1, 0, 2, 9, stable="power"), r"stable_timescale must be .* for stable='power' without warm-up"),
        (lambda: rx.WarmupStableDecay(0.1, 1, 2, 9, stable_timescale=0), r"stable_timescale must be a whole number >= 1, got 0"),
        (lambda: rx.Cosine(0.1, 10, k_decay=0.0), r"k_decay must be a finite number in \(0, inf\), got 0\.0"),
        (lambda: rx.Polynomial(0.1, 0.0, 1.0, 10, k_decay=-1.0), r"k_decay must be a finite number in \(0, inf\), got -1\.0"),
        (lambda: rx.Exponential(0.1, 10, 0.5, staircase="no"), r"staircase must be one of True, False, got 'no'"),
        (lambda: rx.Warmup(5, shape="round"), r"shape must be one of 'linear', .*, 'exponential', got 'round'"),
        (lambda: rx.Warmup(5, shape="exponential"), r"init_value must be .* \(0, 1\], got 0\.0\. An exponential multiplies"),
        (lambda: rx.Tanh(0.1, 10, lower=-21.0), r"lower must be a finite number in \[-20, 20\], got -21\.0"),
        (lambda: rx.Tanh(0.1, 10, upper=20.5), r"upper must be a finite number in \[-20, 20\], got 20\.5"),
        (lambda: rx.Tanh(0.1, 10, lower=3.0), r"Tanh: upper must be above lower, 3\.0, got 3\.0\. It is a decay"),
        (lambda: rx.Noise(0, distribution="norm"), r"distribution must be one of 'normal', 'uniform', got 'norm'\. Did you mean 'normal'"),
        (lambda: rx.Noise(0, end=0), r"end must be a whole number >= 1, got 0"),
        (lambda: rx.WarmupStableDecay(0.1, 0.5, 2, 9), r"warmup_steps must be a whole number >= 0, got 0\.5"),
        (lambda: rx.WarmupStableDecay(0.1, 1, 0, 9), r"decay_steps must be a whole number >= 1, got 0"),
        (lambda: rx.WarmupStableDecay(0.1, 1, 2, 0), r"total_steps must be a whole number >= 1, got 0"),
        (lambda: rx.WarmupStableDecay(0.1, 5, 6, 10), r"total_steps must be at least warmup_steps \+ decay_steps = 5 \+ 6, got 10"),
        (lambda: rx.Constant(0.1).clip(0.5, 0.25), r"max_value must be a finite number in \[0\.5, inf\), got 0\.25"),
        (lambda: rx.Constant(0.1).clip(max_value=-1.0), r"max_value must be a finite number in \[0, inf\), got -1\.0"),
        (lambda: rx.Join([0.1, 0.2], [0]), r"boundaries must be whole numbers >= 1 in increasing order, got \(0,\)"),
        (lambda: rx.Join([0.1, 0.2], [2.5]), r"boundaries must be whole numbers >= 1 in increasing order, got \(2\.5,\)"),
        (lambda: rx.Join([0.1, 0.2], ["a"]), r"boundaries must be whole numbers >= 1 in increasing order, got 'a'"),
        (lambda: rx.Join([0.1, 0.2, 0.3], [20, 10]), r"in increasing order, got \(20, 10\)\. Sort them; each is the count at which"),
        (lambda: rx.Join([0.1, 0.2, 0.3], [10, 10]), r"in increasing order, got \(10, 10\)\. Sort them"),
        (lambda: rx.Join([0.1, 0.2, 0.3], [10]), r"boundaries must be one fewer than the rates, got 1 for 3 rates"),
        (lambda: rx.Join([0.1], [10]), r"boundaries must be one fewer than the rates, got 1 for 1 rates"),
        (lambda: rx.Join(1.0, [3]), r"^Join: rates must be a sequence of learning rates, got 1\.0\.$"),
        (lambda: rx.Constant(0.1) * rx.ReduceOnPlateau, r"^A learning rate must be .* or a number, got the class ReduceOnPlateau"),
        (lambda: rx.control(optax.sgd, rx.Cosine), r"^A learning rate must be .* or a number, got the class Cosine"),
        (lambda: rx.control(dict, 0.1).init(P), r"^control: optimizer_factory must .*dict"),
        (lambda: rx.control(max, 0.1), r"^control: optimizer_factory must have an argument learning_rate; max tells none"),
        (lambda: rx.control(lambda learning_rate: 3, 0.1).init(P), r"^control: optimizer_factory must return an optax tr.*, got 3 from"),
        (lambda: rx.Join([0.1, "x"], [10]), r"value must be a finite number in \[0, inf\), got 'x'"),
        (lambda: rx.Cosine(0.1, 10**400), r"must be a whole number >= 1, got 10{199}\.\.\. \(401 characters\)\.$"),
        (lambda: rx.Cosine(0.1, 10**5000), r"must be a whole number >= 1, got a value with too many digits to show\.$"),
        (lambda: rx.Constant(np.full(900, -1.0)), r"in \[0, inf\), got \[[-1.\s]{199}\.\.\. \(3,650 characters\)\.$"),
    ],
)  # fmt: skip
def test_other_rules(make, message):
    with pytest.raises(rx.ArgumentError, match=message):
        make()


@pytest.mark.parametrize("ask", [
    lambda state, huge: rx.observe(state, value=huge),
    lambda state, huge: rx.set_learning_rate(state, -huge),
    rx.scale_learning_rate,
    lambda state, huge: rx.ReduceOnPlateau(mode=huge),
    lambda state, huge: rx.simulate(0.1, -huge),
])  # fmt: skip
def test_a_number_that_python_does_not_write_is_refused_in_words(ask):
    with pytest.raises(rx.ArgumentError, match="got a value with too many digits to show"):
        ask(rx.control(optax.sgd, 0.1 * rx.ReduceOnPlateau()).init(P), 10**5000)


def test_some_arguments_may_be_traced_and_others_not():
    """A rule on several arguments is checked where all of them are known."""

    def value(total_steps):
        return rx.WarmupStableDecay(1.0, 2, 4, total_steps)(9)

    np.testing.assert_array_equal(jax.vmap(value)(jnp.array([10, 11])), [0.25, 0.5])
    floors = jnp.array([0.25, 0.5])
    np.testing.assert_array_equal(jax.vmap(lambda floor: rx.Constant(0.125).clip(floor, 1.0)(0))(floors), floors)
    np.testing.assert_array_equal(rx.Constant(0.125).clip(floors, 1.0)(0), floors)
    np.testing.assert_array_equal(rx.WarmupStableDecay(1.0, 2, 4, np.array([10, 11]))(9), [0.25, 0.5])


def test_a_schedule_just_long_enough_is_fine():
    assert rx.WarmupStableDecay(0.1, 4, 6, 10).total_steps == 10
    assert rx.Constant(0.1).clip(0.25, 0.25)(0) == 0.25
    assert rx.Join([0.1, 0.2, 0.3], [1, 2])(2) == np.float32(0.3)


def test_errors_have_one_root():
    for error in (rx.ArgumentError, rx.UnknownMetricError, rx.GroupError, rx.StateError):
        assert issubclass(error, rx.RheostaxError)
        assert issubclass(error, ValueError)
    assert issubclass(rx.RheostaxWarning, UserWarning)


P = {"w": jnp.ones(2), "b": jnp.ones(3)}
BOTH = rx.Groups({"w": 1.0, "b": 2.0})


@pytest.mark.parametrize(
    ("rate", "part", "shape"),
    [
        (rx.Cosine(np.array([0.1, 0.2, 0.3]), 100) * rx.ReduceOnPlateau(), r"Cosine\(init_value=\[0\.1, 0\.2, 0\.3\].*", "(3,)"),
        (np.array([0.1, 0.2]), r"Constant\(value=\[0\.1, 0\.2\]\)", "(2,)"),
        (lambda count: jnp.ones((2, 3)), r"Foreign\(.*\)", "(2, 3)"),
        (rx.Constant(1.0).clip(np.array([0.1, 0.2])), r"Constant\(value=1\.0\)\.clip\(min_value=\[0\.1, 0\.2\]\)", "(2,)"),
        (BOTH * rx.Constant(np.array([1.0, 10.0])), r"Constant\(value=\[ 1\., 10\.\]\)", "(2,)"),  # as many as there are groups
        (BOTH * (lambda count: jnp.ones(2)), r"Foreign\(.*\)", "(2,)"),
        (rx.Groups({"w": np.array([1.0, 2.0]), "b": 1.0}), r"Constant\(value=\[1\., 2\.\]\)", "(2,)"),
        (rx.Constant(np.ones(2)) * rx.Constant(np.ones(3)), r"Constant\(value=\[1\., 1\., 1\.\]\)", "(3,)"),  # which don't fit each other
    ],
    ids=range(8),
)
def test_a_rate_is_one_number(rate, part, shape):
    """An optimizer would multiply by an array element by element, if the shapes happen to fit."""
    rule = rf"^learning_rate must be one number at a count, but {part} has shape {re.escape(shape)}\. For several rates use jax\.vmap"
    with pytest.raises(rx.ArgumentError, match=rule):
        rx.control(optax.sgd, rate).init(P)


def test_several_rates_go_through_vmap():
    rates = jax.vmap(lambda peak: rx.learning_rate(rx.control(optax.sgd, rx.Cosine(peak, 10) * rx.ReduceOnPlateau()).init(P)))
    np.testing.assert_array_equal(rates(jnp.array([0.1, 0.2])), np.array([0.1, 0.2], np.float32))


@pytest.mark.parametrize("name", ["updates", "state", "params", "model", "grads"])
def test_a_metric_has_no_name_that_update_uses_itself(name):
    with pytest.raises(rx.ArgumentError, match=f"monitor must be a metric's name, and none of update's own arguments .*, got '{name}'"):
        rx.ReduceOnPlateau(monitor=name)


@pytest.mark.parametrize("name", ["x", "value", "group", "learning_rate", "tx", "self"])
def test_a_metric_may_have_any_other_name(name):
    state = rx.control(optax.sgd, rx.Constant(1.0) * rx.ReduceOnPlateau(monitor=name)).init(P)
    assert rx.describe(rx.observe(state, **{name: 0.5})).parts[-1].observations == 1
