"""Set-up of every test: the devices, and the Python code of the documentation, which sybil runs page by page."""

import contextlib
import doctest
import importlib.util
import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from sybil import Sybil
from sybil.parsers.myst import PythonCodeBlockParser
from xdist.scheduler import LoadScopeScheduling

# Before jax starts: eight CPU devices for the sharding tests, and no look for accelerators.
os.environ.setdefault("XLA_FLAGS", "--xla_force_host_platform_device_count=8")
os.environ.setdefault("JAX_PLATFORMS", "cpu")

# The same examples at every run, so that a change is judged by what it changes; `make fuzz` draws new ones.
settings.register_profile("the same", derandomize="RHEOSTAX_FUZZ" not in os.environ)
settings.load_profile("the same")


def enter(namespace):
    """Let a page write its files into a folder of its own."""
    namespace["_folder"] = folder = contextlib.ExitStack()
    folder.enter_context(contextlib.chdir(folder.enter_context(tempfile.TemporaryDirectory())))


def leave(namespace):
    """Go back, and remove the page's folder."""
    namespace["_folder"].close()


collect_ignore = ["docs/make_screenshots.py"]  # it needs the extra `browser`, and has no examples


def pytest_report_header(config):
    """Say in one line that the comparisons with other libraries are left out."""
    if importlib.util.find_spec("torch") is None:
        return "tests/parity: left out, since there is no PyTorch here; `make parity` compares with it and other libraries"
    return None


_allowed = 2e9  # bytes of memory that a process of tests may use before it forgets what is compiled


def pytest_configure(config):
    """Keep what XLA compiles in pytest's cache, for the other process, the subprocesses, and the next run.

    jax looks for the same program, compiled by the same XLA with the same flags, so the tests run what they would run without.
    """
    try:
        folder = config.cache.mkdir("compiled")
        if not hasattr(config, "workerinput") and sum(file.stat().st_size for file in folder.iterdir()) > 1e9:
            shutil.rmtree(folder)
    except (AttributeError, OSError):  # no cache, as with `-p no:cacheprovider`, or none that can be written
        return
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(folder))
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")


def memory():
    """Return how many bytes of memory this process has in use; 0 where the system doesn't say."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def pytest_runtest_teardown():
    """Let go of what was compiled when it has grown large: a process of thousands of tests has ten gigabytes of it otherwise."""
    global _allowed  # noqa: PLW0603
    if memory() > _allowed:
        import jax  # noqa: PLC0415  (the environment above has to be set before)

        jax.clear_caches()
        _allowed = max(_allowed, memory() + 1e9)


pages = Sybil(
    parsers=[PythonCodeBlockParser(doctest_optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)],
    patterns=["README*.md", "CONTRIBUTING.md", "docs/*.md", "docs/**/*.md"],
    setup=enter,
    teardown=leave,
)
pytest_collect_file = pages.pytest()


class FileScheduling(LoadScopeScheduling):
    """Keep the tests of a file or page in one process: they share what was compiled, or build on each other.

    The conformance suite is too long for that, and is spread example by example.
    """

    def _split_scope(self, nodeid):
        file, _, test = nodeid.partition("::")
        return file + test[test.find("[") :] if file.startswith("tests/conformance/") else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Hand pytest-xdist the scheduler; its own `--dist loadgroup` loses the groups under pytest 9."""
    return FileScheduling(config, log)
