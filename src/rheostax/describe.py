"""Explain a learning rate in words: every part, its state, and what looks wrong."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rheostax._control_state import Body, ControlState, monitored
from rheostax._rate import LearningRate, Product, as_learning_rate, walk
from rheostax._words import counted, plain, say
from rheostax.accumulation import AccumulateState
from rheostax.groups import group_names
from rheostax.policies._policy import Observed, Policy, policies
from rheostax.policies.median import Median
from rheostax.state import controls, opt_state

__all__ = ["Description", "Part", "describe"]


@dataclasses.dataclass(frozen=True)
class Part:
    """One node of the expression."""

    name: str  # as it is written in Python
    depth: int  # how deep in the expression
    value: float | list[float]  # its value for the next update, per group
    status: str = ""  # a policy's state in words
    monitor: str | None = None
    observations: int | None = None
    nonfinite: int | None = None


@dataclasses.dataclass(frozen=True)
class Description:
    """What `rx.describe` found; `str` of it is meant to be read, the fields are meant for programs."""

    count: int  # updates applied
    learning_rate: float | dict[str, float]  # in effect: that of the last update
    next_learning_rate: float | dict[str, float]  # of the next update, if nothing is observed before it
    parts: tuple[Part, ...]
    warnings: tuple[str, ...]  # what is probably not meant
    notes: tuple[str, ...]  # what is worth knowing: changes by hand, an ended schedule
    name: str = ""  # which control, where there are several

    @property
    def each(self) -> tuple[Description, ...]:
        """This description alone, as `Descriptions.each` gives several."""
        return (self,)

    def __str__(self) -> str:
        now, following = say(self.learning_rate), say(self.next_learning_rate)
        head = f"learning rate {now} after {counted(self.count, 'update')}; the next one uses {following}"
        lines = [f"{self.name}: {head}" if self.name else head]
        for part in self.parts:
            lines.append(f"{'  ' * (part.depth + 1)}{say(part.value)}  {part.name}")
            if part.monitor is not None:
                heard = f"{counted(part.observations or 0, 'observation')} of {part.monitor!r}"
                lines.append(f"{'  ' * (part.depth + 3)}{', '.join(filter(None, (heard, part.status)))}")
        lines += [f"  warning: {warning}" for warning in self.warnings] + [f"  note: {note}" for note in self.notes]
        return "\n".join(lines)


@dataclasses.dataclass(frozen=True)
class Descriptions:
    """Several controls, described one after the other."""

    each: tuple[Description, ...]

    def __str__(self) -> str:
        return "\n".join(map(str, self.each))


def describe(x: Any) -> Description | Descriptions:
    """Explain a learning rate: its parts, their values and states, how much each policy has heard, and what looks wrong.

    It waits for the device, so call it now and then, not at every update.

    Args:
        x: An optax state that holds a `control`, an `nnx.Optimizer`, or an expression (described as it starts).

    Returns:
        A `Description` to print or to read; with several controls in the state, `Descriptions` of each.

    Raises:
        StateError: If there is no control in it, or it is a batch of states.

    >>> import jax.numpy as jnp, optax, rheostax as rx
    >>> rate = rx.Constant(0.1) * rx.ReduceOnPlateau(monitor="val_loss", patience=3)
    >>> tx, params = rx.control(optax.sgd, rate), jnp.ones(2)
    >>> _, state = tx.update(params, tx.init(params), params)
    >>> print(rx.describe(state))
    learning rate 0.1 after 1 update; the next one uses 0.1
      0.1  Constant(value=0.1)
      1  ReduceOnPlateau(monitor='val_loss', patience=3)
          0 observations of 'val_loss', best inf, 0 of 3 bad values in a row
      warning: ReduceOnPlateau has heard nothing of 'val_loss' in 1 update; pass update(..., val_loss=...) or call observe(val_loss=...)
    """
    if isinstance(x, LearningRate):
        return _describe("", ControlState.create(as_learning_rate(x)))
    whole = opt_state(x)
    found, left_out = controls(whole), tuple(_left_out(whole))
    several = tuple(_describe(name if len(found) > 1 else "", state, left_out) for name, state in found.items())
    return several[0] if len(several) == 1 else Descriptions(several)


def _describe(name: str, state: ControlState, warnings: tuple[str, ...] = ()) -> Description:
    body = state.fetch()
    following, _ = state.body.effective(state.learning_rate)
    names = group_names(body.rate)

    def named(rates: Any) -> float | dict[str, float]:
        values = plain(rates)
        return values if isinstance(values, float) else dict(zip(names or (), values, strict=True))

    parts = tuple(_parts(body.rate, body.observed, body.count))
    warnings = (*_warnings(body), *warnings)
    return Description(int(body.count), named(state.learning_rate), named(following), parts, warnings, tuple(_notes(body)), name)


def _parts(rate: LearningRate, state: Any, count: Any, depth: int = 0) -> Iterator[Part]:
    if not isinstance(rate, Product):
        value = plain(rate.evaluate(state, jnp.int32(count)).high)
        if isinstance(rate, Policy):
            yield Part(repr(rate), depth, value, rate.status(state.own), rate.monitor, int(state.observations), int(state.nonfinite))
        else:
            yield Part(repr(rate), depth, value)
    for child, part in zip(rate.children(), rate.child_states(state), strict=True):
        yield from _parts(child, part, count, depth if isinstance(rate, Product) else depth + 1)


def _warnings(body: Body) -> Iterator[str]:
    count, withheld = int(body.count), _withheld(body)
    for policy, seen, listens in _listeners(body):
        kind, metric = type(policy).__name__, policy.monitor
        if count and listens and metric not in withheld and not int(seen.observations):
            remedy = f"pass update(..., {metric}=...) or call observe({metric}=...)"
            yield f"{kind} has heard nothing of {metric!r} in {counted(count, 'update')}; {remedy}"
        if int(seen.nonfinite):
            yield f"{kind} left out {counted(int(seen.nonfinite), 'NaN or infinite value')} of {metric!r}"
    if skipped := int(body.skipped):
        in_a_row = f", the last {int(body.skipped_in_a_row):,} in a row" if int(body.skipped_in_a_row) > 1 else ""
        yield f"skipped {counted(skipped, 'update')} because of NaN or infinite gradients{in_a_row}"
    if int(body.faults):
        yield f"{int(body.faults):,} times a rate was NaN, infinite or negative and the one before stayed in effect"


def _left_out(state: Any) -> Iterator[str]:
    """Yield what `accumulate` left out of its means, wherever it is in an optimizer's state."""
    for leaf in jax.tree.leaves(state, is_leaf=lambda leaf: isinstance(leaf, AccumulateState)):
        if not isinstance(leaf, AccumulateState):
            continue
        if int(leaf.nonfinite):
            yield f"accumulate left out {counted(int(leaf.nonfinite), 'NaN or infinite value')} of single micro-batches"
        for name in [name for name, size in leaf.counts.items() if int(size) and not int(leaf.steps.mini_step)]:
            yield f"accumulate holds a mean of {name!r} that no update heard; pass it with the last micro-batch of every update"
        if dropped := int(leaf.dropped):
            yield f"accumulate dropped {dropped:,} micro-batch{'es' if dropped > 1 else ''}, most likely for gradients that aren't finite"


