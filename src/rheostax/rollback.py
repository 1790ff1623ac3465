"""Go back to the last good state of a run: weights, optimizer and learning rate together."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rheostax import _check
from rheostax._control_state import ControlState
from rheostax._place import place
from rheostax.by_hand import scale_learning_rate
from rheostax.errors import ArgumentError, RheostaxWarning
from rheostax.policies.spike_guard import SpikeState
from rheostax.state import apply, guards, should_roll_back

__all__ = ["Rollback", "put_back", "take"]


class _Copy(NamedTuple):
    number: int
    tree: Any  # None where `save` has it
    rollbacks: int  # made before this copy was


class Rollback:
    """Keep good copies of a run, and bring the last one back when a `SpikeGuard(roll_back=True)` asks for it.

    `check` does both. A copy is made only while the guard's last value was an ordinary one, and it counts as good only when it is
    so at the next check as well: what broke the weights may have happened just before the copy. Asked for, the last good copy
    comes back; asked for again before there is a newer one, the one before it does, down to the oldest.

    Args:
        keep: Good copies that are kept, a whole number >= 1. There may be one more, not yet known to be good.
        factor: What the rate is multiplied with, by hand, at each rollback, in (0, 1]. It survives: after two rollbacks to
            the same copy the rate is `factor**2` of what it was there.
        save: `save(number, tree)`, to keep the copies elsewhere, in checkpoints for example; numbers count up from 0. Keep the last
            `keep + 1` of them. Without it, copies are kept in the host's memory.
        restore: `restore(number, like)`, which returns the tree that was saved, given one of the same structure.

        warn: `warn(text)`, which hears where there is nothing to go back to; a `RheostaxWarning` by default.

    Attributes:
        rollbacks: Rollbacks so far.

    Raises:
        ArgumentError: If an argument breaks its rule.

    >>> import jax.numpy as jnp, optax, rheostax as rx
    >>> tx = rx.control(optax.sgd, 0.5 * rx.SpikeGuard(window=3, max_spikes=2, roll_back=True))
    >>> params, safe = jnp.ones(2), rx.Rollback(factor=0.5)
    >>> state = tx.init(params)
    >>> for loss in (1.0, 1.1, 1.0, 1.0, 9.0, 9.5):
    ...     updates, state = tx.update(0.1 * params, state, params, value=loss)
    ...     state, params = safe.check(state, optax.apply_updates(params, updates))
    >>> print(safe.rollbacks, rx.learning_rate(state), rx.describe(state).count)
    1 0.25 3
    """

    def __init__(
        self,
        *,
        keep: int = 2,
        factor: float = 1.0,
        save: Callable[[int, Any], Any] | None = None,
        restore: Callable[[int, Any], Any] | None = None,
        warn: Callable[[str], Any] | None = None,
    ) -> None:
        self.keep, self.factor = keep, factor
        _check.whole(self, "keep")
        _check.number(self, "factor", high=1.0, low_open=True, high_open=False)
        if (save is None) != (restore is None):
            raise ArgumentError("Rollback: save and restore belong together; give both or neither.")
        self._save, self._restore, self._warn = save, restore, _warn if warn is None else warn
        self._good: list[_Copy] = []
        self._candidate: _Copy | None = None
        self._copies = 0
        self.rollbacks = 0

    def check(self, x: Any, /, *rest: Any) -> tuple[Any, ...]:
        """Keep a copy, or go back: call it now and then, since it waits for the device and a copy takes its time.

        Args:
            x: The optax state that holds the `control`, or the `nnx.Optimizer`.
            *rest: What else belongs to the state of the run: the parameters, or the NNX model.

        Returns:
            `(x, *rest)`: as they were, or what they were when the last good copy was made. NNX objects are changed in place.

        Raises:
            StateError: If there is no `SpikeGuard(roll_back=True)` in the learning rate.
        """
        asked, calm = jax.device_get((should_roll_back(x), _calm(x)))
        if asked:
            return self._back(x, rest)
        if calm:
            if self._candidate is not None:
                self._good = [*self._good, self._candidate][-self.keep :]
            self._candidate = self._copy(take(x, rest))
        return (x, *rest)

    def _copy(self, tree: Any) -> _Copy:
        number, self._copies = self._copies, self._copies + 1
        if self._save is not None:
            self._save(number, tree)
            tree = None
        return _Copy(number, None if tree is None else jax.tree.map(_on_host, tree), self.rollbacks)

    def _back(self, x: Any, rest: tuple[Any, ...]) -> tuple[Any, ...]:
        self._candidate = None
        if not self._good:
            self._warn("Rollback: a rollback is asked for, but there is no good copy yet; training goes on as it is.")
            return (_withdraw(x), *rest)
        copy = self._good[-1]
        if len(self._good) > 1:
            self._good.pop()
        like = take(x, rest)
        tree = jax.tree.map(_as_before, copy.tree, like) if self._restore is None else self._restore(copy.number, like)
        self.rollbacks += 1
        x, *others = put_back(x, rest, tree)
        cut = self.factor ** (self.rollbacks - copy.rollbacks)
        return (x if cut == 1 else scale_learning_rate(x, cut), *others)


def _calm(x: Any) -> jax.Array:
    """Tell whether the last value that each guard was told was an ordinary one."""
    found = [(seen.own, skipped) for _, seen, skipped in guards(x)]
    calm = [(own.in_a_row == 0) & (own.unheard == 0) & (own.count > 0) & (skipped == 0) for own, skipped in found]
    return functools.reduce(jnp.logical_and, calm)


def _warn(text: str) -> None:
    warnings.warn(text, RheostaxWarning, stacklevel=4)


def _withdraw(x: Any) -> Any:
    """Make the guards ask for nothing."""

    def withdraw(part: Any) -> Any:
        return part._replace(lost=jnp.zeros_like(part.lost), unheard=jnp.zeros_like(part.unheard)) if isinstance(part, SpikeState) else part

    def change(_: str, state: ControlState) -> ControlState:
        body = jax.tree.map(withdraw, state.body, is_leaf=lambda part: isinstance(part, SpikeState))
        return state.replace(body._replace(skipped_in_a_row=jnp.zeros_like(body.skipped_in_a_row)))

    return apply(x, change)


def _on_host(leaf: Any) -> Any:
    """Copy a leaf to the host; a random key, which is no array for numpy, stays where it is."""
    if isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.extended):
        return jnp.copy(leaf)
    return np.array(leaf)


def _as_before(leaf: Any, like: Any) -> Any:
    """Return a copy of a copied leaf, where the array of now is: elsewhere, what was compiled would be compiled anew.

    The kept one isn't given away, since an update may be donated it, and it may be wanted again.
    """
    if isinstance(leaf, jax.Array):
        return jnp.copy(leaf)
    return place(leaf.copy(), like) if isinstance(like, jax.Array) else leaf


@functools.singledispatch
def take(x: Any, rest: tuple[Any, ...]) -> Any:
    """Return the arrays of a run as one tree."""
    return (x, *rest)


@functools.singledispatch
def put_back(x: Any, rest: tuple[Any, ...], tree: Any) -> tuple[Any, ...]:
    """Return the run with other arrays; optimizers register how they and the model are changed in place."""
    return tuple(tree)
