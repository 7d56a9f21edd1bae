"""Whether anything has moved since the detector last looked: a cheap look at a small grey picture."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edgessd.streams.motion_regions import MotionRegions
from edgessd.tracking.regions import Point, check_polygon

_HEIGHT = 90  # of the small picture, about
_LEVELS = 12  # grey levels that a point must change by, above its noise
_NOISE_MOST = 24  # grey levels: what always moves raises the threshold of its place so far
_NOISE_RATE = 0.02  # a frame
_NEIGHBOURS = 4  # of a point and its eight neighbours so many must change: rain and sensor noise are single points
_GLOBAL = 0.4  # share of the points: when more change, the camera was moved; the detector looks once
_LIGHT = 1.25  # times as bright or as dark: the light was switched; the detector looks once
HOLD_SECONDS = 0.6  # after the last motion: the detector sees how it came to rest
REFRESH_SECONDS = 3.0  # a still scene is detected in again,
_REFRESH_FOR = 0.15  # for so long: a box that is missed in one frame must not be gone until the next time
_DARK = 16.0  # grey level
_SHAKE = np.ones((3, 3), np.uint8)  # a camera that shakes by one point of the small picture moves nothing


@dataclass(frozen=True)
class Mask:
    """A polygon in fractions of the frame, where motion does not count. Raises InputError."""

    polygon: tuple[Point, ...]

    def __post_init__(self) -> None:
        check_polygon(self.polygon, "a mask")


class MotionGate:
    """Compares each frame with the last one that was detected in. It belongs to one stream's reading thread."""

    def __init__(self, masks: Sequence[Mask] = (), regions: MotionRegions | None = None) -> None:
        """regions: is told where something moves."""
        self._masks = masks
        self._regions = regions
        self._shape: tuple[int, ...] = ()
        self._looked_at = self._look_until = 0.0

    def still(self, image: NDArray[np.uint8], seconds: float) -> bool:
        """Return whether a frame needs no detection. image: (H, W, 3) uint8 BGR. seconds: its time, rising."""
        self._grey = small_grey(image)
        if image.shape != self._shape or seconds < self._looked_at:  # a file that begins anew
            self._shape = image.shape
            self._begin(seconds)
            if self._regions is not None:
                self._regions.clear()
            return False
        light = self._level / _level(self._grey)
        if not 1 / _LIGHT < light < _LIGHT:
            return False
        changed = self._changed(light)
        count = cv2.countNonZero(changed)
        if count >= _GLOBAL * changed.size:
            return False
        together = cv2.boxFilter(changed, cv2.CV_16U, (3, 3), normalize=False, borderType=cv2.BORDER_CONSTANT)
        if count and int(together.max()) >= _NEIGHBOURS * 255:
            self._look_until = seconds + HOLD_SECONDS
            if self._regions is not None:
                self._regions.add(together >= _NEIGHBOURS * 255, image.shape[0], image.shape[1], seconds)
        elif seconds - self._looked_at >= REFRESH_SECONDS:
            self._look_until = seconds + _REFRESH_FOR
        return seconds > self._look_until

    def detected(self, seconds: float) -> None:
        """Compare with the last frame from now on: the detector sees it."""
        self._looked_at = seconds
        self._level = _level(self._grey)
        self._darkest, self._brightest = cv2.erode(self._grey, _SHAKE), cv2.dilate(self._grey, _SHAKE)
        self._threshold = cv2.convertScaleAbs(np.minimum(2 * self._noise, _NOISE_MOST), beta=_LEVELS)

    def _begin(self, seconds: float) -> None:
        height, width = self._grey.shape
        self._watched = np.full((height, width), 255, np.uint8)
        for mask in self._masks:
            corners = np.array(mask.polygon) * (width, height)
            cv2.fillPoly(self._watched, [corners.round().astype(np.int32)], 0)
        self._noise = np.zeros((height, width), np.float32)
        self._look_until = seconds + HOLD_SECONDS

    def _changed(self, light: float) -> NDArray[np.uint8]:
        """Return the points that changed by more than their noise, 255 or 0; their noise follows slowly.

        light: how many times as bright the last detected frame was.
        """
        grey = cv2.convertScaleAbs(self._grey, alpha=light)
        by = cv2.max(cv2.subtract(grey, self._brightest), cv2.subtract(self._darkest, grey))
        cv2.accumulateWeighted(by, self._noise, _NOISE_RATE)
        changed = cv2.compare(by, self._threshold, cv2.CMP_GT)
        return np.asarray(cv2.bitwise_and(changed, self._watched), np.uint8)


def small_grey(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a frame in grey at about _HEIGHT lines: every point is the mean of a few, the rest is not read."""
    step = max(1, image.shape[0] // (2 * _HEIGHT))
    height, width = image.shape[0] // step, image.shape[1] // step
    picked = cv2.resize(image, (width, height), interpolation=cv2.INTER_NEAREST)
    grey = cv2.cvtColor(picked, cv2.COLOR_BGR2GRAY)
    height, width = (max(1, side // 2) for side in grey.shape)
    return np.asarray(cv2.resize(grey, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def _level(grey: NDArray[np.uint8]) -> float:
    """Return how bright a picture is, the median of some points, which small objects do not move.

    By night all is at _DARK: there the noise of the median would count as light.
    """
    return max(_DARK, float(np.median(grey[::4, ::4])))
