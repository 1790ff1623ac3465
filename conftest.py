"""Set-up of every test: the devices, and the Python code of the documentation, which sybil runs page by page."""

import contextlib
import doctest
import os
import tempfile
from pathlib import Path

import pytest
from sybil import Sybil
from sybil.integration.pytest import SybilItem
from sybil.parsers.myst import PythonCodeBlockParser

# Before jax starts: eight CPU devices for the sharding tests, and no look for accelerators.
os.environ.setdefault("XLA_FLAGS", "--xla_force_host_platform_device_count=8")
os.environ.setdefault("JAX_PLATFORMS", "cpu")

HERE = Path(__file__).parent


def enter(namespace):
    """Let a page write its files into a folder of its own."""
    namespace["_folder"] = folder = contextlib.ExitStack()
    folder.enter_context(contextlib.chdir(folder.enter_context(tempfile.TemporaryDirectory())))


def leave(namespace):
    """Go back, and remove the page's folder."""
    namespace["_folder"].close()


pages = Sybil(
    parsers=[PythonCodeBlockParser(doctest_optionflags=doctest.NORMALIZE_WHITESPACE)],
    patterns=["README*.md", "docs/*.md", "docs/**/*.md"],
    setup=enter,
    teardown=leave,
)
pytest_collect_file = pages.pytest()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Keep a page's examples together when tests are spread over processes: each builds on the ones before it."""
    for item in items:
        if isinstance(item, SybilItem):
            item.add_marker(pytest.mark.xdist_group(item.path.relative_to(HERE).as_posix()))
