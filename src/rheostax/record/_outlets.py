"""Several sinks at once, of which each may fail without harm to the others or to the training."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterable, Mapping
from typing import Any

from rheostax._words import shown
from rheostax.errors import ArgumentError, RheostaxWarning
from rheostax.record.sinks.sink import Sink

__all__ = ["Outlets", "settings"]


METHODS = [name for name in vars(Sink) if not name.startswith("_")]


class Outlets:
    """Hand everything to each of some sinks.

    One that raises is reported by its name, once, and gets nothing more: to try again could write a batch twice. It is reported after
    the others have had their turn, so that they lose nothing where warnings are errors.
    """

    def __init__(self, sinks: Iterable[Sink] | Sink) -> None:
        self.sinks = [sinks] if isinstance(sinks, Sink) else list(sinks) if isinstance(sinks, Iterable) else [sinks]
        for sink in self.sinks:
            if isinstance(sink, type) or not all(callable(getattr(sink, name, None)) for name in METHODS):
                rule = "a sink or several of them, such as rheostax.record.Csv('run.csv')"
                raise ArgumentError(f"Recorder: sinks must be {rule}, got {shown(sinks)}.")
        self.failed: dict[str, str] = {}

    def open(self, config: Mapping[str, Any]) -> None:
        """Open all of them, or none: before the training a mistake is an error."""
        for i, sink in enumerate(self.sinks):
            try:
                sink.open(config)
            except BaseException:
                for opened in self.sinks[:i]:
                    _drop(opened)
                raise

    def tell(self, method: str, what: Any, until: int) -> None:
        """Call a method of each; `until` is how many updates have been handed over before."""
        failures = []
        for sink in list(self.sinks):
            try:
                getattr(sink, method)(what)
            except Exception as error:
                self.sinks.remove(sink)
                _drop(sink)
                self.failed[_name(sink)] = f"{type(error).__name__}: {error}"
                failures.append(f"{_name(sink)} failed in {method}() and gets nothing more; {self.failed[_name(sink)]}")
        for failure in failures:
            warnings.warn(
                f"{failure}. It has the records before update {until:,}; the training and the other sinks go on.", RheostaxWarning, 4
            )

    def marks(self) -> list[Any]:
        """Return where each sink is, for `rewind`."""
        return [[type(sink).__name__, sink.mark()] for sink in self.sinks]

    def rewind(self, marks: Any) -> None:
        """Cut the sinks back to where they were; they are recognized by their kind and order."""
        left = [tuple(mark) for mark in marks]
        for sink in self.sinks:
            found = next((mark for mark in left if mark[0] == type(sink).__name__), None)
            if found is not None:
                left.remove(found)
                sink.rewind(found[1])


def settings(config: Any) -> dict[str, Any]:
    """Return the settings of a run that a recorder was given, by name."""
    if config is not None and not isinstance(config, Mapping):
        raise ArgumentError(f"Recorder: config must be a dict of settings by name, or None, got {shown(config)}.")
    return dict(config or {})


def _drop(sink: Sink) -> None:
    with contextlib.suppress(Exception):
        sink.drop()


def _name(sink: Sink) -> str:
    try:
        return repr(sink)
    except Exception:
        return type(sink).__name__
