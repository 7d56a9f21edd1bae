"""A command that is asked to end: exit 130, one line, and nothing disturbs the removal of what is unfinished."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from edgessd.util.exit import stop_on_signals
from edgessd.util.files import replacing

ENDS = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "sigterm"])


ASKED_WHILE_IT_READS = """
import os, sys, edgessd.cli
number = int(sys.argv.pop())
class Keyboard:
    def isatty(self): return False
    def readline(self): os.kill(os.getpid(), number); return "secret"
sys.stdin = Keyboard()
edgessd.cli.main()
"""


def default_signals() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # a test run in the background has Ctrl-C ignored
        signal.signal(number, signal.SIG_DFL)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=["ctrl-c", "sigterm", "sighup"])
def test_every_verb_ends_with_130_and_one_line(number: signal.Signals) -> None:
    command = [sys.executable, "-c", ASKED_WHILE_IT_READS, "hash-password", str(int(number))]
    done = subprocess.run(command, capture_output=True, text=True, preexec_fn=default_signals)
    assert (done.returncode, done.stderr, done.stdout) == (130, "error: stopped\n", "")


def test_a_deleted_working_folder_is_named(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    there = f"import os; os.chdir({str(gone)!r}); os.rmdir({str(gone)!r}); from edgessd.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", there, "demo", "--out", "x"], capture_output=True, text=True)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "the working folder was deleted, `cd` to another" in done.stderr


def write_interrupted(folder: Path, number: signal.Signals) -> None:
    with stop_on_signals(), replacing(folder / "model.onnx"):
        try:
            os.kill(os.getpid(), number)
        finally:
            os.kill(os.getpid(), number)
            (folder / "cleaned").touch()


@ENDS
def test_a_second_signal_does_not_disturb_the_clean_up(number: signal.Signals, tmp_path: Path) -> None:
    before = signal.getsignal(number)
    signal.signal(number, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            write_interrupted(tmp_path, number)
    finally:
        signal.signal(number, before)
    assert [path.name for path in tmp_path.iterdir()] == ["cleaned"]


@pytest.mark.parametrize("thread", ["read door", "detect 0", "sink jsonl", None])
def test_a_thread_that_may_be_in_foreign_code_is_not_torn_out_of_it(thread: str | None) -> None:
    """Python's own end would: it runs what ``atexit`` holds, and then aborts in C++."""
    program = f"""
import atexit, threading, time
from edgessd.util.exit import leave
atexit.register(print, "Python's own end")
if {thread!r}:
    threading.Thread(target=time.sleep, args=(60,), name={thread!r}, daemon=True).start()
leave(3)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=50)
    assert (done.returncode, bool(done.stdout)) == (3, thread is None)
