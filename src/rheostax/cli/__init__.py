"""The command line: parses, calls, prints. Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted."""

from __future__ import annotations

import sys

from rheostax._extras import load
from rheostax.errors import RheostaxError

__all__ = ["main"]


def main() -> None:
    """Run the command line; a user's mistake gives one line, not a stack trace."""
    try:
        load("typer", extra="train")
        from rheostax.cli.app import app  # noqa: PLC0415  (needs typer, whose absence has just been reported)

        app()
    except RheostaxError as error:
        sys.stderr.write(f"error: {' '.join(str(error).split())}\n")
        sys.exit(2)
