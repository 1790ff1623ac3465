"""Start a script as several real processes on this machine, which talk over loopback (JAX's gloo collectives)."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with contextlib.closing(socket.socket()) as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def environment(devices: int = 1) -> dict[str, str]:
    """Return the environment of a process with so many devices of its own."""
    path = os.pathsep.join([str(ROOT / "src"), str(ROOT), os.environ.get("PYTHONPATH", "")])
    flags = f"--xla_force_host_platform_device_count={devices}"
    return os.environ | {"JAX_PLATFORMS": "cpu", "XLA_FLAGS": flags, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}


def start(module: str, processes: int, *arguments: Any, devices: int = 1, each: Any = None) -> list[subprocess.Popen[str]]:
    """Start `python -m module ADDRESS PROCESSES PROCESS arguments...` once per process; `each` gives every one its own arguments."""
    address, env = f"127.0.0.1:{free_port()}", environment(devices)
    own = each or [arguments] * processes
    commands = [[sys.executable, "-m", module, address, str(processes), str(i), *map(str, own[i])] for i in range(processes)]
    return [subprocess.Popen(one, env=env, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for one in commands]


def finish(processes: list[subprocess.Popen[str]], timeout: float = 180) -> list[tuple[int, str, str]]:
    """Wait for all, and return the exit code and the two outputs of each; ends them if it takes too long."""
    deadline, found = time.monotonic() + timeout, []
    try:
        for process in processes:
            out, err = process.communicate(timeout=max(deadline - time.monotonic(), 1))
            found.append((process.returncode, out, err))
    finally:
        for process in processes:
            if process.poll() is None:
                process.kill()
                process.wait()
    return found


def results(module: str, processes: int, *arguments: Any, devices: int = 1) -> list[Any]:
    """Return what each process wrote as JSON in the last line of its output; all have to end well."""
    done = finish(start(module, processes, *arguments, devices=devices))
    for code, out, err in done:
        assert code == 0, f"{out}\n{err}"
    return [json.loads(out.splitlines()[-1]) for _, out, _ in done]
