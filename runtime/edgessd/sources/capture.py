"""What OpenCV's VideoCapture reads: files, cameras, network streams, pipelines."""

import logging
from collections.abc import Iterator
from functools import cache
from time import monotonic

import cv2
import numpy as np
from numpy.typing import NDArray

from edgessd.sources.frame import Choose, Frame, Skip, Source, blank
from edgessd.util.image_header import MAX_PIXELS, too_large

USUAL_FPS = 25.0
TOP_FPS = 1000  # what containers without a frame rate claim: the grain of their clock
# A damaged packet is one read that fails at once; the end of a file, and a cable that is pulled, go on failing.
# Where the header has a count, the frames that are still to come may all be damaged.
_FAILED_READS, _MOST_FAILED_READS = 16, 100_000
_FAILED_SECONDS, _MOST_FAILED_SECONDS = 0.2, 5.0
_CUT = 0.9  # of the frames of the header, which may be off by some
_CONVERTED = 2  # first frames, skipped or not: they show the size, and whether pictures come out right
log = logging.getLogger(__name__)


class _NoPicture(Exception):
    """OpenCV has no next frame, or cannot convert it."""


class CapturedSource(Source):
    """A source whose ``open_capture`` returns an opened capture; each ``frames()`` after the first opens it anew.

    ``size_wh`` is the header's word, None where it has none.
    """

    live = True
    choose: Choose | None = None

    def __init__(self, name: str) -> None:
        """Open the capture. Raises what ``open_capture`` raises."""
        self.name = name
        self._capture = self.open_capture()
        self._unread = True
        width, height = (int(self._capture.get(key)) for key in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
        self.size_wh: tuple[int, int] | None = (width, height) if width > 0 and height > 0 else None
        fps = self._capture.get(cv2.CAP_PROP_FPS)
        self.fps: float | None = fps if 0 < fps < TOP_FPS else None
        if height * width > MAX_PIXELS:
            self.close()
            raise too_large(name, height, width)

    def open_capture(self) -> cv2.VideoCapture:
        """Return the opened capture. Raises InputError or VideoError."""
        raise NotImplementedError

    def frames(self) -> Iterator[Frame]:
        """Yield what the capture reads until it fails or ends, then release it."""
        if not self._unread:
            self._capture = self.open_capture()
        self._unread = False
        capture = self._capture
        try:
            index = damaged = failed = 0
            media_time: float | None = None
            good = monotonic()
            height = width = 0
            while failed <= self._tolerated(index + damaged) and monotonic() - good < _MOST_FAILED_SECONDS:
                start = monotonic()
                try:
                    seconds = self._grab(capture, media_time)
                    pixels, skip = self._chosen(capture, seconds, (height, width) if index >= _CONVERTED else None)
                except _NoPicture:
                    if monotonic() - start > _FAILED_SECONDS:
                        break
                    failed += 1
                    continue
                now = monotonic()
                if failed and not damaged:
                    log.warning("%s has damaged packets, which are left out: copy or record it again", self.name)
                damaged, failed = damaged + failed, 0
                height, width = pixels.shape[:2]
                media_time = None if self.live else seconds
                read_seconds = None if self.live else now - start  # OpenCV waits for a camera and decodes in one call
                chosen = self.choose is not None
                yield Frame(pixels, self.name, index, now, read_seconds, media_time, skip, chosen)
                index += 1
                good = monotonic()
            if media_time is not None and self.frame_count and self._ended_early(index, media_time, damaged):
                log.warning("%s ended after %d of %d frames: %s", self.name, index, self.frame_count, self.why_fewer())
        finally:
            capture.release()

    def _grab(self, capture: cv2.VideoCapture, before: float | None) -> float:
        """Read the next frame, without its picture; return its time, in its file where it is one. Raises _NoPicture."""
        if not capture.grab():
            raise _NoPicture
        return monotonic() if self.live else self._media_time(capture, before)

    def _chosen(
        self, capture: cv2.VideoCapture, seconds: float, blank_hw: tuple[int, int] | None
    ) -> tuple[NDArray[np.uint8], Skip | None]:
        """Return the picture of the frame that was read, and why it is skipped; then it is blank, if it may be.

        blank_hw: the size of a blank picture. Raises _NoPicture.
        """

        @cache
        def picture() -> NDArray[np.uint8]:
            done, image = capture.retrieve()
            if not done:
                raise _NoPicture
            return np.asarray(image, np.uint8)

        skip = self.choose(seconds, picture) if self.choose else None
        return (blank(*blank_hw) if skip and blank_hw else picture()), skip

    def _ended_early(self, read: int, seconds: float, damaged: int) -> bool:
        """Return whether a file ended before its header says. seconds: the time of the last frame.

        With a variable frame rate the count in the header is an estimate, so the time must be short as well.
        """
        promised, fps = self.frame_count or 0, self.fps or USUAL_FPS
        return read < _CUT * promised and (damaged > 0 or seconds * fps + 1 < _CUT * promised)

    def why_fewer(self) -> str:
        """Return why there are fewer frames than the header promises."""
        return "it is cut off or damaged, copy it again"

    def _tolerated(self, read: int) -> int:
        """Return how many reads in a row may fail after so many."""
        return min(max(_FAILED_READS, (self.frame_count or 0) - read), _MOST_FAILED_READS)

    def _media_time(self, capture: cv2.VideoCapture, before: float | None) -> float:
        """Return a frame's seconds in its file; before: of the frame before it. Raw H.264 has no times, only a rate."""
        told = max(0.0, capture.get(cv2.CAP_PROP_POS_MSEC) / 1e3)
        if before is None or told > before:
            return told
        return before + 1 / (self.fps or USUAL_FPS)

    def close(self) -> None:
        self._unread = False
        self._capture.release()
