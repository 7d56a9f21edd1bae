"""A real browser for the tests of the live page: Debian's Chromium without a screen, driven by playwright."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

OPTIONS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@contextmanager
def chromium() -> Iterator[Any]:
    """Yield a browser with a profile of its own; skip the test where there is none."""
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("needs a browser: apt install chromium")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright comes with the extra dev")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=OPTIONS)
        try:
            yield browser
        finally:
            browser.close()
