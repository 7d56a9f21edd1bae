"""Frames that another program writes to our standard input: YUV4MPEG2, JPEG pictures, or raw pixels."""

import logging
import os
from collections.abc import Iterator
from time import monotonic

import numpy as np

from edgessd.errors import InputError
from edgessd.sources.address import Address
from edgessd.sources.fault import Reason, SourceFault
from edgessd.sources.frame import Choose, Frame, Source
from edgessd.sources.mjpeg import jpeg_frames
from edgessd.sources.y4m import MAGIC, y4m_frames
from edgessd.util.suggestions import did_you_mean

FORMATS = ("y4m", "mjpeg", "bgr24")
_PIECE_BYTES = 1 << 16
log = logging.getLogger(__name__)


class StandardInput(Source):
    """``-``: the format is told by its first bytes, or raw BGR with ``stdin?width=640&height=360``."""

    live = False
    choose: Choose | None = None

    def __init__(self, address: Address, descriptor: int | None = None) -> None:
        """Raises InputError for an unknown format or raw pixels without a size."""
        self.name = "-"
        self._height, self._width = address.number("height"), address.number("width")
        self.fps: float | None = address.seconds("fps")
        self._descriptor = 0 if descriptor is None else descriptor
        raw = self._height is not None and self._width is not None
        self._format = address.options.get("format", "bgr24" if raw else None)
        if self._format not in (None, *FORMATS):
            raise InputError(f"no format {self._format!r} on standard input", fix=did_you_mean(self._format, FORMATS))
        if self._format == "bgr24" and not raw:
            raise InputError("raw frames on standard input have no size", fix="write stdin?width=640&height=360")

    def frames(self) -> Iterator[Frame]:
        """Yield frames to the end of the input. Raises SourceFault when it holds none."""
        first = self._exactly(len(MAGIC)) if self._format is None else b""
        if self._format == "y4m" or first == MAGIC:
            frames = y4m_frames(self._exactly, self.name, first, choose=self.choose)
        elif self._format == "mjpeg" or first.startswith(b"\xff\xd8"):
            frames = jpeg_frames(lambda: os.read(self._descriptor, _PIECE_BYTES), self.name, first, choose=self.choose)
        elif self._format == "bgr24":
            frames = self._raw_frames()
        elif first:
            raise SourceFault(
                Reason.NOT_A_STREAM,
                "standard input holds neither YUV4MPEG2 nor JPEG",
                fix="pipe it through `ffmpeg -i - -f yuv4mpegpipe -`, or give raw frames a size, "
                "stdin?width=640&height=360",
            )
        else:
            frames = iter(())
        found = False
        for frame in frames:
            found = True
            yield frame
        if not found:
            raise SourceFault(
                Reason.NOT_A_STREAM, "standard input ended before its first whole frame", fix="see what writes it"
            )

    def _raw_frames(self) -> Iterator[Frame]:
        assert self._height is not None
        assert self._width is not None
        frame_bytes = self._height * self._width * 3
        index = 0
        while True:
            start = monotonic()
            pixels = self._exactly(frame_bytes)
            if len(pixels) < frame_bytes:
                if pixels:
                    size = f"{self._width}x{self._height}"
                    log.warning("standard input ended within a frame: it is cut off, or its size is not %s", size)
                return
            now = monotonic()
            image = np.frombuffer(bytearray(pixels), np.uint8).reshape(self._height, self._width, 3)
            yield Frame(image, self.name, index, now, now - start)
            index += 1

    def _exactly(self, count: int) -> bytes:
        """Return so many bytes, fewer at the end."""
        pieces = bytearray()
        while len(pieces) < count:
            piece = os.read(self._descriptor, count - len(pieces))
            if not piece:
                break
            pieces += piece
        return bytes(pieces)
