"""Published schedules by name. Lengths are in the units of the source; `rx.resolve` counts them for a run of yours.

>>> import rheostax as rx
>>> rx.recipes.whisper()
Warmup(steps=2048) * Linear(init_value=0.0015, end_value=0.0, transition_steps=1048576)
>>> rate = rx.resolve(rx.recipes.resnet50(batch_size=256), steps_per_epoch=5_000)
>>> [round(float(rate(5_000 * epoch)), 6) for epoch in (0, 29, 30, 60, 80)]
[0.1, 0.1, 0.01, 0.001, 0.0001]
"""

from rheostax.recipes._recipe import RECIPES, Recipe
from rheostax.recipes.language import (
    bert,
    chinchilla_70b,
    deepseek_v2,
    deepseek_v3,
    ernie_4_5_21b,
    ernie_4_5_300b,
    gpt3_175b,
    kimi_k2,
    llama,
    llama3_405b,
    minicpm,
    minimax_text_01,
    nanogpt,
    olmo2_7b,
    qwen,
    smollm1_135m,
    smollm2,
    smollm3_3b,
    t5,
    transformer_base,
)
from rheostax.recipes.other import (
    dqn,
    ppo_atari,
    wav2vec2,
    wav2vec2_finetuning,
    whisper,
)
from rheostax.recipes.vision import (
    deit,
    ernie_4_5_vl_sft,
    got_ocr_2,
    hunyuan_video_1_5,
    minicpm_v_4_5_rl,
    minicpm_v_4_5_sft,
    resnet,
    resnet50,
    stable_diffusion_v1,
    vit,
)

__all__ = [
    "RECIPES",
    "Recipe",
    "bert",
    "chinchilla_70b",
    "deepseek_v2",
    "deepseek_v3",
    "deit",
    "dqn",
    "ernie_4_5_21b",
    "ernie_4_5_300b",
    "ernie_4_5_vl_sft",
    "got_ocr_2",
    "gpt3_175b",
    "hunyuan_video_1_5",
    "kimi_k2",
    "llama",
    "llama3_405b",
    "minicpm",
    "minicpm_v_4_5_rl",
    "minicpm_v_4_5_sft",
    "minimax_text_01",
    "nanogpt",
    "olmo2_7b",
    "ppo_atari",
    "qwen",
    "resnet",
    "resnet50",
    "smollm1_135m",
    "smollm2",
    "smollm3_3b",
    "stable_diffusion_v1",
    "t5",
    "transformer_base",
    "vit",
    "wav2vec2",
    "wav2vec2_finetuning",
    "whisper",
]
