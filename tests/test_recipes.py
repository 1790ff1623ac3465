"""Published schedules against the numbers of their sources."""

import inspect
import json
import re
from pathlib import Path

import numpy as np
import pytest

import rheostax as rx
from rheostax.recipes import RECIPES

TOKENS = 4_194_304  # per update, where the source says nothing: 1,024 times 4,096

# name, arguments, then (count in the unit given, published rate) where the source says what the rate is there
NUMBERS = [
    ("transformer_base", {}, "st", [(3_999, 512**-0.5 * 4_000**-0.5), (99_999, 512**-0.5 * 100_000**-0.5)]),
    ("bert", {}, "st", [(0, 0.0), (9_999, 0.9999e-4), (10_000, 1e-4 * 0.99), (500_000, 5e-5), (1_000_000, 0.0)]),
    ("t5", {}, "st", [(0, 0.01), (10_000, 0.01), (1_000_000, 1e-3)]),
    ("gpt3_175b", {}, "tok", [(375e6, 6e-5), (130e9, 3.3e-5), (260e9, 6e-6), (300e9, 6e-6)]),
    ("chinchilla_70b", {}, "tok", [(1_500 * TOKENS, 1e-4), (0.7e12, 5.5e-5), (1.4e12, 1e-5)]),
    ("llama", {"model": "7B"}, "tok", [(2_000 * TOKENS, 3e-4), (1.0e12, 3e-5)]),
    ("llama", {"model": "65B"}, "tok", [(2_000 * TOKENS, 1.5e-4), (1.4e12, 1.5e-5)]),
    ("llama3_405b", {}, "st", [(8_000, 8e-5), (600_000, 4.04e-5), (1_200_000, 8e-7), (1_200_000 + 10, 0.0)]),
    ("qwen", {"model": "1.8B"}, "tok", [(0, 3e-4), (2.2e12, 3e-5)]),
    ("deepseek_v2", {}, "tok", [(2_000 * TOKENS, 2.4e-4), (0.61 * 8.1e12, 2.4e-4 * 0.316), (0.91 * 8.1e12, 2.4e-5)]),
    ("deepseek_v3", {}, "tok", [(10e12, 2.2e-4), (14.3e12, 2.2e-5), (14.5e12, 2.2e-5), (14.7e12, 7.3e-6), (14.8e12, 7.3e-6)]),
    ("kimi_k2", {}, "tok", [(500 * 67.1e6, 2e-4), (10e12, 2e-4), (15.5e12, 2e-5), (15.96e12, 7e-6)]),
    ("minimax_text_01", {}, "tok", [(7.1e12, 2e-4), (7.3e12, 1.3e-4), (10.4e12, 1.3e-4), (11.4e12, 3e-5)]),
    ("minicpm", {}, "tok", [(0.5e12, 0.01), (0.99e12, 0.01), (0.99e12 + 5_000 * 960 * 4_096, 0.005)]),
    ("ernie_4_5_300b", {"total_steps": 256_760}, "st", [(200, 2.2e-4), (231_084, 2.2e-4), (256_760, 2.2e-5)]),
    ("ernie_4_5_21b", {"total_steps": 670_000}, "st", [(2_000, 3.14e-4), (603_000, 3.14e-4), (670_000, 3.14e-6)]),
    ("olmo2_7b", {}, "tok", [(8.389e9, 3e-4), (3.9e12 - TOKENS, 6.12e-5), (3.9e12 + TOKENS, 6.15e-5), (3.95e12, 0.0)]),
    ("smollm1_135m", {}, "st", [(5_000, 3e-3), (500_000, 3e-3), (525_000, 1.5e-3), (600_000, 0.0)]),
    ("smollm2", {"model": "135M"}, "st", [(2_000, 3e-3), (1_600_000, 3e-3), (1_800_000, 1.5e-3), (2_000_000, 0.0)]),
    ("smollm2", {"model": "360M"}, "st", [(2_000, 3e-3), (2_080_000, 3e-3), (2_600_000, 0.0)]),
    ("smollm2", {}, "st", [(2_000, 5e-4), (4_716_000, 5e-4), (5_240_000, 0.0)]),
    ("smollm3_3b", {}, "st", [(2_000, 2e-4), (4_198_001, 2e-4), (4_720_001, 0.0)]),
    ("nanogpt", {}, "st", [(0, 6e-4 / 2_001), (1_000, 6e-4 * 1_001 / 2_001), (2_000, 6e-4), (600_000, 6e-5), (700_000, 6e-5)]),
    ("resnet", {}, "st", [(0, 0.1), (600_000, 0.1)]),
    ("resnet50", {}, "ep", [(5, 3.2), (29.99, 3.2), (30, 0.32), (60, 0.032), (80, 0.0032)]),
    ("resnet50", {"batch_size": 256}, "ep", [(0, 0.1), (5, 0.1), (30, 0.01)]),
    ("vit", {"total_steps": 93_000}, "st", [(10_000, 3e-3), (51_500, 1.5e-3), (93_000, 0.0)]),
    ("vit", {"total_steps": 300_000, "data": "imagenet21k"}, "st", [(10_000, 1e-3), (155_000, (1e-3 + 1e-5) / 2), (300_000, 1e-5)]),
    ("vit", {"total_steps": 300_000, "data": "jft"}, "st", [(10_000, 3e-4), (300_000, 1e-5)]),
    ("deit", {"batch_size": 512}, "ep", [(0, 1e-6), (1, 1e-6), (6, 5e-4), (151, 2.55e-4), (301, 1e-5)]),
    ("stable_diffusion_v1", {}, "st", [(5_000, 5e-5), (10_000, 1e-4), (237_000, 1e-4)]),
    ("hunyuan_video_1_5", {}, "st", [(500, 1e-5), (10_000, 1e-5)]),
    ("got_ocr_2", {}, "st", [(10, 1e-4), (10_000, 0.0)]),
    ("got_ocr_2", {"stage": 3}, "st", [(10, 2e-5)]),
    ("minicpm_v_4_5_sft", {}, "st", [(0, 1e-5), (10_000, 1e-6)]),
    ("minicpm_v_4_5_rl", {}, "st", [(0, 1e-6), (10_000, 1e-6)]),
    ("ernie_4_5_vl_sft", {}, "st", [(100, 1e-5), (8_000, 1e-6)]),
    ("whisper", {}, "st", [(2_048, 1.5e-3), (1_048_576, 0.0)]),
    ("whisper", {"model": "large"}, "st", [(2_048, 1.75e-4)]),
    ("wav2vec2", {}, "st", [(32_000, 5e-4), (400_000, 0.0)]),
    ("wav2vec2", {"model": "large"}, "st", [(20_000, 3e-4), (250_000, 0.0)]),
    ("wav2vec2_finetuning", {}, "st", [(0, 1e-6), (32_000, 1e-4), (160_000, 1e-4), (320_000, 5e-6)]),
    ("ppo_atari", {}, "sa", [(0, 2.5e-4), (5e6, 1.25e-4), (10e6, 0.0)]),
    ("dqn", {}, "st", [(0, 2.5e-4), (10_000, 2.5e-4)]),
]


