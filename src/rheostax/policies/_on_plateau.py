"""`OnPlateau`: do something when a metric has stopped improving. What is done is a policy's own."""

from __future__ import annotations

import abc
import dataclasses
from typing import Any

import jax
import jax.numpy as jnp

from rheostax import _check
from rheostax._counter import increment
from rheostax._duration import Steps
from rheostax._node import duration, node, static
from rheostax._words import counted
from rheostax.policies._improvement import improves, margin_of
from rheostax.policies._policy import Policy

__all__ = ["OnPlateau"]


@node
class OnPlateau(Policy):
    """Watch for a metric that hasn't improved for `patience` values in a row. Subclasses say in `act` what follows.

    Every `accumulation_size` observations make one value v, their mean. In "min" mode v is an improvement if
    `v < best - (rtol * |best| + atol)`, in "max" mode if `v > best + (rtol * |best| + atol)`: right for negative values
    and zero too. The first v always is one. An improvement sets best = v and the bad count to 0, any other v adds 1 to it.
    When the bad count reaches `patience`, the policy acts; then the next `cooldown` values can improve best but aren't
    counted as bad. So a flat metric makes it act at its (patience + 1)-th value and then every `patience + cooldown`
    values, as in optax. NaN and infinities are left out.

    A subclass's own state is a named tuple with the fields that `watching` gives, named as in optax.
    """

    _: dataclasses.KW_ONLY
    monitor: str = static(default="value")
    mode: str = static(default="min")
    patience: int = 10
    rtol: float = 1e-4
    atol: float = 0.0
    cooldown: int = 0
    accumulation_size: Steps = duration(observations=True, default=1)

    def __post_init__(self) -> None:
        _check.name(self, "monitor")
        _check.choice(self, "mode", ("min", "max"))
        advice = "1 acts at the first observation that is no improvement; 0 would act at every one."
        if isinstance(self.patience, str):
            advice = "It counts observations; with accumulation_size='1ep' the mean of an epoch is one."
        _check.whole(self, "patience", advice=advice)
        _check.number(self, "rtol", high=1.0, high_open=False)
        _check.number(self, "atol")
        _check.whole(self, "cooldown", low=0)
        _check.duration(self, "accumulation_size")

    @property
    def strict(self) -> bool:
        """Whether to judge as PyTorch does."""
        return False

    @abc.abstractmethod
    def act(self, own: Any, stalled: jax.Array) -> Any:
        """Return the state after the action, where `stalled`; as it is, where not."""

    def watching(self) -> dict[str, jax.Array]:
        """Return what every policy of this kind keeps, before any observation."""
        return {
            "best_value": jnp.float32(jnp.inf if self.mode == "min" else -jnp.inf),
            "plateau_count": jnp.int32(0),  # values in a row without improvement
            "cooldown_count": jnp.int32(0),  # values still to be ignored after acting
            "count": jnp.int32(0),  # values in the running average
            "avg_value": jnp.float32(0.0),  # the running average
        }

    def react(self, own: Any, value: jax.Array) -> Any:
        size = increment(own.count)
        weight = size.astype(jnp.float32)
        average = own.avg_value + (value - own.avg_value) / weight
        # the difference of two finite numbers may overflow, and a state from elsewhere may hold NaN
        average = jnp.where(jnp.isfinite(average), average, _careful_mean(own.avg_value, value, weight))
        # >=, so that a state restored under another accumulation_size can't get stuck behind it
        judged = self._judge(own, average)._replace(count=jnp.zeros_like(size), avg_value=jnp.zeros_like(average))
        waiting = own._replace(count=size, avg_value=average)
        return jax.tree.map(lambda a, b: jnp.where(size >= jnp.int32(self.accumulation_size), a, b), judged, waiting)

    def improves(self, value: jax.Array, best: jax.Array) -> jax.Array:
        """Tell whether a value is better than the best by more than the margin; anything is better than nothing."""
        return improves(value, best, mode=self.mode, rtol=self.rtol, atol=self.atol, strict=self.strict)

    def _judge(self, own: Any, value: jax.Array) -> Any:
        better = self.improves(value, own.best_value)
        cooling = own.cooldown_count > 0
        bad = jnp.where(better | cooling, 0, increment(own.plateau_count))
        stalled = bad >= jnp.int32(self.patience)
        judged = own._replace(
            best_value=jnp.where(better, value, own.best_value),
            plateau_count=jnp.where(stalled, 0, bad),
            cooldown_count=jnp.where(stalled, jnp.int32(self.cooldown), jnp.maximum(own.cooldown_count - 1, 0)),
        )
        return self.act(judged, stalled)

    def status(self, own: Any) -> str:
        words = f"best {float(own.best_value):.6g}, {int(own.plateau_count)} of {int(self.patience)} bad values in a row"
        cooling = int(own.cooldown_count)
        return words + (f", cooling down for {cooling}" if cooling else "")

    def explain(self, before: Any, after: Any, value: float) -> str:
        margin = float(margin_of(before.best_value, self.rtol, self.atol, strict=self.strict))
        what = self.monitor if int(self.accumulation_size) == 1 else f"the mean of {int(self.accumulation_size)} values of {self.monitor}"
        return f"{what} had not improved on {float(before.best_value):.6g} by {margin:.2g} for {counted(int(self.patience), 'observation')}"


def _careful_mean(mean: jax.Array, value: jax.Array, size: jax.Array) -> jax.Array:
    """Return the mean of `size` values, `value` the last of them; of `value` alone where there is no finite mean of the others."""
    return jnp.where(jnp.isfinite(mean), mean - mean / size + value / size, value)
