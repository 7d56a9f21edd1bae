"""A frame and what was found in it."""

from dataclasses import dataclass

from edgessd.detector import StageTimes
from edgessd.model.detections import Detections
from edgessd.sources import Frame


@dataclass(frozen=True)
class Result:
    """A frame, what was found in it, the time of each stage, and when work on it began and ended.

    started_at, finished_at: seconds of the monotonic clock.
    """

    frame: Frame
    detections: Detections
    stages: StageTimes
    started_at: float
    finished_at: float

    @property
    def age(self) -> float:
        """Return the seconds from capture to result."""
        return self.finished_at - self.frame.captured_at
