"""Training images as annotated, from disk or from memory."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgessd.errors import DataError
from edgessd_training.data.images import read_image
from edgessd_training.data.records import Record


def annotated_image(record: Record) -> NDArray[np.uint8]:
    """Return the image of a record, (H, W, 3) uint8 BGR.

    Raises DataError when it cannot be read or is not as large as annotated: its boxes would mean other pixels.
    """
    image = read_image(record.path)
    if image.shape[:2] != (record.height, record.width):
        raise DataError(
            f"{record.path} is {image.shape[1]}x{image.shape[0]} pixels, annotated as {record.width}x{record.height}",
            fix="`edgessd data check` lists every fault, --fix DIR writes a repaired copy",
        )
    return image


class ImageCache:
    """All images of a data set, decoded once, in memory that forked workers share."""

    def __init__(self, records: Sequence[Record], threads: int = 4) -> None:
        """Read every image. Raises DataError for the first that cannot be read."""
        with ThreadPoolExecutor(threads) as pool:  # OpenCV decodes outside Python's lock
            images = pool.map(annotated_image, records)
            self._images: dict[Path, NDArray[np.uint8]] = {
                record.path: image for record, image in zip(records, images, strict=True)
            }

    def __call__(self, record: Record) -> NDArray[np.uint8]:
        """Return the image of a record; it is shared and must not be written to."""
        return self._images[record.path]