def test_every_recipe_is_compared_with_its_source():
    assert set(RECIPES) == {name for name, *_ in NUMBERS}
    assert set(RECIPES) <= set(rx.recipes.__all__)


MOST = max(len(row[-1]) for row in NUMBERS)


@pytest.mark.parametrize(("name", "arguments", "unit", "published"), NUMBERS, ids=[f"{row[0]} {list(row[1].values())}" for row in NUMBERS])
def test_it_has_the_published_numbers(name, arguments, unit, published):
    one = RECIPES[name]
    rate, _ = one.resolved(getattr(rx.recipes, name)(**arguments))
    samples = one.size.get("batch_size", 1_024)
    per_update = {"st": 1, "ep": 1 / 1_000, "sa": samples, "tok": samples * one.size.get("tokens_per_sample", 4_096)}[unit]
    counts = np.array([round(at / per_update) for at, _ in published], np.int32)
    # As many counts for every recipe: operations are compiled for each number of them.
    got = np.asarray(rate.evaluate(rate.init(), np.pad(counts, (0, MOST - len(counts)), "edge")).high)[: len(counts)]
    # What a product of a warm-up and a decay on one clock has lost at the end of the warm-up; and numbers of few digits.
    np.testing.assert_allclose(got, [value for _, value in published], rtol=2e-3, atol=2e-8)
    peak = max(value for _, value in published)
    curve = rate.evaluate(rate.init(), np.linspace(0, counts.max(), 5_000, dtype=np.int32)).high
    assert np.all(np.asarray(curve) <= peak * 1.0101 + 1e-12)


def bert(t):
    return np.where(t < 10_000, 1e-4 * t / 10_000, 1e-4 * (1 - t / 1_000_000))


def vit(total, peak, linear_end=None):
    def rate(t):
        done = np.clip((t - 10_000) / (total - 10_000), 0, 1)
        decayed = peak * (1 + np.cos(np.pi * done)) / 2 if linear_end is None else linear_end + (peak - linear_end) * (1 - done)
        return decayed * np.minimum(1, t / 10_000)

    return rate


