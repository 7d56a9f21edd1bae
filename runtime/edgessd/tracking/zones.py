"""Zones: who enters, leaves and loiters in a polygon of the frame, and how many are in it."""

import math
from collections import Counter
from dataclasses import dataclass

from edgessd.errors import InputError
from edgessd.model.detections import Detections
from edgessd.tracking.regions import Point, bottom_centres, check_polygon, inside, on_border
from edgessd.util.names import check_name
from edgessd.util.outside_text import quoted


@dataclass(frozen=True)
class Zone:
    """A polygon in fractions of the frame, and what counts in it.

    classes: labels that count; None for all. inertia: frames in a row that a track must be seen in or out before it
    counts as such. loiter: seconds inside after which a stay is told; None for never. Raises InputError.
    """

    name: str
    polygon: tuple[Point, ...]
    classes: tuple[str, ...] | None = None
    inertia: int = 3
    loiter: float | None = None

    def __post_init__(self) -> None:
        check_name(self.name, "a zone")
        place = f"zone {self.name!r}"
        check_polygon(self.polygon, place)
        check_inertia(self.inertia, place)
        if self.loiter is not None and not (math.isfinite(self.loiter) and self.loiter > 0):
            raise InputError(f"{place}: loiter is a number of seconds above 0, got {self.loiter}", fix="leave it out")


@dataclass(frozen=True)
class ZoneChange:
    """One track in one zone: ``change`` is "enter", "leave" or "loiter"."""

    zone: str
    change: str
    track: int
    label: str
    seconds: float


@dataclass
class _Stay:
    label: str
    within: bool = False  # as confirmed
    against: int = 0  # frames in a row that say otherwise, those on the border not counted
    against_since: float | None = None
    since: float = 0.0  # first frame of the stay
    told: bool = False  # that it loiters


class ZoneMonitor:
    """Counts one zone; ``occupancy`` is how many are inside now, by label."""

    def __init__(self, zone: Zone, labels: tuple[str, ...]) -> None:
        check_classes(zone.classes, labels, f"zone {zone.name!r}")
        self.zone = zone
        self._labels = labels
        self._stays: dict[int, _Stay] = {}

    @property
    def occupancy(self) -> dict[str, int]:
        """Return how many confirmed tracks are inside, by label; labels without any are left out."""
        return dict(Counter(stay.label for stay in self._stays.values() if stay.within))

    def tracks_within(self) -> frozenset[int]:
        """Return the ids of the tracks that are inside."""
        return frozenset(track for track, stay in self._stays.items() if stay.within)

    def update(
        self, tracked: Detections, alive: frozenset[int], seconds: float, height: int, width: int
    ) -> list[ZoneChange]:
        """Return what changed in this frame.

        tracked: boxes with ids, pixels of a frame of this height and width. alive: tracks that have not ended: one
        that is only unseen stays where it was; one that ended is inside no more, and that is no leaving.
        """
        for track in self._stays.keys() - alive:
            del self._stays[track]
        changes = []
        for track, label, within, border in self._seen(tracked, height, width):
            stay = self._stays.setdefault(track, _Stay(label))
            changes += [
                ZoneChange(self.zone.name, change, track, label, seconds)
                for change in _changes(stay, within, border, seconds, self.zone)
            ]
        return changes

    def _seen(self, tracked: Detections, height: int, width: int) -> list[tuple[int, str, bool, bool]]:
        """Return the tracks that count, their labels, whether each is inside, and whether it is on the border."""
        assert tracked.ids is not None
        boxes_xyxy, polygon, wanted = tracked.boxes_xyxy, self.zone.polygon, self.zone.classes
        points = bottom_centres(boxes_xyxy, height, width)
        within = inside(points, polygon).tolist()
        border = on_border(points, boxes_xyxy[:, 3] - boxes_xyxy[:, 1], polygon, height, width).tolist()
        names = [self._labels[index] for index in tracked.classes.tolist()]
        rows = zip(tracked.ids.tolist(), names, within, border, strict=True)
        return [row for row in rows if row[0] > 0 and (wanted is None or row[1] in wanted)]


def _changes(stay: _Stay, within: bool, border: bool, seconds: float, zone: Zone) -> list[str]:
    """Return what a track seen inside or outside makes of its stay, which is changed. On the border nothing is sure."""
    changes = []
    if within == stay.within:
        stay.against, stay.against_since = 0, None
    else:
        stay.against_since = seconds if stay.against_since is None else stay.against_since
        stay.against += not border
        if stay.against >= zone.inertia:
            stay.within, stay.since, stay.told = within, stay.against_since, False
            stay.against, stay.against_since = 0, None
            changes.append("enter" if within else "leave")
    if (
        stay.within
        and (within or border)
        and not stay.told
        and zone.loiter is not None
        and seconds - stay.since >= zone.loiter
    ):
        stay.told = True
        changes.append("loiter")
    return changes


def check_inertia(inertia: int, place: str) -> None:
    """Raise InputError unless frames are counted from one."""
    if inertia < 1:
        raise InputError(f"{place}: inertia is a number of frames from 1, got {inertia}", fix="leave it out for 3")


def check_classes(classes: tuple[str, ...] | None, labels: tuple[str, ...], place: str) -> None:
    """Raise InputError where a class is none of the model's labels."""
    for name in classes or ():
        if name not in labels:
            raise InputError(f"{place}: the model has no class {quoted(name)}", fix=f"use one of {', '.join(labels)}")
