"""A network stream through OpenCV's FFmpeg, with a deadline on opening and on every read."""

from collections.abc import Iterator
from time import monotonic

import cv2

from edgessd.sources.address import Address
from edgessd.sources.fault import SourceFault
from edgessd.sources.files import captured_frames
from edgessd.sources.frame import Frame
from edgessd.sources.rtsp_probe import ask_rtsp

OPEN_SECONDS = 5.0
READ_SECONDS = 5.0
MAX_PLAYBACK_FPS = 1000


class NetworkVideo:
    """An RTSP, HLS, HTTP, RTMP, SRT or UDP stream. ``live`` unless its header tells how long it is."""

    def __init__(self, address: Address) -> None:
        """Raises SourceFault with the reason it cannot be opened."""
        self.name = address.name
        self._address = address
        self._open_seconds = address.seconds("open_timeout") or OPEN_SECONDS
        self._read_seconds = address.seconds("read_timeout") or READ_SECONDS
        self._capture: cv2.VideoCapture | None = self._open()
        fps = self._capture.get(cv2.CAP_PROP_FPS)
        count = int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT))
        self.fps: float | None = fps if 0 < fps <= MAX_PLAYBACK_FPS else None
        self.frame_count: int | None = count if count > 0 and address.kind == "http" else None
        self.live = self.frame_count is None

    def _open(self) -> cv2.VideoCapture:
        if self._address.kind == "rtsp":
            # OPTIONS: a DESCRIBE that is not followed makes some servers tear down what the next is to get.
            ask_rtsp(self._address, self._open_seconds, "OPTIONS")
        start = monotonic()
        settings = {
            cv2.CAP_PROP_OPEN_TIMEOUT_MSEC: round(self._open_seconds * 1000),
            cv2.CAP_PROP_READ_TIMEOUT_MSEC: round(self._read_seconds * 1000),
            cv2.CAP_PROP_N_THREADS: 1,
        }
        capture = cv2.VideoCapture(self._address.target, cv2.CAP_FFMPEG, [n for pair in settings.items() for n in pair])
        if capture.isOpened():
            return capture
        capture.release()
        if monotonic() - start >= self._open_seconds:
            raise SourceFault(
                "timeout", f"{self.name} did not open within {self._open_seconds:g} s", fix="see the camera"
            )
        if self._address.kind == "rtsp":
            ask_rtsp(self._address, self._open_seconds, "DESCRIBE")
        raise SourceFault("not a stream", f"{self.name} holds no video that FFmpeg reads", fix="check path and codec")

    def frames(self) -> Iterator[Frame]:
        """Yield frames to the end. Raises SourceFault when a read takes longer than the deadline."""
        capture, self._capture = self._capture or self._open(), None
        waiting_since = monotonic()
        found = False
        for frame in captured_frames(capture, self.name):
            found = True
            yield frame
            waiting_since = monotonic()
        if monotonic() - waiting_since >= self._read_seconds:
            raise SourceFault("frozen", f"{self.name} gave no frame for {self._read_seconds:g} s", fix="see the camera")
        if not found:
            raise SourceFault("not a stream", f"{self.name} opens but holds no frame", fix="check the URL's path")
