"""JPEG pictures one after the other, cut out of bytes: what MJPEG cameras and `ffmpeg -f mjpeg -` send."""

from collections.abc import Callable, Iterator
from functools import cache, partial
from time import monotonic

import cv2
import numpy as np
from numpy.typing import NDArray

from edgessd.errors import InputError
from edgessd.sources.fault import Reason, SourceFault
from edgessd.sources.frame import Choose, Frame, blank
from edgessd.util.image_header import check_pixels, size_hw

MAX_JPEG_BYTES = 1 << 24
_MOST_SEGMENTS = 4096  # before the scan; a picture with maps and profiles has some hundred
_MARK, _START, _SCAN, _END = b"\xff\xd8", b"\xff\xd8\xff", b"\xda", b"\xff\xd9"


def jpeg_frames(
    read: Callable[[], bytes],
    name: str,
    first: bytes = b"",
    *,
    within: float | None = None,
    choose: Choose | None = None,
) -> Iterator[Frame]:
    """Yield a frame a picture. read: the next bytes, empty at the end; first: bytes already read.

    choose: which are decoded; of skipped ones only those of another size than the one before, or after a damaged one.
    A damaged picture is left out. Raises SourceFault when many bytes, or all that came ``within`` so many seconds,
    hold no picture.
    """
    index = 0
    start = monotonic()
    fruitless = 0
    decoded_hw: tuple[int, int] | None = None

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
        try:
            check_pixels(encoded, name)
        except InputError as error:
            raise SourceFault(Reason.NOT_A_STREAM, error.cause, fix="choose a smaller picture") from None
        decoding = monotonic()
        picture = cache(partial(_decoded, encoded))
        try:
            skip = choose(decoding, picture) if choose else None
            known = decoded_hw if decoded_hw == size_hw(encoded) else None
            image = blank(*known) if skip and known else picture()
        except cv2.error:
            decoded_hw = None
            continue
        height, width = image.shape[:2]
        decoded_hw = height, width
        now = monotonic()
        fruitless = 0
        yield Frame(image, name, index, now, now - decoding, None, skip, choose is not None)
        index += 1
        start = monotonic()


def _decoded(encoded: bytes) -> NDArray[np.uint8]:
    """Return a picture, (H, W, 3) uint8 BGR. Raises cv2.error for a damaged one."""
    image = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise cv2.error("a damaged JPEG")
    return np.asarray(image, np.uint8)


def split_jpegs(read: Callable[[], bytes], first: bytes = b"") -> Iterator[bytes]:
    """Yield the bytes of each picture, from its start mark to its end mark. ``read`` bounds what is kept."""
    pending = bytearray(first)
    segment = searched = len(_MARK)  # where the next segment begins, and how far its scan was searched
    left = _MOST_SEGMENTS
    while True:
        if not pending.startswith(_START):
            begin = pending.find(_START)
            # The mark may have come in part.
            del pending[: begin if begin >= 0 else max(0, len(pending) - len(_START) + 1)]
            segment = searched = len(_MARK)
            left = _MOST_SEGMENTS
        if pending.startswith(_START):
            segment, end, left = _picture_end(pending, segment, searched, left)
            if end:
                if end > len(_START):
                    yield bytes(pending[:end])
                del pending[:end]
                segment = searched = len(_MARK)
                left = _MOST_SEGMENTS
                continue
            searched = len(pending) - 1
        more = read()
        if not more:
            return
        pending += more


def _picture_end(pending: bytearray, segment: int, searched: int, left: int) -> tuple[int, int, int]:
    """Return where the segment begins that has not come whole, and where the picture ends, 0 when it has not yet.

    left: how many segments there may still be, the third of what is returned; a picture of more ends there.
    In entropy-coded data 0xff is never followed by 0xd9; in the segments before it, a thumbnail may hold both.
    """
    while segment + 2 <= len(pending):
        marker = pending[segment + 1 : segment + 2]
        if marker == _END[1:]:
            return segment, segment + 2, left
        if marker == _START[1:2]:
            return segment, segment, left  # it was cut off, and this is the next
        length = int.from_bytes(pending[segment + 2 : segment + 4], "big")
        if marker == _SCAN or pending[segment : segment + 1] != b"\xff":
            break  # or damaged: the decoder will tell
        if segment + 4 > len(pending):
            return segment, 0, left
        if length < 2:
            break
        if left == 0:
            return segment, segment, left
        segment, left = segment + 2 + length, left - 1
    else:
        return segment, 0, left
    end = pending.find(_END, max(searched, segment))
    return segment, end + len(_END) if end >= 0 else 0, left
