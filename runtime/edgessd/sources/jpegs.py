"""JPEG pictures one after the other, cut out of bytes: what MJPEG cameras and `ffmpeg -f mjpeg -` send."""

from collections.abc import Callable, Iterator
from time import monotonic

import cv2
import numpy as np

from edgessd.sources.faults import SourceFault
from edgessd.sources.frame import Frame

MAX_JPEG_BYTES = 1 << 25
_START, _SCAN, _END = b"\xff\xd8\xff", b"\xda", b"\xff\xd9"


def jpeg_frames(read: Callable[[], bytes], name: str, first: bytes = b"") -> Iterator[Frame]:
    """Yield a frame a picture. read: the next bytes, empty at the end; first: bytes already read.

    A damaged picture is left out. Raises SourceFault when nothing among many bytes is a picture.
    """
    index = 0
    fruitless = 0
    start = monotonic()
    for encoded in split_jpegs(read, name, first):
        image = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR)
        now = monotonic()
        if image is None:
            fruitless += len(encoded)
            if fruitless > MAX_JPEG_BYTES:
                raise SourceFault("not a stream", f"{name} sends pictures that cannot be decoded: see the camera")
            continue
        fruitless = 0
        yield Frame(np.asarray(image, np.uint8), name, index, now, now - start)
        index += 1
        start = monotonic()


def split_jpegs(read: Callable[[], bytes], name: str, first: bytes = b"") -> Iterator[bytes]:
    """Yield the bytes of each picture, from its start mark to the end mark before the next; bounded in memory."""
    pending = bytearray(first)
    searched = 0
    while True:
        begin = pending.find(_START)
        if begin < 0:
            if len(pending) > MAX_JPEG_BYTES:
                raise SourceFault("not a stream", f"{name} sends no JPEG: check the URL or the program that writes")
            searched = 0
        else:
            if begin:
                del pending[:begin]
                searched = max(0, searched - begin)
            end = _picture_end(pending, max(searched, len(_START)))
            if end:
                yield bytes(pending[:end])
                del pending[:end]
                searched = 0
                continue
            searched = max(len(_START), len(pending) - 1)
            if len(pending) > MAX_JPEG_BYTES:
                raise SourceFault("not a stream", f"{name} sends a JPEG that does not end: see the camera")
        more = read()
        if not more:
            return
        pending += more


def _picture_end(pending: bytearray, start: int) -> int:
    """Return where the picture ends, 0 when it has not yet.

    In entropy-coded data 0xff is never followed by 0xd9; in the segments before it, a thumbnail may hold both.
    """
    at = 2
    while pending[at + 1 : at + 2] != _SCAN:
        length = int.from_bytes(pending[at + 2 : at + 4], "big")
        if pending[at : at + 1] != b"\xff" or length < 2:
            break  # damaged: the decoder will tell
        at += 2 + length
        if at + 4 > len(pending):
            return 0
    end = pending.find(_END, max(start, at))
    return end + len(_END) if end >= 0 else 0
