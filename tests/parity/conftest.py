"""The group of tests that need other libraries: left out where there is no PyTorch; a table of what was compared."""

import importlib.util

from tests.parity import table

if importlib.util.find_spec("torch") is None:
    collect_ignore_glob = ["test_*.py"]  # `pytest_report_header` in the root's conftest says so


def pytest_addoption(parser):
    parser.addoption("--write-table", action="store_true", help="write docs/parity.md from what was compared")


def pytest_terminal_summary(terminalreporter, config):
    rows = [
        value
        for report in terminalreporter.stats.get("passed", [])
        for key, value in getattr(report, "user_properties", [])
        if key == "parity"
    ]
    if not rows:
        return
    terminalreporter.section("parity")
    for row in sorted(rows, key=lambda row: (row["peer"], row["name"])):
        terminalreporter.write_line(
            f"{row['peer']}.{row['name']}: {row['configurations']} configurations, at most {row['largest']:.0f} ulp apart"
        )
    if config.getoption("--write-table", False):
        table.write(rows)
        terminalreporter.write_line(f"wrote {table.PAGE.name}")
