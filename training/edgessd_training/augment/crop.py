"""The patch of the paper: a random crop that overlaps an object by a least IoU (paper, sec. 2.2)."""

import numpy as np
from numpy.typing import NDArray

from edgessd.model.boxes import iou
from edgessd_training.augment.geometry import Labelled

# The paper's six choices beside the whole image: a least IoU with an object, or any patch at all.
LEAST_IOUS = (0.1, 0.3, 0.5, 0.7, 0.9, 0.0)
SIDES = (0.3, 1.0)  # of the image; the paper's text says 0.1, its code 0.3, which the published results used
ASPECT_RATIOS = (0.5, 2.0)
TRIALS = 50


def random_crop(
    image: NDArray[np.uint8],
    boxes_xyxy: NDArray[np.float32],
    classes: NDArray[np.int64],
    rng: np.random.Generator,
) -> Labelled:
    """Return the whole image or a patch of it, with the boxes whose centres lie inside, cut at its edge.

    One of the seven choices is drawn; the first of ``TRIALS`` patches that overlaps an object enough, and holds
    an object's centre, is taken, else the whole image. The paper's code tries all seven and picks among those that
    worked, which for most images has the same distribution and costs seven times the trials.
    """
    choice = int(rng.integers(0, len(LEAST_IOUS) + 1))
    if choice == len(LEAST_IOUS):
        return Labelled(image, boxes_xyxy, classes)
    height, width = image.shape[:2]
    patches_xyxy = _patches(height, width, rng)
    inside = centres_inside(boxes_xyxy, patches_xyxy)
    wanted = inside.any(axis=1) if len(boxes_xyxy) else np.ones(len(patches_xyxy), bool)
    if len(boxes_xyxy):
        wanted &= iou(patches_xyxy, boxes_xyxy).max(axis=1) >= LEAST_IOUS[choice]
    if not wanted.any():
        return Labelled(image, boxes_xyxy, classes)
    return cut(image, boxes_xyxy, classes, patches_xyxy[int(wanted.argmax())])


def cut(
    image: NDArray[np.uint8],
    boxes_xyxy: NDArray[np.float32],
    classes: NDArray[np.int64],
    patch_xyxy: NDArray[np.float32],
) -> Labelled:
    """Return a patch of whole pixels with the boxes whose centres lie inside, cut at its edge."""
    left, top, right, bottom = (int(edge) for edge in patch_xyxy)
    kept = centres_inside(boxes_xyxy, patch_xyxy[None])[0]
    low, high = patch_xyxy[:2], patch_xyxy[2:]
    corners = boxes_xyxy[kept].reshape(-1, 2, 2).clip(low, high) - low
    return Labelled(image[top:bottom, left:right], corners.reshape(-1, 4).astype(np.float32), classes[kept])


def centres_inside(boxes_xyxy: NDArray[np.float32], patches_xyxy: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return for every patch which boxes have their centre in it: (N, M) bool for (M, 4) boxes, (N, 4) patches."""
    centres = (boxes_xyxy[None, :, :2] + boxes_xyxy[None, :, 2:]) / 2
    above_low = centres >= patches_xyxy[:, None, :2]
    return np.asarray((above_low & (centres < patches_xyxy[:, None, 2:])).all(axis=2))


def _patches(height: int, width: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return TRIALS patches, (N, 4) float32, whole pixels, each at least 1 pixel wide and high."""
    scale = rng.uniform(*SIDES, TRIALS)
    # the paper's code: a ratio with which neither side leaves the image
    root = np.sqrt(
        rng.uniform(np.maximum(ASPECT_RATIOS[0], scale**2), np.minimum(ASPECT_RATIOS[1], 1 / scale**2), TRIALS)
    )
    patch_width = np.maximum(1, np.floor(np.minimum(scale * root, 1) * width))
    patch_height = np.maximum(1, np.floor(np.minimum(scale / root, 1) * height))
    left = np.floor(rng.random(TRIALS) * (width - patch_width + 1))
    top = np.floor(rng.random(TRIALS) * (height - patch_height + 1))
    return np.stack([left, top, left + patch_width, top + patch_height], axis=1).astype(np.float32)
