"""The stage that gives the boxes of one stream their ids, and tells what happens to them."""

import secrets
from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edgessd.sources.frame import Skip
from edgessd.streams.event import Event, picture_of
from edgessd.streams.record_stream import scale_of
from edgessd.streams.result import Result
from edgessd.tracking.events import TrackEvent
from edgessd.tracking.watch import Tracking, Tracks, Watch


class TrackStage:
    """Follows one stream's results; its clock is that of the file, or of the capture where frames come live.

    One call at a time.
    """

    def __init__(
        self,
        tracking: Tracking,
        labels: tuple[str, ...],
        *,
        tell: Callable[[Event], None] | None = None,
        pictures: bool = False,
    ) -> None:
        """tell: takes the events, if anybody wants them. pictures: whether they come with the track's best picture.

        Raises InputError where a zone or a line names no class of the labels.
        """
        self._watch = Watch(tracking, labels)
        self._tell = tell
        self._pictures = pictures
        self._best: dict[int, NDArray[np.uint8]] = {}
        self._told: dict[int, tuple[str, float]] = {}  # by track: its event's id and wall offset
        self._mark = secrets.token_hex(3)  # a clock that was set back must not make an id twice
        self._stream = ""
        self._wall_offset = 0.0
        self._seconds = float("-inf")
        self._shape: tuple[int, int] | None = None

    def __call__(self, result: Result) -> Result:
        """Return the result with ids and tracks. A file that begins anew or frames of another size end all tracks."""
        frame = result.frame
        height, width = frame.image.shape[:2]
        seconds = frame.seconds
        if seconds < self._seconds or self._shape not in (None, (height, width)):
            self.finish()
        self._seconds, self._shape, self._stream = seconds, (height, width), frame.source
        if frame.skip is not None:
            still = frame.skip is Skip.STILL
            detections, tracks = self._watch.skip(seconds, still=still, height=height, width=width)
            return replace(result, detections=detections, tracks=tracks)
        detections, tracks = self._watch.update(result.detections, seconds, frame.index, height=height, width=width)
        if self._tell is not None:
            self._wall_offset = frame.wall_time - seconds
            self._keep_pictures(result, tracks)
            self._tell_all(tracks.events)
        return replace(result, detections=detections, tracks=tracks)

    def finish(self) -> None:
        """End all tracks: no frame will come, or none for long."""
        self._tell_all(self._watch.finish())

    def _keep_pictures(self, result: Result, tracks: Tracks) -> None:
        if self._pictures:
            image = result.frame.image if result.recorded is None else result.recorded
            x, y = scale_of(result)
            for track, (left, top, right, bottom) in tracks.best.items():
                self._best[track] = picture_of(image, (x * left, y * top, x * right, y * bottom))

    def _tell_all(self, events: Iterable[TrackEvent]) -> None:
        if self._tell is None:
            return
        for told in events:
            track = told.track
            if told.kind == "start":
                started = round((told.started + self._wall_offset) * 1000)
                self._told[track] = f"{started}-{self._mark}-{track}", self._wall_offset
            event_id, wall_offset = self._told[track]
            self._tell(Event(event_id, self._stream, told, wall_offset, self._best.get(track)))
            if told.kind == "end":
                del self._told[track]
                self._best.pop(track, None)
