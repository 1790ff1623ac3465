"""Set-up of every test: the devices, and the Python code of the documentation, which sybil runs page by page."""

import contextlib
import doctest
import importlib.util
import itertools
import os
import tempfile

import pytest
from sybil import Sybil
from sybil.parsers.myst import PythonCodeBlockParser
from xdist.scheduler import LoadScopeScheduling

# Before jax starts: eight CPU devices for the sharding tests, and no look for accelerators.
os.environ.setdefault("XLA_FLAGS", "--xla_force_host_platform_device_count=8")
os.environ.setdefault("JAX_PLATFORMS", "cpu")


def enter(namespace):
    """Let a page write its files into a folder of its own."""
    namespace["_folder"] = folder = contextlib.ExitStack()
    folder.enter_context(contextlib.chdir(folder.enter_context(tempfile.TemporaryDirectory())))


def leave(namespace):
    """Go back, and remove the page's folder."""
    namespace["_folder"].close()


def pytest_report_header(config):
    """Say in one line that the comparisons with other libraries are left out."""
    if importlib.util.find_spec("torch") is None:
        return "tests/parity: left out, since there is no PyTorch here; `make parity` compares with it and other libraries"
    return None


_finished = itertools.count(1)


def pytest_runtest_teardown():
    """Let go of what was compiled, now and then: a process of thousands of tests grows to ten gigabytes otherwise."""
    if next(_finished) % 200 == 0:
        import jax  # noqa: PLC0415  (the environment above has to be set before)

        jax.clear_caches()


pages = Sybil(
    parsers=[PythonCodeBlockParser(doctest_optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)],
    patterns=["README*.md", "CONTRIBUTING.md", "docs/*.md", "docs/**/*.md"],
    setup=enter,
    teardown=leave,
)
pytest_collect_file = pages.pytest()


class PageScheduling(LoadScopeScheduling):
    """Spread tests over processes one by one, but keep a page together: its examples build on each other."""

    def _split_scope(self, nodeid):
        page, _, _ = nodeid.partition("::")
        return page if page.endswith(".md") else nodeid


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Hand pytest-xdist the scheduler; its own `--dist loadgroup` loses the groups under pytest 9."""
    return PageScheduling(config, log)
