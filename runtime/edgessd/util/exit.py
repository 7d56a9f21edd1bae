"""The end of the process, also when a camera hangs in its driver."""

import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

READER_PREFIX = "read "


def leave(code: int) -> NoReturn:
    """End the process with an exit code.

    A reader's thread that still hangs in OpenCV would be torn out of C++ code by Python's own end, which aborts the
    process; so with such a thread the process ends at once. All files are closed by then.
    """
    if any(thread.name.startswith(READER_PREFIX) for thread in threading.enumerate()):
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


@contextmanager
def stop_on_signals() -> Iterator[None]:
    """Turn SIGTERM into the KeyboardInterrupt that Ctrl-C raises, so that files are closed properly."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
