"""From the saved form of a learning rate to a control's state, when the code's settings are the saved ones and when they aren't."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

import numpy as np

from rheostax._control_state import ControlState
from rheostax._place import place
from rheostax.checkpoint._saved_rate import RATE, SavedRate, policies_of, read_numbers, settings_of, slots_of
from rheostax.errors import ExpressionError, RheostaxError, StateError
from rheostax.expressions import from_json

__all__ = ["KEEP", "Carried", "carry", "differences"]

KEEP = ("error", "checkpoint", "code")
COUNTERS = ("count", "faults", "skipped", "skipped_in_a_row")
MOST = 20  # differences that a message names
UNCHANGED = {
    "manual.value.high": 1.0,
    "manual.value.low": 0.0,
    "manual.reference.high": 1.0,
    "manual.reference.low": 0.0,
    "manual.pinned": 0,
}


@dataclasses.dataclass
class Carried:
    """What was found to differ, and what was done about it, in words."""

    differences: list[str] = dataclasses.field(default_factory=list)
    carried: list[str] = dataclasses.field(default_factory=list)
    dropped: list[str] = dataclasses.field(default_factory=list)
    anew: list[str] = dataclasses.field(default_factory=list)


def differences(saved: dict[str, Any], code: dict[str, Any]) -> dict[str, str]:
    """Return the settings that differ, with both values in words; what lies under another class isn't compared."""
    found: dict[str, str] = {}
    for name in dict.fromkeys([*saved, *code]):
        if any(name.startswith((f"{above}.", f"{above}[")) for above in found):
            continue
        old, new = (repr(side[name]) if name in side else "nothing" for side in (saved, code))
        if old != new:
            found[name] = f"{name}: {old} in the checkpoint, {new} in the code"
    return found


def carry(saved: SavedRate, like: ControlState, keep: str, told: Carried) -> ControlState:
    """Return the state that goes on where the saved one stopped.

    Args:
        saved: The saved form.
        like: A control's state that the code made; only its expression, optimizer and sharding matter.
        keep: Whose settings hold where they differ: "checkpoint", "code", or neither, which is an "error".
        told: Hears what differs, what was carried, and what wasn't.

    Raises:
        StateError: If settings differ and keep is "error"; or if it can't be done.
    """
    found = differences(saved.settings, settings_of(like))
    told.differences += found.values()
    if found and keep == "error":
        raise StateError(_refusal(found.values(), saved, like))
    try:
        return _with_the_codes(saved, like, told) if found and keep == "code" else _with_the_checkpoints(saved, like, found, told)
    except RheostaxError:
        raise
    except (IndexError, TypeError, ValueError) as error:  # lists of other lengths, and whatever else a file can hold
        raise StateError(f"The saved learning rate is damaged: {error}.") from error


def _refusal(found: Iterable[str], saved: SavedRate, like: ControlState) -> str:
    lines = list(found)
    more = [f"and {len(lines) - MOST} more"] if len(lines) > MOST else []
    if like.floats.ndim == 1 and (text := repr(like.fetch().rate)) != saved.text:
        more += [f"the rate of the checkpoint: {saved.text}", f"the rate of the code: {text}"]
    listed = "\n  ".join(lines[:MOST] + more)
    return (
        f"The checkpoint was saved with other settings:\n  {listed}\n"
        'Say which go on: restore(..., keep="checkpoint"), restore(..., keep="code"); or make the code as it was.'
    )


def _with_the_checkpoints(saved: SavedRate, like: ControlState, found: dict[str, str], told: Carried) -> ControlState:
    beside = [words for name, words in found.items() if not name.startswith(RATE)]
    if beside:
        raise StateError(f'keep="checkpoint" can\'t bring back what is only in the code; change it there: {"; ".join(beside)}.')
    state = like if set(saved.numbers) == set(slots_of(like)) and _only_numbers(like, found) else _rebuilt(saved, like)
    if found:
        told.carried.append(f"the rate of the checkpoint: {saved.text}")
    return _filled(state, saved, told)


def _only_numbers(like: ControlState, found: Iterable[str]) -> bool:
    """Tell whether what differs are numbers in the state, and not its structure."""
    names = slots_of(like)
    leaves = (f"rate{name.removeprefix(RATE)}" for name in found)
    return all(leaf in names or f"{leaf}.high" in names for leaf in leaves)


def _rebuilt(saved: SavedRate, like: ControlState) -> ControlState:
    """Return the state of the saved expression before its first update, where the code's control can go on with it."""
    cant = 'keep="checkpoint" can\'t go on with the rate of the checkpoint'
    if saved.groups != like.groups:
        told = ["no groups" if groups is None else f"the groups {', '.join(groups)}" for groups in (saved.groups, like.groups)]
        raise StateError(f"{cant}: it has {told[0]}, the optimizer was made for {told[1]}. Make the optimizer with {saved.text}.")
    if saved.expression is None:
        raise StateError(f"{cant}: a part of it is only in code. Make the optimizer with {saved.text}.")
    if like.floats.ndim != 1:
        raise StateError(f"{cant}: the state is a batch of states. Make the optimizer with the expression that was saved.")
    try:
        made = ControlState.create(from_json(saved.expression))
    except (ExpressionError, ValueError, TypeError) as error:
        raise StateError(f"{cant}, which can't be read: {error}") from None
    return made._replace(inner=like.inner, settings=like.settings, **_placed(made, like))


