"""Language models."""

from __future__ import annotations

from rheostax._rate import LearningRate
from rheostax.errors import ArgumentError
from rheostax.recipes._recipe import recipe, size_of
from rheostax.schedules import Cosine, Exponential, InverseSqrt, Join, Linear, Noam, Warmup, WarmupStableDecay

__all__ = [
    "bert",
    "chinchilla_70b",
    "deepseek_v2",
    "deepseek_v3",
    "ernie_4_5_21b",
    "ernie_4_5_300b",
    "gpt3_175b",
    "kimi_k2",
    "llama",
    "llama3_405b",
    "minicpm",
    "minimax_text_01",
    "nanogpt",
    "olmo2_7b",
    "qwen",
    "smollm1_135m",
    "smollm2",
    "smollm3_3b",
    "t5",
    "transformer_base",
]


@recipe("Transformer base", source="arXiv 1706.03762, section 5.3", optimizer="Adam (0.9, 0.98)", total="100000st")
def transformer_base() -> LearningRate:
    """Rise for 4,000 updates, then fall with the inverse square root; d_model = 512."""
    return Noam(512, 4_000)


@recipe("BERT", source="arXiv 1810.04805 and its official code", optimizer="AdamW, weight decay 0.01", total="1000000st")
def bert() -> LearningRate:
    """Warm up to 1e-4 at 10,000 updates, then on the line from 1e-4 at 0 to 0 at 1,000,000: the rate steps down by 1% to it."""
    return Join([Linear(0.0, 1e-4, 10_000), Linear(0.99e-4, 0.0, 990_000)], [10_000])


@recipe("T5", source="arXiv 1910.10683, section 3.1.2", optimizer="Adafactor", total="1000000st")
def t5() -> LearningRate:
    """1 / sqrt(max(n, 10,000)): constant for 10,000 updates, then the inverse square root."""
    return InverseSqrt(0.01, 10_000, transition_begin=10_000)


@recipe("GPT-3 175B", source="arXiv 2005.14165, appendix B", optimizer="Adam (0.9, 0.95), weight decay 0.1", total="300e9tok")
def gpt3_175b() -> LearningRate:
    """Warm up over 375M tokens, cosine over 260B tokens to 10%, which stays."""
    return Warmup("375e6tok") * Cosine(6e-5, "260e9tok", end_value=6e-6)


@recipe("Chinchilla 70B", source="arXiv 2203.15556; the warm-up is Gopher's", optimizer="AdamW", total="1.4e12tok")
def chinchilla_70b() -> LearningRate:
    """Warm up for 1,500 updates, cosine over the run to 10%."""
    return Warmup(1_500) * Cosine(1e-4, "1.4e12tok", end_value=1e-5)


@recipe("LLaMA", source="arXiv 2302.13971, section 2.3", optimizer="AdamW (0.9, 0.95)", total="1.4e12tok")
def llama(model: str = "65B") -> LearningRate:
    """Warm up for 2,000 updates, cosine over the run to 10%. `model`: "7B" and "13B" (1.0T tokens), "33B" and "65B" (1.4T)."""
    small, large = (3e-4, 3e-5, 1.0e12), (1.5e-4, 1.5e-5, 1.4e12)
    peak, end_value, tokens = size_of("llama", model, {"7B": small, "13B": small, "33B": large, "65B": large})
    return Warmup(2_000) * Cosine(peak, f"{tokens}tok", end_value=end_value)


@recipe("Llama 3 405B", source="arXiv 2407.21783, section 3.4", optimizer="AdamW")
def llama3_405b() -> LearningRate:
    """Warm up for 8,000 updates, cosine over 1.2M updates to 1%, then linear to 0 over 40M tokens."""
    return Join([Warmup(8_000) * Cosine(8e-5, 1_200_000, end_value=8e-7), Linear(8e-7, 0.0, "40e6tok")], [1_200_000])


@recipe("Qwen", source="the Qwen technical report", optimizer="AdamW (0.9, 0.95)", total="3e12tok")
def qwen(model: str = "14B") -> LearningRate:
    """Cosine over the run to 10%; the warm-up isn't published. `model`: "1.8B" (2.2T tokens), "7B" (2.4T), "14B" (3.0T)."""
    return Cosine(3e-4, f"{size_of('qwen', model, {'1.8B': 2.2e12, '7B': 2.4e12, '14B': 3.0e12})}tok", end_value=3e-5)


@recipe("DeepSeek-V2", source="the DeepSeek-V2 report", optimizer="AdamW (0.9, 0.95)", total="8.1e12tok")
def deepseek_v2() -> LearningRate:
    """Warm up for 2,000 updates, constant, times 0.316 after 60% and after 90% of the tokens."""
    peak = 2.4e-4
    return Warmup(2_000) * Join([peak, peak * 0.316, peak * 0.316**2], ["4.86e12tok", "7.29e12tok"])


@recipe("DeepSeek-V3", source="arXiv 2412.19437, section 4.2", optimizer="AdamW (0.9, 0.95)", total="14.8e12tok")
def deepseek_v3() -> LearningRate:
    """Warm up for 2,000 updates, constant to 10T tokens, cosine over 4.3T, 2.2e-5 for 333B, 7.3e-6 for 167B."""
    parts = [2.2e-4, Cosine(2.2e-4, "4.3e12tok", end_value=2.2e-5), 2.2e-5, 7.3e-6]
    return Warmup(2_000) * Join(parts, ["10e12tok", "14.3e12tok", "14.633e12tok"])


