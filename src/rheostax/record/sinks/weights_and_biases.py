"""Records in Weights & Biases."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

from rheostax._extras import load
from rheostax.record.journal import Decision
from rheostax.record.run_directory import plain_json
from rheostax.record.sinks.sink import Record, Sink, flat

__all__ = ["WandB"]


class WandB(Sink):
    """Write to a run of Weights & Biases; needs the extra `wandb`.

    Every record is a row of its history, with `count` as the step of all other quantities; rates of groups are
    `learning_rate/GROUP`. A decision is a row with `count` and the text `decision`. The recorder's summary goes into the run's.

    Args:
        run: A run that you began; it stays yours to finish. None to begin one, and finish it.
        **options: For `wandb.init`: `project=...`, `mode="offline"`, `dir=...`.

    Raises:
        MissingExtraError: If wandb isn't installed.
    """

    def __init__(self, run: Any = None, **options: Any) -> None:
        self.options = options
        self.run = run
        self._own = run is None
        self._wandb = load("wandb", extra="wandb") if run is None else None

    def __repr__(self) -> str:
        return f"WandB({', '.join(f'{name}={value!r}' for name, value in self.options.items())})"

    def open(self, config: Mapping[str, Any]) -> None:
        if self._wandb is not None:
            self.run = self._wandb.init(**self.options)
        self.run.config.update(plain_json(config))
        self.run.define_metric("count", hidden=True)
        self.run.define_metric("*", step_metric="count")

    def write(self, records: Sequence[Record]) -> None:
        for record in records:
            self.run.log(dict(flat(record)))

    def decide(self, decisions: Sequence[Decision]) -> None:
        for decision in decisions:
            self.run.log({"count": decision.count, "decision": str(decision)})

    def close(self, summary: Mapping[str, Any]) -> None:
        self.run.summary.update({"rheostax": plain_json(summary)})
        if self._own:
            self.run.finish(exit_code=int(bool(summary.get("failed"))))

    def drop(self) -> None:
        if self._own:
            with contextlib.suppress(Exception):
                self.run.finish(exit_code=1)
