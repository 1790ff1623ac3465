"""What can be written, what can't, and what is said then. Nothing in a text is ever executed, and none exhausts the machine."""

import math
import sys
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import rheostax as rx
from rheostax.expressions import _vocabulary, from_json, from_yaml, parse_grid
from tests.expressions.strategies import CLASSES

FUZZ = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck), database=None, derandomize=True)

WAYS = [
    ("3e-4", rx.Constant(3e-4)),
    ("1/4", rx.Constant(0.25)),
    ("1_000 / 4 * .5", rx.Constant(125.0)),
    ("rx.Warmup(500) * rx.Cosine(3e-4, decay_steps=20_000)", rx.Warmup(500) * rx.Cosine(3e-4, 20_000)),
    ("rheostax.Warmup( 500 )\n  * 0.1", rx.Warmup(500) * 0.1),
    ("2 * 3 * Cosine(1.0, 10)", 6 * rx.Cosine(1.0, 10)),
    ("Cosine(1.0, 10) * 2 * 3", rx.Cosine(1.0, 10) * 2 * 3),
    ("(Warmup(5) * 0.1) * (Cosine(1.0, 10) * 0.5)", rx.Warmup(5) * 0.1 * rx.Cosine(1.0, 10) * 0.5),
    ("(0.1 * Cosine(1.0, 10)).clip(1e-5, max_value=None)", (0.1 * rx.Cosine(1.0, 10)).clip(1e-5)),
    ("0.1 * Cosine(1.0, 10).clip(max_value=0.5)", 0.1 * rx.Cosine(1.0, 10).clip(max_value=0.5)),
    ("Cosine(1.0, 10).clip(0.1).clip(0.2)", rx.Cosine(1.0, 10).clip(0.1).clip(0.2)),
    ("Join([1e-3, Cosine(1e-3, 9)], boundaries=(4,),)", rx.Join([1e-3, rx.Cosine(1e-3, 9)], [4])),
    ("Tanh(1.0, 10, lower=-+7, upper=--3.0)", rx.Tanh(1.0, 10)),
    ("Warmup('2ep') * 3e-4", rx.Warmup("2ep") * 3e-4),
    ("Warmup(Duration(2, 'ep'))", rx.Warmup("2ep")),
    ('PiecewiseConstant(values=[0.1, 1], boundaries=[3])', rx.PiecewiseConstant([0.1, 1.0], [3])),
    ("OneCycle(0.1, 1, 0, 10, three_phase=True)", rx.OneCycle(0.1, 1.0, 0.0, 10, three_phase=True)),
    ("Groups({'head/*': 1.0, \"no\\x72m\\u002f*\": None}, rest=Cosine(1.0, 10))",
     rx.Groups({"head/*": 1, "norm/*": None}, rest=rx.Cosine(1.0, 10))),
    ("recipes.llama('7B')", rx.recipes.llama("7B")),
    ("rx.recipes.bert() * ReduceOnPlateau(monitor='val_loss')", rx.recipes.bert() * rx.ReduceOnPlateau(monitor="val_loss")),
    ("compat.torch.StepLR(0.1, step_size=30)", rx.compat.torch.StepLR(0.1, 30)),
    ("rx.compat.torch.SequentialLR(1.0, [rx.compat.torch.StepLR(1.0, 3), Constant(1.0)], milestones=[3])",
     rx.compat.torch.SequentialLR(1.0, [rx.compat.torch.StepLR(1.0, 3), rx.Constant(1.0)], [3])),
    ("compat.timm.CosineLRScheduler(0.1, 10, cycle_limit=3)", rx.compat.timm.CosineLRScheduler(0.1, 10, cycle_limit=3)),
    ("compat.transformers.get_scheduler('linear', 0.1, num_warmup_steps=2, num_training_steps=9)",
     rx.compat.transformers.get_scheduler("linear", 0.1, num_warmup_steps=2, num_training_steps=9)),
    ("compat.optax.piecewise_constant_schedule(1.0, {3: 0.5})", rx.compat.optax.piecewise_constant_schedule(1.0, {3: 0.5})),
]  # fmt: skip


def refusal(read, text):
    """Return the message of the one error that is allowed, or nothing."""
    try:
        read(text)
    except rx.ExpressionError as error:
        inside = error.text is None or 0 <= error.at <= len(error.text)
        return str(error) if inside else "?" * 2_000
    return ""


@pytest.mark.parametrize(("text", "rate"), WAYS, ids=[text for text, _ in WAYS])
def test_what_can_be_written(text, rate):
    assert rx.parse(text) == rate
    assert repr(rx.parse(text)) == repr(rate)


