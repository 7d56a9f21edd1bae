"""What is told of tracks: their start, what changes, and their end."""

from dataclasses import dataclass
from typing import Any

from edgessd.model.detections import Detections
from edgessd.tracking.lines import Crossing, Line, LineMonitor
from edgessd.tracking.zones import Zone, ZoneChange, ZoneMonitor

Box = tuple[float, float, float, float]  # xyxy


@dataclass(frozen=True)
class TrackEvent:
    """One track at one moment; ``kind`` is "start", "update" or "end".

    box_xyxy: pixels, as last seen. started, seconds: first frame, and the one this event is of; an end is told when a
    track has been unseen for the tracker's ``lost_seconds``, and ``last_seen`` is when it was there. best_score and
    best_frame: of the frame it was seen best in, to keep its picture. zones: where it is now; entered: every zone it
    was in, in order; crossings: (line, direction) in order. changes: what this event is about.
    """

    kind: str
    track: int
    label: str
    started: float
    last_seen: float
    seconds: float
    box_xyxy: Box
    best_score: float
    best_frame: int
    zones: tuple[str, ...]
    entered: tuple[str, ...]
    crossings: tuple[tuple[str, str], ...]
    changes: tuple[ZoneChange | Crossing, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return the event in JSON's types: pixels to 2 decimals, seconds to 3, scores to 4."""
        return {
            "kind": self.kind,
            "track": self.track,
            "label": self.label,
            "started": round(self.started, 3),
            "last_seen": round(self.last_seen, 3),
            "seconds": round(self.seconds, 3),
            "box": [round(edge, 2) for edge in self.box_xyxy],
            "best_score": round(self.best_score, 4),
            "best_frame": self.best_frame,
            "zones": list(self.zones),
            "entered": list(self.entered),
            "crossings": [{"line": line, "direction": direction} for line, direction in self.crossings],
            "changes": [_change_as_json(change) for change in self.changes],
        }


@dataclass
class _Record:
    label: str
    started: float
    last_seen: float
    box_xyxy: Box
    best_score: float
    best_frame: int
    entered: tuple[str, ...] = ()
    crossings: tuple[tuple[str, str], ...] = ()


class EventLog:
    """Turns the tracks of one source into events; holds the tracks that have not ended.

    ``zones`` and ``lines`` are the monitors, for occupancy and counts. Raises InputError where a zone or a line names
    a class that is none of the labels.
    """

    def __init__(self, labels: tuple[str, ...], zones: tuple[Zone, ...] = (), lines: tuple[Line, ...] = ()) -> None:
        self.zones = [ZoneMonitor(zone, labels) for zone in zones]
        self.lines = [LineMonitor(line, labels) for line in lines]
        self._labels = labels
        self._records: dict[int, _Record] = {}

    def update(
        self, tracked: Detections, alive: frozenset[int], seconds: float, frame: int, height: int, width: int
    ) -> list[TrackEvent]:
        """Return the events of one frame: ends, then starts, then updates.

        tracked: from ``Tracker.update``; alive: ``Tracker.alive`` after it; frame: its number, for ``best_frame``.
        An update is told when a zone or a line saw a change, not in every frame.
        """
        ended = sorted(self._records.keys() - alive)
        events = [self._event("end", track, seconds) for track in ended]
        for track in ended:
            del self._records[track]
        started = self._record(tracked, seconds, frame)
        changes: dict[int, list[ZoneChange | Crossing]] = {}
        for zone in self.zones:
            for change in zone.update(tracked, alive, seconds, height, width):
                self._entered(change)
                changes.setdefault(change.track, []).append(change)
        for line in self.lines:
            for crossing in line.update(tracked, alive, seconds, height, width):
                self._records[crossing.track].crossings += ((crossing.line, crossing.direction),)
                changes.setdefault(crossing.track, []).append(crossing)
        events += [self._event("start", track, seconds) for track in started]
        events += [self._event("update", track, seconds, tuple(told)) for track, told in sorted(changes.items())]
        return events

    def best_in(self, frame: int) -> dict[int, Box]:
        """Return the boxes of the tracks that were never seen better than in this frame: it holds their picture."""
        return {track: record.box_xyxy for track, record in self._records.items() if record.best_frame == frame}

    def finish(self, seconds: float) -> list[TrackEvent]:
        """Return the ends of all tracks, when their source has ended."""
        events = [self._event("end", track, seconds) for track in sorted(self._records)]
        self._records.clear()
        return events

    def _record(self, tracked: Detections, seconds: float, frame: int) -> list[int]:
        """Note what was seen; return the tracks that are new."""
        assert tracked.ids is not None
        started = []
        rows = zip(
            tracked.ids.tolist(),
            tracked.classes.tolist(),
            tracked.scores.tolist(),
            tracked.boxes_xyxy.tolist(),
            strict=True,
        )
        for track, index, score, box in rows:
            if track <= 0:
                continue
            left, top, right, bottom = box
            box_xyxy = (left, top, right, bottom)
            record = self._records.get(track)
            if record is None:
                started.append(track)
                self._records[track] = _Record(self._labels[index], seconds, seconds, box_xyxy, score, frame)
                continue
            record.last_seen, record.box_xyxy = seconds, box_xyxy
            if score > record.best_score:
                record.best_score, record.best_frame = score, frame
        return started

    def _entered(self, change: ZoneChange) -> None:
        record = self._records[change.track]
        if change.change == "enter" and change.zone not in record.entered:
            record.entered += (change.zone,)

    def _event(
        self, kind: str, track: int, seconds: float, changes: tuple[ZoneChange | Crossing, ...] = ()
    ) -> TrackEvent:
        record = self._records[track]
        return TrackEvent(
            kind,
            track,
            record.label,
            record.started,
            record.last_seen,
            seconds,
            record.box_xyxy,
            record.best_score,
            record.best_frame,
            tuple(zone.zone.name for zone in self.zones if track in zone.tracks_within()),
            record.entered,
            record.crossings,
            changes,
        )


def _change_as_json(change: ZoneChange | Crossing) -> dict[str, str]:
    if isinstance(change, ZoneChange):
        return {"zone": change.zone, "change": change.change}
    return {"line": change.line, "direction": change.direction}
