"""The end of the process, also when a camera hangs in its driver."""

import logging
import math
import os
import signal
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from types import FrameType
from typing import NoReturn

READER_PREFIX = "read "
WORKER_PREFIX = "detect "
SINK_PREFIX = "sink "
_SAME_SECONDS = 2.0


def leave(code: int) -> NoReturn:
    """End the process with an exit code.

    A thread that is still in a camera's driver, in an inference or in a decoder would be torn out of C++ code by
    Python's own end, which aborts the process; so with such a thread the process ends at once. All files are closed by
    then.
    """
    busy = (READER_PREFIX, WORKER_PREFIX, SINK_PREFIX)
    if any(thread.name.startswith(busy) for thread in threading.enumerate()):
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


@contextmanager
def on_end_signals(stop: Callable[[], None], *more: signal.Signals) -> Iterator[None]:
    """Call ``stop`` where SIGTERM, the closing of the terminal (SIGHUP) or one more signal asks for the end.

    A SIGHUP that was ignored at the start stays so: nohup means it. Outside the main thread nothing is changed.
    """

    def handler(number: int, frame: FrameType | None) -> None:
        if number == signal.SIGHUP:
            _without_terminal()
        stop()

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    asked = [number for number in (signal.SIGTERM, signal.SIGHUP, *more) if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, handler) for number in asked}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


def stop_on_signals() -> AbstractContextManager[None]:
    """Turn Ctrl-C, SIGTERM and SIGHUP into KeyboardInterrupt, so that files are closed properly.

    A second one within seconds does nothing: it would interrupt the removal of what is unfinished.
    """
    asked = -math.inf

    def stop() -> None:
        nonlocal asked
        if time.monotonic() - asked > _SAME_SECONDS:
            asked = time.monotonic()
            raise KeyboardInterrupt

    return on_end_signals(stop, signal.SIGINT)


def _without_terminal() -> None:
    """Send what would go to the terminal that is gone nowhere: writing there fails."""
    for descriptor in (1, 2):
        with suppress(OSError):
            if stat.S_ISCHR(os.fstat(descriptor).st_mode):
                os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)
