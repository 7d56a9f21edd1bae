"""A result as a JPEG."""

import cv2
import numpy as np
from numpy.typing import NDArray

from edgessd.sinks.draw import draw_result
from edgessd.streams.result import Result


def annotated(result: Result, labels: tuple[str, ...], *, max_width: int, quality: int) -> bytes:
    """Return a frame with its boxes, trails, zones and lines, no wider than ``max_width`` pixels."""
    return jpeg(draw_result(result, labels), max_width=max_width, quality=quality)


def jpeg(image: NDArray[np.uint8], *, max_width: int, quality: int) -> bytes:
    """Return a BGR image as a JPEG no wider than ``max_width`` pixels."""
    height, width = image.shape[:2]
    if width > max_width:
        size_wh = (max_width, max(1, round(height * max_width / width)))
        image = cv2.resize(image, size_wh, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
