"""Where in a frame something moves: squares that are detected in beside the whole frame, for small objects."""

import cv2
import numpy as np
from numpy.typing import NDArray

from edgessd.model.boxes import iou
from edgessd.sources.frame import Region

MOST_REGIONS = 4  # each costs an inference
_LEAST_SIDE = 0.25  # of the frame's height: what fills less of it the network would not see in the whole frame
_MOST_SIDE = 0.6  # of the frame's height: what is larger is seen in the whole frame
_MARGIN = 2.0  # times the longer side of what moves
_KEPT_SECONDS = 10.0  # after its last motion: what came to rest is still there
_NEAR = np.ones((3, 3), np.uint8)  # points so near to each other are one thing
_SAME = 0.25  # IoU of two regions, of which the newer one does


class MotionRegions:
    """Remembers the regions of one stream, the newest first."""

    def __init__(self) -> None:
        self._seen: list[tuple[Region, float]] = []

    def __call__(self, seconds: float) -> tuple[Region, ...]:
        """Return the regions of a frame at a time (s)."""
        self._seen = [each for each in self._seen if 0 <= seconds - each[1] <= _KEPT_SECONDS]
        return tuple(region for region, _ in self._seen)

    def clear(self) -> None:
        """Forget all: frames of another size come."""
        self._seen.clear()

    def add(self, changed: NDArray[np.bool_], height: int, width: int, seconds: float) -> None:
        """Take what moved. changed: points of a small picture. height, width: of the frame in pixels."""
        _, _, stats, _ = cv2.connectedComponentsWithStats(cv2.dilate(changed.astype(np.uint8), _NEAR))
        blobs = sorted(stats[1:].tolist(), key=lambda blob: -blob[cv2.CC_STAT_AREA])
        scale = height / changed.shape[0], width / changed.shape[1]
        new = [region for blob in blobs if (region := _region(blob, *scale, height, width)) is not None]
        for region in reversed(new[:MOST_REGIONS]):
            others = [each for each in self._seen if _overlap(region, each[0]) < _SAME]
            self._seen = [(region, seconds), *others][:MOST_REGIONS]


def _region(blob: list[int], down: float, across: float, height: int, width: int) -> Region | None:
    """Return the square around a blob (left, top, width, height, area, in points), None for a large one."""
    left, top, wide, high = (value * by for value, by in zip(blob[:4], (across, down) * 2, strict=True))
    side = max(_MARGIN * max(wide, high), _LEAST_SIDE * height)
    if side > _MOST_SIDE * height or side > width:
        return None
    first_x = min(max(0.0, left + wide / 2 - side / 2), width - side)
    first_y = min(max(0.0, top + high / 2 - side / 2), height - side)
    return (round(first_x), round(first_y)), (round(first_x + side), round(first_y + side))


def _overlap(first: Region, second: Region) -> float:
    boxes_xyxy = np.array([first, second], np.float64).reshape(2, 4)
    return float(iou(boxes_xyxy[:1], boxes_xyxy[1:])[0, 0])
