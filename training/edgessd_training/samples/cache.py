"""Training images as annotated, from disk or from memory."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edgessd.errors import DataError
from edgessd_training.data.images import declared_size_hw, decode_image, image_bytes
from edgessd_training.data.records import Record

REDUCTIONS = (1, 2, 4, 8)  # that a JPEG can be decoded at


def annotated_image(record: Record, least_hw: tuple[int, int] | None = None) -> NDArray[np.uint8]:
    """Return the image of a record, (H, W, 3) uint8 BGR.

    least_hw: height and width that are enough; a larger image is shrunk as far as both stay, a photograph of 12
    megapixels already while it is decoded. Raises DataError when it cannot be read or is not as large as annotated: its
    boxes would mean other pixels.
    """
    content = image_bytes(record.path)
    scale = scale_to(record, least_hw)
    declared_hw = declared_size_hw(content)
    reduction = max(each for each in REDUCTIONS if each * scale <= 1) if declared_hw else 1
    image = decode_image(content, record.path, reduction)
    height, width = declared_hw or image.shape[:2]
    if (height, width) != (record.height, record.width):
        raise DataError(
            f"{record.path} is {width}x{height} pixels, annotated as {record.width}x{record.height}",
            fix="`edgessd data check` lists every fault, --fix DIR writes a repaired copy",
        )
    if scale == 1:
        return image
    size_wh = (round(width * scale), round(height * scale))
    # As the network's input is resized: what is trained on should look like what is detected in.
    return np.asarray(cv2.resize(image, size_wh, interpolation=cv2.INTER_LINEAR_EXACT), np.uint8)


def scale_to(record: Record, least_hw: tuple[int, int] | None) -> float:
    """Return by what an image's sides are multiplied so that both keep what is enough; 1 where one has no more."""
    if least_hw is None:
        return 1.0
    least_height, least_width = least_hw
    return min(1.0, max(least_height / record.height, least_width / record.width))


class ImageCache:
    """All images of a data set, decoded and shrunk once, in memory that forked workers share."""

    def __init__(self, records: Sequence[Record], least_hw: tuple[int, int] | None = None, *, threads: int = 4) -> None:
        """Read every image. Raises DataError for the first that cannot be read."""
        with ThreadPoolExecutor(threads) as pool:  # OpenCV decodes outside Python's lock
            images = pool.map(partial(annotated_image, least_hw=least_hw), records)
            self._images: dict[Path, NDArray[np.uint8]] = {
                record.path: image for record, image in zip(records, images, strict=True)
            }

    def __call__(self, record: Record) -> NDArray[np.uint8]:
        """Return the image of a record; it is shared and must not be written to."""
        return self._images[record.path]
