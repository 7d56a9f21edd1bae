"""The stage that gives the boxes of one stream their ids."""

from dataclasses import replace

from edgessd.streams.result import Result
from edgessd.tracking.watch import Tracking, Watch


class TrackStage:
    """Follows one stream's results; its clock is that of the file, or of the capture where frames come live."""

    def __init__(self, tracking: Tracking, labels: tuple[str, ...]) -> None:
        """Raises InputError where a zone or a line names no class of the labels."""
        self._watch = Watch(tracking, labels)
        self._seconds = float("-inf")
        self._shape: tuple[int, int] | None = None

    def __call__(self, result: Result) -> Result:
        """Return the result with ids and tracks. A file that begins anew or frames of another size end all tracks."""
        frame = result.frame
        height, width = frame.image.shape[:2]
        seconds = frame.captured_at if frame.media_time is None else frame.media_time
        if seconds < self._seconds or self._shape not in (None, (height, width)):
            self._watch.finish()
        self._seconds, self._shape = seconds, (height, width)
        detections, tracks = self._watch.update(result.detections, seconds, frame.index, height=height, width=width)
        return replace(result, detections=detections, tracks=tracks)
