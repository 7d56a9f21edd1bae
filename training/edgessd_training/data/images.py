"""Image files: their size from the header, and their pixels only when the file is whole.

OpenCV decodes a cut-off JPEG without complaint and fills the rest with grey, so the end is looked for first.
"""

import struct
import zlib
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from edgessd.errors import DataError
from edgessd.util.extras import need

MAX_PIXELS = 1 << 28
MAX_FILE_BYTES = 1 << 30
SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8"
_START_OF_SCAN, _END_OF_IMAGE = b"\xff\xda", b"\xff\xd9"
# The start-of-frame markers; C4, C8 and CC lie between them and mean other things.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_TURNED = (5, 6, 7, 8)  # EXIF orientations that swap height and width


class BrokenImage(DataError):
    """The file is no image that can be decoded."""


class TruncatedImage(DataError):
    """The file is an image whose end is missing."""


def read_image(path: Path) -> NDArray[np.uint8]:
    """Return the image, (H, W, 3) uint8 BGR, turned as its EXIF orientation asks.

    Raises DataError when it is missing, too large, broken or cut off.
    """
    return decode_image(image_bytes(path), path)


def image_bytes(path: Path) -> bytes:
    """Return the content of an image file. Raises DataError when it is missing or unreasonably large."""
    try:
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise BrokenImage(f"images of at most {MAX_FILE_BYTES:,} bytes are read, {path} has {size:,}")
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot read the image {path}: {error.strerror or error}") from error


def decode_image(content: bytes, path: Path) -> NDArray[np.uint8]:
    """Return the pixels of an image file's content; ``path`` is named in errors. Raises BrokenImage, TruncatedImage."""
    cv2: Any = need("cv2", "eval")
    complaint = _incomplete(content)
    if complaint:
        raise TruncatedImage(f"the image {path} is cut off ({complaint}): copy it again or leave it out")
    size_hw = _header_size_hw(content)
    if size_hw and size_hw[0] * size_hw[1] > MAX_PIXELS:
        raise BrokenImage(f"images of at most {MAX_PIXELS:,} pixels are read, {path} has {size_hw[1]}x{size_hw[0]}")
    try:
        image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR) if content else None
    except cv2.error:
        image = None
    if image is None:
        raise BrokenImage(
            f"{path} is no image that OpenCV can decode ({len(content):,} bytes): copy it again or leave it out"
        )
    return np.asarray(image, np.uint8)


def image_size_hw(path: Path) -> tuple[int, int]:
    """Return height and width as ``read_image`` would give them, from the header where the format is known.

    Raises DataError when the file is missing or no image.
    """
    try:
        with path.open("rb") as file:
            size_hw = _size_hw(file)
    except OSError as error:
        raise DataError(f"cannot read the image {path}: {error.strerror or error}") from error
    if size_hw:
        return size_hw
    height, width = read_image(path).shape[:2]
    return height, width


def _header_size_hw(content: bytes) -> tuple[int, int] | None:
    from io import BytesIO

    return _size_hw(BytesIO(content))


def _incomplete(content: bytes) -> str | None:
    """Return what is missing from a JPEG or a PNG, None when nothing is or the format is another."""
    if content.startswith(_JPEG):
        # Entropy-coded data cannot hold FF D9, and a thumbnail's end lies before the last scan.
        scan = content.rfind(_START_OF_SCAN)
        return None if content.find(_END_OF_IMAGE, max(scan, 0)) >= 0 else "no end-of-image marker"
    if content.startswith(_PNG):
        return _incomplete_png(content)
    if content.startswith(b"RIFF") and content[8:12] == b"WEBP":
        announced = int.from_bytes(content[4:8], "little") + 8
        return None if len(content) >= announced else f"{len(content):,} of {announced:,} bytes"
    return None


def _incomplete_png(content: bytes) -> str | None:
    position = len(_PNG)
    while position + 12 <= len(content):
        length, kind = struct.unpack_from(">I4s", content, position)
        end = position + 12 + length
        if end > len(content):
            return f"its chunk {kind!r} ends after the file"
        if zlib.crc32(content[position + 4 : end - 4]) != int.from_bytes(content[end - 4 : end], "big"):
            return f"the checksum of its chunk {kind!r} is wrong"
        if kind == b"IEND":
            return None
        position = end
    return "no IEND chunk"


def _size_hw(file: BinaryIO) -> tuple[int, int] | None:
    """Return a JPEG's or a PNG's height and width, None for another format or a damaged header."""
    start = file.read(24)
    if start.startswith(_PNG) and len(start) == 24:
        width, height = struct.unpack_from(">II", start, 16)
        return height, width
    if not start.startswith(_JPEG):
        return None
    file.seek(2)
    turned = False
    while True:
        marker = file.read(4)
        if len(marker) < 4 or marker[0] != 0xFF:
            return None
        if marker[1] == 0xFF:  # a fill byte
            file.seek(-3, 1)
            continue
        length = int.from_bytes(marker[2:], "big")
        if marker[1] in _FRAMES:
            height, width = struct.unpack(">HH", file.read(5)[1:].ljust(4, b"\0"))
            if not height or not width:
                return None
            return (width, height) if turned else (height, width)
        segment = file.read(max(length - 2, 0))
        if marker[1] == 0xE1 and segment.startswith(b"Exif\0\0"):
            turned = _orientation(segment[6:]) in _TURNED


def _orientation(tiff: bytes) -> int:
    """Return the EXIF orientation, 1 (upright) where there is none."""
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    try:
        if order is None:
            return 1
        (first,) = struct.unpack_from(order + "I", tiff, 4)
        (count,) = struct.unpack_from(order + "H", tiff, first)
        for entry in range(first + 2, first + 2 + 12 * count, 12):
            tag, _, _, value = struct.unpack_from(order + "HHIH", tiff, entry)
            if tag == 0x0112:
                return int(value)
    except struct.error:
        return 1
    return 1
