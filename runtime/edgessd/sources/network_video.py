"""A network stream through OpenCV's FFmpeg, with a deadline on opening and on every read."""

from collections.abc import Iterator
from time import monotonic

import cv2

from edgessd.sources.address import Address
from edgessd.sources.capture import CapturedSource
from edgessd.sources.conversion import when_converted
from edgessd.sources.fault import Reason, SourceFault
from edgessd.sources.frame import Frame
from edgessd.sources.rtsp_probe import ask_rtsp

OPEN_SECONDS = 5.0
READ_SECONDS = 5.0


class NetworkVideo(CapturedSource):
    """An RTSP, HLS, HTTP, RTMP, SRT or UDP stream. ``live`` unless its header tells how long it is."""

    def __init__(self, address: Address, *, ends: bool = False) -> None:
        """ends: whether the server says so, where the header of the video does not. Raises SourceFault."""
        self._address = address
        self._open_seconds = address.seconds("open_timeout") or OPEN_SECONDS
        self._read_seconds = address.seconds("read_timeout") or READ_SECONDS
        super().__init__(address.name)
        count = int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT))
        self.frame_count = count if count > 0 and address.kind == "http" else None
        self.live = self.frame_count is None and not ends

    def open_capture(self) -> cv2.VideoCapture:
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
                Reason.TIMEOUT, f"{self.name} did not open within {self._open_seconds:g} s", fix="see the camera"
            )
        if self._address.kind == "rtsp":
            ask_rtsp(self._address, self._open_seconds, "DESCRIBE")
        raise SourceFault(
            Reason.NOT_A_STREAM, f"{self.name} holds no video that FFmpeg reads", fix="check path and codec"
        )

    def frames(self) -> Iterator[Frame]:
        """Yield frames to the end. Raises SourceFault when a read takes longer than the deadline."""
        waiting_since = monotonic()
        found = False
        for frame in when_converted(super().frames(), self._address):
            found = True
            yield frame
            waiting_since = monotonic()
        if monotonic() - waiting_since >= self._read_seconds:
            raise SourceFault(
                Reason.FROZEN, f"{self.name} gave no frame for {self._read_seconds:g} s", fix="see the camera"
            )
        if not found:
            raise SourceFault(Reason.NOT_A_STREAM, f"{self.name} opens but holds no frame", fix="check the URL's path")