def deit(t):
    """The script's epochs have 1,000 updates here; timm's cosine runs under the warm-up, and the script steps with the epoch before."""
    epoch, peak = np.maximum(t // 1_000 - 1, 0), 1e-3
    return np.where(epoch < 5, 1e-6 + epoch * (peak - 1e-6) / 5, 1e-5 + (peak - 1e-5) * (1 + np.cos(np.pi * epoch / 300)) / 2)


def olmo(t):
    """In tokens, as its trainer counts."""
    tokens, warm, end = t * float(TOKENS), 8_388_608_000, 5e12
    cosine = 3e-5 + (3e-4 - 3e-5) * (1 + np.cos(np.pi * (tokens - warm) / (end - warm))) / 2
    return np.where(tokens < warm, 3e-4 * tokens / warm, cosine)


def nanogpt(t):
    done = np.clip((t - 2_000) / (600_000 - 2_000), 0, 1)
    return np.where(t < 2_000, 6e-4 * (t + 1) / 2_001, 6e-5 + (1 + np.cos(np.pi * done)) / 2 * (6e-4 - 6e-5))


@pytest.mark.parametrize(("name", "arguments", "formula", "until"), [
    ("bert", {}, bert, 1_000_000),
    ("vit", {"total_steps": 93_000}, vit(93_000, 3e-3), 93_000),
    ("vit", {"total_steps": 300_000, "data": "imagenet21k"}, vit(300_000, 1e-3, 1e-5), 310_000),
    ("deit", {}, deit, 300_000),
    ("olmo2_7b", {}, olmo, 929_000),
    ("nanogpt", {}, nanogpt, 610_000),
])  # fmt: skip
def test_it_is_what_its_code_computes(name, arguments, formula, until):
    """Over the whole run, not at its corners alone: the clock of the decay shows in between."""
    rate, _ = RECIPES[name].resolved(getattr(rx.recipes, name)(**arguments))
    counts = np.unique(np.r_[np.linspace(0, until, 5_000), np.arange(0, 20_000, 499), 1_999, 2_000, 9_999, 10_000]).astype(np.int32)
    got = np.asarray(rate.evaluate(rate.init(), counts).high)
    # OLMo's lengths in tokens are rounded to an update, a 2,000th of its warm-up.
    np.testing.assert_allclose(got, formula(counts), rtol=5e-4 if name == "olmo2_7b" else 1e-6, atol=3e-3 * 1e-7)


@pytest.mark.parametrize("name", RECIPES)
def test_it_says_where_it_comes_from(name):
    one = RECIPES[name]
    assert one.title
    assert one.source
    assert inspect.getdoc(one.function)
    page = (Path(__file__).parents[1] / "docs" / "recipes.md").read_text("utf-8")
    row = re.search(rf"^\| `{name}` \|(.*)\|$", page, re.MULTILINE)
    assert row, "add it to docs/recipes.md"
    assert one.title in row[1]
    assert one.source in row[1]


@pytest.mark.parametrize(("make", "says"), [
    (lambda: rx.recipes.llama("70B"), "llama: it is published for '7B', '13B', '33B', '65B', got '70B'"),
    (lambda: rx.recipes.ernie_4_5_300b(1_000), "total_steps must be above 231,084, where the decay begins; got 1000"),
    (lambda: rx.recipes.vit(10_000), "vit: total_steps must be a whole number above 10,000, the updates of warm-up; got 10000"),
    (lambda: rx.recipes.vit("jft"), "vit: total_steps must be a whole number above 10,000, the updates of warm-up; got 'jft'"),
    (lambda: rx.resolve(rx.recipes.gpt3_175b()), "Warmup: steps is '3.75e8tok', which needs the run's batch_size"),
])  # fmt: skip
def test_what_is_missing_is_said(make, says):
    with pytest.raises(rx.ArgumentError, match=re.escape(says)):
        make()


def test_the_command_lists_and_shows(capsys, tmp_path):
    from rheostax.cli.app import app

    def run(*arguments):
        app(["recipes", *arguments], standalone_mode=False)
        return capsys.readouterr().out

    listed = run()
    assert all(re.search(rf"^{name} ", listed, re.MULTILINE) for name in RECIPES)
    assert [row["name"] for row in json.loads(run("--json"))] == list(RECIPES)
    shown = run("llama", "--variant", "7B", "--plot", str(tmp_path / "llama.png"))
    assert "Cosine(init_value=0.0003, decay_steps='1e12tok', end_value=3e-05)" in shown
    assert (tmp_path / "llama.png").read_bytes().startswith(b"\x89PNG")
    found = json.loads(run("bert", "--json"))
    assert {row["count"]: row["learning_rate"] for row in found["rates"]}[500_000] == 5e-5
    assert "if no metric moved it" in run("resnet")
    for arguments, says in [
        (("gpt3",), "There is no recipe 'gpt3'; `rheostax recipes` lists them. Did you mean 'gpt3_175b'?"),
        (("bert", "--variant", "large"), "bert has no variants, got 'large'"),
        (("ernie_4_5_300b",), "total_steps isn't published as a number of updates; say it with --total-steps N"),
    ]:
        with pytest.raises(rx.ArgumentError, match=re.escape(says)):
            run(*arguments)
