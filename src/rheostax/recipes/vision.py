"""Images and video."""

from __future__ import annotations

from rheostax._check import is_whole
from rheostax._rate import Constant, LearningRate
from rheostax.errors import ArgumentError
from rheostax.policies import ReduceOnPlateau
from rheostax.recipes._recipe import recipe, size_of
from rheostax.schedules import Cosine, Join, Linear, Shift, Staircase, Warmup, WarmupStableDecay

__all__ = [
    "deit",
    "ernie_4_5_vl_sft",
    "got_ocr_2",
    "hunyuan_video_1_5",
    "minicpm_v_4_5_rl",
    "minicpm_v_4_5_sft",
    "resnet",
    "resnet50",
    "stable_diffusion_v1",
    "vit",
]


@recipe("ResNet (He)", source="arXiv 1512.03385, section 3.4", optimizer="SGD, momentum 0.9", total="600000st")
def resnet() -> LearningRate:
    """0.1, divided by 10 when the error plateaus; the patience isn't published: that of `rx.ReduceOnPlateau` is used."""
    return 0.1 * ReduceOnPlateau(monitor="val_error", factor=0.1)


@recipe("ResNet-50 in 1 hour (Goyal)", source="arXiv 1706.02677", optimizer="SGD, momentum 0.9", total="90ep")
def resnet50(batch_size: int = 8_192) -> LearningRate:
    """Warm up over 5 epochs from 0.1 to 0.1 * batch_size / 256, times 0.1 after 30, 60 and 80 epochs; 90 epochs."""
    peak = 0.1 * batch_size / 256
    parts = [Linear(0.1, peak, "5ep"), peak, peak * 0.1, peak * 0.01, peak * 0.001]
    return Join(parts, ["5ep", "30ep", "60ep", "80ep"])


@recipe("ViT", source="arXiv 2010.11929, table 3, and the official code", optimizer="Adam")
def vit(total_steps: int, data: str = "imagenet") -> LearningRate:
    """Warm up for 10,000 updates, then decay over the rest. `data`: "imagenet" (cosine to 0), "imagenet21k", "jft" (linear to 1e-5)."""
    if not is_whole(total_steps, 10_001):
        raise ArgumentError(f"vit: total_steps must be a whole number above 10,000, the updates of warm-up; got {total_steps!r}.")
    peak = size_of("vit", data, {"imagenet": 3e-3, "imagenet21k": 1e-3, "jft": 3e-4})
    decay, end_value = ("cosine", 0.0) if data == "imagenet" else ("linear", 1e-5)
    return WarmupStableDecay(peak, 10_000, total_steps - 10_000, total_steps, end_value=end_value, decay=decay)


@recipe("DeiT", source="facebookresearch/deit, main.py", optimizer="AdamW, weight decay 0.05", total="300ep")
def deit(batch_size: int = 1_024) -> LearningRate:
    """Per epoch: 5 of warm-up from 1e-6 to 5e-4 * batch_size / 512, which hides the start of a cosine to 1e-5 over 300; an epoch late."""
    peak = 5e-4 * batch_size / 512
    cosine = Shift(Cosine(peak, 300, end_value=1e-5), 5)
    # main.py steps the schedule with the number of the epoch that has just ended, so the first value serves twice.
    return Staircase(Join([1e-6, Linear(1e-6, peak, 5), cosine], [1, 6]), "1ep")


@recipe("Stable Diffusion v1", source="its model card", optimizer="AdamW", total="237000st")
def stable_diffusion_v1() -> LearningRate:
    """Warm up for 10,000 updates, then constant."""
    return Warmup(10_000) * 1e-4


@recipe(
    "HunyuanVideo-1.5 training script", source="the official train.py; the pretraining isn't published", optimizer="Muon", total="10000st"
)
def hunyuan_video_1_5() -> LearningRate:
    """Warm up for 500 updates, then constant."""
    return Warmup(500) * 1e-5


@recipe("GOT-OCR 2.0", source="arXiv 2409.01704, and its repository for the warm-up", optimizer="AdamW")
def got_ocr_2(stage: int = 1) -> LearningRate:
    """Warm up over 0.1% of the run, then cosine; its end isn't published, here it is 0. `stage`: 1 and 2 (peak 1e-4), 3 (2e-5)."""
    return Warmup("0.001run") * Cosine(size_of("got_ocr_2", stage, {1: 1e-4, 2: 1e-4, 3: 2e-5}), "1run")


@recipe("MiniCPM-V 4.5, supervised fine-tuning", source="arXiv 2509.18154, appendix A", optimizer="not published")
def minicpm_v_4_5_sft() -> LearningRate:
    """Cosine over the run from 1e-5 to 1e-6."""
    return Cosine(1e-5, "1run", end_value=1e-6)


@recipe("MiniCPM-V 4.5, reinforcement learning", source="arXiv 2509.18154, appendix A", optimizer="not published")
def minicpm_v_4_5_rl() -> LearningRate:
    """Constant."""
    return Constant(1e-6)


@recipe(
    "ERNIE-4.5-VL-28B-A3B, supervised fine-tuning example", source="PaddlePaddle/ERNIE, yaml", optimizer="Adam (0.9, 0.95)", total="8000st"
)
def ernie_4_5_vl_sft() -> LearningRate:
    """Warm up for 100 updates, cosine to 1e-6 over 8,000."""
    return Warmup(100) * Cosine(1e-5, 8_000, end_value=1e-6)
