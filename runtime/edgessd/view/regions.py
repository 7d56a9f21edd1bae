"""A zone or a line that somebody drew, checked and written as TOML for the configuration."""

import json
from collections.abc import Mapping
from typing import Any, Protocol

from edgessd.errors import InputError
from edgessd.tracking.lines import Line, LineMonitor
from edgessd.tracking.watch import Tracks
from edgessd.tracking.zones import Zone, ZoneMonitor
from edgessd.util.bounded_json import LARGEST_INTEGER, items, number, whole

_DECIMALS = 4
_MOST_POINTS = 200
_MOST_SECONDS = 1e9


class Editor(Protocol):
    """Who knows the configuration file. ``may_write``: whether it may be changed from the page."""

    may_write: bool

    def check(self, stream: str, text: str) -> None:
        """Raise InputError where the file with this text added to a stream would not be accepted."""
        ...

    def write(self, stream: str, text: str) -> None:
        """Add the text. Raises InputError."""
        ...

    def names(self, stream: str) -> dict[str, list[str]]:
        """Return the names of the stream's "zones" and "lines" in the file. Raises InputError."""
        ...

    def rename(self, stream: str, kind: str, name: str, to: str) -> None:
        """Give a zone or line another name; kind is "zones" or "lines". Raises InputError."""
        ...

    def delete(self, stream: str, kind: str, name: str) -> None:
        """Delete a zone or line. Raises InputError."""
        ...


def region_text(drawn: Mapping[str, Any], labels: tuple[str, ...]) -> str:
    """Return a zone or a line as ``[[streams.zones]]`` or ``[[streams.lines]]``, for the end of a ``[[streams]]``.

    drawn: what the page sends: kind, name, points in fractions of the frame, classes, loiter, inertia. Raises
    InputError for what no configuration would accept.
    """
    name, points = drawn.get("name"), _points(drawn.get("points"))
    classes = tuple(items(drawn.get("classes") or [], "classes")) or None
    inertia, loiter = drawn.get("inertia"), drawn.get("loiter")
    inertia = Zone.inertia if inertia is None else whole(inertia, "inertia", 1, LARGEST_INTEGER)
    loiter = None if loiter is None else number(loiter, "loiter", 0, _MOST_SECONDS)
    if not isinstance(name, str) or not all(isinstance(label, str) for label in classes or ()):
        raise InputError("a name is a text of at most 100 letters", fix="name it after the place")
    rows: dict[str, Any] = {"name": name}
    if drawn.get("kind") == "line":
        if len(points) != 2:
            raise InputError(f"a line has 2 points, got {len(points)}", fix="click where it starts and where it ends")
        if loiter is not None:
            raise InputError("nobody loiters on a line", fix="leave loiter out, or draw a zone")
        LineMonitor(Line(name, *points, classes=classes, inertia=inertia), labels)
        rows |= {"from": points[0], "to": points[1]}
    else:
        ZoneMonitor(Zone(name, points, classes, inertia, loiter), labels)
        rows |= {"polygon": points}
        if loiter is not None:
            rows["loiter"] = loiter
    if classes:
        rows["classes"] = classes
    if inertia != Zone.inertia:
        rows["inertia"] = inertia
    lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in rows.items()]
    return "\n".join([f"[[streams.{'lines' if drawn.get('kind') == 'line' else 'zones'}]]", *lines, ""])


def regions_of(tracks: Tracks | None) -> dict[str, list[dict[str, Any]]]:
    """Return the zones and lines that a stream has, their points in fractions of the frame."""
    zones, lines = (tracks.zones, tracks.lines) if tracks else ((), ())
    return {
        "zones": [{"name": zone.name, "points": zone.polygon} for zone in zones],
        "lines": [{"name": line.name, "points": (line.start, line.end)} for line in lines],
    }


def _points(given: object) -> tuple[tuple[float, float], ...]:
    if not isinstance(given, list) or len(given) > _MOST_POINTS:
        raise InputError(f"points are a list of at most {_MOST_POINTS}", fix="draw fewer")
    points = []
    for point in given:
        if not isinstance(point, list) or len(point) != 2:
            raise InputError("a point is two numbers", fix="draw it again")
        x, y = (round(number(part, "a point", 0, 1), _DECIMALS) for part in point)
        points.append((x, y))
    return tuple(points)
