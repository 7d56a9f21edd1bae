"""One stream, watched: its tracks, what zones and lines see of them, and the way each has come."""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from edgessd.model.detections import Detections
from edgessd.tracking.events import Box, EventLog, TrackEvent
from edgessd.tracking.lines import Line
from edgessd.tracking.tracker import Tracker
from edgessd.tracking.zones import Zone

Trail = tuple[tuple[float, float, float], ...]
TRAIL_SECONDS = 2.0
_TRAIL_POINTS = 40


class Follower(Protocol):
    """What gives the boxes of one stream their ids: ``Tracker``, whose methods say more, or another one."""

    @property
    def alive(self) -> frozenset[int]:
        """Ids of the tracks that have not ended."""
        ...

    def update(self, detections: Detections, seconds: float) -> Detections:
        """Return the detections of a frame with their ids, -1 for none, best score first."""
        ...

    def predict(self, seconds: float) -> Detections:
        """Return where the boxes of the last frame are now, for a frame that was not detected in."""
        ...

    def rest(self, seconds: float) -> Detections:
        """Return the boxes as they were last seen: nothing has moved, and none of them ends."""
        ...

    def forget(self) -> None:
        """End every track; ids go on, and time may begin anew."""
        ...


@dataclass(frozen=True)
class Tracking:
    """What is told of a stream: its tracks, and what they do in zones and at lines.

    tracker: makes what follows the boxes, such as ``partial(Tracker, TrackerSettings(...))``.
    """

    zones: tuple[Zone, ...] = ()
    lines: tuple[Line, ...] = ()
    tracker: Callable[[], Follower] = Tracker


@dataclass(frozen=True)
class Tracks:
    """A stream's tracks after one frame.

    trails: by id, where every track in the frame was in the last TRAIL_SECONDS: (seconds, x, y) of its bottom centre,
    in pixels, the newest last. zones, lines: as they were set. occupancy: by zone, how many are inside, by label.
    crossings: by line, how many crossed it since the start, by (direction, label). events: what is told as of this
    frame. best: the boxes, by id, of the tracks that were never seen better than in this frame.
    """

    trails: Mapping[int, Trail]
    zones: tuple[Zone, ...] = ()
    lines: tuple[Line, ...] = ()
    occupancy: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    crossings: Mapping[str, Mapping[tuple[str, str], int]] = field(default_factory=dict)
    events: tuple[TrackEvent, ...] = ()
    best: Mapping[int, Box] = field(default_factory=dict)


class Watch:
    """Watches one stream, frame by frame. Raises InputError where a zone or line names no class of the labels."""

    def __init__(self, tracking: Tracking, labels: tuple[str, ...]) -> None:
        self._tracking = tracking
        self._tracker = tracking.tracker()
        self._log = EventLog(labels, tracking.zones, tracking.lines)
        self._trails: dict[int, deque[tuple[float, float, float]]] = {}
        self._seconds = 0.0

    def update(
        self, detections: Detections, seconds: float, frame: int, *, height: int, width: int
    ) -> tuple[Detections, Tracks]:
        """Return the detections with ids, and the state of the tracks.

        seconds: time of the frame, rising. frame: its number. height, width: of the frame in pixels.
        """
        self._seconds = seconds
        tracked = _inside(self._tracker.update(detections, seconds), height, width)
        alive = self._tracker.alive
        events = self._log.update(tracked, alive, seconds, frame, height, width)
        return tracked, self._tracks(self._follow(tracked, alive, seconds), tuple(events), self._log.best_in(frame))

    def skip(self, seconds: float, *, still: bool, height: int, width: int) -> tuple[Detections, Tracks]:
        """Return the boxes of a frame that is not detected in, and the state of the tracks; no event comes of it.

        still: nothing moved since the last detected frame, so the boxes rest; else the tracks move on as they did.
        """
        found = self._tracker.rest(seconds) if still else self._tracker.predict(seconds)
        found = _inside(found, height, width)
        return found, self._tracks(self._follow(found, self._tracker.alive, seconds), (), {})

    def finish(self) -> list[TrackEvent]:
        """Return the ends of all tracks, when frames end, stop for long, or change; counts of lines and ids go on."""
        self._tracker.forget()
        self._trails.clear()
        return self._log.finish(self._seconds)

    def _tracks(self, trails: Mapping[int, Trail], events: tuple[TrackEvent, ...], best: Mapping[int, Box]) -> Tracks:
        return Tracks(
            trails,
            self._tracking.zones,
            self._tracking.lines,
            {zone.zone.name: zone.occupancy for zone in self._log.zones},
            {line.line.name: dict(line.counts) for line in self._log.lines},
            events,
            best,
        )

    def _follow(self, tracked: Detections, alive: frozenset[int], seconds: float) -> dict[int, Trail]:
        assert tracked.ids is not None
        for track in self._trails.keys() - alive:
            del self._trails[track]
        trails = {}
        for track, (left, _, right, bottom) in zip(tracked.ids.tolist(), tracked.boxes_xyxy.tolist(), strict=True):
            if track <= 0:
                continue
            trail = self._trails.setdefault(track, deque(maxlen=_TRAIL_POINTS))
            trail.append((seconds, (left + right) / 2, bottom))
            while seconds - trail[0][0] > TRAIL_SECONDS:
                trail.popleft()
            trails[track] = tuple(trail)
        return trails


def _inside(found: Detections, height: int, width: int) -> Detections:
    """Return the boxes cut to the frame: a filter looks over the edge."""
    return replace(found, boxes_xyxy=np.clip(found.boxes_xyxy, 0, np.array([width, height, width, height], np.float32)))