@recipe(
    "Kimi K2",
    source="arXiv 2507.20534",
    optimizer="MuonClip, weight decay 0.1",
    total="15.96e12tok",
    batch_size=16_384,
    tokens_per_sample=4_096,
)
def kimi_k2() -> LearningRate:
    """Warm up for 500 updates, constant for 10T tokens, cosine over 5.5T, then 460B that are taken as a line: that isn't published."""
    parts = [2e-4, Cosine(2e-4, "5.5e12tok", end_value=2e-5), Linear(2e-5, 7e-6, "460e9tok")]
    return Warmup(500) * Join(parts, ["10e12tok", "15.5e12tok"])


@recipe("MiniMax-Text-01", source="the MiniMax-01 report", optimizer="AdamW", total="11.4e12tok")
def minimax_text_01() -> LearningRate:
    """Warm up for 500 updates, 2e-4 for 7.2T tokens, 1.3e-4 for 3.2T, then exponentially to 3e-5 over 1T."""
    anneal = Exponential(1.3e-4, "1e12tok", 3e-5 / 1.3e-4, end_value=3e-5)
    return Warmup(500) * Join([2e-4, 1.3e-4, anneal], ["7.2e12tok", "10.4e12tok"])


@recipe(
    "MiniCPM 1.2B and 2.4B",
    source="arXiv 2404.06395, section 4",
    optimizer="Adam, with scaling as in muP",
    total="1.1e12tok",
    batch_size=960,
    tokens_per_sample=4_096,
)
def minicpm() -> LearningRate:
    """Constant for 90% of the tokens, then halved every 5,000 updates; the length of the linear warm-up isn't published."""
    return Join([0.01, Exponential(0.01, 5_000, 0.5)], ["0.99e12tok"])


def _ernie(peak: float, warmup_steps: int, stable_until: int, end_value: float, total_steps: int) -> LearningRate:
    if total_steps <= stable_until:
        raise ArgumentError(f"total_steps must be above {stable_until:,}, where the decay begins; got {total_steps!r}.")
    return WarmupStableDecay(peak, warmup_steps, total_steps - stable_until, total_steps, end_value=end_value, decay="1-sqrt")


@recipe("ERNIE 4.5 300B-A47B, example configuration", source="PaddlePaddle/ERNIE, yaml", optimizer="AdamW (0.9, 0.95), weight decay 0.1")
def ernie_4_5_300b(total_steps: int) -> LearningRate:
    """Warm up for 200 updates, stable to 231,084, then 1 - sqrt to 10%; `total_steps` isn't in the configuration."""
    return _ernie(2.2e-4, 200, 231_084, 2.2e-5, total_steps)


@recipe("ERNIE 4.5 21B-A3B, example configuration", source="PaddlePaddle/ERNIE, yaml", optimizer="AdamW (0.9, 0.95), weight decay 0.1")
def ernie_4_5_21b(total_steps: int) -> LearningRate:
    """Warm up for 2,000 updates, stable to 603,000, then 1 - sqrt to 1%; `total_steps` isn't in the configuration."""
    return _ernie(3.14e-4, 2_000, 603_000, 3.14e-6, total_steps)


@recipe("OLMo 2 7B", source="allenai/OLMo, official configurations", optimizer="AdamW (0.9, 0.95)", total="3.95e12tok")
def olmo2_7b() -> LearningRate:
    """Warm up over 8.389B tokens, a cosine to 10% at 5T that is left at 3.9T, then linear to 0 over 50B."""
    warmup, rest = 8_388_608_000, 5_000_000_000_000 - 8_388_608_000
    parts = [Linear(0.0, 3e-4, f"{warmup}tok"), Cosine(3e-4, f"{rest}tok", end_value=3e-5), Linear(6.1499e-5, 0.0, "50e9tok")]
    return Join(parts, [f"{warmup}tok", "3.9e12tok"])


@recipe("SmolLM 135M", source="huggingface, official yaml", optimizer="AdamW", total="600000st")
def smollm1_135m() -> LearningRate:
    """Warm up for 5,000 updates, stable to 500,000, then 1 - sqrt to 0 over 100,000."""
    return WarmupStableDecay(3e-3, 5_000, 100_000, 600_000, decay="1-sqrt")


@recipe("SmolLM2", source="huggingface/smollm, official yaml", optimizer="AdamW", total="5240000st")
def smollm2(model: str = "1.7B") -> LearningRate:
    """Warm up for 2,000 updates, stable, linear to 0 at the end. `model`: "135M", "360M", "1.7B"."""
    sizes = {"135M": (3e-3, 400_000, 2_000_000), "360M": (3e-3, 520_000, 2_600_000), "1.7B": (5e-4, 524_000, 5_240_000)}
    peak, decay_steps, total_steps = size_of("smollm2", model, sizes)
    return WarmupStableDecay(peak, 2_000, decay_steps, total_steps)


@recipe("SmolLM3 3B", source="huggingface/smollm, official yaml", optimizer="AdamW", total="4720001st")
def smollm3_3b() -> LearningRate:
    """Warm up for 2,000 updates, stable to 4,198,001, then linear to 0 over 522,000."""
    return WarmupStableDecay(2e-4, 2_000, 522_000, 4_720_001)


@recipe("nanoGPT 124M", source="karpathy/nanoGPT, train.py", optimizer="AdamW (0.9, 0.95), weight decay 0.1", total="600000st")
def nanogpt() -> LearningRate:
    """Warm up for 2,000 updates as (t + 1) / 2,001, then cosine to 10% at 600,000."""
    return Join([Linear(6e-4 / 2_001, 6e-4, 2_000), Cosine(6e-4, 598_000, end_value=6e-5)], [2_000])
