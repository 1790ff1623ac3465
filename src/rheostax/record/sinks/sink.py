"""`Sink`: where records go."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rheostax.record.journal import Decision

__all__ = ["Record", "Sink", "flat", "text_of_config"]

Record = Mapping[str, Any]  # "count", "learning_rate", metrics by name, "time"


class Sink:
    """Take what a `Recorder` hands over, in this order: `open`, any number of `write` and `decide`, `close`.

    Everything does nothing by default; override what you need. Whatever is raised after `open` is reported by the recorder, which
    calls `drop` then and nothing else any more.
    """

    def open(self, config: Mapping[str, Any]) -> None:
        """Begin a run; what is raised here stops the recorder from being made."""

    def write(self, records: Sequence[Record]) -> None:
        """Take a batch of records, earliest first. NaN and infinities come as they are."""

    def decide(self, decisions: Sequence[Decision]) -> None:
        """Take decisions of the policies, earliest first."""

    def mark(self) -> Any:
        """Return how far it is, as JSON, for a checkpoint; None where it can't be cut back."""

    def rewind(self, mark: Any) -> None:
        """Cut back to where it was at a mark, since a checkpoint was restored."""

    def close(self, summary: Mapping[str, Any]) -> None:
        """End the run."""

    def drop(self) -> None:
        """Let go of open files after a failure; what was written stays."""


def flat(record: Record) -> Iterator[tuple[str, Any]]:
    """Yield names and values of a record, the rates of groups as "learning_rate/GROUP"."""
    for name, value in record.items():
        if isinstance(value, Mapping):
            yield from ((f"{name}/{group}", one) for group, one in value.items())
        else:
            yield name, value


def text_of_config(config: Mapping[str, Any]) -> dict[str, str]:
    """Return a configuration as names and texts; what is nested gets names such as "packages.jax"."""
    found: dict[str, str] = {}
    for name, value in config.items():
        if isinstance(value, Mapping):
            found |= {f"{name}.{inner}": one for inner, one in text_of_config(value).items()}
        else:
            found[str(name)] = str(value)
    return found
