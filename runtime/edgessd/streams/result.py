"""A frame and what was found in it."""

from dataclasses import dataclass

from edgessd.detector import StageTimes
from edgessd.model.detections import Detections
from edgessd.sources import Frame
from edgessd.tracking.watch import Tracks


@dataclass(frozen=True)
class Result:
    """A frame, what was found in it, the time of each stage, and when work on it began and ended.

    started_at, finished_at: seconds of the monotonic clock. tracks: trails, zones and lines, None where the stream is
    not tracked; the ids are in the detections.
    """

    frame: Frame
    detections: Detections
    stages: StageTimes
    started_at: float
    finished_at: float
    tracks: Tracks | None = None

    @property
    def age(self) -> float:
        """Return the seconds from capture to result."""
        return self.finished_at - self.frame.captured_at
