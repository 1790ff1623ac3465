"""Ctrl-C and SIGTERM as requests: what is being computed is finished, then the run ends cleanly."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

__all__ = ["TERMINATED", "Interrupt", "graceful_interrupt"]

TERMINATED = "terminated"
REASONS = {signal.SIGINT: "interrupted", signal.SIGTERM: TERMINATED}


class Interrupt:
    """Whether somebody has asked to stop: a word that says how, or None."""

    requested: str | None = None


@contextlib.contextmanager
def graceful_interrupt() -> Iterator[Interrupt]:
    """Turn the first Ctrl-C or SIGTERM into a request; a second Ctrl-C interrupts at once, as usual.

    SIGTERM is what a cluster sends before it takes a machine away. An interrupt in the middle of a dispatch would lose the state
    that was donated to it. Outside the main thread, where Python delivers no signals, nothing changes.
    """
    interrupt = Interrupt()
    if threading.current_thread() is not threading.main_thread():
        yield interrupt
        return
    previous = {number: signal.getsignal(number) for number in REASONS}

    def request(number: int, frame: FrameType | None) -> None:
        if interrupt.requested and number == signal.SIGINT:
            raise KeyboardInterrupt
        interrupt.requested = interrupt.requested or REASONS[signal.Signals(number)]

    for number in REASONS:
        signal.signal(number, request)
    try:
        yield interrupt
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
