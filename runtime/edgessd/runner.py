"""What every verb that runs a detector over frames needs: workers and signals."""

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

import cv2

from edgessd.backends import usable_cores
from edgessd.sources import Source


def default_workers(sources: Sequence[Source]) -> int:
    """Return how many frames to work on at once: all cores for files, one frame on all cores for cameras."""
    # The workers use the cores; OpenCV's own pool would only fight them for a resize of 0.2 ms.
    cv2.setNumThreads(1)
    return 1 if any(source.live for source in sources) else usable_cores()


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
