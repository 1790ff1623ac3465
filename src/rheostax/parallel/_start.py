"""Start JAX's distributed runtime, or say what is missing."""

from __future__ import annotations

import os
import re
from typing import Any

import jax

from rheostax.errors import ArgumentError

__all__ = ["initialize"]


def initialize(
    coordinator_address: str | None = None,
    num_processes: int | None = None,
    process_id: int | None = None,
    *,
    initialization_timeout: int = 300,
    heartbeat_timeout_seconds: int = 60,
) -> None:
    """Start JAX's distributed runtime with `jax.distributed.initialize`, before anything else of JAX.

    What isn't given is taken from the environment variables `JAX_COORDINATOR_ADDRESS`, `JAX_NUM_PROCESSES` and `JAX_PROCESS_ID`, and
    what isn't there is found out by JAX under SLURM, Open MPI, Kubernetes and on Cloud TPU.

    When a process dies, JAX ends the others within `heartbeat_timeout_seconds`; one that ends with an error waits at most as long for
    them.

    Args:
        coordinator_address: Where process 0 listens, "host:port"; the same on all processes.
        num_processes: How many there are, >= 1.
        process_id: Which one this is, from 0 to num_processes - 1.
        initialization_timeout: Seconds to wait for the others at the start, >= 1.
        heartbeat_timeout_seconds: Seconds of silence after which a process counts as dead, >= 1.

    Raises:
        ArgumentError: If an argument breaks its rule, JAX has started already, no cluster is found, or the others don't come.

    >>> import rheostax as rx
    >>> rx.parallel.initialize("127.0.0.1:1234", num_processes=4, process_id=4)
    Traceback (most recent call last):
    rheostax.errors.ArgumentError: initialize: process_id must be a whole number from 0 to 3 (num_processes - 1), got 4.
    """
    address = coordinator_address or os.environ.get("JAX_COORDINATOR_ADDRESS")
    count = _given("num_processes", num_processes, "JAX_NUM_PROCESSES")
    own = _given("process_id", process_id, "JAX_PROCESS_ID")
    _require_sense(address, count, own)
    for name, value in (("initialization_timeout", initialization_timeout), ("heartbeat_timeout_seconds", heartbeat_timeout_seconds)):
        _require_whole(name, value, 1)
    if jax.distributed.is_initialized():
        raise ArgumentError("initialize: JAX's distributed runtime runs already; call it once.")
    try:
        jax.distributed.initialize(
            address,
            count,
            own,
            initialization_timeout=initialization_timeout,
            heartbeat_timeout_seconds=heartbeat_timeout_seconds,
            shutdown_timeout_seconds=heartbeat_timeout_seconds,
        )
    except ValueError as error:
        raise ArgumentError(f"initialize: {_nothing_found(address, count, own)} (JAX: {error})") from None
    except RuntimeError as error:
        if "must be called before" in str(error):
            early = "call rx.parallel.initialize before anything that computes"
            raise ArgumentError(f"initialize: JAX has started its devices already; {early}.") from None
        reason = str(error).splitlines()[0]
        raise ArgumentError(f"initialize: the processes didn't come together at {address}. JAX says: {reason}") from error


def _given(name: str, value: Any, variable: str) -> int | None:
    """Return an argument, or what the environment says in its place."""
    if value is not None:
        return _require_whole(name, value, 0)
    text = os.environ.get(variable)
    if text is None:
        return None
    if not text.isdecimal():
        raise ArgumentError(f"initialize: {variable} must be a whole number, got {text!r}.")
    return int(text)


def _require_whole(name: str, value: Any, low: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < low:
        raise ArgumentError(f"initialize: {name} must be a whole number >= {low}, got {value!r}.")
    return value


def _require_sense(address: str | None, count: int | None, own: int | None) -> None:
    """Refuse what contradicts itself."""
    if address is not None and not re.fullmatch(r"\S+:\d{1,5}", address):
        raise ArgumentError(f"initialize: coordinator_address must be host:port, such as 10.0.0.1:1234, got {address!r}.")
    if count == 0:
        raise ArgumentError("initialize: num_processes must be a whole number >= 1, got 0.")
    if count is not None and own is not None and own >= count:
        raise ArgumentError(f"initialize: process_id must be a whole number from 0 to {count - 1} (num_processes - 1), got {own}.")


def _nothing_found(address: str | None, count: int | None, own: int | None) -> str:
    names = {"coordinator_address": address, "num_processes": count, "process_id": own}
    missing = ", ".join(name for name, value in names.items() if value is None)
    return (
        f"{missing or 'something'} is not given, and JAX finds no cluster (SLURM, Open MPI, Kubernetes, Cloud TPU) to ask. Give them all, "
        "or set JAX_COORDINATOR_ADDRESS, JAX_NUM_PROCESSES and JAX_PROCESS_ID."
    )
