"""The paper's data augmentation, one idea a module; pure functions of (image, boxes, classes, random generator).

Images are uint8 (H, W, 3) BGR; ``boxes_xyxy`` is (M, 4) float32 in pixels of the image they come with, continuous
edges; ``classes`` (M,) int64. M may be 0 everywhere.
"""

from edgessd_training.augment.crop import random_crop
from edgessd_training.augment.geometry import Labelled, flip, flip_vertical, widen, zoom_out
from edgessd_training.augment.mosaic import mosaic
from edgessd_training.augment.photometric import distort

__all__ = ["Labelled", "distort", "flip", "flip_vertical", "mosaic", "random_crop", "widen", "zoom_out"]
