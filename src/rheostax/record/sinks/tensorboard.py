"""Records as TensorBoard's event files."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rheostax._extras import load
from rheostax.record.journal import Decision
from rheostax.record.run_directory import plain_json
from rheostax.record.sinks.sink import Record, Sink, flat

__all__ = ["TensorBoard"]


class TensorBoard(Sink):
    """Write an event file for TensorBoard; needs the extra `tensorboard`.

    Scalars have their names as tags (`learning_rate/GROUP` for each group) and the count as step; the configuration, each decision
    and the summary are texts, `config`, `decision` and `summary`. It is written at once and not by a thread of its own, so that a
    disk that is full is noticed.

    Args:
        path: The folder of the run, in which a new event file is made: TensorBoard shows its parent with `--logdir`.

    Raises:
        MissingExtraError: If tensorboardX isn't installed.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._files = load("tensorboardX.event_file_writer", extra="tensorboard")
        self._events = load("tensorboardX.proto.event_pb2", extra="tensorboard")
        self._summaries = load("tensorboardX.proto.summary_pb2", extra="tensorboard")
        self._tensors = load("tensorboardX.proto.tensor_pb2", extra="tensorboard")
        self._writer: Any = None

    def __repr__(self) -> str:
        return f"TensorBoard({str(self.path)!r})"

    def open(self, config: Mapping[str, Any]) -> None:
        self.path.mkdir(parents=True, exist_ok=True)
        self.started, self.count = time.time(), 0
        self._writer = self._files.EventsWriter(str(self.path / "events"))
        self._add([self._text("config", 0, json.dumps(plain_json(config), indent=2))])

    def write(self, records: Sequence[Record]) -> None:
        value = self._summaries.Summary.Value
        events = []
        for record in records:
            values = [value(tag=name, simple_value=one) for name, one in flat(record) if name not in ("count", "time")]
            when = self.started + record["time"]
            events.append(self._events.Event(wall_time=when, step=record["count"], summary=self._summaries.Summary(value=values)))
        self.count = records[-1]["count"]
        self._add(events)

    def decide(self, decisions: Sequence[Decision]) -> None:
        self._add([self._text("decision", decision.count, str(decision)) for decision in decisions])

    def close(self, summary: Mapping[str, Any]) -> None:
        self._add([self._text("summary", self.count, json.dumps(plain_json(summary), indent=2))])
        self._writer.close()

    def drop(self) -> None:
        with contextlib.suppress(Exception):
            self._writer.close()

    def _text(self, tag: str, step: int, text: str) -> Any:
        plugin = self._summaries.SummaryMetadata.PluginData(plugin_name="text")
        tensor = self._tensors.TensorProto(
            dtype="DT_STRING",
            string_val=[text.encode()],
            tensor_shape={"dim": [{"size": 1}]},
        )
        value = self._summaries.Summary.Value(tag=tag, metadata=self._summaries.SummaryMetadata(plugin_data=plugin), tensor=tensor)
        return self._events.Event(wall_time=time.time(), step=step, summary=self._summaries.Summary(value=[value]))

    def _add(self, events: Iterable[Any]) -> None:
        for event in events:
            self._writer.write_event(event)
        self._writer.flush()