def _filled(state: ControlState, saved: SavedRate, told: Carried) -> ControlState:
    """Put every saved number into its place; a place that an older rheostax didn't know keeps what it begins with."""
    slots = slots_of(state)
    told.anew += [f"{name}, which the checkpoint doesn't have" for name in slots if name not in saved.numbers]
    told.dropped += [f"{name}, which the code doesn't have" for name in saved.numbers if name not in slots]
    known = {name: saved.numbers[name] for name in slots if name in saved.numbers}
    rate = read_numbers("learning_rate", saved.learning_rate, "f", np.shape(state.learning_rate))
    if not np.all(np.isfinite(rate) & (rate >= 0)):
        raise StateError(f"The saved learning rate is damaged: the rate in effect must be finite and >= 0, got {rate}.")
    return _written_into(state, known)._replace(learning_rate=place(rate, state.learning_rate))


def _written_into(state: ControlState, numbers: dict[str, Any]) -> ControlState:
    """Return the state with these numbers, by name, in place of its own."""
    vectors = {"f": np.array(state.floats), "i": np.array(state.ints)}
    slots = slots_of(state)
    for name, value in numbers.items():
        kind, offset, shape = slots[name]
        vector = vectors[kind]
        array = read_numbers(name, value, kind, vector.shape[:-1] + shape)
        if name == "count" and np.any(array < 0):
            raise StateError(f"The saved learning rate is damaged: its count must be >= 0, got {array}.")
        vector[..., offset : offset + int(np.prod(shape))] = array.reshape(*vector.shape[:-1], -1)
    return state._replace(floats=place(vectors["f"], state.floats), ints=place(vectors["i"], state.ints))


def _with_the_codes(saved: SavedRate, like: ControlState, told: Carried) -> ControlState:
    """Return the code's expression with the saved count, changes by hand, and states of the policies that are in both."""
    if like.floats.ndim != 1:
        raise StateError('keep="code" can\'t carry a batch of states over. Make the optimizer with the expression that was saved.')
    fresh = ControlState.create(like.body.rate)
    numbers: dict[str, Any] = {name: saved.numbers[name] for name in COUNTERS if name in saved.numbers}
    numbers |= _by_hand(saved, like, told)
    numbers |= _of_policies(saved, fresh, told)
    told.carried.insert(0, f"the count, {numbers.get('count')}")
    state = _written_into(fresh._replace(inner=like.inner, settings=like.settings, **_placed(fresh, like)), numbers)
    rate, _ = state.body.effective(state.learning_rate)
    return state._replace(learning_rate=place(np.asarray(rate), like.learning_rate))


def _by_hand(saved: SavedRate, like: ControlState, told: Carried) -> dict[str, Any]:
    """Return the changes by hand: those of groups by their names, those of a single rate for every group."""
    manual = {name: saved.numbers.get(name, nothing) for name, nothing in UNCHANGED.items()}
    old, new = saved.groups, like.groups
    changed = [i for i in range(len(old or [""])) if any(_at(manual[name], i) != nothing for name, nothing in UNCHANGED.items())]
    if not changed:
        return {}
    if old == new:
        told.carried.append("changes by hand")
        return manual
    if old is None:
        told.carried.append("changes by hand, for every group")
        return {name: [value] * len(new or ()) for name, value in manual.items()}
    for i in changed:
        (told.carried if old[i] in (new or ()) else told.dropped).append(f"changes by hand of the group {old[i]!r}")
    if new is None:
        return {}
    return {name: [_at(manual[name], old.index(one)) if one in old else nothing for one in new] for name, nothing in UNCHANGED.items()}


def _at(value: Any, i: int) -> Any:
    return value[i] if isinstance(value, list) else value


def _of_policies(saved: SavedRate, fresh: ControlState, told: Carried) -> dict[str, Any]:
    """Return the states of the policies that are in both: at the same place, or else the first of the same kind."""
    left, slots = list(saved.policies), slots_of(fresh)
    numbers: dict[str, Any] = {}
    wanted = policies_of(fresh)
    pairs = {}
    for same in (lambda a, b: (a.path, a.kind) == (b.path, b.kind), lambda a, b: a.kind == b.kind):
        for new in wanted:
            old = None if new.path in pairs else next((one for one in left if same(one, new)), None)
            if old is not None:
                pairs[new.path] = old
                left.remove(old)
    for new in wanted:
        old = pairs.get(new.path)
        mine = {name.removeprefix(new.state): name for name in slots if _own(name, new.state)}
        theirs = {} if old is None else {name.removeprefix(old.state): name for name in saved.numbers if _own(name, old.state)}
        fits = set(mine) == set(theirs) and all(np.shape(saved.numbers[theirs[end]]) == slots[name][2] for end, name in mine.items())
        if old is None or not fits:
            told.anew.append(f"{new.kind} at {new.path}")
            left += [old] if old is not None else []
            continue
        numbers |= {name: saved.numbers[theirs[end]] for end, name in mine.items()}
        told.carried.append(f"{new.kind} at {new.path}" + (f", which was at {old.path}" if old.path != new.path else ""))
    told.dropped += [f"{old.kind} at {old.path}" for old in left]
    for name in [name for name in slots if name.startswith("observed") and not any(_own(name, one.state) for one in wanted)]:
        alike = name in saved.numbers and np.shape(saved.numbers[name]) == slots[name][2]  # of a window: it stays if it is as long
        numbers |= {name: saved.numbers[name]} if alike else {}
        (told.carried if alike else told.anew).append(name)
    return numbers


def _own(name: str, state: str) -> bool:
    """Tell whether a number belongs to a policy itself, not to an expression in it."""
    return name.startswith(f"{state}.") and not name.startswith(f"{state}.children")


def _placed(made: ControlState, like: ControlState) -> dict[str, Any]:
    """Return a state's arrays where another one has its own."""
    return {name: place(np.asarray(getattr(made, name)), getattr(like, name)) for name in ("learning_rate", "floats", "ints")}
