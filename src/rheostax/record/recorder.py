"""`Recorder`: keep what a learning rate did and why, without waiting for the device at every update."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from rheostax import _check
from rheostax.errors import ArgumentError
from rheostax.record._chunk import Column, history
from rheostax.record._entries import Bare, Entry
from rheostax.record._intake import Handed, Intake
from rheostax.record._ledger import Ledger
from rheostax.record._outlets import Outlets, settings
from rheostax.record._saved import require_whole
from rheostax.record.environment import environment
from rheostax.record.journal import Decision
from rheostax.record.sinks.sink import Sink
from rheostax.record.snapshot import Reader
from rheostax.state import controls, opt_state

__all__ = ["Recorder"]

HELD_BACK = 32  # updates that JAX starts ahead on a CPU


class Recorder:
    """Record counts, rates, metrics and decisions of a learning rate.

    Each call keeps one small vector on the device and returns at once. The vectors are fetched in batches; then the records are made,
    the policies' decisions found by comparing each moment with the one before, and both handed to the sinks. Of a batch, the newest
    half (at most 32 updates) waits for the next one, so that the device doesn't run out of work meanwhile.

    Everything recorded stays in memory too, 8 bytes per number: `history`, or iterate over the recorder.

    Args:
        x: What will be recorded, before its first update (or where a resumed run goes on): an optax state that holds a `control`, or
            an `nnx.Optimizer`.
        sinks: Where the records go; several at once. One that raises is reported with a `RheostaxWarning` and gets nothing more.
        every: Updates in a batch, >= 1.
        seconds: A batch is also sent when its first update is so old, >= 0.
        config: The run's settings, for the sinks; the expression, device and versions are added.

    Raises:
        StateError: If there is no control in `x`.
        ArgumentError: If an argument breaks its rule.

    >>> import jax.numpy as jnp, optax, rheostax as rx
    >>> tx = rx.control(optax.sgd, rx.Linear(1.0, 0.0, 4))
    >>> params = jnp.ones(2)
    >>> state = tx.init(params)
    >>> with rx.Recorder(state) as recorder:
    ...     for k in range(3):
    ...         updates, state = tx.update(params, state, params)
    ...         recorder.updated(state, loss=0.5 / (k + 1))
    >>> print(recorder.history["learning_rate"])
    [1.   0.75 0.5 ]
    """

    def __init__(
        self,
        x: Any,
        sinks: Iterable[Sink] | Sink = (),
        *,
        every: int = 500,
        seconds: float = 10.0,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        self.every, self.seconds = every, seconds
        _check.single(self, "every", "seconds")
        _check.whole(self, "every")
        _check.number(self, "seconds")
        self._waiting: list[Entry | Bare] = []
        self._handed: Handed | None = None  # what a loop handed over; older than what is waiting
        self._begin(reader := Reader(x), Ledger(reader))
        self._held_back = min(HELD_BACK, every // 2)
        self._most = every + self._held_back
        self._closed = False
        self._outlets = Outlets(sinks)
        self._outlets.open(self._expressions() | environment() | settings(config))
        self._started = time.perf_counter()

    def _begin(self, reader: Reader, ledger: Ledger) -> None:
        self._reader, self._intake, self._ledger = reader, Intake(reader), ledger

    @property
    def decisions(self) -> list[Decision]:
        """The decisions in what has been fetched."""
        return self._ledger.decisions

    @property
    def nonfinite(self) -> dict[str, int]:
        """How many values of each metric in it were NaN or infinite."""
        return self._ledger.nonfinite

    @property
    def failed(self) -> dict[str, str]:
        """The sinks that failed, by their repr, and why."""
        return self._outlets.failed

    def _expressions(self) -> dict[str, Any]:
        found = {name: repr(state.fetch().rate) for name, state in self._reader.templates.items()}
        return {"learning_rate": found.get("", found)}

    def updated(self, x: Any, /, **metrics: Any) -> None:
        """Record an update that was just made.

        Record every update: decisions are found by comparing with the one before.

        Args:
            x: The optimizer or the new state; or what `snapshot` returned in the training step, with metrics or without.
            **metrics: Scalars by name: jax (they stay on the device), numpy or Python; None is left out.

        Raises:
            ArgumentError: If a metric is no real scalar, or has the name of a field of the record.
            StateError: If `x` doesn't hold the learning rate that the recorder was made for.
        """
        if metrics or type(x) is not self._intake.kind or x.aval is not self._intake.vector or self._closed:
            self._keep(x, metrics, True)
        else:  # a snapshot like the last one: there is nothing to check, and its loop counts microseconds
            self._add((x, time.perf_counter() - self._started))

    def observed(self, x: Any, /, **metrics: Any) -> None:
        """Record metrics between updates, such as a validation's, after `observe` if the policies hear of them.

        Args:
            x: As in `updated`; the count of the record is the number of updates applied.
            **metrics: As in `updated`.

        Raises:
            ArgumentError: If a metric is no real scalar, or has the name of a field of the record.
            StateError: If `x` doesn't hold the learning rate that the recorder was made for.
        """
        self._keep(x, metrics, False)

    def noted(self, x: Any, count: int, metrics: Mapping[str, Any]) -> None:
        """Record metrics under a count that you say, for loops that count themselves.

        Args:
            x: As in `updated`.
            count: The record's count.
            metrics: As in `updated`; the names needn't be keywords.

        Raises:
            ArgumentError: If a metric is no real scalar, or has the name of a field of the record.
            StateError: If `x` doesn't hold the learning rate that the recorder was made for.
        """
        self._keep(x, dict(metrics), False, count)

    def scanned(self, snapshots: Any, /, **metrics: Any) -> None:
        """Record the updates of a scanned loop, or those that a loop has collected.

        What is on the device is fetched when the next is handed over or a batch is sent, so that the device goes on meanwhile. The first
        of a shape is waited for, as metrics are that are on the host, and all if `every` is 1.

        Args:
            snapshots: `int32 [n, m]`: what `snapshot` returned after each update, stacked by `jax.lax.scan`; or `Snapshots`.
            **metrics: By name, one value per update, `[n]`, if the snapshots don't carry them.

        Raises:
            ArgumentError: If the shapes don't fit, or there is something else in them; the latter at a later call where a shape has
                come before.
        """
        self._require_open()
        handed = self._intake.hand(snapshots, metrics, time.perf_counter() - self._started)
        try:
            self.flush()
        except Exception:  # of what came before; an interruption leaves that in its place
            self._handed = handed
            raise
        self._handed = handed
        if not self._held_back or not self._intake.knows(handed):
            self.flush()

    def flush(self) -> None:
        """Wait for what is still on the device, and hand it to the sinks."""
        self._send(len(self._waiting))

    def close(self, reason: str = "the recorder was closed", **summary: Any) -> None:
        """Flush, and close the sinks with a summary; again it does nothing.

        Args:
            reason: Why the run ended, in words.
            **summary: Further fields of the summary, in place of its own where they have the same name.
        """
        if self._closed:
            return
        try:
            self.flush()
        finally:
            self._closed = True
            self._outlets.tell("close", self._summary(reason) | summary, self._ledger.count)

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: Any) -> None:
        if kind is None:
            self.close()
            return
        interrupted = issubclass(kind, KeyboardInterrupt)
        reason = "interrupted" if interrupted else f"{kind.__name__}: {error}"
        self.close(reason, interrupted=interrupted, failed=not interrupted)

    def records(self, x: Any) -> bool:
        """Tell whether the learning rates in a state have the names of those that this recorder was made for."""
        return list(controls(opt_state(x))) == list(self._reader.templates)

    def saved(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Return what a checkpoint keeps of the recorder, flushed first: JSON, and arrays by name. See `rx.Checkpoints`."""
        self.flush()
        kept, arrays = self._ledger.saved()
        told = {
            "seconds": time.perf_counter() - self._started,
            "sinks": self._outlets.marks(),
        }
        return kept | told, arrays

    def resume(self, x: Any, told: Any, arrays: Mapping[str, np.ndarray]) -> None:
        """Go on where a saved recorder was; what was recorded since is forgotten, by those sinks too that can be cut back.

        Args:
            x: The restored optimizer or state.
            told: The JSON that `saved` returned.
            arrays: Its arrays.

        Raises:
            StateError: If they are damaged.
        """
        require_whole(told)
        ledger = Ledger.resumed(reader := Reader(x), told, arrays)
        self._outlets.rewind(told["sinks"])
        self._begin(reader, ledger)
        self._waiting, self._handed = [], None
        self._started = time.perf_counter() - float(told["seconds"])

    @property
    def history(self) -> dict[str, np.ndarray]:
        """Everything recorded, flushed first: arrays of one length by name, NaN where a metric wasn't given.

        `count` (int64), `learning_rate` (for groups `learning_rate/GROUP` each), every metric, and `time` in seconds since the
        recorder was made.
        """
        self.flush()
        return history(self._ledger.chunks)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Yield the records, flushed first: dicts of plain numbers."""
        self.flush()
        return (record for chunk in self._ledger.chunks for record in chunk)

    def __len__(self) -> int:
        if self._handed is not None:
            self.flush()
        return sum(map(len, self._ledger.chunks)) + len(self._waiting)

    def _require_open(self) -> None:
        if self._closed:
            raise ArgumentError("Recorder: it was closed; make another one to go on.")

    def _keep(self, x: Any, metrics: dict[str, Any], applied: bool, said: int | None = None) -> None:
        self._require_open()
        arrays, names, others = self._intake.take(x, metrics)
        self._add(Entry(arrays, names, others, applied, said, time.perf_counter() - self._started))

    def _add(self, entry: Entry | Bare) -> None:
        """Keep a moment, and send a batch when it is due; the last field of each is its time."""
        waiting = self._waiting
        waiting.append(entry)
        if len(waiting) >= self._most or entry[-1] - (self._handed or waiting[0])[-1] > self.seconds:
            self._send(max(len(waiting) - self._held_back, 1))

    def _send(self, n: int) -> None:
        """Fetch what a loop handed over and after it the n oldest moments, and tell the sinks.

        An interruption leaves what it meets where it is; what is wrong is dropped.
        """
        if self._handed is not None:
            handed, (rows, columns) = self._handed, self._fetch_handed()
            began = self._ledger.chunks[-1].time[-1] if self._ledger.chunks else 0.0
            times = np.linspace(began, handed.time, len(rows) + 1)[1:]  # when each was made isn't known; they take alike
            self._digest(rows, columns, np.ones(len(rows), bool), times)
        if not (entries := self._waiting[:n]):
            return
        try:
            whole, rows, columns = self._intake.fetch(entries)
        except Exception:
            del self._waiting[:n]
            raise
        del self._waiting[:n]
        applied, said = np.ones(len(whole), bool), {}
        for i, entry in enumerate(whole):
            if isinstance(entry, Entry):
                applied[i] = entry.applied
                if entry.said is not None:
                    said[i] = entry.said
        self._digest(rows, columns, applied, np.array([entry[-1] for entry in whole]), said)

    def _fetch_handed(self) -> tuple[np.ndarray, list[Column]]:
        """Fetch what a loop handed over, and let go of it unless that is interrupted."""
        assert self._handed is not None
        try:
            fetched = self._intake.fetch_handed(self._handed)
        except Exception:
            self._handed = None
            raise
        self._handed = None
        return fetched

    def _digest(self, rows: np.ndarray, *rest: Any) -> None:
        """Make records of what was fetched, and tell the sinks."""
        if len(rows):
            before = self._ledger.count
            chunk, decisions = self._ledger.digest(rows, *rest)
            if self._outlets.sinks:
                self._outlets.tell("write", chunk, before)
                if decisions:
                    self._outlets.tell("decide", decisions, before)
        self._intake.warn_of_deleted()

    def _summary(self, reason: str) -> dict[str, Any]:
        failed = [f"{sink} failed: {why}" for sink, why in self.failed.items()]
        return {
            "reason": reason,
            "failed": False,
            "interrupted": False,
            **self._ledger.summary(),
            "warnings": self._ledger.warnings() + failed,
            "seconds": time.perf_counter() - self._started,
        }