# the text, where the caret stands (the text from there on), what is said
MISTAKES = [
    ("Warmup(500) * Cosin(3e-4, 20000)", "Cosin(", "'Cosin' is not a schedule or policy. Did you mean 'Cosine'?"),
    ("Cosine(init_valu=3e-4, decay_steps=9)", "init_valu=", "Cosine has no argument 'init_valu'. Did you mean 'init_value'?"),
    ("Cosine(3e-4, zzz=9)", "zzz", "It takes init_value, decay_steps, end_value, k_decay."),
    ("Cosine(3e-4)", "Cosine", "Cosine needs decay_steps: Cosine(init_value, decay_steps)."),
    ("0.1 * Cosine", "Cosine", "Cosine needs parentheses: Cosine(init_value, decay_steps)."),
    ("Cosine(3e-4, -5)", "-5", "Cosine: decay_steps must be a whole number >= 1, got -5."),
    ("Cosine(3e-4, end_value=-1, decay_steps=5)", "-1", "Cosine: end_value must be a finite number"),
    ("Warmup(5) * Cosine(3e-4, '10epp')", "'10epp'", "decay_steps must be a whole number >= 1, got '10epp'"),
    ("Join([1, 2], boundaries=[3, 4])", "[3", "Join: boundaries must be one fewer than the rates"),
    ("Cosine(3e-4, 5, 0, None, 7)", "7", "Cosine takes 4 arguments."),
    ("ReduceOnPlateau(3)", "3", "takes no arguments without a name; by name it takes monitor, mode, patience"),
    ("Cosine(3e-4, 5, init_value=3)", "init_value", "Cosine: init_value is given twice."),
    ("Cosine(init_value=3e-4, init_value=3)", "init_value=3)", "init_value is given twice."),
    ("Cosine(init_value=3e-4, 3)", "3)", "An argument without a name can't follow one with a name."),
    ("Groups({'a': 1, 'a': 2})", "'a': 2", "'a' is given twice."),
    ("Groups({Warmup(3): 1})", "Warmup", "A key must be a text or a number."),
    ("Groups({'a' 1})", "1", "Expected ':' after 'a', found '1'."),
    ("Cosine(3e-4, 20000", "", "Expected ')' or ',', found the end."),
    ("[1, 2", "", "Expected ']' or ',', found the end."),
    ("Warmup(5) Cosine(1, 2)", "Cosine", "Expected '*', '.clip(...)' or the end, found 'Cosine'."),
    ("Warmup(5) *", "", "Expected a schedule, a policy or a number, found the end."),
    ("", "", "Expected a schedule, a policy or a number, found the end."),
    ("Warmup(5) * ; 3", "; 3", "';' is not expected here."),
    ("Warmup('5ep)", "'5ep)", "This text has no end, or a backslash that isn't known."),
    ("Warmup('\\q')", "'\\q", "This text has no end, or a backslash that isn't known."),
    ("Warmup('\\Uffffffff')", "'\\U", "This text has a character that can't be."),
    ("Warmup(5).clop(3)", "clop", "Expected 'clip', the only method that can be written, found 'clop'."),
    ("Warmup(5).clip(3, 1)", "1)", "Clip: max_value must be a finite number in [3, inf), got 1."),
    ("Warmup(5).clip(min=3)", "min=", "clip has no argument 'min'."),
    ("9e200 * 9e200 * Warmup(3)", "* 9e200", "This number is too large."),
    ("1 / 0", "/", "This can't be calculated: division by zero."),
    ("Cosine(1, 2) / 2", "/", "Only numbers can be divided; multiply a rate with 0.5 to halve it."),
    ("-0.1", "-0.1", "Constant: value must be a finite number in [0, inf), got -0.1."),
    ("inf", "inf", "Constant: value must be a finite number"),
    ("-x", "x", "Expected a number after the sign, found 'x'."),
    ("-", "", "Expected a number."),
    ("1_", "1_", "'1_' is not a number."),
    ("'Warmup(5)'", "'Warmup", "Expected a learning rate, such as Cosine(3e-4, 20000) or 3e-4, got 'Warmup(5)'."),
    ("True", "True", "Expected a learning rate"),
    ("True * Warmup(3)", "True", "Expected a learning rate or a number, got True."),
    ("None", "None", "Expected a learning rate"),
    ("{}", "{}", "Expected a learning rate"),
    ("Duration(3, 'ep')", "Duration", "Expected a learning rate"),
    ("Warmup(3) * Warmup", "Warmup", "Warmup needs parentheses: Warmup(steps)."),
    ("ReduceOnPlateau(patience=[2, 5])", "[2", "patience takes one value, got a list of 2. Several at once are for a grid."),
    ("bert", "bert", "The recipe is recipes.bert()."),
    ("recipes.brt()", "recipes", "There is no recipe 'brt'; `rheostax recipes` lists them. Did you mean 'bert'?"),
    ("compat.torch.StepLr(0.1, 3)", "compat", "rx.compat.torch has no 'StepLr' that could be written. Did you mean 'StepLR'?"),
    ("compat.torch.convert(0.1)", "compat", "rx.compat.torch has no 'convert' that could be written."),
    ("compat.torch.LambdaLR(0.1, 'x')", "'x'", "LambdaLR: lr_lambda must be a function of the count, got 'x'."),
    ("optax.linear_schedule(1, 0, 5)", "optax", "rheostax's own of that name is compat.optax.linear_schedule."),
    ("os.system('ls')", "os", "There is no 'os.system'. Names with dots begin with rx, recipes, or one of compat.keras"),
    ("__import__('os')", "__import__", "'__import__' is not a schedule or policy."),
    ("Foreign(print)", "Foreign", "It stands for a function, which can't be written"),
    ("Policy(monitor='x')", "Policy", "'Policy' is not a schedule or policy."),
    ("Warmup(lambda: 3)", ":", "Expected ')' or ',', found"),
    ("Warmup(steps=len)", "len", "'len' is not a schedule or policy."),
    ("Warmup(5) ** 2", "* 2", "Expected a schedule, a policy or a number, found '*'."),
]  # fmt: skip


