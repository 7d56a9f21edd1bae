"""Strings from outside are shown as text: no markup, no control codes, one line."""

import logging
import subprocess
import sys

import pytest
from rich.table import Table

from edgessd.commands.cli import run
from edgessd.util.console import PlainConsole, notice
from edgessd.util.logs import TextFormatter
from edgessd.util.outside_text import outside_text, spreadsheet_cell
from edgessd.util.progress import frame_progress

HOSTILE = "\\[/x] [red]a[/] :cat: \x1b]0;title\x07\x1b[31mred\r\nsecond\x9b2J\u202egpj.exe"


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("a.jpg", "a.jpg"),
        ("Tür 門 🚪", "Tür 門 🚪"),
        ("می‌خواهم", "می‌خواهم"),  # Persian needs its joiner
        ("[bold]a[/]", "[bold]a[/]"),
        ("a\nb\tc\r", "a\\nb\\tc\\r"),
        ("\x1b[31m\x9b\x00\x7f", "\\x1b[31m\\x9b\\x00\\x7f"),
        ("\u202eabc\u2066\u2028\ufeff", "\\u202eabc\\u2066\\u2028\\ufeff"),
        (b"caf\xe9.jpg".decode("utf-8", "surrogateescape"), "caf\\xe9.jpg"),
        ("\ud800", "\\ud800"),
        (12, "12"),
    ],
)
def test_what_is_shown(raw: object, shown: str) -> None:
    assert outside_text(raw) == shown


@pytest.mark.parametrize("raw", ["a" * 100_000, "\n" * 100_000, "é" * 100_000, "a" * 50 + "\x1b" * 50])
@pytest.mark.parametrize("limit", [20, 60, 2000])
def test_the_length_is_bounded(raw: str, limit: int) -> None:
    assert len(outside_text(raw, limit)) <= limit
    assert outside_text(raw, limit).encode()  # and it can be written


def test_both_ends_of_a_long_text_are_kept() -> None:
    assert outside_text("start" + "x" * 100 + "end", 30) == "startxxxxxxxxxxxx...xxxxxxxend"


@pytest.mark.parametrize(
    ("label", "cell"), [("cat", "cat"), ("=1+1", "'=1+1"), ("@x", "'@x"), ("-2", "'-2"), ("+a", "'+a"), ("", "")]
)
def test_a_spreadsheet_computes_no_label(label: str, cell: str) -> None:
    assert spreadsheet_cell(label) == cell


def assert_harmless(printed: str) -> None:
    assert "\\[/x] [red]a[/] :cat: \\x1b]0;title\\x07\\x1b[31mred\\r" in printed
    assert printed.isprintable() or all(c == "\n" or c.isprintable() for c in printed)


def test_the_console_shows_strings_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    console = PlainConsole()
    table = Table("name", box=None)
    table.add_row(HOSTILE.replace("\n", ""))
    for shown in (HOSTILE, notice("error", HOSTILE, "red"), table):
        console.print(shown)
        assert_harmless(capsys.readouterr().out)


def test_the_error_of_any_name_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    for verb in ("info", "bench", "selftest"):
        assert run([verb, f"{HOSTILE}.mp4"]) == 2
        err = capsys.readouterr().err
        assert_harmless(err)
        assert err.startswith("error: ")
        assert err.count("\n") == 1


def test_progress_shows_the_name_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    with frame_progress(HOSTILE, None) as progress:
        progress.summary("1 object")
    assert_harmless(capsys.readouterr().err)


def test_a_log_line_is_one_line() -> None:
    record = logging.makeLogRecord({"msg": "%s is stale", "args": (HOSTILE,), "levelname": "WARNING"})
    line = TextFormatter().format(record)
    assert_harmless(line)
    assert " warning \\[/x]" in line
    assert "\n" not in line


def test_a_name_that_is_no_utf8_is_an_error_too() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "edgessd", "detect", b"\xff\x1b.mp4"], capture_output=True, check=False
    )
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr
    assert b"\x1b" not in done.stderr
