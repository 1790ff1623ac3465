"""The command line: parses, calls, prints. Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted, 143 terminated."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType
from typing import NoReturn

from rheostax._extras import load
from rheostax.errors import DisagreementError, DivergedError, ExpressionError, RheostaxError

__all__ = ["main"]


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    """Leave at once. An exception wouldn't do: an import or a callback that is just running may catch it."""
    os.write(2, b"interrupted\n")
    os._exit(130)


def main() -> None:
    """Run the command line; a user's mistake gives one line, not a stack trace, and so does Ctrl-C."""
    signal.signal(signal.SIGINT, _leave)  # until something has to be ended cleanly; see `graceful_interrupt`
    try:
        load("typer", extra="train")
        from rheostax.cli.app import app  # noqa: PLC0415  (needs typer, whose absence has just been reported)

        app()
    except RheostaxError as error:
        # One line, but for an expression, where the second and third line point at the place.
        words = str(error) if isinstance(error, ExpressionError) else " ".join(str(error).split())
        sys.stderr.write(f"error: {words}\n")
        sys.exit(1 if isinstance(error, DivergedError | DisagreementError) else 2)
