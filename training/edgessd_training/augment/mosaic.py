"""Mosaic: four images around one point (Bochkovskiy et al. 2020, arXiv 2004.10934); not in the paper."""

from collections.abc import Sequence

import numpy as np

from edgessd.model.preprocess import to_input
from edgessd_training.augment.crop import cut
from edgessd_training.augment.geometry import Labelled

CENTRE = (0.3, 0.7)  # where the four meet, as a fraction of the canvas


def mosaic(four: Sequence[Labelled], rng: np.random.Generator, *, height: int, width: int) -> Labelled:
    """Return a height x width canvas of four images, each resized to it whole and shown by the part of its quarter.

    Boxes whose centres are not shown are dropped, the others cut at the quarter's edge.
    """
    across = round(float(rng.uniform(*CENTRE)) * width)
    down = round(float(rng.uniform(*CENTRE)) * height)
    quarters_xyxy = np.array(
        [[0, 0, across, down], [across, 0, width, down], [0, down, across, height], [across, down, width, height]],
        np.float32,
    )
    canvas = np.empty((height, width, 3), np.uint8)
    boxes_xyxy, classes = [], []
    for labelled, quarter_xyxy in zip(four, quarters_xyxy, strict=True):
        left, top, right, bottom = (int(edge) for edge in quarter_xyxy)
        source_height, source_width = labelled.image.shape[:2]
        scale = np.array([width / source_width, height / source_height] * 2, np.float32)
        resized = to_input(labelled.image, height, width)
        patch = cut(resized, labelled.boxes_xyxy * scale, labelled.classes, quarter_xyxy)
        canvas[top:bottom, left:right] = patch.image
        boxes_xyxy.append(patch.boxes_xyxy + np.array([left, top, left, top], np.float32))
        classes.append(patch.classes)
    return Labelled(canvas, np.concatenate(boxes_xyxy), np.concatenate(classes))