@pytest.mark.parametrize(("text", "place", "says"), MISTAKES, ids=[text or "(empty)" for text, *_ in MISTAKES])
def test_a_mistake_is_pointed_at(text, place, says):
    with pytest.raises(rx.ExpressionError) as caught:
        rx.parse(text)
    error = caught.value
    assert says in error.reason
    if text != "Warmup(lambda: 3)":
        assert text[error.at :].startswith(place), text[error.at :]
        assert place or error.at == len(text)
    shown, line, caret = str(error).split("\n")
    assert (shown, line) == (error.reason, "  " + text)
    assert caret == " " * (2 + error.at) + "^"


def test_a_long_text_is_shown_around_the_place():
    text = "Warmup(3) * " * 50 + "Cosin(1, 2)" + " * Warmup(3)" * 50
    with pytest.raises(rx.ExpressionError) as caught:
        rx.parse("\n\n" + text + "\n")
    _, line, caret = str(caught.value).split("\n")
    assert line[caret.index("^") :].startswith("Cosin(1, 2)")
    assert line.startswith("  ...")
    assert line.endswith("...")
    assert len(line) < 130


def test_a_grid():
    grid = parse_grid("Warmup([1, 2]) * [0.1, 0.2] * Join([0.1, ReduceOnPlateau(patience=[2, 5], mode=['min', 'max'])], boundaries=[3])")
    assert len(grid) == 16
    chosen, rate = grid[5]
    assert chosen == {"steps": 1, "value": 0.2, "patience": 2, "mode": "max"}
    assert rate == rx.Warmup(1) * 0.2 * rx.Join([0.1, rx.ReduceOnPlateau(patience=2, mode="max")], [3])
    assert [one["mode"] for one, _ in grid[:4]] == ["min", "max", "min", "max"]  # the last moves fastest
    assert grid[-1][0] == {"steps": 2, "value": 0.2, "patience": 5, "mode": "max"}


def test_labels_of_a_grid_tell_its_arguments_apart():
    text = "Warmup(['1ep', 2]) * Staircase(Cosine(1, 9), steps=[3, 4]) * ReduceOnPlateau(patience=[1, 2]) * ReduceOnPlateau(patience=[3])"
    chosen, _ = parse_grid(text)[-1]
    assert chosen == {"Warmup.steps": 2, "Staircase.steps": 4, "ReduceOnPlateau[1].patience": 2, "ReduceOnPlateau[2].patience": 3}
    assert parse_grid("Constant([0.1, 0.2]).clip([0.0, 0.05])")[3][0] == {"value": 0.2, "min_value": 0.05}
    assert parse_grid("compat.torch.StepLR(0.1, [3, 5])")[1] == ({"step_size": 5}, rx.compat.torch.StepLR(0.1, 5))


