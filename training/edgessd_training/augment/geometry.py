"""Changes of the picture's frame that keep every box: zoom out, widen and mirror."""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

MAX_CANVAS_SIDE = 8192  # a zoom-out of a huge photograph would not fit into memory


class Labelled(NamedTuple):
    """An image with its boxes: uint8 (H, W, 3) BGR, (M, 4) float32 pixels, (M,) int64."""

    image: NDArray[np.uint8]
    boxes_xyxy: NDArray[np.float32]
    classes: NDArray[np.int64]


def zoom_out(
    image: NDArray[np.uint8],
    boxes_xyxy: NDArray[np.float32],
    classes: NDArray[np.int64],
    rng: np.random.Generator,
    *,
    most: float = 4.0,
    fill_bgr: tuple[int, int, int] = (104, 117, 123),
) -> Labelled:
    """Return the image somewhere on a canvas 1 to ``most`` times its sides (paper, sec. 3.6: up to 16x the area).

    fill_bgr: the colour around it; the paper's is the mean of ImageNet.
    """
    height, width = image.shape[:2]
    ratio = float(rng.uniform(1.0, max(1.0, min(most, MAX_CANVAS_SIDE / max(height, width)))))
    canvas_height, canvas_width = int(height * ratio), int(width * ratio)
    top = int(rng.integers(0, canvas_height - height + 1))
    left = int(rng.integers(0, canvas_width - width + 1))
    right, bottom = canvas_width - width - left, canvas_height - height - top
    canvas = cv2.copyMakeBorder(image, top, bottom, left, right, cv2.BORDER_CONSTANT, value=fill_bgr)
    return Labelled(np.asarray(canvas, np.uint8), boxes_xyxy + np.array([left, top, left, top], np.float32), classes)


def widen(
    image: NDArray[np.uint8],
    boxes_xyxy: NDArray[np.float32],
    classes: NDArray[np.int64],
    rng: np.random.Generator,
    *,
    most: float = 16 / 9,
    fill_bgr: tuple[int, int, int] = (104, 117, 123),
) -> Labelled:
    """Return the image somewhere on a canvas of its height and up to ``most`` times as wide as high; not in the paper.

    Photographs are 4:3 or upright, a camera's frames 16:9: squashed to a square, a person there is half as wide as
    any in the training data. fill_bgr: the colour beside it.
    """
    height, width = image.shape[:2]
    own = width / height
    widened = round(height * float(rng.uniform(own, max(own, most))))
    added = max(0, min(widened, MAX_CANVAS_SIDE) - width)
    left = int(rng.integers(0, added + 1))
    canvas = cv2.copyMakeBorder(image, 0, 0, left, added - left, cv2.BORDER_CONSTANT, value=fill_bgr)
    return Labelled(np.asarray(canvas, np.uint8), boxes_xyxy + np.array([left, 0, left, 0], np.float32), classes)


def flip(image: NDArray[np.uint8], boxes_xyxy: NDArray[np.float32], classes: NDArray[np.int64]) -> Labelled:
    """Return the mirror image, left to right (paper, sec. 2.2)."""
    width = image.shape[1]
    mirrored_xyxy = boxes_xyxy.copy()
    mirrored_xyxy[:, 0::2] = width - boxes_xyxy[:, 2::-2]
    return Labelled(np.asarray(cv2.flip(image, 1), np.uint8), mirrored_xyxy, classes)


def flip_vertical(image: NDArray[np.uint8], boxes_xyxy: NDArray[np.float32], classes: NDArray[np.int64]) -> Labelled:
    """Return the image upside down; not in the paper, for pictures without an up (from a microscope, from above)."""
    height = image.shape[0]
    mirrored_xyxy = boxes_xyxy.copy()
    mirrored_xyxy[:, 1::2] = height - boxes_xyxy[:, 3::-2]
    return Labelled(np.asarray(cv2.flip(image, 0), np.uint8), mirrored_xyxy, classes)
