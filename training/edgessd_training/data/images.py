"""Image files: their size from the header, and their pixels only when the file is whole.

OpenCV decodes a cut-off JPEG without complaint and fills the rest with grey, so the end is looked for first.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgessd.errors import DataError, InputError
from edgessd.util.extras import need
from edgessd.util.image_header import (
    PNG,
    UPRIGHT,
    check_pixels,
    has_webp_exif,
    missing_part,
    orientation,
    size_hw,
    unreadable_kind,
)

MAX_FILE_BYTES = 1 << 30
HEADER_BYTES = 1 << 20
SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".webp", ".tif", ".tiff", ".jp2")


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


def decode_image(content: bytes, path: Path, reduction: int = 1) -> NDArray[np.uint8]:
    """Return the pixels of an image file's content; ``path`` is named in errors. Raises BrokenImage, TruncatedImage.

    reduction: 1, 2, 4 or 8, by which the sides are divided and rounded up; a JPEG is then decoded faster.
    """
    cv2: Any = need("cv2", "eval")
    complaint = missing_part(content)
    if complaint:
        raise TruncatedImage(f"the image {path} is cut off ({complaint}): copy it again or leave it out")
    try:
        check_pixels(content, str(path))
    except InputError as error:
        raise BrokenImage(error.cause, fix=error.fix) from None
    flag = cv2.IMREAD_COLOR if reduction == 1 else getattr(cv2, f"IMREAD_REDUCED_COLOR_{reduction}")
    try:
        image = cv2.imdecode(np.frombuffer(content, np.uint8), flag) if content else None
    except cv2.error:
        image = None
    if image is None:
        found, fix = unreadable_kind(content) or (f"{len(content):,} bytes", "copy it again or leave it out")
        raise BrokenImage(f"{path} is no image that OpenCV can decode ({found})", fix=fix)
    return np.asarray(image, np.uint8)


def image_size_hw(path: Path) -> tuple[int, int]:
    """Return height and width as ``read_image`` would give them, from the header where the format is known.

    Raises DataError when the file is missing or no image.
    """
    try:
        with path.open("rb") as file:
            head = file.read(HEADER_BYTES)
    except OSError as error:
        raise DataError(f"cannot read the image {path}: {error.strerror or error}") from error
    if found := declared_size_hw(head):
        return found
    height, width = read_image(path).shape[:2]
    return height, width


def declared_size_hw(content: bytes) -> tuple[int, int] | None:
    """Return height and width as ``decode_image`` would give them, None where the header alone does not tell."""
    # Whether OpenCV turns a PNG or a WebP by its EXIF depends on its version: there the pixels tell.
    turned = content.startswith(PNG) and orientation(content) != UPRIGHT
    return None if turned or has_webp_exif(content) else size_hw(content)
