"""Records in MLflow."""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rheostax._extras import load
from rheostax.record.journal import Decision
from rheostax.record.run_directory import JOURNAL, SUMMARY, plain_json
from rheostax.record.sinks.sink import Record, Sink, flat, text_of_config

__all__ = ["MLflow"]

AT_ONCE = 1000  # metrics that MLflow takes in one call
LONGEST = 6000  # characters of a parameter


class MLflow(Sink):
    """Write to a run of MLflow; needs the extra `mlflow`.

    Metrics have their names and the count as step; rates of groups are `learning_rate/GROUP`. In names, characters that MLflow doesn't
    take become "_". The configuration becomes parameters; the journal and the summary become the artifacts `journal.jsonl`
    and `summary.json`, and the summary's `reason` a tag.

    Args:
        tracking_uri: Where: "sqlite:///mlflow.db", "http://...", or a folder as "file:runs", which MLflow 3.7 and newer allow only where
            the environment variable MLFLOW_ALLOW_FILE_STORE is "true". None for MLflow's own default.
        experiment: Its name; made if it isn't there.
        name: The run's name; None for one that MLflow makes up.

    Raises:
        MissingExtraError: If mlflow isn't installed.
    """

    def __init__(self, tracking_uri: str | None = None, *, experiment: str = "rheostax", name: str | None = None) -> None:
        self.tracking_uri, self.experiment, self.name = tracking_uri, experiment, name
        self._tracking = load("mlflow.tracking", extra="mlflow")
        self._entities = load("mlflow.entities", extra="mlflow")
        self._journal: list[str] = []
        self._client: Any = None
        self.run_id: str | None = None

    def __repr__(self) -> str:
        return f"MLflow({self.tracking_uri!r}, experiment={self.experiment!r})"

    def open(self, config: Mapping[str, Any]) -> None:
        self._client = self._tracking.MlflowClient(tracking_uri=self.tracking_uri)
        found = self._client.get_experiment_by_name(self.experiment)
        experiment = found.experiment_id if found else self._client.create_experiment(self.experiment)
        self.started = time.time()
        self.run_id = self._client.create_run(experiment, run_name=self.name).info.run_id
        params = [self._entities.Param(_name(key), text[:LONGEST]) for key, text in text_of_config(config).items()]
        for start in range(0, len(params), 100):
            self._client.log_batch(self.run_id, params=params[start : start + 100])

    def write(self, records: Sequence[Record]) -> None:
        metrics = list(self._metrics(records))
        for start in range(0, len(metrics), AT_ONCE):
            self._client.log_batch(self.run_id, metrics=metrics[start : start + AT_ONCE])

    def _metrics(self, records: Sequence[Record]) -> Iterator[Any]:
        for record in records:
            when = int((self.started + record["time"]) * 1000)
            for name, value in flat(record):
                if name not in ("count", "time"):
                    yield self._entities.Metric(_name(name), float(value), when, record["count"])

    def decide(self, decisions: Sequence[Decision]) -> None:
        self._journal += [json.dumps(plain_json(decision.to_json())) + "\n" for decision in decisions]
        self._client.log_text(self.run_id, "".join(self._journal), JOURNAL)

    def close(self, summary: Mapping[str, Any]) -> None:
        self._client.log_dict(self.run_id, plain_json(summary), SUMMARY)
        if "reason" in summary:
            self._client.set_tag(self.run_id, "reason", str(summary["reason"]))
        self._client.set_terminated(self.run_id, "FAILED" if summary.get("failed") else "FINISHED")

    def drop(self) -> None:
        with contextlib.suppress(Exception):
            self._client.set_terminated(self.run_id, "FAILED")


def _name(name: str) -> str:
    """Replace what MLflow allows in no name."""
    return re.sub(r"[^\w\-. :/]" if os.name != "nt" else r"[^\w\-. /]", "_", name)
