"""Speech, and reinforcement learning."""

from __future__ import annotations

from rheostax._rate import Constant, LearningRate
from rheostax.recipes._recipe import recipe, size_of
from rheostax.schedules import Exponential, Join, Linear, Warmup

__all__ = ["dqn", "ppo_atari", "wav2vec2", "wav2vec2_finetuning", "whisper"]


@recipe("Whisper", source="the Whisper paper, appendix F", optimizer="AdamW (0.9, 0.98), weight decay 0.1", total="1048576st")
def whisper(model: str = "tiny") -> LearningRate:
    """Warm up for 2,048 updates, linear to 0 at 1,048,576. `model`: "tiny" or "large", the two ends of the range."""
    return Warmup(2_048) * Linear(size_of("whisper", model, {"tiny": 1.5e-3, "large": 1.75e-4}), 0.0, 1_048_576)


@recipe("wav2vec 2.0, pretraining", source="its paper and fairseq's configurations", optimizer="Adam (0.9, 0.98)", total="400000st")
def wav2vec2(model: str = "base") -> LearningRate:
    """Warm up over 8% of the updates, then linear to 0. `model`: "base" (400,000 updates), "large" (250,000)."""
    peak, steps = size_of("wav2vec2", model, {"base": (5e-4, 400_000), "large": (3e-4, 250_000)})
    warmup = steps * 8 // 100
    return Join([Linear(0.0, peak, warmup), Linear(peak, 0.0, steps - warmup)], [warmup])


@recipe("wav2vec 2.0, fine-tuning", source="fairseq, tri_stage", optimizer="Adam", total="320000st")
def wav2vec2_finetuning() -> LearningRate:
    """Rise over 10% of 320,000 updates from 1% of the peak, hold for 40%, fall exponentially to 5% over 50%."""
    peak = 1e-4
    return Join([Linear(peak / 100, peak, 32_000), peak, Exponential(peak, 160_000, 0.05, end_value=peak / 20)], [32_000, 160_000])


@recipe("PPO on Atari", source="the PPO paper, table 5", optimizer="Adam", total="10000000sa")
def ppo_atari() -> LearningRate:
    """Linear to 0 over 10M timesteps, which are its samples; give the timesteps per update as `batch_size`."""
    return Linear(2.5e-4, 0.0, "10e6sa")


@recipe("DQN (Nature)", source="the DQN paper", optimizer="RMSProp")
def dqn() -> LearningRate:
    """Constant."""
    return Constant(2.5e-4)
