"""JPEG pictures one after the other, cut out of bytes: what MJPEG cameras and `ffmpeg -f mjpeg -` send."""

from collections.abc import Callable, Iterator
from time import monotonic

import cv2
import numpy as np

from edgessd.sources.fault import Reason, SourceFault
from edgessd.sources.frame import Frame

MAX_JPEG_BYTES = 1 << 24
_START, _SCAN, _END = b"\xff\xd8\xff", b"\xda", b"\xff\xd9"


def jpeg_frames(
    read: Callable[[], bytes], name: str, first: bytes = b"", *, within: float | None = None
) -> Iterator[Frame]:
    """Yield a frame a picture. read: the next bytes, empty at the end; first: bytes already read.

    A damaged picture is left out. Raises SourceFault when many bytes, or all that came ``within`` so many seconds,
    hold no picture.
    """
    index = 0
    start = monotonic()
    fruitless = 0

    def read_in_time() -> bytes:
        nonlocal fruitless
        piece = read()
        fruitless += len(piece)
        late = within is not None and monotonic() - start > within
        if piece and (late or fruitless > MAX_JPEG_BYTES):
            raise SourceFault(
                Reason.NOT_A_STREAM, f"{name} sends bytes in which no JPEG is found", fix="see what it sends"
            )
        return piece

    for encoded in split_jpegs(read_in_time, first):
        decoding = monotonic()
        image = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR)
        if image is None:
            continue
        now = monotonic()
        fruitless = 0
        yield Frame(np.asarray(image, np.uint8), name, index, now, now - decoding)
        index += 1
        start = monotonic()


def split_jpegs(read: Callable[[], bytes], first: bytes = b"") -> Iterator[bytes]:
    """Yield the bytes of each picture, from its start mark to its end mark. ``read`` bounds what is kept."""
    pending = bytearray(first)
    searched = 0
    while True:
        if not pending.startswith(_START):
            begin = pending.find(_START)
            # The mark may have come in part.
            del pending[: begin if begin >= 0 else max(0, len(pending) - len(_START) + 1)]
            searched = 0
        if pending.startswith(_START):
            if end := _picture_end(pending, searched):
                if end > len(_START):
                    yield bytes(pending[:end])
                del pending[:end]
                searched = 0
                continue
            searched = len(pending) - 1
        more = read()
        if not more:
            return
        pending += more


def _picture_end(pending: bytearray, start: int) -> int:
    """Return where the picture ends, 0 when it has not yet.

    In entropy-coded data 0xff is never followed by 0xd9; in the segments before it, a thumbnail may hold both.
    """
    at = 2
    while (marker := pending[at + 1 : at + 2]) != _SCAN:
        if marker == _END[1:]:
            return at + 2
        if marker == _START[1:2]:
            return at  # it was cut off, and this is the next
        length = int.from_bytes(pending[at + 2 : at + 4], "big")
        if pending[at : at + 1] != b"\xff" or length < 2:
            break  # damaged: the decoder will tell
        at += 2 + length
        if at + 4 > len(pending):
            return 0
    end = pending.find(_END, max(start, at))
    return end + len(_END) if end >= 0 else 0
