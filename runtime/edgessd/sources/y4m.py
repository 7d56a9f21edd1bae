"""YUV4MPEG2, what other programs write frames as: a line of header with the size, then I420 planes."""

import logging
from collections.abc import Callable, Iterator
from functools import cache, partial
from time import monotonic

import cv2
import numpy as np
from numpy.typing import NDArray

from edgessd.sources.fault import Reason, SourceFault
from edgessd.sources.frame import Choose, Frame, blank
from edgessd.util.digits import whole_number
from edgessd.util.image_header import MAX_PIXELS

log = logging.getLogger(__name__)
MAGIC = b"YUV4MPEG2"
_MAX_HEADER = 512
_EIGHT_BITS = ("420", "420jpeg", "420mpeg2", "420paldv")  # where the colour samples lie is all that differs


def y4m_frames(
    read: Callable[[int], bytes], name: str, first: bytes = b"", *, choose: Choose | None = None
) -> Iterator[Frame]:
    """Yield frames. read: exactly so many bytes, fewer at the end; first: the bytes already read of the header.

    choose: which are converted; the others' pictures are blank.

    Raises SourceFault for what is no YUV4MPEG2 in 4:2:0.
    """
    height, width = _size(first + _line(read, name), name)
    # Odd sizes: the colour planes are rounded up, which OpenCV's conversion does not know.
    if height % 2 or width % 2:
        raise SourceFault(
            Reason.NOT_A_STREAM, f"{name} sends {width}x{height} frames", fix="the size must be even, scale it"
        )
    frame_bytes = height * width * 3 // 2
    index = 0
    while True:
        marker = _line(read, name)
        planes = read(frame_bytes) if marker else b""
        if len(planes) < frame_bytes:
            if planes:
                log.warning("%s ended within a frame: it is cut off", name)
            return
        if not marker.startswith(b"FRAME"):
            raise SourceFault(
                Reason.NOT_A_STREAM, f"{name} sends a damaged frame header", fix="see the program that writes"
            )
        converting = monotonic()
        picture = cache(partial(_converted, planes, height, width))
        skip = choose(converting, picture) if choose else None
        image = blank(height, width) if skip else picture()
        now = monotonic()
        yield Frame(image, name, index, now, now - converting, None, skip, choose is not None)
        index += 1


def _converted(planes: bytes, height: int, width: int) -> NDArray[np.uint8]:
    yuv = np.frombuffer(planes, np.uint8).reshape(height * 3 // 2, width)
    return np.asarray(cv2.cvtColor(yuv, cv2.COLOR_YUV2BGR_I420), np.uint8)


def _line(read: Callable[[int], bytes], name: str) -> bytes:
    line = bytearray()
    while not line.endswith(b"\n"):
        more = read(1)
        if not more:
            return b""
        line += more
        if len(line) > _MAX_HEADER:
            raise SourceFault(Reason.NOT_A_STREAM, f"{name} sends no YUV4MPEG2", fix="see the program that writes")
    return bytes(line)


def _size(header: bytes, name: str) -> tuple[int, int]:
    fields = header.decode("latin1").split()
    sizes = {field[0]: field[1:] for field in fields[1:] if field[0] in "WHC"}
    height, width = (whole_number(sizes.get(side, "")) or 0 for side in "HW")
    if not fields:
        raise SourceFault(Reason.ENDED, f"{name} ended before its first frame", fix="see what it complains of")
    if fields[0] != MAGIC.decode() or not 0 < height * width <= MAX_PIXELS:
        raise SourceFault(Reason.NOT_A_STREAM, f"{name} sends no YUV4MPEG2", fix="see the program that writes")
    if sizes.get("C", "420") not in _EIGHT_BITS:
        raise SourceFault(Reason.NOT_A_STREAM, f"{name} sends {sizes['C']} planes", fix="convert to I420 (yuv420p)")
    return height, width
