"""A frame and what was found in it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgessd.detector import StageTimes
from edgessd.model.detections import Detections
from edgessd.sources import Frame
from edgessd.tracking.watch import Tracks


@dataclass(frozen=True)
class Result:
    """A frame, what was found in it, the time of each stage, and when work on it began and ended.

    started_at, finished_at: seconds of the monotonic clock. tracks: trails, zones and lines, None where the stream is
    not tracked; the ids are in the detections. recorded: the picture of the camera's larger stream, where it has one,
    (H, W, 3) uint8 BGR; boxes are in pixels of ``frame``.
    """

    frame: Frame
    detections: Detections
    stages: StageTimes
    started_at: float
    finished_at: float
    tracks: Tracks | None = None
    recorded: NDArray[np.uint8] | None = None

    @property
    def age(self) -> float:
        """Return the seconds from capture to result."""
        return self.finished_at - self.frame.captured_at
