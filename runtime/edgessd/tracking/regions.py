"""Geometry that zones and lines share: points in fractions of the frame, polygons, segments and their checks."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgessd.errors import InputError

Point = tuple[float, float]
NEAR = 0.05  # of a box's height: nearer to a border, an object stands on it
_NEAR_IN_ZONE = 0.1  # of the zone's smaller side: a small zone has an inside too
_MOST_POINTS = 200
_ON_EDGE = 0.005  # of the frame


def bottom_centres(boxes_xyxy: NDArray[np.floating], height: int, width: int) -> NDArray[np.float64]:
    """Return where objects stand, (N, 2) x and y in fractions of the frame: the middle of each lower edge.

    boxes_xyxy: pixels of a frame of this height and width. A box that reaches over the frame's edge stands on it.
    """
    boxes_xyxy = boxes_xyxy.astype(np.float64)
    points = np.stack([(boxes_xyxy[:, 0] + boxes_xyxy[:, 2]) / 2 / width, boxes_xyxy[:, 3] / height], axis=1)
    return np.clip(points, 0, 1)


def inside(points: NDArray[np.float64], polygon: Sequence[Point]) -> NDArray[np.bool_]:
    """Return which of the points (N, 2) lie in a polygon, by the even-odd rule; its border counts as inside."""
    corners = np.array(polygon, np.float64)
    following = np.concatenate([corners[1:], corners[:1]])
    x, y = points[:, :1], points[:, 1:]
    (x1, y1), (x2, y2) = corners.T, following.T
    turn = (x2 - x1) * (y - y1) - (y2 - y1) * (x - x1)
    on_edge = (np.abs(turn) <= 1e-12) & (np.minimum(x1, x2) <= x) & (x <= np.maximum(x1, x2))
    on_edge &= (np.minimum(y1, y2) <= y) & (y <= np.maximum(y1, y2))
    crosses = (y1 > y) != (y2 > y)
    right_of_x = np.where(y2 > y1, turn < 0, turn > 0)
    return np.asarray(((crosses & right_of_x).sum(axis=1) % 2 == 1) | on_edge.any(axis=1))


def on_border(
    points: NDArray[np.float64], heights: NDArray[np.floating], polygon: Sequence[Point], height: int, width: int
) -> NDArray[np.bool_]:
    """Return which of the points (N, 2) are so near a polygon's border that a trembling box could change its side.

    heights: of the boxes, (N,) pixels of a frame of this height and width. The frame's own edge is no border.
    """
    scale = np.array([width, height])
    corners = np.array(polygon, np.float64)
    following = np.concatenate([corners[1:], corners[:1]])
    along_frame = (np.maximum(corners, following) <= _ON_EDGE) | (np.minimum(corners, following) >= 1 - _ON_EDGE)
    inner = ~along_frame.any(axis=1)
    start, way = corners[inner] * scale, (following - corners)[inner] * scale
    away = points[:, None] * scale - start  # (N, edges, 2)
    along = np.clip((away * way).sum(axis=2) / (way**2).sum(axis=1), 0, 1)
    distances = np.linalg.norm(away - along[..., None] * way, axis=2).min(axis=1, initial=np.inf)
    small = np.ptp(corners * scale, axis=0).min() * _NEAR_IN_ZONE
    return np.asarray(distances < np.minimum(NEAR * heights, small))


def side(point: Point, start: Point, end: Point) -> int:
    """Return 1 for a point on the right of the way from start to end (y points down), -1 on the left, 0 on it."""
    turn = (end[0] - start[0]) * (point[1] - start[1]) - (end[1] - start[1]) * (point[0] - start[0])
    return 0 if abs(turn) < 1e-12 else int(math.copysign(1, turn))


def segments_cross(first: tuple[Point, Point], second: tuple[Point, Point]) -> bool:
    """Return whether two segments share a point."""
    a, b = first
    c, d = second
    sides = side(c, a, b), side(d, a, b), side(a, c, d), side(b, c, d)
    if sides[0] != sides[1] and sides[2] != sides[3]:
        return True
    ends = ((sides[0], c, first), (sides[1], d, first), (sides[2], a, second), (sides[3], b, second))
    return any(which == 0 and _in_extent(point, *segment) for which, point, segment in ends)


def check_points(points: Sequence[Point], place: str) -> None:
    """Raise InputError unless every point is two finite fractions of the frame."""
    for point in points:
        if len(point) != 2 or not all(math.isfinite(value) and 0 <= value <= 1 for value in point):
            raise InputError(
                f"{place}: points are x, y in fractions of the frame, 0 to 1, got {list(point)}",
                fix="divide pixels by the frame's width and height",
            )


def check_polygon(polygon: Sequence[Point], place: str) -> None:
    """Raise InputError unless a polygon has three corners or more, an area, and edges that do not cross."""
    if len(polygon) < 3:
        raise InputError(f"{place}: a polygon has at least 3 points, got {len(polygon)}", fix="add points")
    if len(polygon) > _MOST_POINTS:
        raise InputError(f"{place}: a polygon has at most {_MOST_POINTS} points, got {len(polygon)}", fix="simplify it")
    check_points(polygon, place)
    count = len(polygon)
    for index, point in enumerate(polygon):
        before, after = polygon[index - 1], polygon[(index + 1) % count]
        if point == after:
            raise InputError(f"{place}: the point {list(point)} follows itself", fix="leave one out")
        if _folds_back(before, point, after):
            raise InputError(f"{place}: the edges at {list(point)} lie on each other", fix="leave that point out")
    edges = [(polygon[index - 1], polygon[index]) for index in range(count)]
    for index, edge in enumerate(edges):
        for other in range(index + 2, count - (index == 0)):  # neighbours share a corner and were looked at above
            if segments_cross(edge, edges[other]):
                raise InputError(
                    f"{place}: the edges {_text(edge)} and {_text(edges[other])} cross",
                    fix="list the points in the order in which one walks around the zone",
                )


def _in_extent(point: Point, start: Point, end: Point) -> bool:
    return all(min(a, b) <= value <= max(a, b) for value, a, b in zip(point, start, end, strict=True))


def _folds_back(before: Point, corner: Point, after: Point) -> bool:
    """Return whether the way through a corner goes back on itself."""
    along = sum((a - c) * (b - c) for a, b, c in zip(before, after, corner, strict=True))
    return side(after, before, corner) == 0 and along > 0


def _text(edge: tuple[Point, Point]) -> str:
    return f"{list(edge[0])} to {list(edge[1])}"
