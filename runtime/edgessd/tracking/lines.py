"""Lines: who crosses a segment of the frame, and in which direction."""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edgessd.errors import InputError
from edgessd.model.detections import Detections
from edgessd.tracking.regions import NEAR, Point, bottom_centres, check_points, segments_cross, side
from edgessd.tracking.zones import check_classes, check_inertia
from edgessd.util.names import check_name


@dataclass(frozen=True)
class Line:
    """A segment in fractions of the frame. "in" goes from its left to its right as one walks from start to end.

    classes: labels that count; None for all. inertia: frames in a row that a track must be seen on the other side
    before its crossing counts. Raises InputError.
    """

    name: str
    start: Point = field(metadata={"key": "from"})  # as a configuration calls them
    end: Point = field(metadata={"key": "to"})
    classes: tuple[str, ...] | None = None
    inertia: int = 3

    def __post_init__(self) -> None:
        check_name(self.name, "a line")
        place = f"line {self.name!r}"
        check_points((self.start, self.end), place)
        check_inertia(self.inertia, place)
        if self.start == self.end:
            raise InputError(f"{place}: it starts and ends at {list(self.start)}", fix="give two points")


@dataclass(frozen=True)
class Crossing:
    """One track over one line: ``direction`` is "in" or "out"."""

    line: str
    direction: str
    track: int
    label: str
    seconds: float


@dataclass
class _Walk:
    side: int  # as confirmed
    last: Point  # on that side
    first: Point | None = None  # on the other side
    against: int = 0  # frames in a row on the other side


class LineMonitor:
    """Counts one line; ``counts`` is how many crossed so far, by (direction, label)."""

    def __init__(self, line: Line, labels: tuple[str, ...]) -> None:
        check_classes(line.classes, labels, f"line {line.name!r}")
        self.line = line
        self.counts: Counter[tuple[str, str]] = Counter()
        self._labels = labels
        self._walks: dict[int, _Walk] = {}

    def update(
        self, tracked: Detections, alive: frozenset[int], seconds: float, height: int, width: int
    ) -> list[Crossing]:
        """Return who has crossed as of this frame; the arguments are those of ``ZoneMonitor.update``.

        A track crosses when its bottom centre has passed the segment itself, not its extension, and stays beyond.
        Nearer to the line than NEAR it is on neither side: the box of somebody who stands there trembles.
        """
        assert tracked.ids is not None
        for track in self._walks.keys() - alive:
            del self._walks[track]
        points = bottom_centres(tracked.boxes_xyxy, height, width)
        near = self._distances(points, height, width) < NEAR * (tracked.boxes_xyxy[:, 3] - tracked.boxes_xyxy[:, 1])
        rows = zip(tracked.ids.tolist(), tracked.classes.tolist(), points.tolist(), near.tolist(), strict=True)
        crossings = []
        for track, index, (x, y), is_near in rows:
            label = self._labels[index]
            if track <= 0 or is_near or not (self.line.classes is None or label in self.line.classes):
                continue
            direction = self._step(track, (x, y))
            if direction:
                self.counts[direction, label] += 1
                crossings.append(Crossing(self.line.name, direction, track, label, seconds))
        return crossings

    def _distances(self, points: NDArray[np.float64], height: int, width: int) -> NDArray[np.float64]:
        """Return how far points (N, 2) are from the line and its extension, (N,) pixels."""
        scale = np.array([width, height])
        start = np.array(self.line.start) * scale
        along = np.array(self.line.end) * scale - start
        away = points * scale - start
        return np.asarray(np.abs(along[0] * away[:, 1] - along[1] * away[:, 0]) / np.hypot(*along))

    def _step(self, track: int, point: Point) -> str | None:
        now = side(point, self.line.start, self.line.end)
        walk = self._walks.get(track)
        if now == 0:  # on the line is on neither side
            return None
        if walk is None:
            self._walks[track] = _Walk(now, point)
            return None
        if now == walk.side:
            walk.last, walk.first, walk.against = point, None, 0
            return None
        walk.first = walk.first or point
        walk.against += 1
        if walk.against < self.line.inertia:
            return None
        crossed = segments_cross((walk.last, walk.first), (self.line.start, self.line.end))
        walk.side, walk.last, walk.first, walk.against = now, point, None, 0
        if not crossed:
            return None
        return "in" if now > 0 else "out"