def test_without_lists_a_grid_is_the_expression():
    text = "MultiStep(1.0, boundaries=[3, 5], factor=0.1) * Groups({'a': 1.0})"
    assert parse_grid(text) == [({}, rx.parse(text))]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("Warmup([])", "steps takes one value, got a list without any"),
        ("Warmup([1, 0])", "steps must be a whole number >= 1, got 0"),
        (f"Warmup({[*range(1, 202)]}) * Warmup({[*range(1, 52)]})", "A grid can have 10,000 combinations at most, this one has 10,251"),
        ("Warmup([[1, 2]])", "steps takes one value, got a list of lists"),
    ],
)
def test_a_grid_that_cant_be(text, says):
    with pytest.raises(rx.ExpressionError) as caught:
        parse_grid(text)
    assert says in str(caught.value)


HOSTILE = {
    "parentheses": "(" * 19_000,
    "closed parentheses": "(" * 9_000 + "1" + ")" * 9_000,
    "lists": "[" * 9_000 + "]" * 9_000,
    "calls": "Warmup(" * 2_000,
    "dicts": "{1:" * 6_000,
    "signs": "-" * 19_000 + "1",
    "products": "1*" * 9_000 + "1",
    "large products": "9e9*" * 4_000 + "1",
    "huge numbers": "*".join(["9" * 59] * 300),
    "a long number": "9" * 19_000,
    "underscores": "1" + "_" * 19_000,
    "dots": "a" + ".a" * 9_000,
    "clips": "1" + ".clip()" * 2_500,
    "nested clips": "(" * 39 + "Warmup(3)" + ".clip().clip().clip())" * 39,
    "quotes": "'" * 19_001,
    "backslashes": "'" + "\\\\" * 9_000,
    "a long word": "a" * 19_999,
    "a long argument": "Warmup(" + "a" * 19_900 + "=1)",
    "a long text": "Warmup('" + "1" * 19_900 + "')",
    "many keys": "Groups({" + ",".join(f"{i}:1" for i in range(3_000)) + "})",
    "many patterns": "Groups({" + ",".join(f"'{i}':1" for i in range(900)) + "})",
    "many parts": "Join([" + "1," * 2_000 + "], boundaries=[" + ",".join(map(str, range(1, 2_000))) + "])",
    "deep rates": "Repeat(" * 38 + "1" + ", 5, length_factor=1.5)" * 38,
    "extended": "Extended(" * 38 + "1" + ", 1, 5)" * 38,
    "spaces": " " * 20_000,
    "too long": " " * 20_001,
    "zero bytes": "\0" * 100,
    "not a text": 3,
    "a large count": "Warmup(1" + "0" * 50 + ")",
    "cycles without end": "Cycles(1.0, 1, length_factor=0.5)",
    "small steps": "compat.keras.LearningRateScheduler(0.1, 'x', epochs=2147483647)",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_text_neither_exhausts_nor_breaks_anything(name):
    started = time.perf_counter()
    for read in (rx.parse, parse_grid, from_yaml, from_json):
        assert len(refusal(read, HOSTILE[name])) < 1_500
    assert time.perf_counter() - started < 20


def test_yaml_that_stands_for_billions():
    bomb = "a: &a [1,1,1,1,1,1,1,1,1]\n" + "".join(
        f"{chr(98 + i)}: &{chr(98 + i)} [{','.join([f'*{chr(97 + i)}'] * 9)}]\n" for i in range(9)
    )
    for text in (
        bomb,
        f"Product: {{factors: [{bomb!r}]}}",
        "&a [*a]",
        "Join: &a {rates: [*a], boundaries: [1]}",
        "? [1]\n: 2",
        "2001-01-01",
    ):
        with pytest.raises(rx.ExpressionError):
            from_yaml(text)
    layers = "a: &a {Warmup: {steps: 3}}\n" + "".join(
        f"{c}: &{c} {{Product: {{factors: [*{b}, *{b}]}}}}\n" for b, c in zip("abcdefghijklmn", "bcdefghijklmno", strict=True)
    )
    with pytest.raises(rx.ExpressionError):
        from_yaml(layers)


def test_yaml_constructs_nothing_and_knows_numbers():
    with pytest.raises(rx.ExpressionError, match="not YAML"):
        from_yaml("!!python/object/apply:os.system ['ls']")
    assert from_yaml("3e-4") == rx.Constant(3e-4)
    assert from_yaml("Warmup(3) * 3e-4") == rx.Warmup(3) * 3e-4
    assert from_yaml("Product:\n  factors:\n  - Warmup: {steps: 2ep}\n  - 3e-4\n") == rx.Warmup("2ep") * 3e-4


BAD_DATA = [
    ({}, "learning rate must have one key, the name of a schedule or policy; got 0 keys."),
    ({"Cosine": {"init_value": 1.0, "decay_steps": 3}, "Warmup": {"steps": 3}}, "must have one key"),
    ({"Cosin": {}}, "learning rate: 'Cosin' is not a schedule or policy. Did you mean 'Cosine'?"),
    ({"Cosine": [1.0, 3]}, "learning rate: Cosine must have a dict of arguments by name, got list."),
    ({"Cosine": {"init_value": 1.0}}, "learning rate: Cosine needs decay_steps."),
    ({"Cosine": {"init_valu": 1.0}}, "Cosine has no argument 'init_valu'. Did you mean 'init_value'?"),
    ({"Cosine": {"init_value": [1.0, 2.0], "decay_steps": 3}}, "Cosine: init_value takes one value, got a list of 2."),
    ({"Product": {"factors": [0.1, {"Cosine": {"init_value": 1.0, "decay_steps": 0}}]}},
     "learning rate.Product.factors[1]: Cosine: decay_steps must be a whole number >= 1, got 0."),
    ({"Groups": {"rates": {"a": {"Foo": {}}}}}, "learning rate.Groups['a']: 'Foo' is not a schedule or policy."),
    ({"Warmup": {"steps": b"3"}}, "learning rate.Warmup.steps must be a number, a text, a list or a dict, got bytes."),
    ([1], "learning rate must be a number, or a dict with one key"),
    (None, "learning rate must be a number"),
    (True, "learning rate must be a number"),
    (-1.0, "Constant: value must be a finite number in [0, inf), got -1.0"),
    (math.nan, "Constant: value must be a finite number"),
    ({"Warmup": {3: 3}}, "must have a dict of arguments by name"),
    ({3: {}}, "3 is not a schedule or policy"),
]  # fmt: skip


@pytest.mark.parametrize(("data", "says"), BAD_DATA, ids=[str(data)[:40] for data, _ in BAD_DATA])
def test_data_that_isnt_an_expression(data, says):
    with pytest.raises(rx.ExpressionError) as caught:
        from_json(data)
    assert says in str(caught.value)


WORDS = st.sampled_from(
    [*CLASSES, *"()[]{}*/.,:=-+'\"", "Duration", "clip", "recipes", "compat", "torch", "StepLR", "bert", "rx", "inf", "None", "True",
     "1", "0", "-1", "3e-4", "1e400", "0.5", "2147483648", "'min'",
     "'2ep'", "'value'", "'\\x00'", "steps", "rate", "patience", "factor", " "]
)  # fmt: skip
TEXTS = st.text(max_size=40) | st.lists(WORDS, max_size=30).map("".join) | st.lists(WORDS, max_size=30).map(" ".join)
ARGUMENTS = st.recursive(
    st.sampled_from(
        [
            "1",
            "0.5",
            "-3",
            "'x'",
            "'2ep'",
            "None",
            "True",
            "inf",
            "-inf",
            "1e999",
            "0",
            "1e-320",
            "[1, 2]",
            "(0.1,)",
            "{'a': 1}",
            "[]",
            "''",
        ]
    ),
    lambda inner: st.builds(lambda name, given: f"{name}({', '.join(given)})", st.sampled_from(CLASSES), st.lists(inner, max_size=4)),
    max_leaves=6,
)
KEYWORDS = st.sampled_from(CLASSES).flatmap(
    lambda name: st.lists(st.tuples(st.sampled_from([*_vocabulary.arguments(_vocabulary.class_named(name))]), ARGUMENTS), max_size=5).map(
        lambda given: f"{name}({', '.join(f'{key}={value}' for key, value in given)})"
    )
)
DATA = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(["2ep", "min", "linear"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=5) | st.sampled_from([*CLASSES, "steps", "rates", "rate"]), inner, max_size=3)
    ),
    max_leaves=12,
)


@FUZZ
@given(TEXTS | KEYWORDS | ARGUMENTS)
def test_fuzzing_the_parser(text):
    for read in (rx.parse, parse_grid):
        refusal(read, text)


@FUZZ
@given(
    DATA
    | st.tuples(st.sampled_from(CLASSES), st.dictionaries(st.sampled_from(["rate", "steps", "factor", "value"]), DATA)).map(
        lambda one: {one[0]: one[1]}
    )
)
def test_fuzzing_data(data):
    refusal(from_json, data)


def test_nothing_is_imported_for_a_word():
    before = set(sys.modules)
    for text in ("this", "antigravity", "rx.antigravity()", "compat.this.that()", "recipes.this()", "lib2to3.main()"):
        with pytest.raises(rx.ExpressionError):
            rx.parse(text)
    assert not (set(sys.modules) - before) & {"this", "antigravity", "lib2to3"}
