"""The larger stream of a camera, for those who show or keep pictures; detection runs in the smaller one."""

from collections.abc import Callable
from dataclasses import replace
from time import monotonic

import numpy as np
from numpy.typing import NDArray

from edgessd.model.detections import Detections
from edgessd.sources import Frame, Source
from edgessd.streams.policy import Policy
from edgessd.streams.reader import Reader
from edgessd.streams.result import Result
from edgessd.streams.retry import Retry
from edgessd.tracking.watch import Tracks

SUFFIX = ".record"  # of its name in the log and in states


class RecordStream:
    """Keeps the newest picture of a source that is read beside another one."""

    def __init__(self, name: str, connect: Callable[[], Source], retry: Retry | None) -> None:
        """name: of the stream it belongs to. connect: opens the source anew."""
        self._retry = retry or Retry()
        self.reader = Reader(name + SUFFIX, connect, policy=Policy.LATEST, retry=self._retry)
        self._newest: Frame | None = None

    def picture(self) -> NDArray[np.uint8] | None:
        """Return the newest picture, (H, W, 3) uint8 BGR; None where it is too old to belong to a frame of now."""
        with self.reader.ready:
            self._newest = self.reader.pop() or self._newest
        newest = self._newest
        fresh = newest is not None and monotonic() - newest.captured_at <= self._retry.stale_after
        return newest.image if newest is not None and fresh else None


def shown(result: Result) -> Result:
    """Return a result in its recorded picture, boxes and trails in its pixels; itself where there is none."""
    if result.recorded is None:
        return result
    x, y = scale_of(result)
    tracks = result.tracks and replace(result.tracks, trails=_scaled_trails(result.tracks, x, y))
    frame = replace(result.frame, image=result.recorded)
    return replace(result, frame=frame, detections=_scaled(result.detections, x, y), tracks=tracks, recorded=None)


def scale_of(result: Result) -> tuple[float, float]:
    """Return how many pixels of the recorded picture one of the frame is, across and down; 1 where there is none."""
    if result.recorded is None:
        return 1.0, 1.0
    (height, width), (detected_height, detected_width) = result.recorded.shape[:2], result.frame.image.shape[:2]
    return width / detected_width, height / detected_height


def _scaled(found: Detections, x: float, y: float) -> Detections:
    return replace(found, boxes_xyxy=found.boxes_xyxy * np.array([x, y, x, y], np.float32))


def _scaled_trails(tracks: Tracks, x: float, y: float) -> dict[int, tuple[tuple[float, float, float], ...]]:
    return {
        track: tuple((seconds, x * across, y * down) for seconds, across, down in trail)
        for track, trail in tracks.trails.items()
    }
