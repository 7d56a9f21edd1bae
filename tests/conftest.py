"""What holds for every test: where CI promises the servers, a test that lacks one fails and does not skip."""

import os
import re
from collections.abc import Generator

import pytest

REQUIRED = os.environ.get("EDGESSD_REQUIRE_SERVERS") == "1"
_INSTALLABLE = re.compile(r"apt(-get)? install|needs the program")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skip for want of a Debian package into a failure where EDGESSD_REQUIRE_SERVERS=1."""
    report = yield
    if REQUIRED and report.skipped and isinstance(report.longrepr, tuple) and _INSTALLABLE.search(report.longrepr[2]):
        report.outcome, report.longrepr = "failed", f"EDGESSD_REQUIRE_SERVERS=1, but {report.longrepr[2]}"
    return report
