"""Both ways between a recorder and loops that use clu's metric writers. clu itself isn't needed: what counts is the methods."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from rheostax.record.journal import Decision
from rheostax.record.run_directory import plain_json
from rheostax.record.sinks.sink import Record, Sink, flat

__all__ = ["Clu"]


class Clu(Sink):
    """Write to a writer with the methods of `clu.metric_writers.MetricWriter`.

    Records go to `write_scalars(count, ...)`, decisions to `write_texts`, the configuration to `write_hparams`. The writer is flushed
    with every batch; it stays yours to close.

    Args:
        writer: The writer.
    """

    def __init__(self, writer: Any) -> None:
        self.writer = writer

    def __repr__(self) -> str:
        return f"Clu({self.writer!r})"

    def open(self, config: Mapping[str, Any]) -> None:
        kept = {
            name: value if isinstance(value, str | bool | int | float) else json.dumps(plain_json(value)) for name, value in config.items()
        }
        self.writer.write_hparams(kept)

    def write(self, records: Sequence[Record]) -> None:
        for record in records:
            self.writer.write_scalars(record["count"], {name: one for name, one in flat(record) if name not in ("count", "time")})
        self.writer.flush()

    def decide(self, decisions: Sequence[Decision]) -> None:
        for decision in decisions:
            self.writer.write_texts(decision.count, {"decision": str(decision)})

    def close(self, summary: Mapping[str, Any]) -> None:
        self.writer.flush()

    def drop(self) -> None:
        with contextlib.suppress(Exception):
            self.writer.flush()
