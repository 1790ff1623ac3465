"""`rheostax preview`: what it takes, what it says, what it draws."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest

import rheostax as rx
from rheostax.cli.app import app

KEYS = {
    "source", "kind", "written", "size", "expression", "total_steps", "total_from", "horizon", "reacts", "moments", "more_moments", "peak",
    "sum", "sum_exact", "warnings",
}  # fmt: skip


@pytest.fixture
def run(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        app(["preview", *arguments], standalone_mode=False)
        return capsys.readouterr().out

    return call


@pytest.fixture
def found(run):
    return lambda *arguments: json.loads(run(*arguments, "--json"))


def test_json_has_the_documented_keys_and_the_rates_of_the_library(found):
    seen = found("Warmup(50) * Cosine(3e-4, 2000)", "--total-steps", "2500")
    assert set(seen) == KEYS
    rates = rx.simulate(rx.Warmup(50) * rx.Cosine(3e-4, 2000), 2500)
    assert [(row["count"], row["what"]) for row in seen["moments"]] == [
        (0, "start"), (50, "end of warm-up"), (2000, "end of Cosine"), (2499, "last update"),
    ]  # fmt: skip
    assert [np.float32(row["learning_rate"]) for row in seen["moments"]] == [rates[row["count"]] for row in seen["moments"]]
    assert seen["sum"] == pytest.approx(rates.astype(np.float64).sum(), rel=1e-12)
    assert seen["sum_exact"] is True
    assert (seen["kind"], seen["total_from"], seen["size"]) == ("expression", "given", {"total_steps": 2500})
    assert seen["peak"]["count"] == int(rates.argmax())


def test_people_get_a_curve_moments_and_warnings(run, tmp_path):
    told = run("Warmup(50) * Cosine(3e-4, 2000)", "--total-steps", "2500", "--plot", "rate.png")
    assert told.startswith("Warmup(steps=50) * Cosine(init_value=0.0003, decay_steps=2000)\n")
    assert re.search(r"^ +50  0.000\d+ +end of warm-up$", told, re.MULTILINE)
    assert re.search(r"^ 0\.0003 [┤|]", told, re.MULTILINE)
    assert "warning: the schedule ends at update 2,000 of 2,500" in told
    assert (tmp_path / "rate.png").read_bytes().startswith(b"\x89PNG")
    assert "rate       if no metric moves it" in run("0.1 * ReduceOnPlateau()")


def test_recipes_objects_files_and_runs(found, tmp_path):
    bert = found("bert")
    assert (bert["kind"], bert["total_steps"], bert["warnings"]) == ("recipe", 1_000_000, [])
    gpt3 = found("gpt3_175b", "--batch-size", "1000")
    assert gpt3["size"]["batch_size"] == 1000
    assert gpt3["written"] == repr(rx.recipes.gpt3_175b())
    assert gpt3["total_steps"] == round(300e9 / (1000 * gpt3["size"]["tokens_per_sample"]))

    (tmp_path / "a_module.py").write_text(
        "import optax, rheostax as rx\nrate = rx.Warmup(5) * 0.1\nhalf = 0.5\nfrom_optax = optax.linear_schedule(0.1, 0.0, 50)\n"
        "def made():\n    return rate\ndef broken():\n    return 1 / 0\nword = 'x'\n"
    )
    assert found("a_module:rate")["written"] == found("a_module:made")["written"] == "Warmup(steps=5) * 0.1"
    assert found("a_module:half")["sum"] == 500.0
    assert found("a_module:from_optax", "--total-steps", "50")["sum"] == pytest.approx(0.1 * 51 / 2)
    with pytest.raises(rx.ArgumentError, match=r"json:loads must be a learning rate, or a function of the count .* TypeError: the JSON"):
        found("json:loads")
    with pytest.raises(rx.ArgumentError, match=r"a_module:broken can't be called: ZeroDivisionError"):
        found("a_module:broken")
    with pytest.raises(rx.ArgumentError, match=r"a_module:word must be a learning rate, or a function that returns one, got 'x'"):
        found("a_module:word")

    (tmp_path / "config.yaml").write_text(
        "learning_rate: Warmup('1ep') * Cosine(3e-4, '1run')\nbatch_size: 32\ndataset_size: 3201\ntotal_steps: 500\n"
    )
    seen = found("config.yaml")
    assert seen["expression"] == "Warmup(steps=101) * Cosine(init_value=0.0003, decay_steps=500)"
    assert found("config.yaml", "--total-steps", "400", "--batch-size", "64")["size"] == {
        "batch_size": 64, "total_steps": 400, "steps_per_epoch": 51,
    }  # fmt: skip
    (tmp_path / "rate.json").write_text('{"Cosine": {"init_value": 0.1, "decay_steps": 30}}')
    assert (found("rate.json")["kind"], found("rate.json")["total_steps"]) == ("file", 30)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.json").write_text(
        json.dumps({"task": "digits", "learning_rate": "Warmup(22) * 0.1", "updates_per_epoch": 22, "epochs": 3})
    )
    seen = found("run")
    assert (seen["total_steps"], seen["size"], seen["written"]) == (
        66,
        {"steps_per_epoch": 22, "total_steps": 66},
        "Warmup(steps=22) * 0.1",
    )


def test_a_recipe_goes_before_a_file_of_its_name_and_a_file_before_an_expression(found, tmp_path):
    (tmp_path / "bert").write_text("0.5")
    (tmp_path / "0.1").write_text("0.25")
    assert found("bert")["kind"] == "recipe"
    assert found("./bert")["written"] == "Constant(value=0.5)"
    assert found("0.1")["written"] == "Constant(value=0.25)"
    assert found("0.10")["written"] == "Constant(value=0.1)"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["Warmup('2ep') * 0.1"], "Warmup: steps is '2ep', which needs --steps-per-epoch (or --dataset-size and --batch-size)."),
        (["Warmup('2ep') * 0.1", "--dataset-size", "10"], "--dataset-size needs --batch-size"),
        (["0.1", "--dataset-size", "10", "--batch-size", "2", "--steps-per-epoch", "5"], "give one of them"),
        (["size.json"], "dataset_size must be a whole number >= 1, got 'many'."),
        ([""], "preview needs a recipe, mypackage.mymodule:name, a file, a run directory or an expression, got ''."),
        (["lr.yaml"], "lr.yaml must have a learning_rate, or be an expression itself; it has lr. Write learning_rate for lr."),
        (["rates.json"], "it has epochs, Learning-Rate. Write learning_rate for Learning-Rate."),
        (["Cosine(0.1, '1e6tok')", "--batch-size", "10"], "Cosine: decay_steps is '1e6tok', which needs --tokens-per-sample."),
        (["Cosine(0.1, '1run')"], "needs --total-steps."),
        (["Cosin(0.1, 5)"], "Did you mean 'Cosine'?"),
        (["lama"], "'lama' is no recipe, file or expression. Did you mean 'llama'?"),
        (["ernie_4_5_300b"], "total_steps isn't published as a number of updates; say it with"),
        (["no/such.yaml"], "There is no file or folder 'no/such.yaml'."),
        (["folder"], "folder/config.json can't be read: No such file or directory."),
        (["broken.json"], "broken.json can't be read: Expecting"),
        (["decay.yaml"], "decay.yaml must have a learning_rate, or be an expression itself; it has init_value, decay_rate."),
        (["keys.yaml"], "keys.yaml must have a learning_rate, or be an expression itself; it has a, b."),
        (["typo.yaml"], "typo.yaml: 'Cosin' is not a schedule or policy. Did you mean 'Cosine'?"),
        (["binary.yaml"], "binary.yaml can't be read:"),
        (["no_such_module:rate"], "The module 'no_such_module' can't be found"),
        (["x" * 5_000], "is not a schedule or policy"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_mistakes(run, tmp_path, arguments, says):
    (tmp_path / "folder").mkdir()
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "size.json").write_text('{"learning_rate": 0.1, "dataset_size": "many", "batch_size": 2}')
    (tmp_path / "lr.yaml").write_text("lr: 3\n")
    (tmp_path / "rates.json").write_text('{"epochs": 2, "Learning-Rate": 0.1}')
    (tmp_path / "decay.yaml").write_text("init_value: 3\ndecay_rate: 0.1\n")
    (tmp_path / "keys.yaml").write_text("a: 1\nb: 2\n")
    (tmp_path / "typo.yaml").write_text("learning_rate: Cosin(1, 2)\n")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(rx.RheostaxError) as caught:
        run(*arguments)
    assert says in str(caught.value)


def test_a_mistake_in_an_expression_is_pointed_at_on_the_terminal():
    script = "from rheostax.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", script, "preview", "Cosin(1, 2)"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: 'Cosin' is not a schedule or policy. Did you mean 'Cosine'?\n  Cosin(1, 2)\n  ^\n"


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        (
            "bad.yaml",
            "learning_rate: Cosine(0.1, 5\n  bad: [1, 2\n",
            "bad.yaml can't be read: This is not YAML: mapping values are not allowed here, in line 2.\n    bad: [1, 2\n       ^",
        ),
        ("bad.json", '{"learning_rate": 3,\n "x": }', 'bad.json can\'t be read: Expecting value, in line 2.\n   "x": }\n        ^'),
        ("long.yaml", "a: [1,\n  2\nb: }", "long.yaml can't be read: This is not YAML: expected"),
    ],
)
def test_a_mistake_in_a_file_is_pointed_at(run, tmp_path, name, text, says):
    (tmp_path / name).write_text(text)
    with pytest.raises(rx.ExpressionError) as caught:
        run(name)
    assert str(caught.value).startswith(says)
    *_, arrow = lines = str(caught.value).split("\n")  # as the terminal shows it
    assert (len(lines), arrow.strip()) == (3, "^")


def test_published_schedules_end_where_their_runs_do(found):
    assert found("smollm2")["warnings"] == []
    (warning,) = found("deepseek_v3")["warnings"]  # so it was published
    assert warning.startswith("the rate jumps from 2.2e-05 to 7.3e-06")