def _listeners(body: Body) -> Iterator[tuple[Policy, Observed, bool]]:
    """Yield the policies with their states, and whether each would hear its metric now: a part of a join may not be in charge."""
    metrics = dict.fromkeys(monitored(body.rate), jnp.float32(jnp.nan))  # what a median tells at once, however full its window
    told = body.rate.observe(body.observed, jnp.int32(body.count), metrics)
    for (policy, seen), (_, then) in zip(policies(body.rate, body.observed), policies(body.rate, told), strict=True):
        yield policy, seen, bool(then.nonfinite != seen.nonfinite)


def _withheld(body: Body) -> set[str]:
    """Return the metrics that came, and that a median keeps to itself until its window is full."""
    medians = (seen for part, seen in walk(body.rate, body.observed) if isinstance(part, Median))
    return {name for seen in medians for name, known in seen.known.items() if int(known)}


def _notes(body: Body) -> Iterator[str]:
    count = int(body.count)
    for policy, _, listens in _listeners(body):
        if not listens:
            yield f"{type(policy).__name__} doesn't hear {policy.monitor!r} now, because its part of the rate isn't in charge"
    if np.any(body.manual.pinned):
        names = np.array(group_names(body.rate) or [""])[np.atleast_1d(body.manual.pinned) > 0]
        which = f" of {', '.join(map(repr, map(str, names)))}" if group_names(body.rate) else ""
        yield f"the rate{which} is pinned by hand; reset_learning_rate gives it back to schedule and policies"
    elif np.any((factor := (body.manual.value / body.manual.reference).high) != 1):
        yield f"the rate was changed by hand: {say(plain(factor))} times what the expression gives"
    horizon = body.rate.horizon
    if horizon is not None and count > horizon:
        yield f"the schedule ended at count {horizon:,}; the rate has stayed where it was since"
